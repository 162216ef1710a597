"""Studies that benches make: CT of phantoms, each with a patient and UIDs of its own."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copilot.system import RandomUids
from dicom_node.series_writer import SeriesIdentity, write_series
from domain.codes import HOUNSFIELD_UNIT
from domain.grid import Grid
from domain.volume import Volume


def write_ct(
    folder: Path,
    voxels: NDArray[Any],
    spacing_mm: tuple[float, float, float],
    *,
    bench: str,
    number: int = 0,
) -> tuple[Path, ...]:
    """Write CT numbers as a study of their own and return its files in slice order.

    Parameters
    ----------
    voxels
        Shape (slices, rows, columns), in HU; axial slices from the feet up.
    spacing_mm
        Of slices, rows and columns.
    bench, number
        What the patient is called.
    """
    uids = RandomUids()
    identity = SeriesIdentity(
        patient_name=f"BENCH^{bench.upper()}",
        patient_id=f"{bench.upper()}{number}",
        study_instance_uid=uids.new_uid(),
        series_instance_uid=uids.new_uid(),
        frame_of_reference_uid=uids.new_uid(),
        study_date="20200102",
        study_description=bench,
        series_description=bench,
    )
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]) * np.array(spacing_mm)
    volume = Volume(
        voxels=np.clip(voxels, -1024, 3071).astype(np.int16),
        grid=Grid(affine=affine, shape=voxels.shape),
        modality="CT",
        unit=HOUNSFIELD_UNIT,
    )
    return write_series(volume, identity, uids, folder)

"""Volumes and masks with known answers."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from copilot.system import RandomUids
from dicom_node.series_writer import SeriesIdentity, write_series
from domain.codes import HOUNSFIELD_UNIT
from domain.grid import Grid
from domain.segment import AlgorithmType, Provenance, Segment
from domain.volume import Mask, Volume

UIDS = RandomUids()
MADE_BY = Provenance(
    engine="phantom",
    version="1.0",
    algorithm_type=AlgorithmType.SEMIAUTOMATIC,
    weights_sha256="ab" * 32,
    prompt="box on slice 4",
)


def affine(
    spacing_mm: tuple[float, float, float] = (2.0, 1.0, 1.0),
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    origin: tuple[float, float, float] = (-20.0, -30.0, 40.0),
) -> NDArray[np.float64]:
    """Return an affine: axial when not turned, oblique when turned about x, y and z."""
    axes = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    turned = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix() @ axes
    made = np.eye(4)
    made[:3, :3] = turned * np.array(spacing_mm)
    made[:3, 3] = origin
    return made


def grid(
    shape: tuple[int, int, int] = (8, 24, 20), frame: str | None = "1.2.3.4", **named: Any
) -> Grid:
    return Grid(affine=affine(**named), shape=shape, frame_of_reference_uid=frame)


def ellipsoid(
    on: Grid, radii_mm: tuple[float, float, float], centre: NDArray[np.float64] | None = None
) -> Mask:
    """Return an ellipsoid by its radii along slices, rows and columns, in the grid's middle."""
    middle = (np.array(on.shape) - 1) / 2 if centre is None else centre
    steps = [
        (np.arange(n) - c) * s for n, c, s in zip(on.shape, middle, on.spacing_mm, strict=True)
    ]
    z, y, x = np.meshgrid(*steps, indexing="ij", sparse=True)
    inside = (z / radii_mm[0]) ** 2 + (y / radii_mm[1]) ** 2 + (x / radii_mm[2]) ** 2 <= 1.0
    return Mask(voxels=inside, grid=on)


def ct(on: Grid, inside: Mask, hu: float = 60.0, background: float = -800.0) -> Volume:
    """Return a CT with one value inside a mask and another outside."""
    return Volume(
        voxels=np.where(inside.voxels, hu, background).astype(np.int16),
        grid=on,
        modality="CT",
        unit=HOUNSFIELD_UNIT,
    )


def segment(mask: Mask, concept: str | None = "lung lesion", side: str | None = None) -> Segment:
    return Segment(mask=mask, concept=concept, side=side, provenance=MADE_BY)


def series(folder: Path, volume: Volume) -> tuple[Path, ...]:
    """Write a volume as the DICOM series of an invented patient."""
    identity = SeriesIdentity(
        patient_name="PHANTOM^TEST",
        patient_id="PHANTOM",
        study_instance_uid=UIDS.new_uid(),
        series_instance_uid=UIDS.new_uid(),
        frame_of_reference_uid=UIDS.new_uid(),
        study_date="20200102",
        study_description="phantom",
        series_description="phantom",
    )
    return write_series(volume, identity, UIDS, folder)

"""The sample study: a public chest CT, written as the DICOM series a scanner would have sent."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from dicom_node.series_writer import SeriesIdentity, write_series
from domain.codes import HOUNSFIELD_UNIT, NO_UNITS
from domain.errors import UnreadableFileError
from domain.grid import Grid
from domain.ports import UidSource
from domain.prompt import Box
from domain.volume import Mask, Volume

EXPERT_VOLUME_ML: Final = 1.3612
"""Voxel volume of the expert's mask of ``lung1``, pyradiomics 3.0.1."""

_AIR_HU: Final = -1024


@dataclass(frozen=True, kw_only=True)
class SampleCase:
    """An image, the expert's mask on its grid, and the files of its DICOM series."""

    volume: Volume
    expert: Mask
    files: tuple[Path, ...]
    study_instance_uid: str
    series_instance_uid: str


def read_image(path: Path) -> tuple[NDArray[Any], Grid]:
    """Return voxels (slices, rows, columns) and grid of an NRRD or NIfTI file.

    ITK gives positions in LPS whatever the file says.

    Raises
    ------
    UnreadableFileError
        If ITK cannot read it.
    """
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise UnreadableFileError(f"{path.name} cannot be read as an image") from error
    voxels = SimpleITK.GetArrayFromImage(image)
    axes = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3] = axes[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return voxels, Grid(affine=affine, shape=voxels.shape)


def make_chest_ct(sample_folder: Path, uids: UidSource, target: Path) -> SampleCase:
    """Write ``lung1`` as a CT series of an invented patient."""
    voxels, grid = read_image(sample_folder / "lung1_image.nrrd")
    label, label_grid = read_image(sample_folder / "lung1_label.nrrd")
    frame_of_reference = uids.new_uid()
    volume = Volume(
        voxels=np.maximum(voxels.astype(np.int16), _AIR_HU),
        grid=Grid(affine=grid.affine, shape=grid.shape),
        modality="CT",
        unit=HOUNSFIELD_UNIT,
    )
    identity = SeriesIdentity(
        patient_name="SAMPLE^CHEST",
        patient_id="SAMPLE-0001",
        study_instance_uid=uids.new_uid(),
        series_instance_uid=uids.new_uid(),
        frame_of_reference_uid=frame_of_reference,
        study_date="20200101",
        study_description="Chest CT (public sample data)",
        series_description="chest",
    )
    return SampleCase(
        volume=volume,
        expert=Mask(voxels=label > 0, grid=label_grid).on(volume.grid),
        files=write_series(volume, identity, uids, target),
        study_instance_uid=identity.study_instance_uid,
        series_instance_uid=identity.series_instance_uid,
    )


def brain_mr(sample_folder: Path) -> tuple[Volume, Mask]:
    """Return ``brain1``, a T1-weighted MR after contrast, with the expert's mask."""
    voxels, grid = read_image(sample_folder / "brain1_image.nrrd")
    label, label_grid = read_image(sample_folder / "brain1_label.nrrd")
    volume = Volume(voxels=voxels, grid=grid, modality="MR", unit=NO_UNITS)
    return volume, Mask(voxels=label > 0, grid=label_grid).on(grid)


def box_as_drawn(mask: Mask) -> tuple[Box, tuple[int, int]]:
    """Return what a reader would draw: a tight box on the largest slice, and the slices shown."""
    slices = mask.slice_indices()
    counts = [int(np.count_nonzero(mask.voxels[index])) for index in slices]
    key = slices[int(np.argmax(counts))]
    rows = np.flatnonzero(mask.voxels[key].any(axis=1))
    columns = np.flatnonzero(mask.voxels[key].any(axis=0))
    box = Box.on_slice(
        key, (int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)
    )
    return box, (slices[0], slices[-1] + 1)


def dice(one: Mask, other: Mask) -> float:
    """Return the Dice overlap of two masks on one grid; 1 for two empty ones."""
    total = one.voxel_count + other.voxel_count
    return 2 * int(np.count_nonzero(one.voxels & other.voxels)) / total if total else 1.0

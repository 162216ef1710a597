"""The sample study: a public chest CT, written as the DICOM series a scanner would have sent."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from copilot.evaluation.images import read_plain
from dicom_node.series_writer import SeriesIdentity, write_series
from domain.codes import HOUNSFIELD_UNIT, NO_UNITS
from domain.grid import Grid
from domain.ports import UidSource
from domain.volume import Mask, Volume

EXPERT_VOLUME_ML: Final = 1.3612
"""Voxel volume of the expert's mask of ``lung1``, pyradiomics 3.0.1."""

FIRST_DATE: Final = "20200101"

_AIR_HU: Final = -1024


@dataclass(frozen=True, kw_only=True)
class SampleCase:
    """An image, the expert's mask on its grid, and the files of its DICOM series."""

    volume: Volume
    expert: Mask
    files: tuple[Path, ...]
    study_instance_uid: str
    series_instance_uid: str


def make_chest_ct(sample_folder: Path, uids: UidSource, target: Path) -> SampleCase:
    """Write ``lung1`` as a CT series of an invented patient."""
    voxels, grid = read_plain(sample_folder / "lung1_image.nrrd")
    label, label_grid = read_plain(sample_folder / "lung1_label.nrrd")
    volume = Volume(
        voxels=np.maximum(voxels.astype(np.int16), _AIR_HU),
        grid=Grid(affine=grid.affine, shape=grid.shape),
        modality="CT",
        unit=HOUNSFIELD_UNIT,
    )
    expert = Mask(voxels=label > 0, grid=label_grid).on(volume.grid)
    return write_case(volume=volume, expert=expert, uids=uids, target=target, date=FIRST_DATE)


def write_case(
    *, volume: Volume, expert: Mask, uids: UidSource, target: Path, date: str
) -> SampleCase:
    """Write a study of the invented patient at a date (DICOM DA)."""
    identity = SeriesIdentity(
        patient_name="SAMPLE^CHEST",
        patient_id="SAMPLE-0001",
        study_instance_uid=uids.new_uid(),
        series_instance_uid=uids.new_uid(),
        frame_of_reference_uid=uids.new_uid(),
        study_date=date,
        study_description="Chest CT (public sample data)",
        series_description="chest",
    )
    return SampleCase(
        volume=volume,
        expert=expert,
        files=write_series(volume, identity, uids, target),
        study_instance_uid=identity.study_instance_uid,
        series_instance_uid=identity.series_instance_uid,
    )


def brain_mr(sample_folder: Path) -> tuple[Volume, Mask]:
    """Return ``brain1``, a T1-weighted MR after contrast, with the expert's mask."""
    voxels, grid = read_plain(sample_folder / "brain1_image.nrrd")
    label, label_grid = read_plain(sample_folder / "brain1_label.nrrd")
    volume = Volume(voxels=voxels, grid=grid, modality="MR", unit=NO_UNITS)
    return volume, Mask(voxels=label > 0, grid=label_grid).on(grid)

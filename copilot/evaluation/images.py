"""Images and reference masks of a case: DICOM, NIfTI and NRRD.

NIfTI counts millimetres to the Right, Anterior, Superior. ITK turns what it reads to LPS, whatever
the file says, so RAS goes no further than this door.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from copilot.evaluation.cases import CaseEntry
from dicom_node.files import dicom_files, one_series
from dicom_node.seg_reader import LoadedSegment, read_segmentation
from dicom_node.volumes import load_series
from domain.codes import HOUNSFIELD_UNIT, NO_UNITS
from domain.errors import GeometryError, InputError, UnreadableFileError
from domain.grid import Grid
from domain.uids import SeriesUID
from domain.volume import Mask, Volume

_SUFFIXES: Final = (".nii", ".nii.gz", ".nrrd")
_AXES: Final = 3
_SHOWN: Final = 8

RESAMPLED: Final = "the reference was resampled to the image's grid by nearest neighbour"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A reference mask on the image's grid, and what was done to bring it there."""

    mask: Mask
    notes: tuple[str, ...] = ()


def read_volume(case: CaseEntry) -> Volume:
    """Return the image of a case: a DICOM series, or a NIfTI or NRRD file.

    Raises
    ------
    InputError
        If it is missing or cannot be read, or its modality is not said or said otherwise.
    """
    if not case.images.exists():
        raise InputError(f"images {case.images} do not exist: mend the path")
    if not _is_plain_file(case.images):
        volume = load_series(series_files(case))
        if case.modality is not None and case.modality != volume.modality:
            raise InputError(
                f"modality is said to be {case.modality!r}, but the series is {volume.modality}: "
                "DICOM says it itself, leave it out"
            )
        return volume
    if case.modality is None:
        raise InputError(
            f'{case.images.name} does not say its modality: add modality = "CT", "MR" or "PT"'
        )
    voxels, grid = read_plain(case.images)
    unit = HOUNSFIELD_UNIT if case.modality == "CT" else NO_UNITS
    return Volume(voxels=voxels, grid=grid, modality=case.modality, unit=unit)


def series_files(case: CaseEntry) -> tuple[Path, ...]:
    """Return the DICOM files of a case."""
    series = SeriesUID(case.series) if case.series else None
    return tuple(one_series(case.files or dicom_files(case.images), series))


def read_reference(case: CaseEntry, grid: Grid) -> Reference:
    """Return the reference mask of a case on the image's grid.

    Raises
    ------
    InputError
        If it is missing, cannot be read, is empty, holds several things of which none is named, or
        lies on another grid and may not be resampled.
    """
    path = case.reference
    if not path.is_file():
        raise InputError(f"reference {path} is not a file: mend the path")
    notes: tuple[str, ...] = ()
    try:
        if _is_plain_file(path):
            mask = read_mask(path, grid if not case.resample else None, case.label)
        else:
            mask = _segment(path, grid if not case.resample else None, case.segment).mask
        if case.resample:
            mask, notes = _brought_to(mask, grid)
    except GeometryError as error:
        hint = "" if case.resample else "; if both are of one patient position, resample = true"
        raise GeometryError(f"reference {path.name}: {error}{hint}") from error
    if mask.is_empty:
        raise InputError(
            f"reference {path.name} is empty: name the right label or segment, or leave the case "
            "out"
        )
    return Reference(mask=mask, notes=notes)


def read_plain(path: Path) -> tuple[NDArray[Any], Grid]:
    """Return voxels (slices, rows, columns) and grid of a NIfTI or NRRD file, in LPS.

    Raises
    ------
    UnreadableFileError
        If ITK cannot read it, or it is no grey 3D image.
    """
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise UnreadableFileError(
            f"{path.name} cannot be read as an image ({reason}): export it again as NIfTI or NRRD"
        ) from error
    if image.GetDimension() != _AXES or image.GetNumberOfComponentsPerPixel() != 1:
        raise UnreadableFileError(
            f"{path.name} has {image.GetDimension()} axes and "
            f"{image.GetNumberOfComponentsPerPixel()} values a voxel: give a grey 3D image"
        )
    voxels = SimpleITK.GetArrayFromImage(image)
    axes = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3] = axes[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return voxels, Grid(affine=affine, shape=voxels.shape)


def read_mask(path: Path, grid: Grid | None = None, label: int | None = None) -> Mask:
    """Return a NIfTI or NRRD file's mask, on a grid of another axis order if one is given.

    Raises
    ------
    InputError
        If it holds several values above zero and none is asked for, or not the one asked for.
    GeometryError
        If its voxels are not the grid's.
    """
    values, own = read_plain(path)
    if label is None:
        found = np.unique(values[values > 0])
        if found.size > 1:
            shown = ", ".join(f"{value:g}" for value in found[:_SHOWN])
            raise InputError(
                f"{path.name} holds {found.size} values above zero ({shown}"
                f"{', ...' if found.size > _SHOWN else ''}): say which one with label"
            )
    inside = values > 0 if label is None else values == label
    if label is not None and not inside.any():
        raise InputError(f"{path.name} holds no voxel of label {label}: name one that is there")
    mask = Mask(voxels=inside, grid=own)
    return mask if grid is None else mask.on(grid)


def _is_plain_file(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(_SUFFIXES)


def _segment(path: Path, grid: Grid | None, wanted: int | str | None) -> LoadedSegment:
    segments = read_segmentation(path, grid).segments
    listed = ", ".join(f"{each.number} ({each.label})" for each in segments)
    if wanted is None and len(segments) == 1:
        return segments[0]
    if wanted is None:
        raise InputError(f"{path.name} holds segments {listed}: say which one with segment")
    chosen = [each for each in segments if wanted in (each.number, each.label)]
    if len(chosen) != 1:
        how_many = "no segment" if not chosen else f"{len(chosen)} segments"
        raise InputError(f"{path.name} holds {how_many} {wanted!r}: it has {listed}")
    return chosen[0]


def _brought_to(mask: Mask, grid: Grid) -> tuple[Mask, tuple[str, ...]]:
    """Return a mask on a grid, resampled only where the voxels are not the same already."""
    try:
        return mask.on(grid), ()
    except GeometryError:
        pass
    frames = (mask.grid.frame_of_reference_uid, grid.frame_of_reference_uid)
    if None not in frames and frames[0] != frames[1]:
        raise GeometryError(
            "it has another frame of reference than the image, so its positions mean another "
            "place: register it first"
        )
    moved = SimpleITK.Resample(
        _itk_of(mask.grid, mask.voxels),
        _itk_of(grid, None),
        SimpleITK.Transform(),
        SimpleITK.sitkNearestNeighbor,
        0,
        SimpleITK.sitkUInt8,
    )
    return Mask(voxels=SimpleITK.GetArrayFromImage(moved) > 0, grid=grid), (RESAMPLED,)


def _itk_of(grid: Grid, voxels: NDArray[np.bool_] | None) -> Any:  # noqa: ANN401 - untyped there
    slices, rows, columns = grid.shape
    if voxels is None:
        image = SimpleITK.Image(columns, rows, slices, SimpleITK.sitkUInt8)
    else:
        image = SimpleITK.GetImageFromArray(voxels.astype(np.uint8))
    spacing = grid.spacing_mm[::-1]
    image.SetSpacing(spacing)
    image.SetOrigin(grid.affine[:3, 3].tolist())
    image.SetDirection((grid.affine[:3, 2::-1] / spacing).ravel().tolist())
    return image

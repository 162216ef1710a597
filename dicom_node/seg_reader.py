"""DICOM SEG to masks: ours, and those of other tools.

Each stored frame is placed by its own position. The spacing of the frames is never taken for the
spacing of the image without proof, since tools leave empty frames out.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID, SegmentationStorage

from dicom_node.files import read_dataset
from dicom_node.frames import FramePlane, frame_groups, planes
from dicom_node.pixels import stored_frames
from dicom_node.stacking import stack
from domain.codes import Code
from domain.errors import GeometryError, InputError, UnreadableFileError
from domain.grid import Grid
from domain.uids import FrameOfReferenceUID, InstanceUID, SeriesUID
from domain.volume import Mask

LABELMAP_STORAGE: Final = UID("1.2.840.10008.5.1.4.1.1.66.7")  # pydicom 3.0 has no name for it
_OFF_LATTICE: Final = 0.05
_HALF: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class LoadedSegment:
    """One segment of a SEG: its number, codes and mask."""

    number: int
    label: str
    category: Code | None
    code: Code | None
    mask: Mask
    tracking_id: str | None = None
    tracking_uid: InstanceUID | None = None


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """A SEG object that was read.

    Attributes
    ----------
    notes
        What was assumed: "fractional segments cut at half".
    """

    sop_instance_uid: InstanceUID
    referenced_series_uid: SeriesUID | None
    segments: tuple[LoadedSegment, ...]
    notes: tuple[str, ...] = ()
    frame_of_reference_uid: FrameOfReferenceUID | None = None


def read_segmentation(path: Path, grid: Grid | None = None) -> Segmentation:
    """Return the segments of a SEG file, on ``grid`` (its source image's) when one is given.

    Raises
    ------
    UnreadableFileError
        If it is not a SEG, or its frames cannot be decoded.
    GeometryError
        If its frames do not fall on the grid, or, without one, make no regular lattice.
    """
    dataset = read_dataset(path, with_pixels=True)
    if dataset.SOPClassUID not in {SegmentationStorage, LABELMAP_STORAGE}:
        raise UnreadableFileError(f"{path.name} is a {dataset.SOPClassUID.name}, not a SEG")
    frames = tuple(planes(dataset))
    pixels = stored_frames(dataset, path.name)
    pixels = pixels if pixels.ndim > 2 else pixels[np.newaxis]  # noqa: PLR2004 - one frame
    lattice = grid if grid is not None else _own_grid(frames, dataset)
    places = _frames_on(lattice, dataset) if lattice.is_time else _slices_on(lattice, frames)
    by_segment: dict[int, NDArray[np.bool_]] = defaultdict(
        lambda: np.zeros((lattice.shape[0], *pixels.shape[1:]), dtype=np.bool_)
    )
    notes = _fill(by_segment, dataset, pixels, places)
    referenced = dataset.get("ReferencedSeriesSequence")
    return Segmentation(
        sop_instance_uid=InstanceUID(str(dataset.SOPInstanceUID)),
        referenced_series_uid=(
            SeriesUID(str(referenced[0].SeriesInstanceUID)) if referenced else None
        ),
        segments=tuple(
            _segment(item, _placed(by_segment[int(item.SegmentNumber)], frames[0], lattice))
            for item in dataset.SegmentSequence
            if int(item.SegmentNumber) in by_segment or len(dataset.SegmentSequence) == 1
        ),
        notes=notes,
        frame_of_reference_uid=_frame_of_reference(dataset),
    )


def _frame_of_reference(dataset: Dataset) -> FrameOfReferenceUID | None:
    reference = dataset.get("FrameOfReferenceUID")
    return FrameOfReferenceUID(str(reference)) if reference else None


def _fill(
    by_segment: Mapping[int, NDArray[np.bool_]],
    dataset: FileDataset,
    pixels: NDArray[Any],
    places: tuple[int, ...],
) -> tuple[str, ...]:
    kind = str(dataset.get("SegmentationType", "BINARY"))
    if kind == "LABELMAP":
        background = {int(dataset.get("PixelPaddingValue", 0))} | {
            int(item.SegmentNumber)
            for item in dataset.SegmentSequence
            if str(item.get("SegmentLabel", "")).lower() == "background"
        }
        for frame, place in zip(pixels, places, strict=True):
            for value in np.unique(frame):
                if int(value) not in background:
                    by_segment[int(value)][place] |= frame == value
        return ()
    limit = _HALF if kind == "BINARY" else _HALF * float(dataset.MaximumFractionalValue)
    for number, (frame, place) in enumerate(zip(pixels, places, strict=True), start=1):
        by_segment[_segment_number(dataset, number)][place] |= frame >= limit
    return () if kind == "BINARY" else ("a fractional SEG was cut at half of its maximum",)


def _segment_number(dataset: Dataset, frame_number: int) -> int:
    for group in frame_groups(dataset, frame_number):
        items = group.get("SegmentIdentificationSequence")
        if items:
            return int(items[0].ReferencedSegmentNumber)
    raise UnreadableFileError(f"frame {frame_number} of the SEG names no segment")


def _own_grid(frames: tuple[FramePlane, ...], dataset: FileDataset) -> Grid:
    """Return the lattice of the frames themselves, filled up where empty ones were left out."""
    frame_of_reference = _frame_of_reference(dataset)
    first = frames[0]
    if first.position_lps_mm is None and source_frame_number(dataset, 1) is not None:
        raise GeometryError(
            "the frames of this SEG have no positions, only frames of a cine they belong to: give "
            "its images with --source"
        )
    if first.position_lps_mm is None or first.row_direction is None:
        return stack(frames[:1], frame_of_reference)[0]
    assert first.column_direction is not None
    normal = np.cross(first.row_direction, first.column_direction)
    along = np.array([f.position_lps_mm @ normal for f in frames if f.position_lps_mm is not None])
    distinct = np.unique(np.round(along, 3))
    start = frames[int(np.argmin(along))]
    grid, _ = stack((start,), frame_of_reference)
    spacing = _declared_spacing_mm(dataset) or (
        float(np.diff(distinct).min()) if distinct.size > 1 else None
    )
    if spacing is None:
        return grid
    affine = grid.affine.copy()
    affine[:3, 0] = normal * spacing
    slices = round(float(along.max() - along.min()) / spacing) + 1
    return Grid(
        affine=affine,
        shape=(slices, *grid.shape[1:]),
        frame_of_reference_uid=frame_of_reference,
        in_plane_calibrated=grid.in_plane_calibrated,
    )


def _declared_spacing_mm(dataset: FileDataset) -> float | None:
    for group in frame_groups(dataset, 1):
        items = group.get("PixelMeasuresSequence")
        if items and items[0].get("SpacingBetweenSlices"):
            return abs(float(items[0].SpacingBetweenSlices))
    return None


def _slices_on(grid: Grid, frames: tuple[FramePlane, ...]) -> tuple[int, ...]:
    if frames[0].position_lps_mm is None:
        return tuple(frame.frame_number - 1 for frame in frames)
    origin, axis = grid.affine[:3, 3], grid.normal
    spacing = float(grid.affine[:3, 0] @ axis)
    places: list[int] = []
    for frame in frames:
        if frame.position_lps_mm is None or frame.row_direction is None:
            raise GeometryError(f"frame {frame.frame_number} of the SEG has no position")
        offset = float((frame.position_lps_mm - origin) @ axis) / spacing
        place = round(offset)
        if abs(offset - place) > _OFF_LATTICE or not 0 <= place < grid.shape[0]:
            raise GeometryError(
                f"frame {frame.frame_number} of the SEG lies at slice {offset:.2f} of "
                f"{grid.shape[0]}: it does not belong to this series"
            )
        places.append(place)
    return tuple(places)


def _frames_on(grid: Grid, dataset: FileDataset) -> tuple[int, ...]:
    """Return the frame of a cine that each frame of the SEG was derived from."""
    places: list[int] = []
    for number in range(1, int(dataset.get("NumberOfFrames") or 1) + 1):
        place = source_frame_number(dataset, number)
        if place is None or not 1 <= place <= grid.shape[0]:
            raise GeometryError(
                f"frame {number} of the SEG names no frame of this cine as its source: it was not "
                "made on it"
            )
        places.append(place - 1)
    return tuple(places)


def source_frame_number(dataset: Dataset, frame_number: int) -> int | None:
    """Return the one frame of a source image that a frame was derived from, from 1, or None."""
    for group in frame_groups(dataset, frame_number):
        for derivation in group.get("DerivationImageSequence", ()):
            for source in derivation.get("SourceImageSequence", ()):
                numbers = source.get("ReferencedFrameNumber")
                if numbers is not None:
                    found = [int(each) for each in np.atleast_1d(np.asarray(numbers))]
                    return found[0] if len(found) == 1 else None
    return None


def _placed(voxels: NDArray[np.bool_], plane: FramePlane, grid: Grid) -> Mask:
    """Return stacked frames as a mask on the grid, turned and shifted in plane if need be."""
    if plane.position_lps_mm is None or plane.row_direction is None:
        return Mask(voxels=voxels, grid=grid)
    assert plane.column_direction is not None
    spacing = plane.spacing_mm or grid.spacing_mm[1:]
    affine = np.eye(4)
    affine[:3, 0] = grid.affine[:3, 0]
    affine[:3, 1] = plane.column_direction * spacing[0]
    affine[:3, 2] = plane.row_direction * spacing[1]
    beside = plane.position_lps_mm - grid.affine[:3, 3]
    in_plane = beside - grid.normal * float(beside @ grid.normal)
    affine[:3, 3] = grid.affine[:3, 3] + in_plane
    own = Grid(affine=affine, shape=(voxels.shape[0], voxels.shape[1], voxels.shape[2]))
    return Mask(voxels=voxels, grid=own).on(grid)


def _segment(item: Dataset, mask: Mask) -> LoadedSegment:
    uid = item.get("TrackingUID")
    return LoadedSegment(
        number=int(item.SegmentNumber),
        label=str(item.get("SegmentLabel", "")),
        category=_code(item, "SegmentedPropertyCategoryCodeSequence"),
        code=_code(item, "SegmentedPropertyTypeCodeSequence"),
        mask=mask,
        tracking_id=str(item.TrackingID) if "TrackingID" in item else None,
        tracking_uid=InstanceUID(str(uid)) if uid else None,
    )


def _code(item: Dataset, sequence: str) -> Code | None:
    found = item.get(sequence)
    if not found:
        return None
    try:
        return Code(
            value=str(found[0].CodeValue),
            scheme=str(found[0].CodingSchemeDesignator),
            meaning=str(found[0].CodeMeaning),
        )
    except (AttributeError, InputError):
        return None

"""Where each frame of an image stands, whether it is a file of its own or one of many.

Classic images carry position, orientation and spacing in the data set; enhanced ones in shared
and per-frame functional groups (PS3.3 section C.7.6.16).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_node.ultrasound import scales
from domain.errors import GeometryError

_SIX: Final = 6
_UNIT_TOLERANCE: Final = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class FramePlane:
    """The plane of one frame.

    Attributes
    ----------
    position_lps_mm
        Centre of the first voxel, (3,); None for images without patient geometry.
    row_direction, column_direction
        Unit vectors along increasing column and increasing row index (the order of Image
        Orientation (Patient)), (3,) each.
    spacing_mm
        Between rows, and between columns; None when the file gives none, or zero.
    """

    dataset_index: int
    frame_number: int
    rows: int
    columns: int
    position_lps_mm: NDArray[np.float64] | None
    row_direction: NDArray[np.float64] | None
    column_direction: NDArray[np.float64] | None
    spacing_mm: tuple[float, float] | None
    nominal_depth_mm: float | None


def planes(dataset: Dataset, dataset_index: int = 0) -> Iterator[FramePlane]:
    """Yield the plane of each frame, in stored order.

    Raises
    ------
    GeometryError
        If an orientation is not two perpendicular unit vectors.
    """
    for number in range(1, int(dataset.get("NumberOfFrames") or 1) + 1):
        position = _vector(_macro(dataset, number, "PlanePositionSequence", "ImagePositionPatient"))
        orientation = _vector(
            _macro(dataset, number, "PlaneOrientationSequence", "ImageOrientationPatient")
        )
        row, column = _directions(orientation)
        depth = _macro(dataset, number, "PixelMeasuresSequence", "SpacingBetweenSlices") or _macro(
            dataset, number, "PixelMeasuresSequence", "SliceThickness"
        )
        yield FramePlane(
            dataset_index=dataset_index,
            frame_number=number,
            rows=int(dataset.Rows),
            columns=int(dataset.Columns),
            position_lps_mm=position if row is not None else None,
            row_direction=row,
            column_direction=column,
            spacing_mm=scales(dataset, pixel_spacing_mm(dataset, number)).spacing_mm,
            nominal_depth_mm=abs(float(depth)) if depth else None,
        )


def frame_groups(dataset: Dataset, frame_number: int) -> tuple[Dataset, ...]:
    """Return where an attribute of this frame may stand: its own group, then the shared one."""
    groups: list[Dataset] = []
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    if per_frame and frame_number <= len(per_frame):
        groups.append(per_frame[frame_number - 1])
    shared = dataset.get("SharedFunctionalGroupsSequence")
    if shared:
        groups.append(shared[0])
    return tuple(groups)


def _macro(dataset: Dataset, frame_number: int, sequence: str, keyword: str) -> Any:  # noqa: ANN401 - a DICOM value of any VR
    for group in frame_groups(dataset, frame_number):
        items = group.get(sequence)
        if items and items[0].get(keyword) is not None:
            return items[0].get(keyword)
    return dataset.get(keyword)


def _vector(value: object) -> NDArray[np.float64] | None:
    if value is None:
        return None
    vector = np.asarray(value, dtype=np.float64)
    return vector if vector.size and np.isfinite(vector).all() else None


def _directions(
    orientation: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | tuple[None, None]:
    if orientation is None:
        return None, None
    if orientation.size != _SIX:
        raise GeometryError(f"Image Orientation (Patient) has {orientation.size} values, not 6")
    row, column = orientation[:3], orientation[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if (
        abs(lengths[0] - 1) > _UNIT_TOLERANCE
        or abs(lengths[1] - 1) > _UNIT_TOLERANCE
        or abs(row @ column) > _UNIT_TOLERANCE
    ):
        raise GeometryError(
            f"Image Orientation (Patient) {orientation.tolist()} is not two perpendicular unit "
            "vectors: left and right cannot be told"
        )
    return row / lengths[0], column / lengths[1]


def pixel_spacing_mm(dataset: Dataset, frame_number: int = 1) -> tuple[float, float] | None:
    """Return Pixel Spacing, between rows and between columns, where it is a length."""
    given = _vector(_macro(dataset, frame_number, "PixelMeasuresSequence", "PixelSpacing"))
    if given is not None and given.size == 2 and given.min() > 0:  # noqa: PLR2004 - a pair
        return float(given[0]), float(given[1])
    return None

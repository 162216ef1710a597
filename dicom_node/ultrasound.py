"""The scales of an ultrasound image: Sequence of Ultrasound Regions (PS3.3 section C.8.5.5)."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from domain.regions import ImageRegion

_PER_CM: Final = 10.0
_UNIT_CM: Final = 3
_TWO_DIMENSIONAL: Final = 1  # Region Spatial Format
_TISSUE_OR_FLOW: Final = frozenset({1, 2})  # Region Data Type
_EDGE_PX: Final = 1  # Max X1 and Y1 are inside by the standard; some write the first one outside
_SAME_SCALE: Final = 0.01

RESIZED: Final = (
    "an ultrasound region reaches beyond the image: it was resized after its scale was written, "
    "and no length or area can be given"
)
CONTRADICTED: Final = (
    "Pixel Spacing and the scale of the ultrasound regions contradict one another: no length or "
    "area can be given"
)
NO_SCALE: Final = "no region of the ultrasound image with a scale in both directions is stated"
SEVERAL_SCALES: Final = (
    "the regions of the ultrasound image have different scales: lengths and areas are given where "
    "an outline lies inside one of them"
)


@dataclass(frozen=True, kw_only=True)
class Scales:
    """What is known of the scales of an image.

    Attributes
    ----------
    spacing_mm
        Between rows, and between columns, where one scale holds in every region of tissue.
    regions
        Empty where none is stated, or none can be believed.
    note
        Why there is no one scale; None where there is, or where no region is stated at all.
    """

    spacing_mm: tuple[float, float] | None = None
    regions: tuple[ImageRegion, ...] = ()
    note: str | None = None


def scales(dataset: Dataset, pixel_spacing_mm: tuple[float, float] | None) -> Scales:
    """Return what the regions of an image say, checked against the image and its Pixel Spacing.

    A scale is believed only as long as every region lies inside the image: software that makes
    images smaller is known to leave the regions as they were.
    """
    items = dataset.get("SequenceOfUltrasoundRegions") or ()
    found = [(_region(item, dataset), item) for item in items]
    if not found:
        return Scales(spacing_mm=pixel_spacing_mm)
    if any(region is None for region, _ in found):
        return Scales(note=RESIZED)
    regions = tuple(region for region, _ in found if region is not None)
    known = [region.spacing_mm for region in regions if region.spacing_mm is not None]
    return _of_regions(regions, known, pixel_spacing_mm)


def _of_regions(
    regions: tuple[ImageRegion, ...],
    known: list[tuple[float, float]],
    pixel_spacing_mm: tuple[float, float] | None,
) -> Scales:
    if not known and pixel_spacing_mm is not None:
        return Scales(spacing_mm=pixel_spacing_mm)
    if not known:
        return Scales(regions=regions, note=NO_SCALE)
    if pixel_spacing_mm is not None and not all(_same(pixel_spacing_mm, each) for each in known):
        return Scales(note=CONTRADICTED)
    if not all(_same(known[0], each) for each in known):
        return Scales(regions=regions, note=SEVERAL_SCALES)
    return Scales(spacing_mm=known[0], regions=regions)


def _region(item: Dataset, dataset: Dataset) -> ImageRegion | None:
    """Return a region, or None where it does not lie inside the image."""
    first_column, first_row = (
        int(item.get(f"RegionLocationMin{axis}") or 0) for axis in ("X0", "Y0")
    )
    last_column, last_row = (int(item.get(f"RegionLocationMax{axis}", -1)) for axis in ("X1", "Y1"))
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    inside = (
        0 <= first_row <= last_row < rows + _EDGE_PX
        and 0 <= first_column <= last_column < columns + _EDGE_PX
        and first_row < rows
        and first_column < columns
    )
    if not inside:
        return None
    return ImageRegion(
        rows=(first_row, min(last_row + 1, rows)),
        columns=(first_column, min(last_column + 1, columns)),
        spacing_mm=_spacing_mm(item),
    )


def _spacing_mm(item: Dataset) -> tuple[float, float] | None:
    is_plane = (
        item.get("RegionSpatialFormat") == _TWO_DIMENSIONAL
        and item.get("RegionDataType") in _TISSUE_OR_FLOW
    )
    in_cm = (
        item.get("PhysicalUnitsXDirection") == _UNIT_CM
        and item.get("PhysicalUnitsYDirection") == _UNIT_CM
    )
    rows_cm = float(item.get("PhysicalDeltaY") or 0.0)
    columns_cm = float(item.get("PhysicalDeltaX") or 0.0)
    is_length = np.isfinite((rows_cm, columns_cm)).all() and min(rows_cm, columns_cm) > 0
    if not (is_plane and in_cm and is_length):
        return None
    return rows_cm * _PER_CM, columns_cm * _PER_CM


def _same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return bool(np.allclose(one, other, rtol=_SAME_SCALE, atol=0.0))

"""Volume, area and density of a mask."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.codes import (
    AREA,
    ATTENUATION,
    HOUNSFIELD_UNIT,
    MAXIMUM,
    MEAN,
    MEDIAN,
    MILLILITRE,
    MINIMUM,
    SQUARE_MILLIMETRE,
    STANDARD_DEVIATION,
    SUV_BODY_WEIGHT,
    SUV_BODY_WEIGHT_VALUE,
    VOLUME,
    VOXEL_SUM,
)
from domain.errors import CannotDoError, EmptyMaskError, GeometryError, UncalibratedError
from domain.measurement import Measurement, Statistic
from domain.volume import Mask, Volume
from reporting.extent import extent, middle_lps_mm
from reporting.over_time import NO_DEPTH_IN_TIME, pixel_area_mm2
from reporting.sampling import volume_uncertainty_mm3

_CONCEPTS: Final = {HOUNSFIELD_UNIT: ATTENUATION, SUV_BODY_WEIGHT: SUV_BODY_WEIGHT_VALUE}
_NAMES: Final = {HOUNSFIELD_UNIT: "attenuation", SUV_BODY_WEIGHT: "suv"}
_PERCENTILES: Final = (10, 90)
_MM3_PER_ML: Final = 1000.0


def volume_ml(mask: Mask) -> float:
    """Return voxel count times voxel volume, in millilitres: unbiased, where a mesh is low.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    UncalibratedError
        If pixel spacing or slice distance is not known.
    """
    if mask.is_empty:
        raise EmptyMaskError("the mask is empty: there is nothing to measure")
    if mask.grid.is_time:
        raise UncalibratedError(NO_DEPTH_IN_TIME)
    if not mask.grid.in_plane_calibrated:
        raise UncalibratedError(
            "the image has no pixel spacing at the patient: a volume cannot be given"
        )
    if not mask.grid.slice_spacing_known:
        raise UncalibratedError(
            "a single slice has no depth (slice thickness is not a distance): a volume cannot be "
            "given; load the whole series"
        )
    return mask.voxel_count * mask.grid.voxel_volume_mm3 / _MM3_PER_ML


def volume(mask: Mask) -> Measurement:
    """Return :func:`volume_ml` as a coded measurement: how sure its sampling is, and where it lies.

    Raises
    ------
    CannotDoError
        If only one of several slices is marked: how far it reaches to either side is not seen.
    """
    value = volume_ml(mask)
    box = extent(mask)
    if box[0].stop - box[0].start == 1:
        raise CannotDoError(
            f"only image {box[0].stop} is marked: one slice has an area, not a volume; mark all "
            "slices that show it, or use thinner ones"
        )
    uncertainty_mm3 = volume_uncertainty_mm3(mask.voxels[box], mask.grid)
    return Measurement(
        concept=VOLUME,
        value=value,
        unit=MILLILITRE,
        method=VOXEL_SUM,
        points_lps_mm=(middle_lps_mm(mask),),
        uncertainty=uncertainty_mm3 / _MM3_PER_ML,
    )


def area_mm2(mask: Mask) -> float:
    """Return pixel count times pixel area of a mask on one slice, in square millimetres.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    UncalibratedError
        If the image has no pixel spacing at the patient.
    CannotDoError
        If several slices are marked.
    """
    slices = extent(mask)[0]
    if not mask.grid.in_plane_calibrated:
        raise UncalibratedError(
            "the image has no pixel spacing at the patient: an area cannot be given"
        )
    if slices.stop - slices.start > 1:
        raise CannotDoError(
            f"{slices.stop - slices.start} slices are marked: an area belongs to one slice"
        )
    return mask.voxel_count * pixel_area_mm2(mask.grid)


def area(mask: Mask) -> Measurement:
    """Return :func:`area_mm2` as a coded measurement of its slice."""
    return Measurement(
        concept=AREA,
        value=area_mm2(mask),
        unit=SQUARE_MILLIMETRE,
        slice_index=extent(mask)[0].start,
    )


def density_is_known(image: Volume) -> bool:
    """Tell whether the values of the image have a unit in which :func:`density` is given."""
    return image.unit in _CONCEPTS


def density(image: Volume, mask: Mask) -> tuple[Measurement, ...]:
    """Return mean, standard deviation, minimum, maximum and median of the values inside.

    The standard deviation is that of these voxels, not of a population they were drawn from.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    CannotDoError
        If the image's values have no physical unit (MR, ultrasound, X-ray).
    """
    concept = _CONCEPTS.get(image.unit)
    if concept is None:
        raise CannotDoError(_no_unit(image))
    values = values_inside(image, mask)
    statistics = (
        (MEAN, values.mean()),
        (STANDARD_DEVIATION, values.std()),
        (MINIMUM, values.min()),
        (MAXIMUM, values.max()),
        (MEDIAN, np.median(values)),
    )
    return tuple(
        Measurement(concept=concept, value=float(value), unit=image.unit, derivation=derivation)
        for derivation, value in statistics
    )


def percentiles(image: Volume, mask: Mask) -> tuple[Statistic, ...]:
    """Return the 10th and 90th percentile of the values inside, linear between neighbours.

    PS3.16 has percentiles of a reference population and of binned histograms, and none of these:
    they carry no code.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    CannotDoError
        If the image's values have no physical unit.
    """
    noun = _NAMES.get(image.unit)
    if noun is None:
        raise CannotDoError(_no_unit(image))
    found = np.percentile(values_inside(image, mask), _PERCENTILES)
    return tuple(
        Statistic(
            name=f"percentile_{rank}_{_NAMES[image.unit]}", value=float(value), unit=image.unit
        )
        for rank, value in zip(_PERCENTILES, found, strict=True)
    )


def largest_slice(mask: Mask) -> int:
    """Return the slice of largest area; of equals, the last.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    """
    counts = np.count_nonzero(mask.voxels, axis=(1, 2))
    if not counts.any():
        raise EmptyMaskError("the mask is empty: no slice shows it")
    return int(len(counts) - 1 - np.argmax(counts[::-1]))


def values_inside(image: Volume, mask: Mask) -> NDArray[np.float64]:
    """Return the values (n,) of the voxels inside.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    GeometryError
        If mask and image lie on different grids.
    """
    if mask.is_empty:
        raise EmptyMaskError("the mask is empty: there is nothing to measure")
    if not mask.grid.matches(image.grid):
        raise GeometryError("the mask lies on another grid than the image")
    return np.asarray(image.voxels[mask.voxels], dtype=np.float64)


def _no_unit(image: Volume) -> str:
    if image.modality == "PT":
        reasons = [note for note in image.notes if "SUV" in note]
        return "; ".join(reasons) or "the values of this PET are not SUV"
    return (
        f"{image.modality} values of this series have no physical unit: a density would mean "
        "nothing; it is given for CT in Hounsfield units and PET in SUV"
    )

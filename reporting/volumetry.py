"""Volume and density of a mask."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.codes import (
    ATTENUATION,
    HOUNSFIELD_UNIT,
    MAXIMUM,
    MEAN,
    MILLILITRE,
    MINIMUM,
    STANDARD_DEVIATION,
    SUV_BODY_WEIGHT,
    SUV_BODY_WEIGHT_VALUE,
    VOLUME,
    VOXEL_SUM,
)
from domain.errors import CannotDoError, EmptyMaskError, GeometryError, UncalibratedError
from domain.measurement import Measurement
from domain.volume import Mask, Volume

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
    """Return :func:`volume_ml` as a coded measurement."""
    return Measurement(concept=VOLUME, value=volume_ml(mask), unit=MILLILITRE, method=VOXEL_SUM)


def density(image: Volume, mask: Mask) -> tuple[Measurement, ...]:
    """Return mean, standard deviation, minimum and maximum of the values inside.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    CannotDoError
        If the image's values have no physical unit (MR, ultrasound, X-ray).
    """
    concepts = {HOUNSFIELD_UNIT: ATTENUATION, SUV_BODY_WEIGHT: SUV_BODY_WEIGHT_VALUE}
    concept = concepts.get(image.unit)
    if concept is None:
        raise CannotDoError(
            f"{image.modality} values of this series have no physical unit: a density would mean "
            "nothing; it is given for CT in Hounsfield units and PET in SUV"
        )
    values = _inside(image, mask)
    statistics = (
        (MEAN, values.mean()),
        (STANDARD_DEVIATION, values.std()),
        (MINIMUM, values.min()),
        (MAXIMUM, values.max()),
    )
    return tuple(
        Measurement(concept=concept, value=float(value), unit=image.unit, derivation=derivation)
        for derivation, value in statistics
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


def _inside(image: Volume, mask: Mask) -> NDArray[Any]:
    if mask.is_empty:
        raise EmptyMaskError("the mask is empty: there is nothing to measure")
    if not mask.grid.matches(image.grid):
        raise GeometryError("the mask lies on another grid than the image")
    return np.asarray(image.voxels[mask.voxels], dtype=np.float64)

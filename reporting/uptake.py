"""Uptake of a PET tracer: the hottest millilitre, and the volume above a share of the maximum."""

from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from domain.codes import (
    METABOLIC_VOLUME,
    MILLILITRE,
    PEAK,
    SUV_BODY_WEIGHT,
    SUV_BODY_WEIGHT_VALUE,
    VOXEL_SUM,
)
from domain.errors import CannotDoError
from domain.grid import Grid
from domain.measurement import Measurement
from domain.volume import Mask, Volume
from reporting.extent import extent
from reporting.sampling import volume_uncertainty_mm3
from reporting.volumetry import values_inside, volume_ml

METABOLIC_SHARE: Final = 0.41
"""Of SUVmax; EANM procedure guideline for tumour imaging with FDG PET/CT 2.0 (Boellaard 2015)."""

_PEAK_ML: Final = 1.0
_MM3_PER_ML: Final = 1000.0
_PARTS: Final = 8


def peak(image: Volume, mask: Mask) -> Measurement:
    """Return SUVpeak: the highest mean of a 1 mL sphere centred on a voxel of the mask.

    Voxels weigh with the part of them that lies in the sphere (8 x 8 x 8 parts each); the sphere
    may reach beyond the mask (Wahl 2009, PERCIST 1.0), never beyond the image: centres too near
    its edge do not count.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    CannotDoError
        If values are not SUV, slice distance is not known, or no sphere fits into the image.
    """
    _check(image, mask)
    offsets, weights = sphere(mask.grid)
    centres = np.argwhere(mask.voxels)
    reach = np.abs(offsets).max(axis=0)
    fits = ((centres >= reach) & (centres + reach < mask.grid.shape)).all(axis=1)
    if not fits.any():
        raise CannotDoError(
            "no sphere of 1 mL round a voxel of the mask fits into the image: SUVpeak needs images "
            "beyond the lesion"
        )
    centres = centres[fits]
    means = np.zeros(len(centres))
    for offset, weight in zip(offsets, weights, strict=True):
        means += weight * image.voxels[tuple((centres + offset).T)]
    return Measurement(
        concept=SUV_BODY_WEIGHT_VALUE,
        value=float(means.max()),
        unit=SUV_BODY_WEIGHT,
        derivation=PEAK,
        slice_index=int(centres[int(np.argmax(means))][0]),
        rule="mean of a 1 mL sphere centred on a voxel of the segment",
    )


def metabolic_mask(image: Volume, mask: Mask) -> Mask:
    """Return the voxels of at least 41 % of SUVmax joined to the hottest one inside the mask.

    Joined by faces, edges or corners; nothing outside the mask belongs to it.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    CannotDoError
        If values are not SUV, or the highest is not above zero.
    """
    _check(image, mask)
    highest = float(values_inside(image, mask).max())
    if highest <= 0.0:
        raise CannotDoError(f"the highest SUV inside is {highest:.2f}: nothing has taken up tracer")
    box = extent(mask)
    inside, values = mask.voxels[box], image.voxels[box]
    labels, _ = ndimage.label(inside & (values >= METABOLIC_SHARE * highest), np.ones((3, 3, 3)))
    hottest = np.argmax(np.where(inside, values, -np.inf))
    voxels = np.zeros_like(mask.voxels)
    voxels[box] = labels == labels.flat[hottest]
    return Mask(voxels=voxels, grid=mask.grid)


def metabolic_volume(image: Volume, mask: Mask) -> Measurement:
    """Return the volume of :func:`metabolic_mask`, with the uncertainty of its sampling.

    Raises
    ------
    EmptyMaskError, UncalibratedError, CannotDoError
        As :func:`metabolic_mask` and :func:`reporting.volumetry.volume_ml` do.
    """
    found = metabolic_mask(image, mask)
    box = extent(found)
    return Measurement(
        concept=METABOLIC_VOLUME,
        value=volume_ml(found),
        unit=MILLILITRE,
        method=VOXEL_SUM,
        uncertainty=volume_uncertainty_mm3(found.voxels[box], found.grid) / _MM3_PER_ML,
        rule=f"{METABOLIC_SHARE:.0%} of the highest SUV, joined to its voxel".replace("%", " %"),
    )


def sphere(grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return index offsets (n, 3) and weights (n,), summing to 1, of 1 mL round a voxel centre."""
    radius_mm = np.cbrt(3.0 * _PEAK_ML * _MM3_PER_ML / (4.0 * np.pi))
    axes = grid.affine[:3, :3]
    reach = np.floor(radius_mm * np.linalg.norm(np.linalg.inv(axes), axis=1) + 0.5).astype(int)
    offsets = np.array(list(product(*[range(-each, each + 1) for each in reach])))
    steps = (np.arange(_PARTS) + 0.5) / _PARTS - 0.5
    parts = np.array(list(product(steps, repeat=3)))
    inside = np.array(
        [
            np.count_nonzero((((offset + parts) @ axes.T) ** 2).sum(axis=1) <= radius_mm**2)
            for offset in offsets
        ]
    )
    held = inside > 0
    return offsets[held], inside[held] / inside.sum()


def _check(image: Volume, mask: Mask) -> None:
    if image.unit != SUV_BODY_WEIGHT:
        raise CannotDoError("the values of this image are not SUV by body weight")
    if not (mask.grid.in_plane_calibrated and mask.grid.slice_spacing_known):
        raise CannotDoError("slice distance is not known: SUVpeak and metabolic volume need it")
    values_inside(image, mask)

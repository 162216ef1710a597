"""How well two studies lie on one another.

``structure`` is the correlation of both images within 8 mm, weighted by how much there is to see.
Measured on pairs: one patient at two times 0.87 to 0.995, breathing up to 25 mm included; another
region, another patient or a body turned over at most 0.64. The limit lies between.
"""

from typing import Final

import numpy as np
import SimpleITK as sitk  # noqa: N813 - as its documentation does
from numpy.typing import NDArray
from scipy import ndimage

from reporting.priors.images import WorkingCopy

LEAST_STRUCTURE: Final = 0.75
LEAST_OVERLAP: Final = 0.2
LEAST_OUTLINE: Final = 0.8
MOST_INVERSE_MM: Final = 4.0
NEAR_MM: Final = 8.0
_FLAT: Final = 1e-6
_HALF: Final = 0.5


def overlap(current: WorkingCopy, prior: WorkingCopy, transform: sitk.Transform) -> float:
    """Return which part of the smaller body lies in the other, 0 to 1."""
    moved = _moved(prior.body, current, transform, sitk.sitkNearestNeighbor) > 0
    body = sitk.GetArrayViewFromImage(current.body) > 0
    prior_body = sitk.GetArrayViewFromImage(prior.body) > 0
    smaller = min(int(np.count_nonzero(body)), int(np.count_nonzero(prior_body)))
    return min(1.0, int(np.count_nonzero(body & moved)) / max(smaller, 1))


def outline(current: WorkingCopy, prior: WorkingCopy, transform: sitk.Transform) -> float:
    """Return the Dice of both bodies where both studies see, 0 to 1.

    A lung laid on the other lung has structure enough, and half of its body in the air.
    """
    seen = _moved(prior.seen, current, transform, sitk.sitkNearestNeighbor) > 0
    seen &= sitk.GetArrayViewFromImage(current.seen) > 0
    moved = seen & (_moved(prior.body, current, transform, sitk.sitkNearestNeighbor) > 0)
    body = seen & (sitk.GetArrayViewFromImage(current.body) > 0)
    both = int(np.count_nonzero(moved)) + int(np.count_nonzero(body))
    return 2 * int(np.count_nonzero(moved & body)) / max(both, 1)


def structure(current: WorkingCopy, prior: WorkingCopy, transform: sitk.Transform) -> float:
    """Return the local correlation of two images inside both bodies, -1 to 1."""
    local, weight = local_structure(current, prior, transform)
    total = float(weight.sum())
    return float(np.clip((local * weight).sum() / total, -1.0, 1.0)) if total > 0 else 0.0


def local_structure(
    current: WorkingCopy, prior: WorkingCopy, transform: sitk.Transform
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the correlation within 8 mm at each voxel of the current copy, and its weight.

    The weight is the geometric mean of both standard deviations there, zero outside the bodies.
    """
    one = sitk.GetArrayFromImage(current.image).astype(np.float64)
    other = _moved(prior.image, current, transform, sitk.sitkLinear).astype(np.float64)
    moved = _moved(prior.body, current, transform, sitk.sitkNearestNeighbor) > 0
    inside = (sitk.GetArrayViewFromImage(current.body) > 0) & moved
    sigma = NEAR_MM / current.step_mm

    def near(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(ndimage.gaussian_filter(values * inside, sigma), dtype=np.float64)

    share = np.asarray(ndimage.gaussian_filter(inside.astype(np.float64), sigma))
    known = np.maximum(share, _FLAT)
    mean, mean_other = near(one) / known, near(other) / known
    spread = np.maximum(near(one**2) / known - mean**2, 0.0)
    spread_other = np.maximum(near(other**2) / known - mean_other**2, 0.0)
    common = near(one * other) / known - mean * mean_other
    weight = np.sqrt(spread * spread_other)
    local = np.clip(common / np.maximum(weight, _FLAT), -1.0, 1.0)
    return local, np.where(inside & (share > _HALF), weight, 0.0)


def _moved(
    image: sitk.Image, current: WorkingCopy, transform: sitk.Transform, interpolator: int
) -> NDArray[np.float32]:
    moved = sitk.Resample(image, current.image, transform, interpolator, 0.0)
    return np.asarray(sitk.GetArrayFromImage(moved), dtype=np.float32)

"""How far a voxel count may be from the volume of what was outlined: the lattice's own error.

It is the error of sampling alone: that the outline itself is right is for a reader to judge.
"""

from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.grid import Grid

_NORMAL_95: Final = 1.96
_ORDERS: Final = 12
_VOXEL_VARIANCE: Final = 1.0 / 12.0  # of a uniform position within one voxel, in voxels
_SEMI_AXIS_SQUARED: Final = 5.0  # of a solid ellipsoid, in variances of its points

_WAVES: Final = np.array(
    [orders for orders in product(range(-_ORDERS, _ORDERS + 1), repeat=3) if any(orders)],
    dtype=np.float64,
)


def volume_uncertainty_mm3(voxels: NDArray[np.bool_], grid: Grid) -> float:
    """Return half the 95 % interval of a voxel-count volume, in mm3.

    The mask is taken for the solid ellipsoid of its second moments and volume, standing anywhere
    on the lattice. Two errors add in square:

    1. Counting points of a lattice that fell at random. By Poisson's summation its variance is the
       sum, over the reciprocal lattice, of the ellipsoid's power spectrum (Kendall 1948; Matern,
       Spatial Variation, 1986), averaged over its size. Neighbouring surface voxels are thus
       correlated within a slice spacing and not beyond, and a thick slice weighs with its square.
       A surface larger than the ellipsoid's (lobes, several parts) raises the variance by the ratio
       of areas projected on the slices, rows and columns.
    2. Partial volume. An outline follows either voxel centres or half-filled voxels; the second
       loses up to the sum of (spacing / semi-axis)^2 / 12 of a convex body. Which one was drawn is
       not known: uniform between none and all of it.

    Parameters
    ----------
    voxels
        (slices, rows, columns), with at least one inside.
    """
    axes = grid.affine[:3, :3]
    volume_mm3 = np.count_nonzero(voxels) * grid.voxel_volume_mm3
    ellipsoid = _ellipsoid(_covariance(voxels), axes, volume_mm3)
    counted = _counting_variance(ellipsoid, axes) * _roughness(voxels, ellipsoid, axes)
    lost = volume_mm3 * float((np.linalg.solve(ellipsoid, axes) ** 2).sum()) * _VOXEL_VARIANCE
    return min(_NORMAL_95 * float(np.sqrt(counted + lost**2 / 3.0)), volume_mm3)


def _covariance(voxels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the (3, 3) covariance of the indices of what is inside.

    It is made of the counts along each pair of axes: a list of a body's voxels would not fit.
    """
    counts = {
        (first, second): np.count_nonzero(voxels, axis=3 - first - second).astype(np.float64)
        for first, second in ((0, 1), (0, 2), (1, 2))
    }
    along = [counts[0, 1].sum(axis=1), counts[0, 1].sum(axis=0), counts[0, 2].sum(axis=0)]
    total = along[0].sum()
    centred = [np.arange(each.size) - each @ np.arange(each.size) / total for each in along]
    covariance = np.diag([place**2 @ each for place, each in zip(centred, along, strict=True)])
    for (first, second), both in counts.items():
        covariance[first, second] = centred[first] @ both @ centred[second]
        covariance[second, first] = covariance[first, second]
    return np.asarray(covariance / total, dtype=np.float64)


def _ellipsoid(
    covariance: NDArray[np.float64], axes: NDArray[np.float64], volume_mm3: float
) -> NDArray[np.float64]:
    """Return the (3, 3) matrix that maps the unit ball to the ellipsoid, in millimetres."""
    variances, directions = np.linalg.eigh(covariance)
    spread = directions * np.maximum(variances, _VOXEL_VARIANCE) @ directions.T
    shape = np.linalg.cholesky(_SEMI_AXIS_SQUARED * axes @ spread @ axes.T)
    ball = 4.0 / 3.0 * np.pi * np.linalg.det(shape)
    return np.asarray(shape * np.cbrt(volume_mm3 / ball), dtype=np.float64)


def _counting_variance(ellipsoid: NDArray[np.float64], axes: NDArray[np.float64]) -> float:
    waves = _WAVES @ np.linalg.solve(axes, ellipsoid)
    squared = (waves**2).sum(axis=1)
    power = (1.0 + 4.0 * np.pi**2 * squared) / (8.0 * np.pi**4 * squared**3)
    return float(np.linalg.det(ellipsoid) ** 2 * power.sum())


def _roughness(
    voxels: NDArray[np.bool_], ellipsoid: NDArray[np.float64], axes: NDArray[np.float64]
) -> float:
    """Return projected surface of the mask over that of the ellipsoid, at least 1."""
    facing = np.linalg.inv(axes)  # rows are normal to the faces between slices, rows, columns
    normals = facing / np.linalg.norm(facing, axis=1, keepdims=True)
    face_mm2 = abs(np.linalg.det(axes)) * np.linalg.norm(facing, axis=1)
    padded = np.pad(voxels, 1)
    exposed = [np.count_nonzero(np.diff(padded, axis=axis)) for axis in range(3)]
    shadows = (
        np.pi
        * np.linalg.det(ellipsoid)
        * np.linalg.norm(np.linalg.solve(ellipsoid, normals.T), axis=0)
    )
    return max(1.0, float((face_mm2 * exposed).sum() / (2.0 * shadows.sum())))

"""What thick slices alone do to the volume of something small."""

from typing import Final

import numpy as np

from domain.grid import Grid

_OFFSETS: Final = 16
_RINGS: Final = 64
_SHARES: Final = (0.67, 0.8, 0.9, 1.0, 1.1, 1.2, 1.33)


def slicing_error(measured_ml: float, grid: Grid) -> tuple[float, float]:
    """Return the lowest and highest relative error of perfect outlines of balls about this large.

    What was measured may itself be wrong: balls a third smaller to a third larger are tried.
    """
    errors = [_errors(measured_ml * share, grid) for share in _SHARES]
    return min(low for low, _ in errors), max(high for _, high in errors)


def _errors(volume_ml: float, grid: Grid) -> tuple[float, float]:
    """Return both ends for a ball of one volume.

    It is cut at every offset; a voxel belongs to its mask when at least half
    of it is filled. Rows and columns are taken as fine: slices are what is coarse.
    """
    radius_mm = float(np.cbrt(3 * volume_ml * 1000 / (4 * np.pi)))
    slice_mm = grid.spacing_mm[0]
    edges = np.linspace(0, radius_mm, _RINGS + 1)
    areas = np.pi * np.diff(edges**2)
    half_chord = np.sqrt(radius_mm**2 - ((edges[1:] + edges[:-1]) / 2) ** 2)[:, None]
    count = int(np.ceil(radius_mm / slice_mm)) + 1
    errors = []
    for offset in (np.arange(_OFFSETS) + 0.5) / _OFFSETS - 0.5:
        middle = (np.arange(-count, count + 1) + offset) * slice_mm
        top = np.minimum(middle + slice_mm / 2, half_chord)
        bottom = np.maximum(middle - slice_mm / 2, -half_chord)
        filled = (top - bottom >= slice_mm / 2).sum(axis=1)
        errors.append(float((filled * areas).sum()) * slice_mm / (volume_ml * 1000) - 1)
    return min(errors), max(errors)

"""Lines and scribbles in pixels: the ellipse about a diameter, and what a brush painted.

An ellipse is the one inscribed in its box and tilted there: the tilt is the correlation of rows and
columns over it, 0 where its axes run along them.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import PromptError
from domain.grid import Grid
from domain.prompt import Line, Place, Scribble
from segmentation.slicewise.slices import SliceBox

ASPECT: Final = 0.75
_MOST_TILT: Final = 0.98
_CROSSES: Final = 0.05  # of the long line


@dataclass(frozen=True, kw_only=True)
class TiltedBox:
    """The box round an ellipse, and the ellipse's tilt in it."""

    box: SliceBox
    tilt: float


def line_ellipse(line: Line, grid: Grid, aspect: float = ASPECT) -> TiltedBox:
    """Return the ellipse expected about a longest diameter.

    Its long axis is the line; its short axis is perpendicular to it in the patient and as long as
    the second line reaches across, or ``aspect`` of the first where there is none.

    Raises
    ------
    PromptError
        If the second line runs along the first instead of across.
    """
    spacing = np.array(grid.spacing_mm[1:])
    start, stop = (np.array(place) * spacing for place in (line.start, line.stop))
    centre, along = (start + stop) / 2, (stop - start) / 2
    half_mm = float(np.hypot(*along))
    across = np.array((-along[1], along[0])) / half_mm
    half_across_mm = aspect * half_mm
    if line.across is not None:
        ends = [float((np.array(place) * spacing - centre) @ across) for place in line.across]
        half_across_mm = abs(ends[1] - ends[0]) / 2
        if half_across_mm < _CROSSES * half_mm:
            raise PromptError(
                f"the second line on slice {line.slice_index}, (row, column) {line.across[0]} to "
                f"{line.across[1]}, runs along the first: draw it across"
            )
        centre = centre + across * sum(ends) / 2
    half_across_mm = max(half_across_mm, float(spacing.max()) / 2)
    spread = np.outer(along, along) + half_across_mm**2 * np.outer(across, across)
    spread = spread / np.outer(spacing, spacing)
    half_rows, half_columns = math.sqrt(spread[0, 0]), math.sqrt(spread[1, 1])
    tilt = float(spread[0, 1]) / (half_rows * half_columns)
    row, column = (float(place) for place in centre / spacing + 0.5)
    box = SliceBox(
        row_start=row - half_rows,
        row_stop=row + half_rows,
        column_start=column - half_columns,
        column_stop=column + half_columns,
    )
    return TiltedBox(box=box, tilt=float(np.clip(tilt, -_MOST_TILT, _MOST_TILT)))


def distance_px(shape: tuple[int, int], path: tuple[Place, ...]) -> NDArray[np.float32]:
    """Return how far each pixel's centre (rows, columns) is from a stroke's middle, in pixels."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    apart = np.full(shape, np.inf, dtype=np.float32)
    for one, other in zip(path, path[1:] or path, strict=False):
        step = (other[0] - one[0], other[1] - one[1])
        length2 = step[0] ** 2 + step[1] ** 2
        share = np.zeros(shape, dtype=np.float32)
        if length2 > 0:
            share = (rows - one[0]) * step[0] + (columns - one[1]) * step[1]
            share = np.clip(share / length2, 0, 1)
        there = np.hypot(rows - one[0] - share * step[0], columns - one[1] - share * step[1])
        apart = np.minimum(apart, there)
    return np.asarray(apart, dtype=np.float32)


def painted(shape: tuple[int, int], scribble: Scribble) -> NDArray[np.bool_]:
    """Return the pixels under the brush: at least those whose centre is nearest to the stroke."""
    reach = max(scribble.radius_px, math.sqrt(0.5))
    return np.asarray(distance_px(shape, scribble.path) <= reach, dtype=np.bool_)

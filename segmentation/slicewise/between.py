"""What a thing looks like between and beyond the slices where it was outlined.

Each key slice gives its outline as a signed distance in units of the box's half side. On another
slice the outlines of the neighbouring keys are laid into the box expected there and mixed by how
near they are (shape-based interpolation, Raya and Udupa 1990).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from edt import sdf
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.slicewise.slices import SliceBox


@dataclass(frozen=True, kw_only=True, eq=False)
class KeyShape:
    """The outline on a key slice.

    Attributes
    ----------
    distance
        (rows, columns) distance to the outline, positive inside, where 1 is half a side of the box.
    corner
        Row and column of its first pixel in the slice.
    box
        The key's box.
    """

    distance: NDArray[np.float32]
    corner: tuple[int, int]
    box: SliceBox

    @classmethod
    def of(cls, inside: NDArray[np.bool_], corner: tuple[int, int], box: SliceBox) -> Self | None:
        """Return the shape of an outline on a part of a slice; None where nothing is marked."""
        if not inside.any():
            return None
        half_side = max((box.rows + box.columns) / 4, 1.0)
        distance = sdf(np.ascontiguousarray(inside), parallel=1) / np.float32(half_side)
        return cls(distance=distance, corner=corner, box=box)

    def laid_into(self, box: SliceBox, region: tuple[slice, slice]) -> NDArray[np.float32]:
        """Return its distance on a region of another slice, its own box stretched to ``box``."""
        rows = self._places(region[0], box.centre[0], box.rows, axis=0)
        columns = self._places(region[1], box.centre[1], box.columns, axis=1)
        places = np.meshgrid(rows, columns, indexing="ij")
        laid = ndimage.map_coordinates(self.distance, places, order=1, mode="nearest")
        return np.asarray(laid, dtype=np.float32)

    def _places(self, pixels: slice, centre: float, side: float, axis: int) -> NDArray[np.float64]:
        own_side = (self.box.rows, self.box.columns)[axis]
        apart = np.arange(pixels.start, pixels.stop) + 0.5 - centre
        places = self.box.centre[axis] + apart * own_side / side - 0.5 - self.corner[axis]
        return np.asarray(places, dtype=np.float64)


def laid_between(
    shapes: Mapping[int, KeyShape], index: int, box: SliceBox, region: tuple[slice, slice]
) -> NDArray[np.float32] | None:
    """Return the distance expected on a slice, or None where no key slice has an outline.

    Between two keys their outlines are mixed by nearness; beyond the outer keys the outermost is
    taken alone.
    """
    below = max((key for key in shapes if key <= index), default=None)
    above = min((key for key in shapes if key >= index), default=None)
    if below is None or above is None or below == above:
        nearest = below if above is None else above
        return None if nearest is None else shapes[nearest].laid_into(box, region)
    share = (index - below) / (above - below)
    mixed = (1 - share) * shapes[below].laid_into(box, region)
    mixed += share * shapes[above].laid_into(box, region)
    return np.asarray(mixed, dtype=np.float32)

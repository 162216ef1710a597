"""From volumes and accepted masks to slices with what is on them, and slices where it is not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from domain.concepts import Window
from domain.volume import Mask, Volume
from segmentation.slicewise.slices import SliceBox
from segmentation.slicewise.targets import box_of
from segmentation.windows import applied


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """One slice, one phrase, and every such thing on it; none makes it a negative.

    Attributes
    ----------
    image
        (rows, columns) uint8, the window applied.
    things
        bool (count, rows, columns), each one connected part.
    """

    image: NDArray[np.uint8]
    phrase: str
    things: NDArray[np.bool_]

    @property
    def boxes(self) -> tuple[SliceBox, ...]:
        """Close box of each thing."""
        return tuple(box_of(each) for each in self.things)

    @property
    def is_negative(self) -> bool:
        """Whether the phrase is nowhere on the slice."""
        return not len(self.things)


def examples_of(
    volume: Volume,
    mask: Mask,
    phrase: str,
    window: Window,
    *,
    random: np.random.Generator,
    negatives: float = 1.0,
) -> tuple[Example, ...]:
    """Return every slice with the thing, and as many without as ``negatives`` times those.

    A mask that was accepted says where the thing is on its series, so that the slices beyond it
    are known not to show it; the slices next to it are left out, where edges are a matter of
    opinion.
    """
    marked = mask.slice_indices()
    near = {index + step for index in marked for step in (-1, 0, 1)}
    beyond = [index for index in range(volume.grid.shape[0]) if index not in near]
    count = min(len(beyond), round(negatives * len(marked)))
    chosen = sorted(random.choice(beyond, count, replace=False)) if count else []
    return tuple(_examples(volume, mask, phrase, window, [*marked, *map(int, chosen)]))


def _examples(
    volume: Volume, mask: Mask, phrase: str, window: Window, indices: Sequence[int]
) -> Iterator[Example]:
    for index in indices:
        grey = np.rint(np.clip(applied(volume.voxels[index], window), 0, 255)).astype(np.uint8)
        labels, count = ndimage.label(mask.voxels[index])
        things = [labels == number for number in range(1, count + 1)]
        stacked = np.stack(things) if things else np.zeros((0, *grey.shape), dtype=np.bool_)
        yield Example(image=grey, phrase=phrase, things=stacked)

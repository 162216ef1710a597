"""Slices a network did not see, from those it did: outlines moved by their distances."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.grid import Grid
from domain.volume import SeriesReference, Volume
from segmentation.coarse import depth_mm

_SEEN_MM: Final = 4.0


def seen_slices(grid: Grid) -> NDArray[np.int64]:
    """Return which slices a network is to see: about 4 mm apart, evenly from end to end."""
    step = max(1, round(_SEEN_MM / grid.spacing_mm[0]))
    count = grid.shape[0]
    return np.arange(((count - 1) % step) // 2, count, step)


def thinned(
    volume: Volume, seen: NDArray[np.int64], source: SeriesReference | None = None
) -> Volume:
    """Return the volume of evenly spaced slices, which shares the voxels of the whole.

    ``source`` is what the whole was made of, slice by slice, if its slices are as stored.
    """
    step = int(seen[1] - seen[0]) if len(seen) > 1 else 1
    affine = volume.grid.affine.copy()
    affine[:3, 3] += affine[:3, 0] * seen[0]
    affine[:3, 0] *= step
    _, rows, columns = volume.grid.shape
    if source is not None:
        source = replace(source, frames=tuple(source.frames[index] for index in seen))
    return Volume(
        voxels=volume.voxels[seen[0] : seen[-1] + 1 : step],
        grid=replace(volume.grid, affine=affine, shape=(len(seen), rows, columns)),
        modality=volume.modality,
        unit=volume.unit,
        source=source,
    )


def filled_between(
    voxels: NDArray[np.bool_], seen: NDArray[np.int64], count: int
) -> NDArray[np.bool_]:
    """Return ``count`` slices of an outline known on the seen ones.

    Between two, signed distances are mixed; toward a slice where nothing is seen the outline
    shrinks to end half-way; beyond the outer ones it stays as it is.
    """
    if len(seen) == count:
        return voxels
    whole = np.zeros((count, *voxels.shape[1:]), dtype=np.bool_)
    rows, columns = (np.flatnonzero(voxels.any(axis=(0, axis))) for axis in (2, 1))
    if not rows.size:
        return whole
    near = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    cut = voxels[:, near[0], near[1]]
    whole[: seen[0], near[0], near[1]] = cut[0]
    whole[seen[-1] :, near[0], near[1]] = cut[-1]
    for place, (one, other) in enumerate(itertools.pairwise(seen)):
        for index, image in _mixed(cut[place], cut[place + 1], int(other - one)):
            whole[one + index, near[0], near[1]] = image
    return whole


def _mixed(
    one: NDArray[np.bool_], other: NDArray[np.bool_], step: int
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield what lies from the first slice to before the other, ``step`` slices on."""
    yield 0, one
    if step == 1 or not (one.any() or other.any()):
        return
    first, second = _signed(one), _signed(other)
    first = np.full(one.shape, -float(second.max()), np.float32) if not one.any() else first
    second = np.full(one.shape, -float(first.max()), np.float32) if not other.any() else second
    for index in range(1, step):
        share = index / step
        yield index, np.asarray((1 - share) * first + share * second > 0, dtype=np.bool_)


def _signed(image: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance from the outline in pixels, positive inside."""
    inside = depth_mm(np.pad(image, 1), (1.0, 1.0))[1:-1, 1:-1]
    if not image.any():
        return inside
    return inside - depth_mm(~image, (1.0, 1.0))

"""Whether a thing outlined on one study is to be seen at its place on the other."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from domain.grid import Grid
from domain.volume import Mask, Volume
from reporting.extent import extent

_IN_FIELD: Final = 0.9
_HALF: Final = 0.5
_SHELL_MM: Final = (2.0, 8.0)
_PEAK_MM: Final = 1.0
_LITTLE: Final = 0.25
_MOST_PLACES: Final = 20_000

Points = Callable[[NDArray[np.float64]], NDArray[np.float64]]
Place = tuple[slice, slice, slice]


class Sight(Enum):
    """What is at the place."""

    OUT_OF_FIELD = "out of field"
    ABSENT = "absent"
    LITTLE = "little"
    THERE = "there"


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What the other study shows at the place of a thing.

    Attributes
    ----------
    region
        Where the thing would be on the other study, as large as it was; None out of its field.
    core
        What of that reaches half of the thing's contrast; None where nothing does.
    share
        Of the region, that part.
    contrast
        The highest contrast in the region over the thing's own.
    """

    sight: Sight
    says: str
    region: Mask | None = None
    core: Mask | None = None
    share: float = 0.0
    contrast: float = 0.0


def carried(mask: Mask, other: Grid, there: Points, back: Points) -> Mask | None:
    """Return a mask on the grid of the other study, or None where a tenth of it is not shown.

    Every voxel of the other grid near by takes what is at its own place: nothing is left out
    where the other's voxels are finer.

    Parameters
    ----------
    there, back
        From the mask's millimetres to the other study's, and back.
    """
    marked = np.argwhere(mask.voxels)
    places = marked[:: max(1, len(marked) // _MOST_PLACES)]
    index = other.to_index(there(mask.grid.to_lps_mm(places)))
    shape = np.array(other.shape)
    inside = ((index > -_HALF) & (index < shape - _HALF)).all(axis=1)
    if inside.mean() < _IN_FIELD:
        return None
    margin = np.ceil(np.array(mask.grid.spacing_mm).max() / np.array(other.spacing_mm)) + 1
    low = np.clip(np.floor(index.min(axis=0) - margin), 0, shape - 1).astype(int)
    high = np.clip(np.ceil(index.max(axis=0) + margin), 0, shape - 1).astype(int) + 1
    near = np.stack(
        np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij"), -1
    )
    found = np.rint(mask.grid.to_index(back(other.to_lps_mm(near.reshape(-1, 3))))).astype(int)
    known = ((found >= 0) & (found < mask.grid.shape)).all(axis=1)
    taken = np.zeros(len(found), dtype=np.bool_)
    taken[known] = mask.voxels[tuple(found[known].T)]
    voxels = np.zeros(other.shape, dtype=np.bool_)
    voxels[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = taken.reshape(near.shape[:3])
    return Mask(voxels=voxels, grid=other) if voxels.any() else None


def seen_on(image: Volume, mask: Mask, other: Volume, there: Points, back: Points) -> Seen:
    """Return what the other study shows where ``mask`` lies on ``image``.

    The thing's contrast is its median against that of a shell 2 to 8 mm round it. Where nothing in
    its place on the other study reaches half of that, it is absent: the edge of a thing blurred by
    the scanner lies at half, so what stays below has no outline. Grey levels of MR are brought to
    one scale by the two shells.
    """
    region = carried(mask, other.grid, there, back)
    if region is None:
        return Seen(sight=Sight.OUT_OF_FIELD, says="its place is outside the images")
    inside, outside = _levels(image, mask)
    place = _grown(region)
    values, marked = np.asarray(other.voxels[place], dtype=np.float64), region.voxels[place]
    around = float(np.median(values[_shell(marked, other.grid)]))
    scale = 1.0 if other.modality == "CT" or outside <= 0 else around / outside
    contrast = (inside - outside) * scale
    if contrast == 0.0:
        return Seen(sight=Sight.LITTLE, says="it does not stand out", region=region)
    sigma = [_PEAK_MM / mm for mm in other.grid.spacing_mm]
    relative = (ndimage.gaussian_filter(values, sigma) - around) / contrast
    height = float(relative[marked].max())
    strong = marked & ((values - around) / contrast >= _HALF)
    share = float(strong.sum() / marked.sum())
    if height < _HALF or not strong.any():
        says = f"nothing in its place has half of its contrast ({height:.2f} of it at most)"
        return Seen(sight=Sight.ABSENT, says=says, region=region, share=share, contrast=height)
    voxels = np.zeros(other.grid.shape, dtype=np.bool_)
    voxels[place] = _largest(strong)
    return Seen(
        sight=Sight.LITTLE if share < _LITTLE else Sight.THERE,
        says=f"{100 * share:.0f} % of its place has half of its contrast",
        region=region,
        core=Mask(voxels=voxels, grid=other.grid),
        share=share,
        contrast=height,
    )


def _levels(image: Volume, mask: Mask) -> tuple[float, float]:
    place = _grown(mask)
    values, marked = np.asarray(image.voxels[place], dtype=np.float64), mask.voxels[place]
    shell = _shell(marked, image.grid)
    return float(np.median(values[marked])), float(np.median(values[shell]))


def _grown(mask: Mask) -> Place:
    """Return the part of the grid with the mask and its shell."""
    box = extent(mask)
    steps = [int(np.ceil(_SHELL_MM[1] / mm)) + 1 for mm in mask.grid.spacing_mm]
    slices, rows, columns = (
        slice(max(0, part.start - step), min(length, part.stop + step))
        for part, step, length in zip(box, steps, mask.grid.shape, strict=True)
    )
    return slices, rows, columns


def _shell(marked: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    away = edt.edt(np.ascontiguousarray(~marked), anisotropy=grid.spacing_mm)
    shell = np.asarray((away > _SHELL_MM[0]) & (away <= _SHELL_MM[1]), dtype=np.bool_)
    return shell if shell.any() else ~marked


def _largest(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, _ = ndimage.label(marked, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax(), dtype=np.bool_)

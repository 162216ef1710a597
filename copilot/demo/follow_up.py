"""The sample study again, months later: the lesion grown by a known factor, the patient moved.

The lesion is enlarged from its middle outwards, and what lies round it gives way smoothly; the
images have a noise of their own, and the patient lies elsewhere on the table.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from copilot.demo.study import SampleCase, write_case
from domain.grid import Grid
from domain.ports import UidSource
from domain.volume import Mask

GROWTH: Final = 1.6
DAYS: Final = 140
DATE: Final = "20200520"

_MARGIN_MM: Final = 3.0  # round the grown lesion: enlarged with it
_GIVES_WAY_MM: Final = 18.0  # beyond that, until nothing moves
_NOISE_HU: Final = 8.0
_SEED: Final = 20200520
_MOVED_MM: Final = (12.0, -18.0, 35.0)
_TURNED_DEG: Final = 2.0


def make_follow_up(case: SampleCase, uids: UidSource, target: Path) -> SampleCase:
    """Write the sample's patient as ``DAYS`` later, with the lesion ``GROWTH`` times as large.

    The returned expert's mask is the first one, enlarged as the images are.
    """
    stretch = GROWTH ** (1.0 / 3.0)
    grid, expert = case.volume.grid, case.expert
    at = expert.grid.to_lps_mm(np.argwhere(expert.voxels).astype(float))
    middle = at.mean(axis=0)
    reach_mm = float(np.linalg.norm(at - middle, axis=1).max()) * stretch + _MARGIN_MM
    part = _round(grid, middle, reach_mm + _GIVES_WAY_MM)
    where = _sources(grid, part, middle, reach_mm, stretch)
    voxels = case.volume.voxels.astype(np.float32)
    inside = expert.voxels.astype(np.float32)
    for image in (voxels, inside):
        image[part] = map_coordinates(image, where, order=1, mode="nearest")
    noise = np.random.default_rng(_SEED).normal(0.0, _NOISE_HU, size=grid.shape)
    seen = np.clip(np.rint(voxels + noise), -1024, 3071).astype(np.int16)
    moved = Grid(affine=_table() @ grid.affine, shape=grid.shape)
    return write_case(
        volume=replace(case.volume, voxels=seen, grid=moved),
        expert=Mask(voxels=inside > 0.5, grid=moved),  # noqa: PLR2004 - half a voxel
        uids=uids,
        target=target,
        date=DATE,
    )


def _round(grid: Grid, middle: NDArray[np.float64], radius_mm: float) -> tuple[slice, slice, slice]:
    """Return the part of a grid that holds a ball."""
    at = grid.to_index(middle[None])[0]
    reach = radius_mm / np.array(grid.spacing_mm)
    first = np.maximum(np.floor(at - reach), 0).astype(int)
    last = np.minimum(np.ceil(at + reach) + 1, grid.shape).astype(int)
    slices, rows, columns = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return slices, rows, columns


def _sources(
    grid: Grid,
    part: tuple[slice, slice, slice],
    middle: NDArray[np.float64],
    reach_mm: float,
    stretch: float,
) -> NDArray[np.float64]:
    """Return the index (3, ...) that each voxel of a part of the later study comes from."""
    index = np.array(np.mgrid[part], dtype=float)
    away = grid.to_lps_mm(index.reshape(3, -1).T) - middle
    fades = np.clip((np.linalg.norm(away, axis=1) - reach_mm) / _GIVES_WAY_MM, 0.0, 1.0)
    share = 0.5 + 0.5 * np.cos(np.pi * fades)  # 1 in the lesion, 0 where nothing moves
    scale = 1.0 + share * (1.0 / stretch - 1.0)
    return grid.to_index(middle + away * scale[:, None]).T.reshape(index.shape)


def _table() -> NDArray[np.float64]:
    """Return how the patient lies otherwise: turned about the long axis, and moved."""
    turn = np.deg2rad(_TURNED_DEG)
    made = np.eye(4)
    made[:2, :2] = ((np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn)))
    made[:3, 3] = _MOVED_MM
    return made

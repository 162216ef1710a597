"""A trunk with organs of known place, size and level."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from domain.grid import Grid
from domain.volume import Mask, Volume
from tests.contracts.segmenters import axial_grid

FAT_HU = -100.0
MUSCLE_HU = 55.0
BONE_HU = 350.0
LUNG_HU = -850.0
ENHANCED = {"liver": 110.0, "spleen": 125.0, "left kidney": 180.0, "right kidney": 180.0}
PLAIN = {"liver": 58.0, "spleen": 45.0, "left kidney": 32.0, "right kidney": 32.0}

# Centre and half axes in mm: left, front of the spine, above the lowest slice.
ORGANS = {
    "liver": ((-75.0, 45.0, 90.0), (62.0, 62.0, 60.0)),
    "spleen": ((104.0, 12.0, 95.0), (24.0, 36.0, 45.0)),
    "left kidney": ((60.0, -2.0, 45.0), (24.0, 26.0, 42.0)),
    "right kidney": ((-60.0, -6.0, 34.0), (24.0, 26.0, 42.0)),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Trunk:
    """A CT and where its organs are."""

    volume: Volume
    organs: Mapping[str, Mask] = field(repr=False)


def trunk(
    levels: Mapping[str, float] = ENHANCED,
    *,
    spacing_mm: tuple[float, float, float] = (3.0, 3.0, 3.0),
    with_lungs: bool = True,
    noise: float = 8.0,
) -> Trunk:
    """Return a trunk of 150 mm with the organs that ``levels`` names; the rest is fat."""
    shape = tuple(round(mm / step) for mm, step in zip((150, 240, 345), spacing_mm, strict=True))
    grid = axial_grid((shape[0], shape[1], shape[2]), spacing_mm)
    up, row, column = (
        np.arange(count).reshape([-1 if axis == own else 1 for own in range(3)]) * step
        for axis, (count, step) in enumerate(zip(shape, spacing_mm, strict=True))
    )
    left, front = column - 172.0, 165.0 - row
    voxels = np.full(shape, -1000.0)
    for grow, level in ((0, FAT_HU), (-15, MUSCLE_HU), (-28, FAT_HU)):
        voxels[_in(left, front - 47, (163 + grow, 112 + grow), up)] = level
    for angle in np.linspace(-0.35, np.pi + 0.35, 12):
        at = (139 * np.cos(angle), 47 + 88 * np.sin(angle))
        voxels[_in(left - at[0], front - at[1], (6, 6), up)] = BONE_HU
    for side in (-1, 1):
        voxels[_in(left - side * 32, front + 38, (26, 18), up)] = MUSCLE_HU
    voxels[_in(left, front - 8, (22, 17), up)] = BONE_HU
    voxels[_in(left, front + 22, (6, 22), up)] = BONE_HU
    organs: dict[str, Mask] = {}
    for name, level in levels.items():
        (to_left, to_front, above), (wide, deep, high) = ORGANS[name]
        apart = (
            ((left - to_left) / wide) ** 2
            + ((front - to_front) / deep) ** 2
            + ((up - above) / high) ** 2
        )
        inside = apart <= 1
        voxels[inside] = level
        organs = {
            other: Mask(voxels=mask.voxels & ~inside, grid=grid) for other, mask in organs.items()
        } | {name: Mask(voxels=inside, grid=grid)}
    if with_lungs:
        for side in (-1, 1):
            base = _in(left - side * 85, front - 25, (40, 50), up) & (up > 135)
            for mask in organs.values():
                base &= ~mask.voxels
            voxels[base] = LUNG_HU
    voxels += np.random.default_rng(4).normal(0, noise, shape)
    return Trunk(
        volume=Volume(voxels=voxels.astype(np.float32), grid=grid, modality="CT"), organs=organs
    )


def _in(
    left: NDArray[np.float64],
    front: NDArray[np.float64],
    half: tuple[float, float],
    up: NDArray[np.float64],
) -> NDArray[np.bool_]:
    return ((left / half[0]) ** 2 + (front / half[1]) ** 2 + 0 * up) <= 1


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * np.count_nonzero(one & other) / (one.sum() + other.sum()))


def restored(volume: Volume, grid: Grid) -> Volume:
    """Return a volume's voxels on another grid: what a wrong header does."""
    return Volume(voxels=volume.voxels, grid=grid, modality=volume.modality)

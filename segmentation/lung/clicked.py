"""What lies under one click in aerated lung: its outline, free of vessels and pleura.

Solid is what reaches the half-maximum. A nodule is told from what it hangs on by width alone: in
every slice, what is narrower than half its inscribed circle is a vessel, and what the lung closed
by a rolling ball does not reach is pleura. A sphere loses 3 % of its volume by the first rule.
"""

import math
from dataclasses import dataclass
from typing import Final

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from domain.grid import Grid
from domain.prompt import Box, Point
from domain.volume import Volume
from segmentation.windows import AIR_BELOW_HU, EMPTY_AIR_HU

SOLID_FROM_HU: Final = -300.0
SOLID_LIMITS_HU: Final = (SOLID_FROM_HU, 100.0)  # calcium and contrast must not lift the threshold

_REACH_MM: Final = 45.0  # a mass is above 30 mm; beyond this a box is the honest hint
_NEAR_MM: Final = 5.0
_FORGIVEN_MM: Final = 2.0
_PEAK_PERCENTILE: Final = 90.0
_CORE: Final = 0.6
_CORE_PERCENTILE: Final = 75.0  # of the core, as for a box
_ROLLING_BALL_MM: Final = 15.0
_ROLLING_STEP_MM: Final = 1.5
_VESSEL_WIDTH: Final = 0.5
_LONGEST: Final = 2.5
_CAP: Final = 0.2  # of the radius: what a sphere is deep beyond half its width, and a little
_LEAST_LUNG_SHARE: Final = 0.03
_LEAST_AIR_VOXELS: Final = 100
_LEAST_PART_ML: Final = 2.0

Place = tuple[slice, slice, slice]
Index = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Outline:
    """One solid thing in lung.

    Attributes
    ----------
    place
        Where ``voxels``, cut out tightly, stand in the volume.
    centre
        Middle of the widest circle inside it: a click there gives this outline again.
    threshold_hu
        Half-way between it and the lung.
    """

    voxels: NDArray[np.bool_]
    place: Place
    centre: Index
    threshold_hu: float

    def box(self) -> Box:
        """Return the box round it, over all its slices."""
        slices, rows, columns = self.place
        return Box(
            slice_start=slices.start,
            slice_stop=slices.stop,
            row_start=rows.start,
            row_stop=rows.stop,
            column_start=columns.start,
            column_stop=columns.stop,
        )

    def volume_ml(self, grid: Grid) -> float:
        """Return the volume of its voxels."""
        return float(np.count_nonzero(self.voxels)) * grid.voxel_volume_mm3 / 1000

    def diameter_mm(self, grid: Grid) -> float:
        """Return the longest diameter in one slice, between the pixels' outer corners."""
        _, row_mm, column_mm = grid.spacing_mm
        return max(_across_mm(image, row_mm, column_mm) for image in self.voxels)


def outlined(volume: Volume, click: Point) -> Outline | str:
    """Return what lies under a click, or the reason why nothing honest can be said."""
    patch = _Patch.round(volume, click)
    lung = patch.lung()
    if lung.mean() < _LEAST_LUNG_SHARE:
        return "there is no aerated lung round the click: draw a box on one slice"
    inside = _closed(lung, volume.grid.spacing_mm)
    if not inside[patch.click]:
        return "the click is not in lung or on what grows into it: draw a box on one slice"
    lung_hu = float(np.median(patch.values[lung]))
    seed = _seed(patch, inside, lung_hu)
    if isinstance(seed, str):
        return seed
    core_hu = float(np.clip(patch.core_hu(*seed), *SOLID_LIMITS_HU))
    threshold_hu = (core_hu + lung_hu) / 2
    solid = _solid(patch, inside, threshold_hu)
    if not solid[seed[0]]:
        return "what is clicked is hollow or blurred: draw a box on one slice"
    centre, radius_mm = _widest(solid, seed[0], patch.spacing_mm)
    voxels = _alone(solid, centre, radius_mm, patch.spacing_mm)
    if voxels is None:
        return (
            "what is clicked runs on like a vessel, or into what lies beside it: "
            "draw a box on one slice and give the slice range"
        )
    return patch.outline(voxels, centre, threshold_hu)


def _seed(patch: "_Patch", inside: NDArray[np.bool_], lung_hu: float) -> tuple[Index, float] | str:
    """Return the middle and radius in mm of the widest section by a first guess, or a reason."""
    level_hu = patch.level_hu(inside)
    if level_hu < SOLID_FROM_HU:
        return (
            f"nothing solid lies under the click ({level_hu:.0f} HU at most; air or ground glass): "
            "click in the middle of the nodule, or draw a box"
        )
    solid = _solid(patch, inside, (min(level_hu, SOLID_LIMITS_HU[1]) + lung_hu) / 2)
    seed = patch.nearest(solid)
    if seed is None:
        return "the click is beside what is solid: click in the middle of the nodule, or draw a box"
    return _widest(solid, seed, patch.spacing_mm)


def _alone(
    solid: NDArray[np.bool_],
    centre: Index,
    radius_mm: float,
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.bool_] | None:
    """Return the freed part round the centre, or None where it runs on beyond a nodule's length."""
    reach_mm = _LONGEST * radius_mm + spacing_mm[0] / 2
    near = _about(centre, reach_mm, spacing_mm)
    at = (centre[0] - near[0].start, centre[1] - near[1].start, centre[2] - near[2].start)
    freed = _freed(solid[near], at, radius_mm, spacing_mm)
    if _distance_mm(freed.shape, at, spacing_mm)[freed].max() > reach_mm:
        return None
    voxels = np.zeros_like(solid)
    voxels[near] = freed
    return voxels


@dataclass(frozen=True, kw_only=True)
class _Patch:
    """What is near a click; indices inside count from its own corner."""

    values: NDArray[np.float32]
    place: Place
    click: Index
    spacing_mm: tuple[float, float, float]

    @classmethod
    def round(cls, volume: Volume, click: Point) -> "_Patch":
        index = (click.slice_index, click.row, click.column)
        place = tuple(
            slice(max(0, at - math.ceil(_REACH_MM / mm)), at + math.ceil(_REACH_MM / mm) + 1)
            for at, mm in zip(index, volume.grid.spacing_mm, strict=True)
        )
        corner = tuple(part.start for part in place)
        return cls(
            values=np.asarray(volume.voxels[place], dtype=np.float32),
            place=(place[0], place[1], place[2]),
            click=(index[0] - corner[0], index[1] - corner[1], index[2] - corner[2]),
            spacing_mm=volume.grid.spacing_mm,
        )

    def lung(self) -> NDArray[np.bool_]:
        """Return the air that is lung: not the nearly empty air round the patient."""
        labels, count = ndimage.label(self.values < AIR_BELOW_HU)
        if not count:
            return np.zeros(self.values.shape, dtype=np.bool_)
        is_lung = np.zeros(count + 1, dtype=np.bool_)
        for number in np.flatnonzero(np.bincount(labels.ravel()) >= _LEAST_AIR_VOXELS):
            if number:
                is_lung[number] = np.median(self.values[labels == number]) > EMPTY_AIR_HU
        return np.asarray(is_lung[labels], dtype=np.bool_)

    def level_hu(self, inside: NDArray[np.bool_]) -> float:
        """Return the level of the brightest tenth near the click, on its slice and beside it."""
        near = _distance_mm(self.values.shape, self.click, self.spacing_mm)[self.click[0]]
        reach = max(1, round(_NEAR_MM / self.spacing_mm[0]))
        levels = [-math.inf]
        for index in range(max(0, self.click[0] - reach), self.click[0] + reach + 1):
            chosen = self.values[index : index + 1][
                inside[index : index + 1] & (near <= _NEAR_MM / 2)
            ]
            levels += [float(np.percentile(chosen, _PEAK_PERCENTILE))] if chosen.size else []
        return max(levels)

    def nearest(self, solid: NDArray[np.bool_]) -> Index | None:
        """Return the voxel of ``solid`` nearest to the click, forgiving two millimetres."""
        distance = _distance_mm(solid.shape, self.click, self.spacing_mm)
        distance[~solid] = np.inf
        at = np.unravel_index(int(distance.argmin()), solid.shape)
        if distance[at] > _FORGIVEN_MM:
            return None
        return int(at[0]), int(at[1]), int(at[2])

    def core_hu(self, centre: Index, radius_mm: float) -> float:
        """Return the level of the middle of the widest section."""
        _, row_mm, column_mm = self.spacing_mm
        image = self.values[centre[0]]
        rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
        apart = np.hypot((rows - centre[1]) * row_mm, (columns - centre[2]) * column_mm)
        core = apart <= max(_CORE * radius_mm, row_mm)
        return float(np.percentile(image[core], _CORE_PERCENTILE))

    def outline(self, voxels: NDArray[np.bool_], centre: Index, threshold_hu: float) -> Outline:
        """Return a region of the patch where it stands in the volume."""
        inner = ndimage.find_objects(voxels.astype(np.int8))[0]
        corner = [part.start for part in self.place]
        place = [
            slice(part.start + start, part.stop + start)
            for part, start in zip(inner, corner, strict=True)
        ]
        at = [index + start for index, start in zip(centre, corner, strict=True)]
        return Outline(
            voxels=voxels[inner],
            place=(place[0], place[1], place[2]),
            centre=(at[0], at[1], at[2]),
            threshold_hu=threshold_hu,
        )


def _about(centre: Index, reach_mm: float, spacing_mm: tuple[float, float, float]) -> Place:
    """Return the part of a patch within a reach, and two voxels more."""
    starts = [
        max(0, at - math.ceil(reach_mm / mm) - 2) for at, mm in zip(centre, spacing_mm, strict=True)
    ]
    stops = [at + math.ceil(reach_mm / mm) + 3 for at, mm in zip(centre, spacing_mm, strict=True)]
    return slice(starts[0], stops[0]), slice(starts[1], stops[1]), slice(starts[2], stops[2])


def _distance_mm(
    shape: tuple[int, ...], centre: Index, spacing_mm: tuple[float, float, float]
) -> NDArray[np.float64]:
    axes = [
        ((np.arange(length) - at) * mm) ** 2
        for length, at, mm in zip(shape, centre, spacing_mm, strict=True)
    ]
    squared = axes[0][:, None, None] + axes[1][None, :, None] + axes[2][None, None, :]
    return np.asarray(np.sqrt(squared), dtype=np.float64)


def closed_by_ball(
    voxels: NDArray[np.bool_], radius_mm: float, spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Close with a ball; beyond the array there is nothing."""
    if not voxels.any():
        return voxels
    reach = [math.ceil(radius_mm / mm) + 1 for mm in spacing_mm]
    padded = np.pad(voxels, [(step, step) for step in reach])
    grown = edt.edt(np.ascontiguousarray(~padded), anisotropy=spacing_mm) <= radius_mm
    closed = edt.edt(np.ascontiguousarray(grown), anisotropy=spacing_mm) > radius_mm
    inner = tuple(slice(step, -step) for step in reach)
    return np.asarray(voxels | closed[inner], dtype=np.bool_)


def _closed(lung: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Return the lung with what a rolling ball cannot reach from outside it.

    Each connected part by itself: what lies between two lungs is in neither.
    """
    steps = [max(1, round(_ROLLING_STEP_MM / mm)) for mm in spacing_mm]
    coarse_mm = (spacing_mm[0] * steps[0], spacing_mm[1] * steps[1], spacing_mm[2] * steps[2])
    labels, _ = ndimage.label(lung)
    labels = labels[:: steps[0], :: steps[1], :: steps[2]]
    least = _LEAST_PART_ML * 1000 / math.prod(coarse_mm)
    sizes = np.bincount(labels.ravel())
    closed = np.zeros(labels.shape, dtype=np.bool_)
    for number in range(1, len(sizes)):
        if sizes[number] >= least:
            closed |= closed_by_ball(labels == number, _ROLLING_BALL_MM, coarse_mm)
    for axis, step in enumerate(steps):
        closed = np.repeat(closed, step, axis=axis)
    return lung | closed[: lung.shape[0], : lung.shape[1], : lung.shape[2]]


def _solid(patch: _Patch, inside: NDArray[np.bool_], threshold_hu: float) -> NDArray[np.bool_]:
    return np.asarray(inside & (patch.values >= threshold_hu), dtype=np.bool_)


def _depth_mm(
    voxels: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Return the distance to the section's edge, in each slice by itself."""
    return np.stack(
        [edt.edt(np.ascontiguousarray(image), anisotropy=spacing_mm[1:]) for image in voxels]
    )


def _widest(
    solid: NDArray[np.bool_], seed: Index, spacing_mm: tuple[float, float, float]
) -> tuple[Index, float]:
    """Return where the inscribed circle is widest, uphill from a seed, and its radius in mm."""
    depth_mm = _depth_mm(solid, spacing_mm)
    reach = [1, *(max(1, round(_FORGIVEN_MM / mm)) for mm in spacing_mm[1:])]
    at = seed
    while True:
        near = tuple(
            slice(max(0, index - step), index + step + 1)
            for index, step in zip(at, reach, strict=True)
        )
        window = depth_mm[near]
        found = np.unravel_index(int(window.argmax()), window.shape)
        higher = tuple(int(part.start + index) for part, index in zip(near, found, strict=True))
        if depth_mm[higher] <= depth_mm[at]:
            return at, float(depth_mm[at])
        at = (higher[0], higher[1], higher[2])


def _freed(
    solid: NDArray[np.bool_],
    centre: Index,
    radius_mm: float,
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.bool_]:
    """Return the part round the centre without what is narrower than half its width."""
    width_mm = _VESSEL_WIDTH * radius_mm
    wide = np.asarray(_depth_mm(solid, spacing_mm) > width_mm, dtype=np.bool_)
    kept = _joined(wide, centre)
    apart_mm = _depth_mm(~kept, spacing_mm)
    opened = solid & (apart_mm <= width_mm) & np.asarray(kept.any(axis=(1, 2)))[:, None, None]
    edge = np.zeros((3, 3, 3), dtype=np.bool_)
    edge[1] = True
    voxels = solid & np.asarray(ndimage.binary_dilation(opened, edge), dtype=np.bool_)
    voxels = _joined(voxels, centre)
    _cap(voxels, solid, max(1, round(_CAP * radius_mm / spacing_mm[0])))
    return np.stack([ndimage.binary_fill_holes(image) for image in voxels])


def _cap(voxels: NDArray[np.bool_], solid: NDArray[np.bool_], most: int) -> None:
    """Add, in place, the narrow sections it tapers off with; a vessel runs on and is left out."""
    marked = np.flatnonzero(voxels.any(axis=(1, 2)))
    for end, step in ((int(marked[0]), -1), (int(marked[-1]), 1)):
        section = voxels[end]
        added: list[tuple[int, NDArray[np.bool_]]] = []
        for index in range(end + step, end + step * (most + 2), step):
            if not 0 <= index < len(solid):
                break
            section = section & solid[index]
            if not section.any():
                for place, part in added:
                    voxels[place] = part
                break
            added.append((index, section))


def _joined(voxels: NDArray[np.bool_], centre: Index) -> NDArray[np.bool_]:
    labels, _ = ndimage.label(voxels, structure=np.ones((3, 3, 3)))
    return np.asarray((labels == labels[centre]) & voxels, dtype=np.bool_)


def _across_mm(image: NDArray[np.bool_], row_mm: float, column_mm: float) -> float:
    rows, columns = np.nonzero(image)
    if not rows.size:
        return 0.0
    corners = np.concatenate(
        [
            np.column_stack([(rows + up) * row_mm, (columns + along) * column_mm])
            for up in (0, 1)
            for along in (0, 1)
        ]
    )
    outer = corners[ConvexHull(corners).vertices]
    apart = outer[:, None, :] - outer[None, :, :]
    return float(np.sqrt((apart**2).sum(axis=-1)).max())

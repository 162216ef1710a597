"""Candidates for solid lung nodules on CT: where to look and click, never a finding.

A bright ball has three strong negative curvatures, a vessel two, the pleura and a fissure one. The
smallest of the three, made smaller by how far the largest exceeds it, tells them apart (the dot
filter of Li, Sone and Doi, Med Phys 2003;30:2040): |l3|^2 / |l1|, over scales in millimetres. It
is read off the lung alone, closed by a rolling ball so that what sits on the pleura is kept, with
the chest wall replaced by lung. Each place is then outlined as a click would outline it.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from domain.candidate import Candidate
from domain.concepts import ConceptTable
from domain.grid import Grid
from domain.ports import Progress
from domain.prompt import Point
from domain.volume import Volume
from segmentation.lung.clicked import Outline, closed_by_ball, outlined
from segmentation.routing import ROUTE_LUNG_NODULES
from segmentation.rules.lungs_and_body import lungs_by_side
from segmentation.upright import Upright
from segmentation.windows import AIR_BELOW_HU

_DIAMETERS_MM: Final = (5.0, 7.0, 10.0, 14.0, 20.0, 28.0)
_STEP_MM: Final = 1.5
_SOLID_HU: Final = 0.0
_BRIGHTEST_HU: Final = 100.0
_BALL_RESPONSE: Final = 0.308  # of its contrast, by a ball of radius sqrt(3) sigma, at its centre
_LEAST_SCORE: Final = 0.15
_APART_MM: Final = 5.0
_ROLLING_BALL_MM: Final = 15.0
_ROLLING_STEP_MM: Final = 3.0
_MOST_OUTLINED: Final = 60
_MOST: Final = 12
_LEAST_MM: Final = 4.0
_BATCH: Final = 200_000


class NoduleFinder:
    """Solid nodules in aerated lung, most ball-like first."""

    def __init__(self, concepts: ConceptTable) -> None:
        self._concepts = concepts

    def supports(self, volume: Volume, concept: str) -> str | None:
        """Return None for lung nodules on a CT of several slices."""
        known = self._concepts.find(concept)
        if known is None or known.route != ROUTE_LUNG_NODULES:
            return f"candidates are listed for lung nodules, not for the {concept}: draw a box"
        if volume.modality != "CT" or volume.is_colour:
            return (
                f"lung nodules are looked for on CT only, this series is {volume.modality}: "
                "draw a box on one slice and give the slice range"
            )
        grid = volume.grid
        if min(grid.shape) < 2 or not (grid.in_plane_calibrated and grid.slice_spacing_known):  # noqa: PLR2004 - one slice is no volume
            return "lung nodules are looked for on a CT of several slices: draw a box"
        return None

    def find(self, volume: Volume, progress: Progress) -> tuple[Candidate, ...]:
        """Return at most twelve candidates, most ball-like first; none is an answer too."""
        upright = Upright.of(volume)
        lungs = {
            side: _closed(part, upright.volume.grid)
            for side, part in lungs_by_side(upright.volume, _part(progress, 0.0, 0.3)).items()
        }
        progress(0.3, "looking for what is round")
        inside = np.logical_or.reduce(list(lungs.values()))
        if not inside.any():
            return ()
        field = _Field.of(upright.volume, inside)
        peaks = field.peaks(_part(progress, 0.3, 0.7))
        found: list[Candidate] = []
        outlines: list[Outline] = []
        for number, peak in enumerate(peaks):
            progress(0.7 + 0.3 * number / len(peaks), "measuring candidates")
            outline = outlined(volume, _point(peak, upright, volume.grid))
            if isinstance(outline, str) or any(_overlap(outline, other) for other in outlines):
                continue
            outlines.append(outline)
            candidate = _candidate(outline, peak.score, volume.grid, _side(lungs, peak))
            if candidate.diameter_mm >= _LEAST_MM:
                found.append(candidate)
            if len(found) == _MOST:
                break
        progress(1.0, "done")
        return tuple(found)


def _part(progress: Progress, start: float, stop: float) -> Progress:
    def report(fraction: float, stage: str) -> None:
        progress(start + (stop - start) * fraction, stage)

    return report


@dataclass(frozen=True, kw_only=True)
class _Peak:
    """Where something is most ball-like, in fractional indices of the upright volume."""

    index: tuple[float, float, float]
    score: float


@dataclass(frozen=True, kw_only=True)
class _Field:
    """The lungs' bounding box in steps of about a millimetre, with lung in place of the wall."""

    values: NDArray[np.float32]
    inside: NDArray[np.bool_]
    corner: tuple[int, int, int]
    ratio: tuple[float, float, float]
    source_mm: tuple[float, float, float]
    lung_hu: float

    @classmethod
    def of(cls, volume: Volume, inside: NDArray[np.bool_]) -> "_Field":
        place = ndimage.find_objects(inside.astype(np.int8))[0]
        source_mm = volume.grid.spacing_mm
        marked = inside[place]
        values = volume.voxels[place].astype(np.float32)
        lung_hu = float(np.median(values[marked & (values < AIR_BELOW_HU)]))
        values = np.where(marked, np.clip(values, lung_hu, _BRIGHTEST_HU), np.float32(lung_hu))
        ratio = []
        near = marked.astype(np.float32)
        for axis, mm in enumerate(source_mm):
            step = max(1, math.floor(_STEP_MM / mm + 1e-6))
            if step > 1:
                values, near = _means(values, axis, step), _means(near, axis, step)
            parts = max(1, round(mm / _STEP_MM))
            if parts > 1:
                values, near = _between(values, axis, parts), _between(near, axis, parts)
            ratio.append(step / parts)
        return cls(
            values=values,
            inside=near >= 0.5,  # noqa: PLR2004 - half of a voxel
            corner=(place[0].start, place[1].start, place[2].start),
            ratio=(ratio[0], ratio[1], ratio[2]),
            source_mm=source_mm,
            lung_hu=lung_hu,
        )

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Distance between neighbours."""
        return tuple(mm * ratio for mm, ratio in zip(self.source_mm, self.ratio, strict=True))

    def peaks(self, progress: Progress) -> list[_Peak]:
        """Return the most ball-like places, best first."""
        best = np.zeros(self.values.shape, dtype=np.float32)
        for number, diameter_mm in enumerate(_DIAMETERS_MM):
            progress(number / len(_DIAMETERS_MM), f"things about {diameter_mm:.0f} mm wide")
            self._respond(diameter_mm / (2 * math.sqrt(3)), best)
        reach = [2 * max(1, round(_APART_MM / 2 / mm)) + 1 for mm in self.spacing_mm]
        is_peak = (best >= _LEAST_SCORE) & (best == ndimage.maximum_filter(best, size=reach))
        places = np.argwhere(is_peak)
        scores = best[is_peak]
        order = np.argsort(-scores, kind="stable")[:_MOST_OUTLINED]
        return [self._peak(places[at], float(scores[at])) for at in order]

    def _peak(self, place: NDArray[np.intp], score: float) -> _Peak:
        index = [
            start + (float(at) + 0.5) * ratio - 0.5
            for at, ratio, start in zip(place, self.ratio, self.corner, strict=True)
        ]
        return _Peak(index=(index[0], index[1], index[2]), score=min(score, 1.0))

    def _respond(self, sigma_mm: float, best: NDArray[np.float32]) -> None:
        """Raise ``best``, in place, to the response at one scale: 1 is a solid ball on its own."""
        smooth = ndimage.gaussian_filter(self.values, self._sigmas(sigma_mm))
        slopes = [np.gradient(smooth, mm, axis=axis) for axis, mm in enumerate(self.spacing_mm)]
        bent = sum(
            np.gradient(slope, mm, axis=axis)
            for axis, (slope, mm) in enumerate(zip(slopes, self.spacing_mm, strict=True))
        )
        full = _BALL_RESPONSE * (_SOLID_HU - self.lung_hu) / sigma_mm**2
        # the response never exceeds a third of the trace
        chosen = self.inside & (-np.asarray(bent) / 3 >= _LEAST_SCORE * full)
        hessian = np.empty((np.count_nonzero(chosen), 3, 3), dtype=np.float32)
        for row in range(3):
            for column in range(row, 3):
                second = np.gradient(slopes[row], self.spacing_mm[column], axis=column)[chosen]
                hessian[:, row, column] = hessian[:, column, row] = second
        best[chosen] = np.maximum(best[chosen], _dots(hessian) / full)

    def _sigmas(self, sigma_mm: float) -> list[float]:
        """Return the blur each axis still lacks, in its own steps: thick slices have some."""
        lacking = []
        for mm, ratio, source_mm in zip(self.spacing_mm, self.ratio, self.source_mm, strict=True):
            # a slice averages over its thickness; a straight line between slices blurs again
            had = source_mm**2 / 4 if ratio < 1 else mm**2 / 12
            lacking.append(math.sqrt(max(sigma_mm**2 - had, 0.0)) / mm)
        return lacking


def _dots(hessian: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return |l3|^2 / |l1| where all curvatures are negative, else 0."""
    response = np.zeros(len(hessian), dtype=np.float32)
    for start in range(0, len(hessian), _BATCH):
        curvatures = -np.linalg.eigvalsh(hessian[start : start + _BATCH])
        most, least = curvatures[:, 0], np.maximum(curvatures[:, 2], 0)
        response[start : start + _BATCH] = least**2 / np.maximum(most, np.finfo(np.float32).tiny)
    return response


def _means(values: NDArray[np.float32], axis: int, step: int) -> NDArray[np.float32]:
    """Return means of ``step`` neighbours along an axis; the last may repeat the edge."""
    padding = [(0, 0)] * 3
    padding[axis] = (0, -values.shape[axis] % step)
    padded = np.pad(values, padding, mode="edge")
    shape = [*padded.shape[:axis], padded.shape[axis] // step, step, *padded.shape[axis + 1 :]]
    return np.asarray(padded.reshape(shape).mean(axis=axis + 1), dtype=np.float32)


def _between(values: NDArray[np.float32], axis: int, parts: int) -> NDArray[np.float32]:
    """Return ``parts`` samples for each along an axis, on straight lines between neighbours."""
    length = values.shape[axis]
    at = np.clip((np.arange(length * parts) + 0.5) / parts - 0.5, 0, length - 1)
    lower = np.minimum(at.astype(np.intp), max(length - 2, 0))
    shape = [1, 1, 1]
    shape[axis] = -1
    share = (at - lower).astype(np.float32).reshape(shape)
    upper = np.minimum(lower + 1, length - 1)
    made = (
        np.take(values, lower, axis=axis) * (1 - share) + np.take(values, upper, axis=axis) * share
    )
    return np.asarray(made, dtype=np.float32)


def _closed(part: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """Return a lung with what a rolling ball cannot reach from outside it."""
    if not part.any():
        return part
    steps = [max(1, round(_ROLLING_STEP_MM / mm)) for mm in grid.spacing_mm]
    coarse_mm = [mm * step for mm, step in zip(grid.spacing_mm, steps, strict=True)]
    closed = closed_by_ball(
        part[:: steps[0], :: steps[1], :: steps[2]],
        _ROLLING_BALL_MM,
        (coarse_mm[0], coarse_mm[1], coarse_mm[2]),
    )
    for axis, step in enumerate(steps):
        closed = np.repeat(closed, step, axis=axis)
    return part | closed[: part.shape[0], : part.shape[1], : part.shape[2]]


def _point(peak: _Peak, upright: Upright, grid: Grid) -> Point:
    place = np.rint(grid.to_index(upright.volume.grid.to_lps_mm(peak.index)))
    at = np.clip(place, 0, np.array(grid.shape) - 1).astype(int)
    return Point(slice_index=int(at[0]), row=int(at[1]), column=int(at[2]))


def _side(lungs: dict[str | None, NDArray[np.bool_]], peak: _Peak) -> str | None:
    at = tuple(np.rint(peak.index).astype(int))
    holding = [side for side, part in lungs.items() if part[at]]
    return holding[0] if len(holding) == 1 else None


def _candidate(outline: Outline, score: float, grid: Grid, side: str | None) -> Candidate:
    slice_index, row, column = outline.centre
    return Candidate(
        centre=Point(slice_index=slice_index, row=row, column=column),
        box=outline.box(),
        diameter_mm=outline.diameter_mm(grid),
        volume_ml=outline.volume_ml(grid),
        score=score,
        side=side,
    )


def _overlap(one: Outline, other: Outline) -> bool:
    """Tell whether two outlines share a voxel."""
    mine, theirs = [], []
    for a, b in zip(one.place, other.place, strict=True):
        start, stop = max(a.start, b.start), min(a.stop, b.stop)
        if start >= stop:
            return False
        mine.append(slice(start - a.start, stop - a.start))
        theirs.append(slice(start - b.start, stop - b.start))
    return bool((one.voxels[tuple(mine)] & other.voxels[tuple(theirs)]).any())

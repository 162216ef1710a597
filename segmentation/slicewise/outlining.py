"""Slice after slice from the boxes a person drew, with a network for single slices.

The slices with a box come first; the main one teaches the grey levels. From the nearest of them
outward each slice is asked with a box of its own: where the key boxes and an ellipsoid between the
ends of the range expect it, moved half-way to where the slice before had it. The network's answer
is fused with place and grey level (``fusion``), and the outline is made to fit its box
(``fitting``).
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.ports import Progress
from segmentation.slicewise.between import KeyShape, laid_between
from segmentation.slicewise.correcting import Reach, corrected_box, reached
from segmentation.slicewise.fitting import DRAWN, EXPECTED, fitting_bias
from segmentation.slicewise.fusion import (
    GreyLevels,
    click_log_odds,
    connected_to,
    distance_log_odds,
    fused,
    known_log_odds,
    place_log_odds,
    shape_log_odds,
    stroke_log_odds,
)
from segmentation.slicewise.slices import SliceBox, SliceHint
from segmentation.slicewise.strokes import painted
from segmentation.slicewise.targets import Target, box_of
from segmentation.slicewise.views import SeriesView, crop_round, cut_out
from segmentation.slicewise.walking import walked_range

# The network's boxes are grown: in training they were only ever shifted outward. The mean of 5 %
# and 12.5 % on each side held best for tight, jittered and displaced boxes together; 10 % and 20 %
# gave the same Dice on the key slice and a fifth too much volume.
_GROWTHS: Final = (1.1, 1.25)
_NEIGHBOURHOOD: Final = 1.8
_REGION: Final = 2.6
_FOLLOWING: Final = 0.5
_WALKING_SHARE: Final = 0.5
_GONE: Final = 4.0  # the place's limit: where the thing was taken away, it is not near by either
_SHAPE_SHARE: Final = 0.8  # of the place: the outline of the key slices, the rest is an ellipse


def outlined(
    view: SeriesView, target: Target, progress: Progress
) -> tuple[NDArray[np.bool_], tuple[float, ...]]:
    """Return the mask, and the mean probability inside it on each slice from first to last.

    Where an earlier mask is corrected, slices out of the corrections' reach are kept as they are;
    they have no probability, and so none is returned.
    """
    outline = _Outline(view, target)
    if target.is_correction and not target.corrected:
        return outline.finished()
    progress(0.1, f"slice {outline.main}")
    outline.start()
    if target.corrected:
        _correct(outline, reached(target, view.volume.grid), progress)
        return outline.finished()
    target = outline.ranged()
    others = [index for index in range(target.start, target.stop) if index not in target.keys]
    others.sort(key=lambda index: abs(index - target.nearest_key(index)))
    for done, index in enumerate(others, start=1):
        progress(0.1 + 0.9 * done / len(others), f"slice {index}")
        outline.follow(index, index + (1 if target.nearest_key(index) > index else -1))
    return outline.finished()


def _correct(outline: "_Outline", reaches: dict[int, Reach], progress: Progress) -> None:
    for done, (index, reach) in enumerate(reaches.items(), start=1):
        progress(0.1 + 0.9 * done / len(reaches), f"slice {index}")
        outline.correct(index, reach)


class _Outline:
    """What is known of one thing so far."""

    def __init__(self, view: SeriesView, target: Target) -> None:
        self._view = view
        self._target = target
        outer = target.outer_box()
        self._crop = crop_round(outer, view.shape, view.network.input_px)
        self._region = cut_out(outer.scaled(_REGION), view.shape)
        self._log_odds: dict[int, NDArray[np.float32]] = {}
        self._inside: dict[int, NDArray[np.bool_]] = {}
        self._shapes: dict[int, KeyShape] = {}
        self._grey: GreyLevels | None = None
        self._first = sorted(target.corrected or target.keys)
        self._lungs = {index: self._lung(index) for index in target.keys}

    @property
    def main(self) -> int:
        """The slice that teaches the grey levels: of those outlined first, that of largest box."""
        keys = self._target.keys
        return max(self._first, key=lambda index: keys[index].rows * keys[index].columns)

    def start(self) -> None:
        """Outline the first slices: the main one to learn its grey levels, then all with them."""
        main = self.main
        box = self._target.keys[main]
        opinion = self._opinion(main, box)
        near = cut_out(box.scaled(_NEIGHBOURHOOD), self._view.shape)
        whole = np.zeros(self._view.shape, dtype=np.bool_)
        lung = self._lungs[main]
        whole[self._region] = opinion > 0 if lung is None else lung
        self._grey = GreyLevels(self._view.image(main)[near], whole[near])
        corner = (self._region[0].start, self._region[1].start)
        for index in self._first:
            key = self._target.keys[index]
            self._keep(index, self._opinion(index, key), self._seed(index, key))
            shape = KeyShape.of(self._inside[index], corner, key)
            if shape is not None:
                self._shapes[index] = shape

    def ranged(self) -> Target:
        """Return the target, its slice range proposed from the image where none was given."""
        if not self._target.is_range_given:
            start, stop = walked_range(
                self._target, self._view.volume.grid, self._inside, self._look
            )
            self._target = replace(self._target, start=start, stop=stop)
        return self._target

    def _look(self, index: int, before: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return what network and place find on a slice, where it looks like the thing, too."""
        box = box_of(before).shifted(self._region[0].start, self._region[1].start)
        whole = np.zeros(self._view.shape, dtype=np.bool_)
        whole[self._region] = before
        place = _WALKING_SHARE * np.clip(shape_log_odds(whole, box)[self._region], -_GONE, _GONE)
        inside = self._fused(index, box.snapped(), place) > 0
        if self._grey is not None:
            inside &= self._grey.log_odds(self._view.image(index)[self._region]) > 0
        return connected_to(inside, before)

    def follow(self, index: int, before: int) -> None:
        """Outline a slice from where its neighbour had it."""
        expected = self._target.expected_box(index)
        seed = self._inside[before]
        if seed.any():
            row, column = box_of(seed).centre
            expected = expected.moved_towards(
                (row + self._region[0].start, column + self._region[1].start), _FOLLOWING
            )
        else:
            seed = self._seed(index, expected)
        self._keep(index, self._opinion(index, expected), seed)

    def correct(self, index: int, reach: Reach) -> None:
        """Outline a slice of an earlier mask again, as far as the correction near it says."""
        inside = self._inside[reach.corrected]
        now = None
        if inside.any():
            now = box_of(inside).shifted(self._region[0].start, self._region[1].start)
        box = corrected_box(self._target, index, reach, now)
        shape = self._target.earlier.get(index)
        place = np.full(inside.shape, -_GONE, dtype=np.float32)
        if shape is not None:
            place = shape_log_odds(shape, box)[self._region]
        if now is not None:
            key = KeyShape.of(inside, (self._region[0].start, self._region[1].start), now)
            assert key is not None
            laid = distance_log_odds(key.laid_into(box, self._region))
            place = laid if shape is None else reach.share * laid + (1 - reach.share) * place
        elif shape is not None:
            place = place - reach.share * _GONE
        self._keep(index, self._fused(index, box.snapped(), place), place > 0)

    def finished(self) -> tuple[NDArray[np.bool_], tuple[float, ...]]:
        """Return the mask and its mean probability on each slice from first to last."""
        voxels = np.zeros(self._view.volume.grid.shape, dtype=np.bool_)
        if self._target.is_correction:
            for index, shape in self._target.earlier.items():
                voxels[index] = shape
        for index, inside in self._inside.items():
            voxels[index][self._region] = inside
        self._target.exclude(voxels)
        marked = np.flatnonzero(voxels.any(axis=(1, 2)))
        if not marked.size:
            return voxels, ()
        if not self._inside.keys() >= set(marked.tolist()):
            return voxels, ()
        scores = []
        for index in range(int(marked[0]), int(marked[-1]) + 1):
            inside = voxels[index][self._region]
            odds = self._log_odds[index][inside]
            scores.append(float((1 / (1 + np.exp(-odds))).mean()) if odds.size else 0.0)
        return voxels, tuple(scores)

    def _opinion(self, index: int, box: SliceBox) -> NDArray[np.float32]:
        """Return the log-odds on a slice's region, made to fit the box."""
        is_drawn = index in self._target.keys
        asked = box if is_drawn else box.snapped()
        total = self._fused(index, asked, self._place(index, box))
        if index not in self._target.shapes:
            seen = box.shifted(-self._region[0].start, -self._region[1].start)
            fit = DRAWN if is_drawn and index not in self._target.tilts else EXPECTED
            total += np.float32(fitting_bias(total, seen, self._seed(index, box), fit))
        return total + self._said(index, box)

    def _fused(
        self, index: int, asked: SliceBox, place: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        points = self._target.points.get(index, ())
        hints = [SliceHint(box=asked.scaled(growth), points=points) for growth in _GROWTHS]
        network = self._view.logits(index, hints, self._crop)[self._region]
        grey = None
        if self._grey is not None:
            grey = self._grey.log_odds(self._view.image(index)[self._region])
        return fused(network, place, grey)

    def _said(self, index: int, box: SliceBox) -> NDArray[np.float32]:
        """Return what clicks and scribbles say on a slice's region."""
        said = np.zeros(self._view.shape, dtype=np.float32)
        points = self._target.points.get(index, ())
        if points:
            said += click_log_odds(self._view.shape, points, box)
        scribbles = self._target.scribbles.get(index, ())
        if scribbles:
            said += stroke_log_odds(self._view.shape, scribbles, box)
        return said[self._region]

    def _place(self, index: int, box: SliceBox) -> NDArray[np.float32]:
        shape = self._target.shapes.get(index)
        if shape is not None:
            return shape_log_odds(shape, box)[self._region]
        lung = self._lungs.get(index)
        if lung is not None:
            return known_log_odds(lung)
        is_drawn = index in self._target.keys
        tilt = self._target.expected_tilt(index)
        place = place_log_odds(self._view.shape, box, is_drawn=is_drawn, tilt=tilt)[self._region]
        laid = None if is_drawn else laid_between(self._shapes, index, box, self._region)
        if laid is None:
            return place
        return (1 - _SHAPE_SHARE) * place + _SHAPE_SHARE * distance_log_odds(laid)

    def _lung(self, index: int) -> NDArray[np.bool_] | None:
        """Return the piece of lung a drawn box fits round, on the region: CT numbers show it."""
        if index in self._target.shapes:
            return None
        piece = self._view.lung_in(index, self._target.keys[index])
        return None if piece is None else piece[self._region]

    def _keep(self, index: int, opinion: NDArray[np.float32], seed: NDArray[np.bool_]) -> None:
        self._log_odds[index] = opinion
        marked = np.zeros(self._view.shape, dtype=np.bool_)
        for point in self._target.points.get(index, ()):
            marked[int(point.row), int(point.column)] |= point.positive
        for scribble in self._target.scribbles.get(index, ()):
            if scribble.positive:
                marked |= painted(self._view.shape, scribble)
        self._inside[index] = connected_to(opinion > 0, seed | marked[self._region])

    def _seed(self, index: int, box: SliceBox) -> NDArray[np.bool_]:
        shape = self._target.shapes.get(index)
        if shape is not None and self._target.corrected:
            return shape[self._region]
        tilt = self._target.expected_tilt(index)
        place = place_log_odds(self._view.shape, box, tilt=tilt)[self._region]
        return np.asarray(place > 0, dtype=np.bool_)

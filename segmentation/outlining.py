"""Slice after slice from the boxes a person drew, with a network for single slices.

The slices with a box come first; the main one teaches the grey levels. From the nearest of them
outward each slice is asked with a box of its own: where the key boxes and an ellipsoid between the
ends of the range expect it, moved half-way to where the slice before had it. The network's answer
is fused with place and grey level (``segmentation.fusion``), and the outline is made to fit its box
(``segmentation.fitting``).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.ports import Progress
from segmentation.between import KeyShape, laid_between
from segmentation.fitting import DRAWN, EXPECTED, fitting_bias
from segmentation.fusion import (
    GreyLevels,
    click_log_odds,
    connected_to,
    distance_log_odds,
    fused,
    place_log_odds,
    shape_log_odds,
)
from segmentation.slices import SliceBox, SliceHint
from segmentation.targets import Target, box_of
from segmentation.views import SeriesView, crop_round, cut_out

# The network's boxes are grown: in training they were only ever shifted outward. The mean of 5 %
# and 12.5 % on each side held best for tight, jittered and displaced boxes together; 10 % and 20 %
# gave the same Dice on the key slice and a fifth too much volume.
_GROWTHS: Final = (1.1, 1.25)
_NEIGHBOURHOOD: Final = 1.8
_REGION: Final = 2.6
_FOLLOWING: Final = 0.5
_SHAPE_SHARE: Final = 0.8  # of the place: the outline of the key slices, the rest is an ellipse


def outlined(
    view: SeriesView, target: Target, progress: Progress
) -> tuple[NDArray[np.bool_], tuple[float, ...]]:
    """Return the mask, and the mean probability inside it on each slice from first to last."""
    outline = _Outline(view, target)
    progress(0.1, f"slice {target.main_key}")
    outline.start()
    others = [index for index in range(target.start, target.stop) if index not in target.keys]
    others.sort(key=lambda index: abs(index - target.nearest_key(index)))
    for done, index in enumerate(others, start=1):
        progress(0.1 + 0.9 * done / len(others), f"slice {index}")
        outline.follow(index, index + (1 if target.nearest_key(index) > index else -1))
    return outline.finished()


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

    def start(self) -> None:
        """Outline the key slices: the main one to learn its grey levels, then all with them."""
        target = self._target
        main = target.main_key
        box = target.keys[main]
        opinion = self._opinion(main, box)
        near = cut_out(box.scaled(_NEIGHBOURHOOD), self._view.shape)
        whole = np.zeros(self._view.shape, dtype=np.bool_)
        whole[self._region] = opinion > 0
        self._grey = GreyLevels(self._view.image(main)[near], whole[near])
        corner = (self._region[0].start, self._region[1].start)
        for index, key in target.keys.items():
            self._keep(index, self._opinion(index, key), self._ellipse_seed(key))
            shape = KeyShape.of(self._inside[index], corner, key)
            if shape is not None:
                self._shapes[index] = shape

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
            seed = self._ellipse_seed(expected)
        self._keep(index, self._opinion(index, expected), seed)

    def finished(self) -> tuple[NDArray[np.bool_], tuple[float, ...]]:
        """Return the mask and its mean probability on each slice from first to last."""
        voxels = np.zeros(self._view.volume.grid.shape, dtype=np.bool_)
        for index, inside in self._inside.items():
            voxels[index][self._region] = inside
        self._target.exclude(voxels)
        marked = np.flatnonzero(voxels.any(axis=(1, 2)))
        if not marked.size:
            return voxels, ()
        scores = []
        for index in range(int(marked[0]), int(marked[-1]) + 1):
            inside = voxels[index][self._region]
            odds = self._log_odds[index][inside]
            scores.append(float((1 / (1 + np.exp(-odds))).mean()) if odds.size else 0.0)
        return voxels, tuple(scores)

    def _opinion(self, index: int, box: SliceBox) -> NDArray[np.float32]:
        """Return the log-odds on a slice's region, made to fit the box."""
        points = self._target.points.get(index, ())
        is_drawn = index in self._target.keys
        asked = box if is_drawn else box.snapped()
        hints = [SliceHint(box=asked.scaled(growth), points=points) for growth in _GROWTHS]
        network = self._view.logits(index, hints, self._crop)[self._region]
        grey = None
        if self._grey is not None:
            grey = self._grey.log_odds(self._view.image(index)[self._region])
        total = fused(network, self._place(index, box), grey)
        if index not in self._target.shapes:
            seen = box.shifted(-self._region[0].start, -self._region[1].start)
            seed = self._ellipse_seed(box)
            total += np.float32(fitting_bias(total, seen, seed, DRAWN if is_drawn else EXPECTED))
        if points:
            total += click_log_odds(self._view.shape, points, box)[self._region]
        return total

    def _place(self, index: int, box: SliceBox) -> NDArray[np.float32]:
        shape = self._target.shapes.get(index)
        if shape is not None:
            return shape_log_odds(shape, box)[self._region]
        is_drawn = index in self._target.keys
        ellipse = place_log_odds(self._view.shape, box, is_drawn=is_drawn)[self._region]
        laid = None if is_drawn else laid_between(self._shapes, index, box, self._region)
        if laid is None:
            return ellipse
        return (1 - _SHAPE_SHARE) * ellipse + _SHAPE_SHARE * distance_log_odds(laid)

    def _keep(self, index: int, opinion: NDArray[np.float32], seed: NDArray[np.bool_]) -> None:
        self._log_odds[index] = opinion
        seed = seed.copy()
        for point in self._target.points.get(index, ()):
            clicked = np.zeros(self._view.shape, dtype=np.bool_)
            clicked[int(point.row), int(point.column)] = point.positive
            seed |= clicked[self._region]
        self._inside[index] = connected_to(opinion > 0, seed)

    def _ellipse_seed(self, box: SliceBox) -> NDArray[np.bool_]:
        return np.asarray(place_log_odds(self._view.shape, box)[self._region] > 0, dtype=np.bool_)

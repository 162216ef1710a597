"""How far an outline holds: signals beside a mask, none of them a chance of being right.

Stability: the box is moved as another hand would have drawn it, and the outlines on the main slice
are compared with one another. Agreement: a second method that knows the box and the grey levels
alone outlines the main slice too. Support: on each slice, whether the grey levels seen on the main
slice would draw the mask that is there. What the signals are worth was measured by
``bench/calibration.py``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, Self

import numpy as np
from edt import edt
from numpy.typing import NDArray

from domain.concepts import Window
from domain.segment import Confidence
from segmentation.calibration import MODALITIES, expected_of
from segmentation.slicewise.fitting import DRAWN, fitting_bias
from segmentation.slicewise.fusion import (
    GreyLevels,
    click_log_odds,
    connected_to,
    fused,
    known_log_odds,
    place_log_odds,
)
from segmentation.slicewise.slices import SliceBox, SliceHint
from segmentation.slicewise.targets import Target, box_of, ellipse
from segmentation.slicewise.views import SeriesView, crop_round, cut_out

JITTERS: Final = (
    (-0.10, -0.05, 0.05, 0.10),
    (-0.05, 0.10, -0.10, 0.05),
    (0.05, -0.10, 0.10, -0.05),
    (0.10, 0.05, -0.05, -0.10),
)
"""Shares of its side by which each edge of a box is moved: row start and stop, column start and
stop. Two shifts, one larger, one smaller box; each edge is moved by 5 and 10 %, both ways."""

_GROWTH: Final = 1.175  # between the two by which the network's boxes are grown
_NEIGHBOURHOOD: Final = 1.8
_REGION: Final = 2.6
_SURE: Final = 0.85  # of the ellipse in the box: where the second method learns what is inside
_CORE: Final = 0.6
_BEYOND: Final = 1.35  # of that ellipse: where the second method stops
_LEARNING: Final = 2
_MARGIN: Final = 0.125  # of the box's sides: how far beyond a mask support is looked for
_LEAST_SUPPORT: Final = 0.7
_WINDOW_WIDTHS: Final = (0.8, 1.2)
_WINDOW_SHIFTS_HU: Final = (-20.0, 20.0)

Image = NDArray[np.float32]
Outline = NDArray[np.bool_]


def jittered_boxes(box: SliceBox) -> tuple[SliceBox, ...]:
    """Return the box as four other hands would have drawn it, always the same four."""
    return tuple(
        SliceBox(
            row_start=box.row_start + top * box.rows,
            row_stop=box.row_stop + bottom * box.rows,
            column_start=box.column_start + left * box.columns,
            column_stop=box.column_stop + right * box.columns,
        )
        for top, bottom, left, right in JITTERS
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Looked:
    """A mask and what it is judged by.

    Attributes
    ----------
    voxels
        Mask (slices, rows, columns).
    main, box
        The slice where the signals are taken, and the hint on it.
    image
        Gives a slice's grey levels 0..255, the window applied.
    rivals
        Outlines (rows, columns) of the main slice from the hint moved.
    is_drawn
        Whether a person drew the box, on a modality that was calibrated: only then is something
        expected.
    """

    voxels: NDArray[np.bool_]
    main: int
    box: SliceBox
    image: Callable[[int], Image]
    rivals: Sequence[Outline]
    is_drawn: bool

    def confidence(self) -> Confidence:
        """Return the signals; where nothing is marked on the main slice only its number."""
        inside = self.voxels[self.main]
        if not inside.any():
            return Confidence(main_slice=self.main)
        found = Confidence(
            main_slice=self.main,
            agreement=self._agreement(inside),
            jitter_stability=stability(inside, self.rivals),
            weak_slices=self._weak_slices(inside),
        )
        return replace(found, expected=expected_of(found)) if self.is_drawn else found

    def _agreement(self, inside: Outline) -> float:
        region = cut_out(self.box.scaled(_REGION), (inside.shape[0], inside.shape[1]))
        box = self.box.shifted(-region[0].start, -region[1].start)
        return dice(grey_outline(self.image(self.main)[region], box), inside[region])

    def _weak_slices(self, inside: Outline) -> tuple[int, ...]:
        shape = (inside.shape[0], inside.shape[1])
        near = cut_out(box_of(inside).scaled(_NEIGHBOURHOOD), shape)
        grey = GreyLevels(self.image(self.main)[near], inside[near])
        marked = np.flatnonzero(self.voxels.any(axis=(1, 2)))
        return tuple(
            int(index)
            for index in marked
            if support(grey, self.image(int(index)), self.voxels[index]) < _LEAST_SUPPORT
        )


def dice(one: Outline, other: Outline) -> float:
    """Return twice the overlap over the sum of two outlines, 1 when both are empty."""
    total = int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return 1.0 if not total else 2 * int(np.count_nonzero(one & other)) / total


def stability(inside: Outline, rivals: Sequence[Outline]) -> float | None:
    """Return the mean Dice of all pairs among an outline and its rivals; None without rivals."""
    if not rivals:
        return None
    return float(np.mean([dice(*pair) for pair in combinations((inside, *rivals), 2)]))


def grey_outline(image: Image, box: SliceBox) -> Outline:
    """Return what the box and the grey levels (rows, columns) alone would outline.

    The ellipse in the box teaches the grey levels; what looks like it, hangs together with the
    middle and stays near the box teaches them once more (GrabCut without the cut, Rother 2004).
    Holes stay: what noise lets through in grains must not become a disc.
    """
    away = ellipse((image.shape[0], image.shape[1]), box)
    core = np.asarray(away <= _CORE, dtype=np.bool_)
    inside = np.asarray(away <= _SURE, dtype=np.bool_)
    for _ in range(_LEARNING):
        odds = GreyLevels(image, inside).log_odds(image)
        alike = (odds > 0) & (away <= _BEYOND)
        inside = connected_to(np.asarray(alike, dtype=np.bool_), core)
        if not inside.any():
            break
    return inside


def support(grey: GreyLevels, image: Image, inside: Outline) -> float:
    """Return the Dice of a slice's mask with what known grey levels would draw round it."""
    box = box_of(inside)
    region = cut_out(box.scaled(_REGION), (inside.shape[0], inside.shape[1]))
    mask = inside[region]
    margin_px = max(1.0, _MARGIN * (box.rows + box.columns))
    near = edt(np.ascontiguousarray(~mask), black_border=False, parallel=1) <= margin_px
    alike = connected_to(np.asarray(near & (grey.log_odds(image[region]) > 0)), mask)
    return dice(alike, mask)


def cleared(inside: Outline, target: Target, index: int) -> Outline:
    """Return an outline without what lies in the target's negative boxes on a slice."""
    kept = inside.copy()
    for box in target.excluded:
        if box.slice_start <= index < box.slice_stop:
            kept[box.row_start : box.row_stop, box.column_start : box.column_stop] = False
    return kept


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkTrial:
    """The network's opinions on the main slice of a target, for its box drawn otherwise.

    They are asked for before the target is outlined, in one decoding: the embedding is then at
    hand, or made where outlining needs it next.
    """

    view: SeriesView
    target: Target
    boxes: tuple[SliceBox, ...]
    logits: NDArray[np.float32]

    @classmethod
    def of(cls, view: SeriesView, target: Target) -> Self:
        """Ask the network; an earlier mask is no hint that another hand would give otherwise."""
        main = target.main_key
        boxes = () if main in target.shapes else jittered_boxes(target.keys[main])
        logits = _logits(view, target, boxes) if boxes else np.zeros((0, *view.shape), np.float32)
        return cls(view=view, target=target, boxes=boxes, logits=logits)

    def confidence(self, voxels: NDArray[np.bool_], *, is_drawn: bool) -> Confidence:
        """Return the signals of the mask (slices, rows, columns) that was made of the target."""
        main = self.target.main_key
        rivals: list[Outline] = []
        if voxels[main].any():
            rivals = _outlines(self.view, self.target, self.boxes, self.logits, voxels[main])
        return Looked(
            voxels=voxels,
            main=main,
            box=self.target.keys[main],
            image=self.view.image,
            rivals=rivals,
            is_drawn=is_drawn and self.view.volume.modality in MODALITIES,
        ).confidence()


def window_stability(view: SeriesView, target: Target, voxels: NDArray[np.bool_]) -> float | None:
    """Return how far a boxed main slice's outline holds in four other windows; None off CT.

    The network looks at the slice four times more, over a second of CPU each: only for who asks.
    """
    main = target.main_key
    is_ct = view.volume.modality == "CT" and not view.volume.is_colour
    if not is_ct or main in target.shapes or not voxels[main].any():
        return None
    boxes = (target.keys[main],)
    rivals: list[Outline] = []
    for window in _other_windows(view.window):
        other = replace(view, window=window)
        rivals += _outlines(other, target, boxes, _logits(other, target, boxes), voxels[main])
    return stability(voxels[main], rivals)


def _other_windows(window: Window) -> tuple[Window, ...]:
    return (
        *(replace(window, width=window.width * factor) for factor in _WINDOW_WIDTHS),
        *(replace(window, center=window.center + shift) for shift in _WINDOW_SHIFTS_HU),
    )


def _logits(view: SeriesView, target: Target, boxes: Sequence[SliceBox]) -> NDArray[np.float32]:
    main = target.main_key
    points = target.points.get(main, ())
    crop = crop_round(target.outer_box(), view.shape, view.network.input_px)
    hints = [SliceHint(box=box.scaled(_GROWTH), points=points) for box in boxes]
    return view.each_logits(main, hints, crop)


def _outlines(
    view: SeriesView,
    target: Target,
    boxes: Sequence[SliceBox],
    logits: NDArray[np.float32],
    inside: Outline,
) -> list[Outline]:
    """Return the main slice's outline for each box, fused as ``slicewise.outlining`` does."""
    main = target.main_key
    image = view.image(main)
    near = cut_out(target.keys[main].scaled(_NEIGHBOURHOOD), view.shape)
    grey = GreyLevels(image[near], inside[near])
    region = cut_out(target.outer_box().scaled(_REGION), view.shape)
    points = target.points.get(main, ())
    found = []
    for box, opinion in zip(boxes, logits, strict=True):
        lung = view.lung_in(main, box)
        place = (
            place_log_odds(view.shape, box, is_drawn=True) if lung is None else known_log_odds(lung)
        )
        total = fused(opinion[region], place[region], grey.log_odds(image[region]))
        seed = np.asarray(place_log_odds(view.shape, box)[region] > 0, dtype=np.bool_)
        seen = box.shifted(-region[0].start, -region[1].start)
        total += np.float32(fitting_bias(total, seen, seed, DRAWN))
        if points:
            total += click_log_odds(view.shape, points, box)[region]
        whole = np.zeros(view.shape, dtype=np.bool_)
        whole[region] = connected_to(total > 0, seed)
        found.append(cleared(whole, target, main))
    return found

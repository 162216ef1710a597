"""The adapter that makes a volume's segmenter of a network that sees single slices.

A person gives a box on one or a few slices and the range. Each slice is then asked with a box of
its own: where the key boxes and an ellipsoid between the ends of the range expect it, moved
half-way to where the slice before had it. The answers are fused with place and grey level
(``segmentation.fusion``).
"""

import itertools
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.concepts import ConceptTable
from domain.ports import Capabilities, Progress
from domain.prompt import Box, Point, Prompt
from domain.segment import AlgorithmType, Provenance, Segment
from domain.volume import Mask, Volume
from segmentation.answers import CheckedSession
from segmentation.fusion import (
    GreyLevels,
    click_log_odds,
    connected_to,
    fused,
    place_log_odds,
    shape_log_odds,
)
from segmentation.slices import (
    EmbeddingCache,
    SliceBox,
    SliceHint,
    SlicePoint,
    SliceSegmenter,
)
from segmentation.targets import Target, box_of, target_of
from segmentation.views import SeriesView, crop_round, cut_out
from segmentation.windows import is_in_lung, window_for

PROPOSED_RANGE: Final = (
    "the slice range was guessed from the box: confirm first and last slice before using a volume"
)
PROPOSED_BOX: Final = "outlined from a click: confirm the outline, or draw a box"

# The network's boxes are grown: in training they were only ever shifted outward. The mean of 5 %
# and 12.5 % on each side held best for tight, jittered and displaced boxes together; 10 % and 20 %
# gave the same Dice on the key slice and a fifth too much volume.
_GROWTHS: Final = (1.1, 1.25)
_NEIGHBOURHOOD: Final = 1.8
_REGION: Final = 2.6
_FOLLOWING: Final = 0.5
_CLICK_REACH_MM: Final = 10.0
_CLICK_LARGEST_SHARE: Final = 0.25


class SlicewiseSegmenter:
    """Boxes and clicks to 3D masks by a network for single slices."""

    def __init__(
        self,
        network: SliceSegmenter,
        concepts: ConceptTable,
        cache: EmbeddingCache | None = None,
    ) -> None:
        self._network = network
        self._concepts = concepts
        self._cache = EmbeddingCache() if cache is None else cache
        self._unnamed = itertools.count()

    @property
    def capabilities(self) -> Capabilities:
        """Boxes, clicks and earlier masks on any modality."""
        return Capabilities(
            name=self._network.name,
            version=self._network.version,
            prompts=frozenset({"box", "point", "mask"}),
            needs_weights=True,
        )

    def supports(self, volume: Volume, prompt: Prompt) -> str | None:  # noqa: ARG002 - the port's
        """Return None when there is a positive box, click or mask."""
        boxes = any(box.positive for box in prompt.boxes)
        points = any(point.positive for point in prompt.points)
        mask = prompt.mask is not None and not prompt.mask.is_empty
        if boxes or points or mask:
            return None
        what = f"the {prompt.concept}" if prompt.concept else "a lesion"
        return (
            f"I can't find {what} by name alone on this series: draw a box on one slice and give "
            "the slice range, and I can outline it"
        )

    def open(self, volume: Volume) -> CheckedSession:
        """Prepare to answer prompts; embeddings stay cached, but for a volume without UIDs."""
        series = f"unnamed-{next(self._unnamed)}"

        def answer(volume: Volume, prompt: Prompt, progress: Progress) -> Iterator[Segment]:
            yield self._segment(volume, prompt, series, progress)

        return CheckedSession(self, volume, answer, lambda: self._cache.forget(series))

    def _segment(self, volume: Volume, prompt: Prompt, series: str, progress: Progress) -> Segment:
        concept = self._concepts.find(prompt.concept) if prompt.concept else None
        has_outline = any(box.positive for box in prompt.boxes) or prompt.mask is not None
        window = window_for(volume, concept, in_lung=_is_in_lung(volume, prompt))
        view = SeriesView(
            volume=volume, network=self._network, cache=self._cache, series=series, window=window
        )
        warnings: tuple[str, ...] = ()
        if not has_outline:
            progress(0.0, "reading the click")
            clicked = _box_at_click(view, prompt)
            if clicked is None:
                return self._absent(volume, prompt, "no outline was found round the click")
            prompt = Prompt(
                concept=prompt.concept,
                side=prompt.side,
                boxes=(clicked, *prompt.boxes),
                points=prompt.points,
                slice_range=prompt.slice_range,
            )
            warnings = (PROPOSED_BOX,)
        target = target_of(prompt, volume.grid)
        if not target.is_range_given:
            warnings = (*warnings, PROPOSED_RANGE)
        voxels, scores = _outlined(view, target, progress)
        if not voxels.any():
            return self._absent(volume, prompt, f"nothing was found inside the {target.in_words()}")
        return Segment(
            mask=Mask(voxels=voxels, grid=volume.grid),
            concept=prompt.concept,
            provenance=self._provenance(target.in_words()),
            side=prompt.side if prompt.side in ("left", "right") else None,
            score=float(np.mean(scores)),
            slice_profile=scores,
            is_proposal=bool(warnings),
            warnings=warnings,
        )

    def _provenance(self, prompt: str) -> Provenance:
        return Provenance(
            engine=self._network.name,
            version=self._network.version,
            algorithm_type=AlgorithmType.SEMIAUTOMATIC,
            weights_sha256=self._network.weights_sha256,
            prompt=prompt,
        )

    def _absent(self, volume: Volume, prompt: Prompt, reason: str) -> Segment:
        empty = np.zeros(volume.grid.shape, dtype=np.bool_)
        return Segment(
            mask=Mask(voxels=empty, grid=volume.grid),
            concept=prompt.concept,
            provenance=self._provenance(reason),
            absent_reason=f"{reason}: draw a box round it on one slice",
        )


def _is_in_lung(volume: Volume, prompt: Prompt) -> bool:
    boxes = [box for box in prompt.boxes if box.positive]
    boxes = boxes or [_round_click(volume, each) for each in prompt.points if each.positive]
    return any(is_in_lung(volume, box) for box in boxes)


def _round_click(volume: Volume, point: Point) -> Box:
    """Return a box of a small lesion's size about a click."""
    _, rows, columns = volume.grid.shape
    _, row_mm, column_mm = volume.grid.spacing_mm
    reach_rows, reach_columns = _CLICK_REACH_MM / row_mm, _CLICK_REACH_MM / column_mm
    return Box.on_slice(
        point.slice_index,
        (max(0, int(point.row - reach_rows)), min(rows, int(point.row + reach_rows) + 1)),
        (
            max(0, int(point.column - reach_columns)),
            min(columns, int(point.column + reach_columns) + 1),
        ),
    )


def _box_at_click(view: SeriesView, prompt: Prompt) -> Box | None:
    """Return a box on the slice of the first positive click, or None without a clear outline."""
    first = next(point for point in prompt.points if point.positive)
    points = tuple(_slice_point(each) for each in prompt.points if _on_slice(each, first))
    whole = (slice(0, view.shape[0]), slice(0, view.shape[1]))
    inside = view.logits(first.slice_index, [SliceHint(points=points)], whole) > 0
    if not inside[first.row, first.column]:
        return None
    seed = np.zeros(view.shape, dtype=np.bool_)
    seed[first.row, first.column] = True
    part = connected_to(inside, seed)
    if part.mean() > _CLICK_LARGEST_SHARE:
        return None
    box = box_of(part)
    return Box.on_slice(
        first.slice_index,
        (int(box.row_start), int(box.row_stop)),
        (int(box.column_start), int(box.column_stop)),
    )


def _slice_point(point: Point) -> SlicePoint:
    return SlicePoint(row=point.row, column=point.column, positive=point.positive)


def _on_slice(point: Point, other: Point) -> bool:
    return point.slice_index == other.slice_index


def _outlined(
    view: SeriesView, target: Target, progress: Progress
) -> tuple[NDArray[np.bool_], tuple[float, ...]]:
    """Return the mask, and the mean probability inside it on each slice from first to last."""
    outline = _Outline(view, target)
    outline.start()
    done = 0
    count = target.stop - target.start
    main = target.main_key
    progress(0.1, f"slice {main}")
    for indices in (range(main + 1, target.stop), range(main - 1, target.start - 1, -1)):
        before = main
        for index in indices:
            done += 1
            progress(0.1 + 0.9 * done / count, f"slice {index}")
            outline.follow(index, before)
            before = index
    return outline.finished()


class _Outline:
    """Slice after slice, from the main key outward."""

    def __init__(self, view: SeriesView, target: Target) -> None:
        self._view = view
        self._target = target
        outer = target.outer_box()
        self._crop = crop_round(outer, view.shape, view.network.input_px)
        self._region = cut_out(outer.scaled(_REGION), view.shape)
        self._log_odds: dict[int, NDArray[np.float32]] = {}
        self._inside: dict[int, NDArray[np.bool_]] = {}
        self._grey: GreyLevels | None = None

    def start(self) -> None:
        """Outline the main key slice, learn its grey levels, and outline it again with them."""
        main = self._target.main_key
        box = self._target.keys[main]
        opinion = self._opinion(main, box)
        near = cut_out(box.scaled(_NEIGHBOURHOOD), self._view.shape)
        whole = np.zeros(self._view.shape, dtype=np.bool_)
        whole[self._region] = opinion > 0
        self._grey = GreyLevels(self._view.image(main)[near], whole[near])
        self._keep(main, self._opinion(main, box), self._ellipse_seed(box))

    def follow(self, index: int, before: int) -> None:
        """Outline a slice from where its neighbour had it."""
        expected = self._target.expected_box(index)
        seed = self._inside[before]
        if index not in self._target.keys and seed.any():
            row, column = box_of(seed).centre
            row += self._region[0].start
            column += self._region[1].start
            here = expected.centre
            expected = _centred(
                expected,
                here[0] + _FOLLOWING * (row - here[0]),
                here[1] + _FOLLOWING * (column - here[1]),
            )
        seed = seed if seed.any() else self._ellipse_seed(expected)
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
        points = self._target.points.get(index, ())
        hints = [SliceHint(box=box.scaled(growth), points=points) for growth in _GROWTHS]
        network = self._view.logits(index, hints, self._crop)[self._region]
        shape = self._target.shapes.get(index)
        if shape is None:
            is_drawn = index in self._target.keys
            place = place_log_odds(self._view.shape, box, is_drawn=is_drawn)[self._region]
        else:
            place = shape_log_odds(shape, box)[self._region]
        grey = None
        if self._grey is not None:
            grey = self._grey.log_odds(self._view.image(index)[self._region])
        total = fused(network, place, grey)
        if points:
            total += click_log_odds(self._view.shape, points, box)[self._region]
        return total

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


def _centred(box: SliceBox, row: float, column: float) -> SliceBox:
    return SliceBox(
        row_start=row - box.rows / 2,
        row_stop=row + box.rows / 2,
        column_start=column - box.columns / 2,
        column_stop=column + box.columns / 2,
    )

"""The adapter that makes a volume's segmenter of a network that sees single slices.

A person gives a box on one or a few slices and the range, a line, a click, a scribble or an earlier
mask; ``outlining`` asks the network slice by slice.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.concepts import ConceptTable, Window
from domain.ports import Capabilities, Progress
from domain.prompt import Prompt
from domain.segment import AlgorithmType, Confidence, Provenance, Segment
from domain.volume import Mask, Volume
from segmentation.answers import CheckedSession
from segmentation.confidence import NetworkTrial, window_stability
from segmentation.slicewise.embeddings import DEFAULT_ANSWER_BYTES, Answer, EmbeddingCache, Recent
from segmentation.slicewise.marks import boxes_at_marks, boxes_round_marks
from segmentation.slicewise.outlining import outlined
from segmentation.slicewise.slices import SliceSegmenter
from segmentation.slicewise.targets import pointed_boxes, pointed_slices, target_of
from segmentation.slicewise.views import SeriesView
from segmentation.windows import is_in_lung, is_lung, shows_lung, window_for

PROPOSED_RANGE: Final = (
    "the slice range was guessed from the box: confirm first and last slice before using a volume"
)
ONE_FRAME: Final = (
    "this engine outlines one frame of a cine and follows nothing through time: point at one frame "
    "and give no range, or ask MedSAM-3 with its tracker installed (--engine medsam3)"
)
PROPOSED_BOX: Final = "outlined from a click: confirm the outline, or draw a box"
PROPOSED_SCRIBBLE: Final = "outlined from a scribble: confirm the outline, or draw a box"


class SlicewiseSegmenter:
    """Boxes and clicks to 3D masks by a network for single slices."""

    def __init__(
        self,
        network: SliceSegmenter,
        concepts: ConceptTable,
        cache: EmbeddingCache | None = None,
        *,
        checks_windows: bool = False,
    ) -> None:
        self._checks_windows = checks_windows
        self._network = network
        self._concepts = concepts
        self._cache = EmbeddingCache() if cache is None else cache
        self._answers: Recent[Answer] = Recent(DEFAULT_ANSWER_BYTES)
        self._unnamed = itertools.count()

    @property
    def capabilities(self) -> Capabilities:
        """Boxes, clicks and earlier masks on any modality."""
        return Capabilities(
            name=self._network.name,
            version=self._network.version,
            prompts=frozenset({"box", "point", "line", "scribble", "mask"}),
            needs_weights=True,
        )

    def supports(self, volume: Volume, prompt: Prompt) -> str | None:
        """Return None when there is a positive box, click, line or scribble, or a mask.

        On a cine all of it must lie on one frame, which is then outlined.
        """
        if volume.grid.is_time and len(pointed_slices(prompt)) > 1:
            return ONE_FRAME
        boxes = any(box.positive for box in prompt.boxes)
        points = any(point.positive for point in prompt.points)
        scribbles = any(scribble.positive for scribble in prompt.scribbles)
        mask = prompt.mask is not None and not prompt.mask.is_empty
        if boxes or points or prompt.lines or scribbles or mask:
            return None
        what = f"the {prompt.concept}" if prompt.concept else "a lesion"
        if volume.grid.is_time:
            return f"I can't find {what} by name alone on this cine: draw a box on one frame"
        return (
            f"I can't find {what} by name alone on this series: draw a box on one slice and give "
            "the slice range, and I can outline it"
        )

    def open(self, volume: Volume) -> CheckedSession:
        """Prepare to answer prompts; embeddings stay cached, but for a volume without UIDs."""
        series = f"unnamed-{next(self._unnamed)}"

        def answer(volume: Volume, prompt: Prompt, progress: Progress) -> Iterator[Segment]:
            yield self._segment(volume, prompt, series, progress)

        return CheckedSession(self, volume, answer, lambda: self._forget(series))

    def look_ahead(self, volume: Volume, progress: Progress) -> int:
        """Embed the slices of a series, from the middle outward; return how many were new.

        They are seen whole and in the windows that no concept asks for: a CT in soft tissue, and
        where lung is seen in the lung window too.
        """
        if volume.source is None or volume.grid.is_time:  # of a cine one frame is asked for
            return 0
        count = volume.grid.shape[0]
        seen = 0
        order = sorted(range(count), key=lambda index: abs(2 * index + 1 - count))
        for done, index in enumerate(order):
            progress(done / count, f"looking at slice {index}")
            for in_lung in (False, True) if shows_lung(volume, index) else (False,):
                window = window_for(volume, None, in_lung=in_lung)
                seen += self._view(volume, "", window).prepare(index)
        return seen

    def _view(self, volume: Volume, series: str, window: Window) -> SeriesView:
        return SeriesView(
            volume=volume,
            network=self._network,
            cache=self._cache,
            answers=self._answers,
            series=series,
            window=window,
        )

    def _forget(self, series: str) -> None:
        self._cache.forget(series)
        self._answers.forget(series)

    def _segment(self, volume: Volume, prompt: Prompt, series: str, progress: Progress) -> Segment:
        concept = self._concepts.find(prompt.concept) if prompt.concept else None
        boxes = any(box.positive for box in prompt.boxes)
        has_outline = boxes or bool(prompt.lines) or prompt.mask is not None
        is_boxed = boxes and not prompt.lines and prompt.mask is None
        window = window_for(volume, concept, in_lung=_is_in_lung(volume, prompt))
        view = self._view(volume, series, window)
        warnings: tuple[str, ...] = ()
        if not has_outline:
            progress(0.0, "reading the marks")
            found = boxes_at_marks(view, prompt)
            if not found:
                return self._absent(volume, prompt, "no outline was found round the marks")
            prompt = replace(prompt, boxes=(*found, *prompt.boxes))
            warnings = (PROPOSED_SCRIBBLE if prompt.scribbles else PROPOSED_BOX,)
        target = target_of(prompt, volume.grid)
        if not target.is_range_given:
            warnings = (*warnings, PROPOSED_RANGE)
        trial = NetworkTrial.of(view, target)
        voxels, scores = outlined(view, target, progress)
        if not voxels.any():
            return self._absent(volume, prompt, f"nothing was found inside the {target.in_words()}")
        return Segment(
            mask=Mask(voxels=voxels, grid=volume.grid),
            concept=prompt.concept,
            provenance=self._provenance(target.in_words()),
            side=prompt.side if prompt.side in ("left", "right") else None,
            score=float(np.mean(scores)) if scores else None,
            slice_profile=scores,
            is_proposal=bool(warnings),
            warnings=warnings,
            confidence=self._confidence(trial, voxels, is_drawn=is_boxed),
        )

    def _confidence(
        self, trial: NetworkTrial, voxels: NDArray[np.bool_], *, is_drawn: bool
    ) -> Confidence:
        found = trial.confidence(voxels, is_drawn=is_drawn)
        if not self._checks_windows:
            return found
        return replace(found, window_stability=window_stability(trial.view, trial.target, voxels))

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
    """Tell whether a lung window shows it: lung lies round what was pointed at, or is it."""
    boxes = pointed_boxes(prompt, volume.grid) or tuple(boxes_round_marks(prompt, volume.grid))
    return any(is_in_lung(volume, box) or is_lung(volume, box) for box in boxes)

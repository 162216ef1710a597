"""MedSAM-3 on volumes: words propose, a box or click confirms.

Without a box every slice is asked for the concept, and what is found is linked to things in three
dimensions; each is a proposal. That none is found is an answer.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.concepts import ConceptTable, Window
from domain.ports import Capabilities, Progress
from domain.prompt import Box, Point, Prompt
from domain.segment import AlgorithmType, Provenance, Segment
from domain.volume import Mask, Volume
from segmentation.answers import CheckedSession, not_taken, part_of
from segmentation.medsam3.asking import (
    ConceptNetwork,
    Question,
    SeesSeveral,
    SliceAnswer,
    Worded,
)
from segmentation.medsam3.following import Pursuit, extended
from segmentation.medsam3.keys import key_to_follow, refused_in_time
from segmentation.medsam3.linking import NOT_UNSURE, SURE, Outline, Track, linked
from segmentation.medsam3.tracker import Key, MaskTracker
from segmentation.slicewise.embeddings import DEFAULT_ANSWER_BYTES, Answer, EmbeddingCache, Recent
from segmentation.slicewise.outlining import outlined
from segmentation.slicewise.segmenter import PROPOSED_BOX, PROPOSED_RANGE
from segmentation.slicewise.slices import Embedding, SliceBox, SliceHint
from segmentation.slicewise.targets import Target, box_of, target_of
from segmentation.slicewise.views import SeriesView, crop_round
from segmentation.windows import is_in_lung, is_lung, window_for

PROPOSED_BY_WORDS: Final = (
    "found by words alone, and words only propose: a box or click on it confirms before any number "
    "is used"
)
RANDOM_WEIGHTS: Final = (
    "said by random numbers, installed to try the way from words to masks: it means nothing"
)
NO_TRACKER: Final = "this engine was made without a tracker"
_MOST_PROPOSALS: Final = 5
_REMEDIES: Final = {
    AlgorithmType.AUTOMATIC: "draw a box round it on one slice",
    AlgorithmType.SEMIAUTOMATIC: "check the name, or draw a box close round it",
}


class MedSam3Segmenter:
    """Words, boxes and both to 3D masks, by a network that sees slices and knows words."""

    def __init__(
        self,
        network: ConceptNetwork,
        concepts: ConceptTable,
        cache: EmbeddingCache | None = None,
        tracker: MaskTracker | None = None,
    ) -> None:
        self._tracker = tracker
        self._network = network
        self._concepts = concepts
        self._cache = EmbeddingCache() if cache is None else cache
        self._unnamed = itertools.count()

    @property
    def capabilities(self) -> Capabilities:
        """Words, boxes, clicks on a named thing, and earlier masks, on any modality."""
        return Capabilities(
            name=self._network.name,
            version=self._network.version,
            prompts=frozenset({"text", "box", "point", "mask"}),
            needs_weights=True,
            free_words=True,
        )

    def supports(self, volume: Volume, prompt: Prompt) -> str | None:
        """Return None for yes, else what is missing by name, or what would help."""
        refused = (
            self._network.missing()
            or not_taken("MedSAM-3", self.capabilities.prompts, prompt)
            or refused_in_time(volume, prompt, self._no_tracker())
        )
        if refused is not None:
            return refused
        if _has_outline(prompt):
            return None
        if prompt.concept is None:
            return "MedSAM-3 takes words and boxes: name what to look for, or draw a box round it"
        if any(point.positive for point in prompt.points):
            return None
        if not prompt.is_text_only:
            return f"only what is not the {prompt.concept} was shown: draw a box round where it is"
        return self._by_words_alone(volume, prompt)

    def _by_words_alone(self, volume: Volume, prompt: Prompt) -> str | None:
        if prompt.side in ("left", "right"):
            return (
                f"MedSAM-3 does not know left from right by words alone: draw a box round the "
                f"{prompt.side} {prompt.concept}, or ask without the side and choose"
            )
        concept = self._concepts.find(prompt.concept) if prompt.concept else None
        modalities = () if concept is None else concept.modalities
        if modalities and volume.modality not in modalities:
            return (
                f"the {prompt.concept} is looked for on {' and '.join(modalities)}, this is "
                f"{volume.modality}: draw a box round it"
            )
        return None

    def open(self, volume: Volume) -> CheckedSession:
        """Prepare to answer prompts; embeddings stay cached, but for a volume without UIDs."""
        series = f"unnamed-{next(self._unnamed)}"
        answers: dict[str | None, Recent[Answer]] = {}

        def answer(volume: Volume, prompt: Prompt, progress: Progress) -> Iterator[Segment]:
            kept = answers.setdefault(prompt.concept, Recent(DEFAULT_ANSWER_BYTES))
            view = self._view(volume, prompt, series, kept)
            found = self._answer(view, prompt, progress)
            yield from (self._marked_random(each) for each in found)

        return CheckedSession(self, volume, answer, lambda: self._cache.forget(series))

    def _view(
        self, volume: Volume, prompt: Prompt, series: str, answers: Recent[Answer]
    ) -> SeriesView:
        return SeriesView(
            volume=volume,
            network=Worded(self._network, prompt.concept),
            cache=self._cache,
            answers=answers,
            series=series,
            window=self._window(volume, prompt),
        )

    def _window(self, volume: Volume, prompt: Prompt) -> Window:
        if prompt.window is not None:
            return prompt.window
        concept = self._concepts.find(prompt.concept) if prompt.concept else None
        boxes = [box for box in prompt.boxes if box.positive]
        in_lung = any(is_in_lung(volume, box) or is_lung(volume, box) for box in boxes)
        return window_for(volume, concept, in_lung=in_lung)

    def _no_tracker(self) -> str | None:
        """Return why nothing can be followed from image to image, or None where it can."""
        return NO_TRACKER if self._tracker is None else self._tracker.missing()

    def _answer(self, view: SeriesView, prompt: Prompt, progress: Progress) -> Iterator[Segment]:
        key = key_to_follow(prompt, view.volume.grid)
        by_words_in_time = view.volume.grid.is_time and prompt.is_text_only
        lacking = self._no_tracker()
        if lacking is None and by_words_in_time:
            yield from self._first_found(view, prompt, progress)
        elif lacking is None and key is not None:
            keyed = replace(prompt, slice_range=(key, key + 1))
            for segment in self._answered(view, keyed, part_of(progress, 0, 2)):
                yield self._followed(view, prompt, segment, part_of(progress, 1, 2))
        elif self._tracker is not None and key is not None:
            for segment in self._answered(view, prompt, progress):
                warnings = (*segment.warnings, f"not followed from its image: {lacking}")
                yield replace(segment, warnings=warnings)
        else:
            yield from self._answered(view, prompt, progress)

    def _first_found(
        self, view: SeriesView, prompt: Prompt, progress: Progress
    ) -> Iterator[Segment]:
        """Follow what words are sure of on the first frame where they are sure of anything."""
        start, stop = prompt.slice_range or (0, view.volume.grid.shape[0])
        for index in range(start, stop):
            part = part_of(part_of(progress, 0, 2), index - start, stop - start)
            alone = replace(prompt, slice_range=(index, index + 1))
            found = [each for each in self._answered(view, alone, part) if not each.mask.is_empty]
            for segment in found:
                yield self._followed(view, prompt, segment, part_of(progress, 1, 2))
            if found:
                return
        reason = f"no {_what(prompt)} was found on frames {start} to {stop - 1}"
        yield self._absent(view, prompt, reason, AlgorithmType.AUTOMATIC)

    def _followed(
        self, view: SeriesView, prompt: Prompt, segment: Segment, progress: Progress
    ) -> Segment:
        """Return the outline on one image with those followed from it, for a person to look at."""
        assert self._tracker is not None
        if segment.mask.is_empty:
            return segment
        (index,) = segment.mask.slice_indices()
        found = Pursuit(
            view=view,
            tracker=self._tracker,
            key=Key(index=index, inside=segment.mask.voxels[index]),
            key_score=segment.slice_profile[0],
            span=prompt.slice_range or (0, view.volume.grid.shape[0]),
            words=None if prompt.concept is None else partial(self._heard, view, prompt),
        ).run(progress)
        return extended(segment, prompt, found, self._tracker.weights_sha256)

    def _answered(self, view: SeriesView, prompt: Prompt, progress: Progress) -> Iterator[Segment]:
        if _has_outline(prompt):
            yield self._outlined(view, prompt, progress, ())
        elif prompt.points:
            yield self._clicked(view, prompt, progress)
        else:
            yield from self._proposed(view, prompt, progress)

    def _outlined(
        self, view: SeriesView, prompt: Prompt, progress: Progress, warnings: tuple[str, ...]
    ) -> Segment:
        target = target_of(prompt, view.volume.grid)
        if not target.is_range_given:
            warnings = (*warnings, PROPOSED_RANGE)
        words = f"{_said(prompt)}, {target.in_words()}"
        if not _sees_key(view, target):
            return self._absent(
                view,
                prompt,
                f"nothing it takes for {_what(prompt)} was found in the {words}",
                AlgorithmType.SEMIAUTOMATIC,
            )
        voxels, scores = outlined(view, target, progress)
        if not voxels.any():
            return self._absent(
                view, prompt, f"nothing was found inside the {words}", AlgorithmType.SEMIAUTOMATIC
            )
        return Segment(
            mask=Mask(voxels=voxels, grid=view.volume.grid),
            concept=prompt.concept,
            provenance=self._provenance(words, AlgorithmType.SEMIAUTOMATIC),
            side=prompt.side if prompt.side in ("left", "right") else None,
            score=float(np.mean(scores)),
            slice_profile=scores,
            is_proposal=bool(warnings),
            warnings=warnings,
        )

    def _clicked(self, view: SeriesView, prompt: Prompt, progress: Progress) -> Segment:
        """Outline what is found by words round the first positive click."""
        click = next(point for point in prompt.points if point.positive)
        ((_, embedding),) = self._seen(view, (click.slice_index,), progress)
        box = _box_at(self._asked(prompt, embedding), click)
        if box is None:
            return self._absent(
                view,
                prompt,
                f"nothing it takes for {_what(prompt)} was found at the click",
                AlgorithmType.SEMIAUTOMATIC,
            )
        boxed = replace(prompt, boxes=(box, *prompt.boxes))
        return self._outlined(view, boxed, progress, (PROPOSED_BOX,))

    def _proposed(self, view: SeriesView, prompt: Prompt, progress: Progress) -> Iterator[Segment]:
        shape = view.volume.grid.shape
        start, stop = prompt.slice_range or (0, shape[0])
        found: dict[int, list[Outline]] = {}
        profile: dict[int, float] = {}
        for index, embedding in self._seen(view, range(start, stop), progress):
            answer = self._asked(prompt, embedding)
            profile[index] = answer.score
            found[index] = [
                Outline(inside=each.logits > 0, score=each.score) for each in answer.instances
            ]
        tracks = linked(found)
        searched = f"{_said(prompt)}, slices {start} to {stop - 1}"
        if not tracks:
            best = max(profile, key=lambda index: profile[index])
            yield self._absent(
                view,
                prompt,
                f"no {_what(prompt)} was found on slices {start} to {stop - 1}: the best score is "
                f"{profile[best]:.2f} on slice {best}, and {SURE:.2f} is asked for",
                AlgorithmType.AUTOMATIC,
            )
            return
        for track in tracks[:_MOST_PROPOSALS]:
            yield self._proposal(view, prompt, track, searched, len(tracks) - _MOST_PROPOSALS)

    def _proposal(
        self, view: SeriesView, prompt: Prompt, track: Track, searched: str, left_out: int
    ) -> Segment:
        warnings: tuple[str, ...] = (PROPOSED_BY_WORDS,)
        if left_out > 0:
            warnings = (*warnings, f"{left_out} less sure proposals were left out")
        return Segment(
            mask=Mask(voxels=track.voxels(view.volume.grid.shape), grid=view.volume.grid),
            concept=prompt.concept,
            provenance=self._provenance(searched, AlgorithmType.AUTOMATIC),
            score=track.best,
            slice_profile=track.profile,
            is_proposal=True,
            warnings=warnings,
        )

    def _seen(
        self, view: SeriesView, indices: Sequence[int], progress: Progress
    ) -> Iterator[tuple[int, Embedding]]:
        """Yield each slice and its embedding; new ones several at once where the network can."""
        network = self._network
        size = network.most_at_once() if isinstance(network, SeesSeveral) else 1
        crop = (slice(0, view.shape[0]), slice(0, view.shape[1]))
        for start in range(0, len(indices), size):
            some = indices[start : start + size]
            part_of(progress, start, len(indices))(0.0, f"slice {some[0]}")
            embeddings = self._cache.get_each(
                [view.key(index, crop) for index in some],
                partial(self._embedded, view, some),
                # minutes of a CPU each: what has UIDs is kept on disk too
                on_disk=view.volume.source is not None,
            )
            yield from zip(some, embeddings, strict=True)

    def _embedded(
        self, view: SeriesView, indices: Sequence[int], places: Sequence[int]
    ) -> Sequence[Embedding]:
        network = self._network
        images = [view.image(indices[place]) for place in places]
        if isinstance(network, SeesSeveral):
            return network.embed_each(images)
        return [network.embed(image) for image in images]

    def _asked(self, prompt: Prompt, embedding: Embedding) -> SliceAnswer:
        """Return what the words alone find on a slice."""
        question = Question(phrase=str(prompt.concept))
        (answer,) = self._network.answers(embedding, [question], NOT_UNSURE / 2)
        return answer

    def _heard(self, view: SeriesView, prompt: Prompt, index: int) -> SliceAnswer:
        """Return what the words alone find on a slice by its index."""
        return self._asked(prompt, view.whole(index))

    def _provenance(self, prompt: str, kind: AlgorithmType) -> Provenance:
        return Provenance(
            engine=self._network.name,
            version=self._network.version,
            algorithm_type=kind,
            weights_sha256=self._network.weights_sha256,
            prompt=prompt,
        )

    def _absent(
        self, view: SeriesView, prompt: Prompt, reason: str, kind: AlgorithmType
    ) -> Segment:
        empty = np.zeros(view.volume.grid.shape, dtype=np.bool_)
        return Segment(
            mask=Mask(voxels=empty, grid=view.volume.grid),
            concept=prompt.concept,
            provenance=self._provenance(reason, kind),
            absent_reason=f"{reason}; that rules nothing out: {_REMEDIES[kind]}",
        )

    def _marked_random(self, segment: Segment) -> Segment:
        if not self._network.is_random:
            return segment
        if segment.absent_reason is not None:
            return replace(segment, absent_reason=f"{segment.absent_reason}; {RANDOM_WEIGHTS}")
        return replace(segment, is_proposal=True, warnings=(RANDOM_WEIGHTS, *segment.warnings))


def _has_outline(prompt: Prompt) -> bool:
    has_mask = prompt.mask is not None and not prompt.mask.is_empty
    return has_mask or any(box.positive for box in prompt.boxes)


def _what(prompt: Prompt) -> str:
    return prompt.concept or "a thing of its own"


def _said(prompt: Prompt) -> str:
    return f'"{prompt.concept}"' if prompt.concept else "no words"


def _sees_key(view: SeriesView, target: Target) -> bool:
    """Tell whether the network finds something that fits the box on a key slice."""
    crop = crop_round(target.outer_box(), view.shape, view.network.input_px)
    return any(
        bool((view.logits(index, [SliceHint(box=box)], crop) > 0).any())
        for index, box in target.keys.items()
    )


def _box_at(answer: SliceAnswer, click: Point) -> Box | None:
    """Return the box of the surest instance under a click."""
    masks: Sequence[NDArray[np.bool_]] = [each.logits > 0 for each in answer.instances]
    under = next((mask for mask in masks if mask[click.row, click.column]), None)
    if under is None:
        return None
    box: SliceBox = box_of(under)
    return Box.on_slice(
        click.slice_index,
        (int(box.row_start), int(box.row_stop)),
        (int(box.column_start), int(box.column_stop)),
    )

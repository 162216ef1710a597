"""Rule to place, network to outline: organs by name on CT, as drafts."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.concepts import ConceptTable
from domain.ports import Capabilities, Progress, Segmenter, Session
from domain.prompt import Prompt
from domain.segment import AlgorithmType, Confidence, Provenance, Segment
from domain.uids import SeriesUID
from domain.volume import Mask, SeriesReference, Volume
from segmentation.answers import CheckedSession, not_by_name, not_taken
from segmentation.coarse import depth_mm
from segmentation.confidence import dice
from segmentation.organs.anatomy import Anatomy, anatomy_of
from segmentation.organs.between import filled_between, seen_slices, thinned
from segmentation.organs.growing import Absent, Found
from segmentation.resample import resize
from segmentation.upright import Upright, turn_to_upright

VERSION: Final = "1.0.0"
DRAFT: Final = (
    "found by a rule and outlined by the network: a draft, confirm the outline before using its "
    "volume"
)
DISAGREE: Final = (
    "the rule and the network disagree about the outline (Dice {dice:.2f}): draw a box on a few "
    "slices instead"
)

_LEAST_COVER_MM: Final = 30.0
_BEYOND_RULE_MM: Final = 4.0
_LEAST_AGREEMENT: Final = 0.7

Finder = Callable[[Anatomy, str | None], Mapping[str | None, Found | Absent]]


class FoundOrganSegmenter:
    """One route of organs: a finder says where they lie, a boxed engine outlines them.

    Parameters
    ----------
    route
        Of the concepts it is for.
    finder
        Gives rough masks by side, or the reasons why there are none.
    boxed
        An engine that takes an earlier mask.
    """

    def __init__(
        self, route: str, concepts: ConceptTable, finder: Finder, boxed: Segmenter
    ) -> None:
        self._route = route
        self._concepts = concepts
        self._finder = finder
        self._boxed = boxed

    @property
    def capabilities(self) -> Capabilities:
        """Words alone, on CT."""
        boxed = self._boxed.capabilities
        return Capabilities(
            name=f"{self._route}-finder",
            version=f"{VERSION}+{boxed.version}",
            prompts=frozenset({"text"}),
            modalities=frozenset({"CT"}),
            needs_weights=boxed.needs_weights,
        )

    def supports(self, volume: Volume, prompt: Prompt) -> str | None:
        """Return None for a concept of the route on a CT that covers enough of the body."""
        concept = self._concepts.find(prompt.concept) if prompt.concept else None
        refused = not_by_name(volume, prompt, concept, self._route)
        if refused is not None or concept is None:
            return refused
        covered = volume.grid.shape[0] * volume.grid.spacing_mm[0]
        if not volume.grid.in_plane_calibrated:
            return (
                f"the series gives no pixel spacing, so the {concept.phrase} cannot be found by "
                "its size: draw a box on one slice"
            )
        if covered < _LEAST_COVER_MM:
            return (
                f"the series covers {covered:.0f} mm, too little to find the {concept.phrase} by "
                "name: draw a box on one slice"
            )
        return not_taken(f"the {self._route} finder", self.capabilities.prompts, prompt)

    def open(self, volume: Volume) -> CheckedSession:
        """Prepare to answer prompts; the anatomy is read once."""
        study = _Study(volume, self._boxed)

        def answer(volume: Volume, prompt: Prompt, progress: Progress) -> Iterator[Segment]:
            return self._answer(study, volume, prompt, progress)

        return CheckedSession(self, volume, answer, study.close)

    def _answer(
        self, study: "_Study", volume: Volume, prompt: Prompt, progress: Progress
    ) -> Iterator[Segment]:
        progress(0.02, "finding the spine, wall and lungs")
        anatomy = study.anatomy()
        if anatomy is None:
            reason = "no spine was found, so its place is not known"
            yield self._absent(volume, prompt, None, reason)
            return
        progress(0.1, "finding the organ")
        wanted = prompt.side if prompt.side in ("left", "right") else None
        findings = self._finder(anatomy, wanted)
        for place, (side, finding) in enumerate(findings.items()):
            start = 0.15 + 0.85 * place / len(findings)
            if isinstance(finding, Absent):
                yield self._absent(volume, prompt, side, finding.reason)
                continue
            yield self._outlined(
                study, prompt, side, finding, _part(progress, start, 0.85 / len(findings))
            )

    def _outlined(
        self,
        study: "_Study",
        prompt: Prompt,
        side: str | None,
        found: Found,
        progress: Progress,
    ) -> Segment:
        rough = study.rough(found.voxels)
        seen = study.seen_volume
        hint = Prompt(
            concept=prompt.concept,
            side=side,
            mask=Mask(voxels=rough > 0, grid=seen.grid),
        )
        outlined = next(iter(study.session().segment((hint,), progress)), None)
        inside = np.zeros(seen.grid.shape, dtype=np.bool_)
        if outlined is not None:
            inside = outlined.mask.voxels & (rough > -_BEYOND_RULE_MM)
        voxels = study.back(inside, prompt.slice_range)
        if outlined is None or not voxels.any():
            return self._absent(study.volume, prompt, side, "the network saw nothing there")
        return Segment(
            mask=Mask(voxels=voxels, grid=study.volume.grid),
            concept=prompt.concept,
            side=side,
            provenance=self._provenance(
                outlined.provenance.weights_sha256, f"{_named(prompt, side)}, by name"
            ),
            score=outlined.score,
            confidence=Confidence(
                main_slice=None,
                agreement=dice(inside, rough > 0),
                weak_slices=study.stored_slices(outlined.confidence, voxels),
            ),
            is_proposal=True,
            warnings=(DRAFT, *_disagreement(inside, rough > 0)),
        )

    def _provenance(self, weights_sha256: str | None, prompt: str) -> Provenance:
        boxed = self._boxed.capabilities
        return Provenance(
            engine=f"{self._route}-finder and {boxed.name}",
            version=f"{VERSION}+{boxed.version}",
            algorithm_type=AlgorithmType.AUTOMATIC,
            weights_sha256=weights_sha256,
            prompt=prompt,
        )

    def _absent(self, volume: Volume, prompt: Prompt, side: str | None, reason: str) -> Segment:
        return Segment(
            mask=Mask(voxels=np.zeros(volume.grid.shape, dtype=np.bool_), grid=volume.grid),
            concept=prompt.concept,
            side=side,
            provenance=self._provenance(None, f"{_named(prompt, side)}, by name"),
            absent_reason=f"no {_named(prompt, side)} was found: {reason}; draw a box if it is "
            "there",
        )


class _Study:
    """One volume: its anatomy, and the slices the network sees."""

    def __init__(self, volume: Volume, boxed: Segmenter) -> None:
        self.volume = volume
        self._boxed = boxed
        self._stack = ExitStack()
        self._session: Session | None = None
        self._upright = Upright.of(volume)
        self._anatomy: Anatomy | None = None
        self._is_read = False
        self._seen = seen_slices(self._upright.volume.grid)
        self.seen_volume = thinned(self._upright.volume, self._seen, _source(volume))

    def anatomy(self) -> Anatomy | None:
        """Return the anatomy, read once."""
        if not self._is_read:
            self._anatomy = anatomy_of(self._upright.volume)
            self._is_read = True
        return self._anatomy

    def session(self) -> Session:
        """Return the boxed engine's session on the seen slices."""
        if self._session is None:
            self._session = self._stack.enter_context(self._boxed.open(self.seen_volume))
        return self._session

    def close(self) -> None:
        """Close the boxed engine's session."""
        self._session = None
        self._stack.close()

    def rough(self, voxels: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the distance in mm from a rough outline on the seen slices, positive inside.

        Distances, not voxels, are brought to the finer grid: outlines stay smooth.
        """
        anatomy = self.anatomy()
        assert anatomy is not None
        signed = depth_mm(voxels, anatomy.spacing_mm) - depth_mm(~voxels, anatomy.spacing_mm)
        half = min(anatomy.spacing_mm) / 2
        signed -= np.where(voxels, half, -half).astype(np.float32)
        _, rows, columns = self.seen_volume.grid.shape
        step, row_step, column_step = anatomy.steps
        padded = (voxels.shape[1] * row_step, voxels.shape[2] * column_step)
        places = np.clip((self._seen + 0.5) / step - 0.5, 0, len(voxels) - 1)
        made = np.empty((len(places), rows, columns), dtype=np.float32)
        for index, place in enumerate(places):
            below = int(place)
            share = np.float32(place - below)
            mixed = (1 - share) * signed[below] + share * signed[min(below + 1, len(voxels) - 1)]
            made[index] = resize(mixed, padded)[:rows, :columns]
        return made

    def stored_slices(
        self, confidence: Confidence | None, voxels: NDArray[np.bool_]
    ) -> tuple[int, ...]:
        """Return the weak ones of the seen slices as the volume's, each with those nearest to it.

        Only those marked in ``voxels``; none where slices are seen across the stored ones.
        """
        axes, flips = turn_to_upright(self.volume.grid)
        if confidence is None or axes[0] != 0:
            return ()
        count = self.volume.grid.shape[0]
        nearest = np.abs(self._seen[:, None] - np.arange(count)).argmin(axis=0)
        is_weak = np.isin(nearest, confidence.weak_slices)
        if flips[0]:
            is_weak = is_weak[::-1]
        marked = voxels.any(axis=(1, 2))
        return tuple(int(index) for index in np.flatnonzero(is_weak & marked))

    def back(
        self, inside: NDArray[np.bool_], slice_range: tuple[int, int] | None
    ) -> NDArray[np.bool_]:
        """Return a mask of the seen slices on the volume, inside a range of its slices."""
        grid = self._upright.volume.grid
        whole = filled_between(inside, self._seen, grid.shape[0])
        kept = self._upright.back(Mask(voxels=whole, grid=grid)).voxels
        if slice_range is not None:
            kept = np.array(kept)
            kept[: slice_range[0]] = False
            kept[slice_range[1] :] = False
        return kept


def _source(volume: Volume) -> SeriesReference | None:
    """Return what upright slices were made of, by which a network's embeddings are kept.

    None where slices are cut across the stored ones. Slices turned in their plane are other
    images than the stored ones, so they go by another name.
    """
    axes, flips = turn_to_upright(volume.grid)
    if volume.source is None or axes != (0, 1, 2):
        return None
    uid = volume.source.series_instance_uid
    frames = volume.source.frames
    return replace(
        volume.source,
        series_instance_uid=SeriesUID(f"{uid} upright") if flips[1] or flips[2] else uid,
        frames=frames[::-1] if flips[0] else frames,
    )


def _named(prompt: Prompt, side: str | None) -> str:
    return f"{side} {prompt.concept}" if side else f"{prompt.concept}"


def _part(progress: Progress, start: float, share: float) -> Progress:
    def report(fraction: float, stage: str) -> None:
        progress(start + share * min(max(fraction, 0.0), 1.0), stage)

    return report


def _disagreement(inside: NDArray[np.bool_], rough: NDArray[np.bool_]) -> Iterator[str]:
    agreement = dice(inside, rough)
    if agreement < _LEAST_AGREEMENT:
        yield DISAGREE.format(dice=agreement)

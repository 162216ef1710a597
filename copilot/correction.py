"""Masks that a person corrected or named: measured anew, a result that waits for a yes.

A correction names the result it corrects, which it replaces when it is accepted; nothing is
overwritten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from copilot.analysis import Analyst, Named
from copilot.lightbox import Lightbox
from copilot.printing import printed_analysis
from copilot.results import Result, Results, State, result_of
from copilot.twins import SEG
from copilot.understanding import understood
from dicom_node.seg_reader import read_segmentation
from domain.command import as_json
from domain.concepts import ConceptTable
from domain.errors import EmptyMaskError, InputError, RadcopilotError
from domain.grid import Grid
from domain.ports import Clock, Grammar
from domain.segment import AlgorithmType, Provenance, Segment
from domain.uids import InstanceUID, SeriesUID
from domain.volume import Mask

_BY_HAND: Final = "corrected by hand"
_NAMED: Final = "named by hand"
_CORRECTABLE: Final = frozenset({State.WAITING, State.ACCEPTED, State.SENT})


class Corrections:
    """Masks of results on the series they were made on, and what hands made of them."""

    def __init__(
        self,
        *,
        results: Results,
        lightbox: Lightbox,
        analyst: Analyst,
        grammar: Grammar,
        concepts: ConceptTable,
        clock: Clock,
    ) -> None:
        self._results = results
        self._lightbox = lightbox
        self._analyst = analyst
        self._grammar = grammar
        self._concepts = concepts
        self._clock = clock

    def mask(self, identity: str, segment: int) -> Mask:
        """Return a segment's mask on its series.

        Raises
        ------
        InputError
            If there is no such result or segment.
        GeometryError
            If the series has changed, and the mask does not lie on it any more.
        """
        result = self._results.get(identity)
        seg = self._results.folder(identity) / SEG
        if not seg.is_file():
            raise InputError(f"result {identity} has no mask: it is {result.state.value}")
        found = read_segmentation(seg, self.grid(identity))
        for each in found.segments:
            if each.number == segment:
                return each.mask
        raise InputError(f"result {identity} has no segment {segment}")

    def prior_mask(self, identity: str, segment: int) -> Mask:
        """Return what a comparison outlined on the prior, on the prior's series.

        Raises
        ------
        InputError
            If it outlined no such segment there.
        GeometryError
            If the series has changed, and the mask does not lie on it any more.
        """
        result = self._results.get(identity)
        seg = self._results.folder(identity) / f"prior_{SEG}"
        if "prior" not in result.document or not seg.is_file():
            raise InputError(f"result {identity} outlined nothing on a prior")
        series = SeriesUID(result.document["prior"]["series_instance_uid"])
        for each in read_segmentation(seg, self._grid_of(series)).segments:
            if each.number == segment:
                return each.mask
        raise InputError(f"result {identity} has no segment {segment} on the prior")

    def grid(self, identity: str) -> Grid:
        """Return the grid of the series a result was made on.

        Raises
        ------
        InputError
            If its images make no volume.
        """
        return self._grid_of(SeriesUID(self._results.get(identity).series_instance_uid))

    def _grid_of(self, uid: SeriesUID) -> Grid:
        series = self._lightbox.of(uid)
        if series.grid is None:
            raise InputError(f"the series makes no volume: {series.refusal}")
        return series.grid

    def correct(self, identity: str, segment: int, voxels: NDArray[np.bool_], actor: str) -> Result:
        """Keep a corrected mask of a result as a new one, which replaces it once it is accepted.

        Raises
        ------
        EmptyMaskError
            If nothing is left of it.
        InputError
            If the result has no such segment, or is not one to be corrected.
        """
        if not voxels.any():
            raise EmptyMaskError("nothing is left of the mask: reject the result instead")
        earlier = self._results.get(identity)
        if earlier.state not in _CORRECTABLE:
            raise InputError(f"result {identity} is {earlier.state.value}: it is not corrected")
        mask = _marked(earlier, segment)
        drawn = replace(
            _segment(mask, Mask(voxels=voxels, grid=self.grid(identity))),
            provenance=_provenance(mask["made_by"], _BY_HAND),
            score=None,
        )
        return self._kept(earlier, [_followed(mask, drawn)], {"corrects": identity}, actor)

    def name(self, identity: str, segment: int, concept: str, actor: str) -> Result:
        """Say what a mask of a result that waits for a yes is; a new result stands in its place.

        Raises
        ------
        InputError
            If there is no such concept or segment, or the result was decided already.
        """
        earlier = self._results.get(identity)
        if earlier.state is not State.WAITING:
            raise InputError(
                f"result {identity} is {earlier.state.value}: only what waits for a yes is renamed"
            )
        found = self._concepts.find(concept)
        if found is None:
            raise InputError(f"there is no concept {concept[:60]!r}: choose one of the list")
        _marked(earlier, segment)
        segments = []
        for mask in earlier.document["masks"]:
            same = _segment(mask, self.mask(identity, mask["segment"]))
            if mask["segment"] == segment:
                side = same.side if found.paired else None
                named = _provenance(mask["made_by"], _NAMED)
                same = replace(same, concept=found.phrase, side=side, provenance=named)
            segments.append(_followed(mask, same))
        made = self._kept(earlier, segments, {}, actor)
        self._results.supersede(identity, made.id, actor)
        return made

    def _kept(
        self,
        earlier: Result,
        segments: Sequence[Named],
        more: Mapping[str, str],
        actor: str,
    ) -> Result:
        """Measure segments as a new result of the same command."""
        text = earlier.document["text"]
        command = understood(self._grammar, text)
        identity, _ = self._results.new_folder()
        began = Result(
            id=identity,
            at=self._clock.now().isoformat(),
            series_instance_uid=earlier.series_instance_uid,
            state=State.RUNNING,
            document={"text": text, "command": as_json(command), "masks": [], **more},
        )
        self._results.add(began, actor)
        series = SeriesUID(earlier.series_instance_uid)
        try:
            analysis = self._analyst.drawn(
                self._lightbox.files(series), command, segments, earlier.document["engine"]
            )
            with self._results.aside(identity) as folder:
                made = printed_analysis(analysis, analysis.write(folder), text)
                self._results.put(result_of(identity, self._clock.now(), series, made), folder)
        except Exception as error:
            says = str(error) if isinstance(error, RadcopilotError) else type(error).__name__
            failed = {**began.document, "error": says}
            self._results.finish(replace(began, state=State.FAILED, document=failed))
            raise
        return self._results.get(identity)


def _marked(result: Result, segment: int) -> Mapping[str, Any]:
    for mask in result.document["masks"]:
        if mask["segment"] == segment:
            return dict(mask)
    raise InputError(f"result {result.id} has no segment {segment}")


def _segment(mask: Mapping[str, Any], voxels: Mask) -> Segment:
    """Return a mask of a result's document as a segment again."""
    return Segment(
        mask=voxels,
        concept=mask["concept"],
        side=mask["side"],
        score=mask["score"],
        slice_profile=tuple(mask["slice_profile"]),
        is_proposal=mask["is_proposal"],
        provenance=_provenance(mask["made_by"]),
    )


def _followed(mask: Mapping[str, Any], segment: Segment) -> Named:
    """Return a segment that is the same finding as a mask of a result's document."""
    uid = InstanceUID(mask["tracking_uid"])
    return Named(segment=segment, label=mask["tracking_id"], uid=uid)


def _provenance(made_by: Mapping[str, Any], by_a_person: str = "") -> Provenance:
    """Return where a mask comes from, and what a person did to it."""
    prompt = str(made_by["prompt"])
    if by_a_person and by_a_person not in prompt:
        prompt = f"{prompt}; {by_a_person}".removeprefix("; ")
    kind = AlgorithmType(made_by["algorithm_type"])
    return Provenance(
        engine=made_by["engine"],
        version=made_by["version"],
        algorithm_type=AlgorithmType.SEMIAUTOMATIC if by_a_person == _BY_HAND else kind,
        weights_sha256=made_by["weights_sha256"],
        prompt=prompt,
        directed_by=made_by["directed_by"],
    )

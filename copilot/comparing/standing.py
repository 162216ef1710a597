"""What results hold of a series, as lesions to compare; and which comparison stands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from copilot.comparing.lesions import lesion_of
from copilot.comparing.pairing import Item
from copilot.results import Result, Results, State
from copilot.twins import SEG
from dicom_node.seg_reader import read_segmentation
from domain.comparison import ToldPair
from domain.concepts import Concept, ConceptTable
from domain.prompt import Point, Prompt
from domain.segment import AlgorithmType, Provenance, Segment
from domain.uids import InstanceUID, SeriesUID
from domain.volume import Mask, Volume

CONFIRMED: Final = frozenset({State.ACCEPTED, State.SENT})
_STANDS: Final = CONFIRMED | {State.WAITING}
_LESION: Final = "Morphologically Abnormal Structure"
_NODE: Final = "lymph node"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The masks of a series that were accepted, or wait for a yes, in the order of the page.

    Attributes
    ----------
    entries
        Result, mask as its document has it, and its number among the findings, from 1.
    notes
        What was left out, or is open still.
    """

    entries: tuple[tuple[Result, dict[str, Any], int], ...]
    notes: tuple[str, ...]

    @property
    def engine(self) -> str | None:
        """The engine that all of them were made with; None where there were several."""
        names = {str(result.document["engine"]) for result, _, _ in self.entries}
        return names.pop() if len(names) == 1 else None

    def printed(self) -> list[dict[str, Any]]:
        """Return which masks these are, as plain JSON values."""
        return [
            {"result": result.id, "segment": mask["segment"], "tracking_uid": mask["tracking_uid"]}
            for result, mask, _ in self.entries
        ]

    def items(self, results: Results, concepts: ConceptTable, volume: Volume) -> tuple[Item, ...]:
        """Return them as lesions of a volume, what was accepted first.

        Raises
        ------
        InputError
            If a mask does not lie on the volume.
        """
        return tuple(
            _item(results, concepts, volume, entry)
            for entry in sorted(self.entries, key=lambda each: each[0].state is State.WAITING)
        )


def standing_marks(
    of_study: Sequence[Result], series: SeriesUID, concepts: ConceptTable
) -> Standing:
    """Return the masks of a series that stand; organs are left out, and that is said.

    Parameters
    ----------
    of_study
        The results of every series of the study, the oldest first: findings are counted in it.
    """
    entries: list[tuple[Result, dict[str, Any], int]] = []
    notes: list[str] = []
    number = 0
    for result in of_study:
        if result.state not in _STANDS:
            continue
        for mask in result.document["masks"]:
            number += 1
            if result.series_instance_uid != series:
                continue
            concept = concepts.find(mask["concept"]) if mask["concept"] else None
            if is_organ(concept):
                notes.append(f"finding {number} is an organ: it is not compared as a lesion")
                continue
            if result.state is State.WAITING:
                notes.append(f"finding {number} still waits for a yes: so does what is said of it")
            if mask["made_by"]["algorithm_type"] == AlgorithmType.SEMIAUTOMATIC.value and (
                "by hand" in mask["made_by"]["prompt"]
            ):
                notes.append(
                    f"finding {number} was corrected by hand: where the engine alone outlined it "
                    "on the prior, that difference is in the change"
                )
            entries.append((result, mask, number))
    return Standing(entries=tuple(entries), notes=tuple(notes))


def is_organ(concept: Concept | None) -> bool:
    """Tell whether a concept is a thing that every patient has: it is no lesion."""
    return (
        concept is not None and concept.category.meaning != _LESION and _NODE not in concept.phrase
    )


def comparison_of(results: Iterable[Result]) -> Result | None:
    """Return the result whose comparison is that of a study, of all results of its series.

    It is the newest that compared something and was accepted; or, where it holds no masks of its
    own, one of masks that all were accepted and are still. None where there is none.
    """
    known = {each.id: each for each in results}
    made = [each for each in known.values() if _is_confirmed(each, known)]
    return max(made, key=lambda each: each.at, default=None)


def told_since(
    results: Iterable[Result], prior: SeriesUID, told: Sequence[ToldPair] | None
) -> tuple[ToldPair, ...]:
    """Return what holds of pairs that persons told, of a series compared with a prior.

    Without new ones those of the newest comparison hold on. What is told again as it was stays by
    the person who said it first.

    Parameters
    ----------
    told
        All that is to hold, where a person says so; None where nobody does.
    """
    made = [
        each
        for each in results
        if each.document.get("comparison") and each.state is not State.REJECTED
        if each.document["prior"]["series_instance_uid"] == prior
    ]
    newest = max(made, key=lambda each: each.at, default=None)
    before = newest.document["comparison"].get("told", ()) if newest is not None else ()
    kept = {(each["current"], each["prior"]): ToldPair(**each, is_kept=True) for each in before}
    if told is None:
        return tuple(kept.values())
    return tuple(kept.get((each.current, each.prior), each) for each in told)


def _is_confirmed(result: Result, known: dict[str, Result]) -> bool:
    comparison = result.document.get("comparison")
    if not comparison or comparison["refusal"] is not None:
        return False
    if result.state not in (CONFIRMED if result.document["masks"] else {State.ANSWERED}):
        return False
    compared = [known.get(each["result"]) for each in result.document.get("compared", ())]
    return all(each is not None and each.state in CONFIRMED for each in compared)


def _item(
    results: Results,
    concepts: ConceptTable,
    volume: Volume,
    entry: tuple[Result, dict[str, Any], int],
) -> Item:
    result, mask, number = entry
    loaded = read_segmentation(results.folder(result.id) / SEG, volume.grid)
    voxels = next(each.mask for each in loaded.segments if each.number == mask["segment"])
    made_by = mask["made_by"]
    segment = Segment(
        mask=voxels,
        concept=mask["concept"],
        side=mask["side"],
        score=mask["score"],
        slice_profile=tuple(mask["slice_profile"]),
        is_proposal=mask["is_proposal"],
        provenance=Provenance(
            engine=made_by["engine"],
            version=made_by["version"],
            algorithm_type=AlgorithmType(made_by["algorithm_type"]),
            weights_sha256=made_by["weights_sha256"],
            prompt=made_by["prompt"],
            directed_by=made_by["directed_by"],
        ),
    )
    concept = concepts.find(mask["concept"]) if mask["concept"] else None
    lesion = lesion_of(volume, segment, concept, f"Finding {number}")
    return Item(
        lesion=replace(lesion, tracking_uid=InstanceUID(mask["tracking_uid"])),
        segment=segment,
        prompt=_prompt(result, segment, voxels),
        is_standing=True,
    )


def _prompt(result: Result, segment: Segment, voxels: Mask) -> Prompt:
    """Return a prompt in the manner of the one that made a mask: a click, or else a box."""
    blank = Prompt(concept=segment.concept, side=segment.side)
    hints = result.document.get("hints", {})
    if not ("points" in hints or "scribbles" in hints):
        return blank
    index, row, column = (int(each) for each in np.argwhere(voxels.voxels)[0])
    return replace(blank, points=(Point(slice_index=index, row=row, column=column),))

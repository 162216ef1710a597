"""What an earlier report describes, found again on that study's own images.

Words say a place; a click is what outlines it. So the one candidate that fits all that the report
says of a lesion is taken as clicked on, and where none or several fit, a person is asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset

from copilot.candidates import Listed
from copilot.hints import Hints
from domain.candidate import Candidate
from domain.command import QuestionCommand, ReportedCommand
from domain.concepts import ConceptTable
from domain.errors import CannotDoError
from domain.prompt import Prompt
from domain.reading import ImagePlace, Presence, ReadFinding, ReadReport, When
from domain.volume import Volume

_ROUTE: Final = "lung-nodules"
_NEAR_SLICES: Final = 1
_LIKE: Final = (
    1.6  # of diameters: what is reported is one slice's longest, what is found an estimate
)
_SAME_MM: Final = 1.0
_SIDES: Final = frozenset({"left", "right"})

ListCandidates = Callable[[Volume, Prompt], Listed | str]


@dataclass(frozen=True, kw_only=True)
class Described:
    """The place of what a report describes, on the prior, and how it was found."""

    finding: ReadFinding
    hints: Hints
    says: str


def described_in(
    report: ReadReport, command: ReportedCommand, table: ConceptTable
) -> ReadFinding | QuestionCommand:
    """Return the one finding that a command means, or a question that names those it may mean.

    Raises
    ------
    CannotDoError
        If the report tells of no such finding.
    """
    fitting = _distinct([each for each in report.findings if _fits(each, command, table)])
    if not fitting:
        raise CannotDoError(
            f"the report tells of no {_asked(command)} that is there: read it with 'radcopilot "
            "report read', or point at it on the prior (--prior-point)"
        )
    if len(fitting) == 1:
        return fitting[0]
    return QuestionCommand(
        text=f"The report tells of {len(fitting)} that fit: which is meant?",
        choices=tuple(_in_words(each) for each in fitting),
    )


def found_again(
    finding: ReadFinding,
    prior: Volume,
    headers: Sequence[Dataset],
    candidates: ListCandidates,
    table: ConceptTable,
) -> Described | QuestionCommand:
    """Return where a finding of a report lies on the images it was of, or a question.

    Raises
    ------
    CannotDoError
        If nothing like it is found there, or its kind is not looked for by words.
    """
    concept = table.find(finding.concept or "")
    if concept is None or concept.route != _ROUTE:
        raise CannotDoError(
            f"{finding.concept or finding.noun!r} is not looked for by a report's words, only "
            "nodules of the lung on CT are: point at it on the prior (--prior-point)"
        )
    side = finding.side if finding.side in _SIDES else None
    listed = candidates(prior, Prompt(concept=concept.phrase, side=side))
    if isinstance(listed, str):
        raise CannotDoError(f"{listed}: point at it on the prior (--prior-point)")
    on_slice, about_image = _on_image(finding, prior, headers)
    there = [each for each in listed.candidates if _is_on(each, on_slice)]
    alike = [each for each in there if _is_as_large(each, finding)]
    quote = _quoted(finding)
    if len(alike) == 1 and (on_slice is not None or _has_size(finding)):
        (only,) = alike
        by = "" if on_slice is not None else ", by side and size alone"
        says = (
            f"{quote}: sought {about_image} of the prior, and found as the one candidate that "
            f"fits, about {only.diameter_mm:.0f} mm on slice {only.centre.slice_index}{by}: check "
            "that it is the one"
        )
        return Described(finding=finding, hints=Hints(points=(only.centre,)), says=says)
    offered = alike or there or listed.candidates
    if not offered:
        raise CannotDoError(
            f"{quote}: no candidate is found {about_image} of the prior: point at it there "
            "(--prior-point)"
        )
    which = "several fit" if len(alike) > 1 else "none fits all that it says"
    return QuestionCommand(
        text=f"{quote}: {which} {about_image} of the prior. Which of these is it?",
        choices=tuple(each.in_words().replace("--point", "--prior-point") for each in offered),
    )


def _fits(finding: ReadFinding, command: ReportedCommand, table: ConceptTable) -> bool:
    if finding.presence is Presence.ABSENT:
        return False
    concept = finding.concept or ""
    asked = table.find(command.concept)
    is_same = concept == command.concept or (
        asked is not None and asked.site is None and concept.split()[-1:] == [command.concept]
    )
    side = command.side.value if command.side else None
    is_there = side is None or finding.side == side
    return is_same and is_there and command.location in {None, finding.site}


def _distinct(findings: Sequence[ReadFinding]) -> list[ReadFinding]:
    """Return the findings, one that the impression repeats once: the fuller one."""
    kept: list[ReadFinding] = []
    for each in findings:
        same = next((other for other in kept if _may_be_one(each, other)), None)
        if same is None:
            kept.append(each)
        elif _told(each) > _told(same):
            kept[kept.index(same)] = each
    return kept


def _may_be_one(one: ReadFinding, other: ReadFinding) -> bool:
    """Tell whether two sections speak of one thing: same place, and no size that differs."""
    if one.section == other.section or one.is_plural or other.is_plural:
        return False
    if (one.concept, one.side) != (other.concept, other.side):
        return False
    if one.site is not None and other.site is not None and one.site != other.site:
        return False
    largest, other_largest = _largest_mm(one), _largest_mm(other)
    if largest is None or other_largest is None:
        return True
    return abs(largest - other_largest) <= _SAME_MM


def _told(finding: ReadFinding) -> int:
    return len(finding.images) * 2 + len(finding.quantities) + (finding.site is not None)


def _largest_mm(finding: ReadFinding) -> float | None:
    lengths = [max(each.values) for each in finding.sizes() if each.unit == "mm"]
    return max(lengths, default=None)


def _has_size(finding: ReadFinding) -> bool:
    return _largest_mm(finding) is not None


def _is_as_large(candidate: Candidate, finding: ReadFinding) -> bool:
    reported = _largest_mm(finding)
    if reported is None or finding.is_plural:
        return True
    return reported / _LIKE <= candidate.diameter_mm <= reported * _LIKE


def _is_on(candidate: Candidate, slices: tuple[int, int] | None) -> bool:
    if slices is None:
        return True
    box = candidate.box
    return box.slice_start <= slices[1] + _NEAR_SLICES and (
        slices[0] - _NEAR_SLICES < box.slice_stop
    )


def _on_image(
    finding: ReadFinding, prior: Volume, headers: Sequence[Dataset]
) -> tuple[tuple[int, int] | None, str]:
    """Return the slices (first, last) of a report's image number, and where that is in words."""
    places = [each for each in finding.images if each.when is When.NOW]
    by_side = f"in the {finding.side} lung" if finding.side in _SIDES else "in both lungs"
    if len(places) != 1:
        return None, by_side
    place = places[0]
    first, last = (_slice_of(number, place, prior, headers) for number in _ends(place))
    if first is None or last is None:
        return None, f"{by_side} (image {place.image} of the report is not in this series)"
    return (min(first, last), max(first, last)), f"{by_side} at image {place.image}"


def _ends(place: ImagePlace) -> tuple[int, int]:
    return place.image, place.last_image


def _slice_of(
    number: int, place: ImagePlace, prior: Volume, headers: Sequence[Dataset]
) -> int | None:
    if prior.source is None:
        return None
    found = [
        str(each.SOPInstanceUID)
        for each in headers
        if each.get("InstanceNumber") == number and place.series in {None, each.get("SeriesNumber")}
    ]
    if len(found) != 1:
        return None
    uids = [str(each.sop_instance_uid) for each in prior.source.frames]
    return uids.index(found[0]) if uids.count(found[0]) == 1 else None


def _asked(command: ReportedCommand) -> str:
    said = (command.side.value if command.side else "", command.location or "", command.concept)
    return " ".join(each for each in said if each)


def _in_words(finding: ReadFinding) -> str:
    words = (finding.side or "", finding.site or "", finding.concept or finding.noun)
    size = _largest_mm(finding)
    name = " ".join(each for each in words if each)
    return f"{name}, {size:g} mm: {_quoted(finding)}" if size else f"{name}: {_quoted(finding)}"


def _quoted(finding: ReadFinding) -> str:
    return f'"{" ".join(finding.quote.text.split())}"'

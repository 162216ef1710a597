"""From a rule's intent and the values of its slots to the command meant."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from copilot.intent.finding import Finding
from copilot.intent.patterns import Captures
from domain.command import (
    LARGEST_STEP_MM,
    AcceptCommand,
    CancelCommand,
    Command,
    CompareCommand,
    DeleteCommand,
    DictateCommand,
    DraftReportCommand,
    GotoCommand,
    HelpCommand,
    Measure,
    MeasureCommand,
    NextCommand,
    OpenPriorCommand,
    OtherSideCommand,
    PreviousCommand,
    QuestionCommand,
    ReadBackCommand,
    RedoCommand,
    RejectCommand,
    ReportedCommand,
    ResizeCommand,
    SameOnPriorCommand,
    SegmentCommand,
    SendCommand,
    SendWhat,
    ShowCommand,
    Side,
    UndoCommand,
    WindowCommand,
    WindowPreset,
)

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Said:
    """The values of a sentence's slots, and the sentence as it was written.

    Attributes
    ----------
    nearest_concepts
        Returns known phrases that sound like unknown ones, nearest first.
    """

    captures: Captures
    text: str
    nearest_concepts: Callable[[str], tuple[str, ...]]

    def each(self, kind: type[Value], *slots: str) -> tuple[Value, ...]:
        """Return the values of these slots, in the order spoken."""
        return tuple(
            value for name, value in self.captures if name in slots and isinstance(value, kind)
        )

    def first(self, kind: type[Value], *slots: str) -> Value | None:
        """Return the first value of these slots, if any."""
        return next(iter(self.each(kind, *slots)), None)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings named."""
        flat: list[Finding] = list(self.each(Finding, "finding"))
        for several in self.each(tuple, "findings"):
            flat.extend(several)
        return tuple(flat)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All measures named, each once."""
        return tuple(dict.fromkeys(Measure(each) for each in self.each(str, "measure")))


_LESION_MEASURES: Final = (Measure.DIAMETER, Measure.VOLUME)


def _usual_measures(findings: Iterable[Finding]) -> tuple[Measure, ...]:
    """Return what "measure" means: diameter and volume of a lesion, else the volume."""
    if all(finding.is_lesion for finding in findings):
        return _LESION_MEASURES
    return (Measure.VOLUME,)


def _contradiction(findings: tuple[Finding, ...]) -> QuestionCommand | None:
    """Return a question naming both sides when a sentence names two that one command can't hold."""
    sides = tuple(dict.fromkeys(side for finding in findings for side in finding.sides))
    if len(sides) < 2:  # noqa: PLR2004
        return None
    concept = findings[0].concept.phrase
    names = " and ".join(sides)
    if len(findings) > 1:
        parts = tuple(f"segment the {each.side or ''} {each.concept.phrase}".replace("  ", " ")
                      for each in findings)  # fmt: skip
        return QuestionCommand(
            text=f"I heard {names} in one sentence: say one side at a time.", choices=parts
        )
    choices = tuple(
        f"both {concept}s" if side is Side.BOTH else f"the {side} {concept}" for side in sides
    )
    return QuestionCommand(text=f"I heard {names}: which side do you mean?", choices=choices)


def _segment(
    findings: tuple[Finding, ...], measures: tuple[Measure, ...]
) -> SegmentCommand | QuestionCommand:
    contradiction = _contradiction(findings)
    if contradiction is not None:
        return contradiction
    return SegmentCommand(
        concept=tuple(dict.fromkeys(finding.concept.phrase for finding in findings)),
        side=next((finding.side for finding in findings if finding.side), None),
        measures=measures,
        which=next((finding.which for finding in findings if finding.which), None),
        location=next((finding.location for finding in findings if finding.location), None),
    )


def _of_selection(
    findings: tuple[Finding, ...], measures: tuple[Measure, ...]
) -> MeasureCommand | None:
    """Return a measurement of the selection, where "this lung nodule" or "the lesion" is meant."""
    if len(findings) != 1:
        return None
    finding = findings[0]
    if not finding.is_bare and not finding.deictic:
        return None
    concept = None if finding.is_bare else finding.concept.phrase
    return MeasureCommand(measures=measures or _LESION_MEASURES, concept=concept)


def _segment_said(said: Said) -> Command:
    measured = said.measures
    if not measured and _asks_for_size(said.text):
        measured = _usual_measures(said.findings)
    return _segment(said.findings, measured)


def _asks_for_size(text: str) -> bool:
    words = text.lower()
    return any(each in words for each in ("measure", "how big", "how large", "size", "quantify"))


def _measure(said: Said) -> Command:
    selection = _of_selection(said.findings, said.measures)
    return selection or _segment(said.findings, _usual_measures(said.findings))


def _measure_as(said: Said) -> Command:
    selection = _of_selection(said.findings, said.measures)
    return selection or _segment(said.findings, said.measures)


def _measure_selection(said: Said) -> Command:
    return MeasureCommand(measures=said.measures or _LESION_MEASURES)


def _measure_drawn(said: Said) -> Command:
    return MeasureCommand(target="drawn", measures=said.measures or _LESION_MEASURES)


def _measure_finding(said: Said) -> Command:
    ordinal = said.first(int, "ordinal", "number")
    if ordinal is not None and ordinal < 1:
        return QuestionCommand(text=f"There is no finding {ordinal}: they count from 1.")
    return MeasureCommand(
        target="finding", measures=said.measures or _LESION_MEASURES, ordinal=ordinal
    )


def _reported(said: Said) -> Command:
    contradiction = _contradiction(said.findings)
    if contradiction is not None:
        return contradiction
    finding = said.findings[0]
    measures = said.measures
    if not measures and _asks_for_size(said.text):
        measures = _usual_measures(said.findings)
    return ReportedCommand(
        concept=finding.concept.phrase,
        side=finding.side,
        location=finding.location,
        measures=measures,
    )


def _other_side(said: Said) -> Command:
    finding = said.first(Finding, "finding")
    if finding is not None and finding.side is not None:
        side = finding.side
        return QuestionCommand(
            text=f"I heard the other and {side}: which is meant?",
            choices=(f"segment the {side} {finding.concept.phrase}", "the other side"),
        )
    measures = said.measures
    if not measures and _asks_for_size(said.text):
        measures = _usual_measures(() if finding is None else (finding,))
    return OtherSideCommand(
        concept=None if finding is None else finding.concept.phrase, measures=measures
    )


def _resize(said: Said, *, larger: bool) -> Command:
    step_mm, ordinal = said.first(int, "step_mm"), said.first(int, "ordinal", "number")
    if step_mm is not None and not 1 <= step_mm <= LARGEST_STEP_MM:
        return QuestionCommand(
            text=f"An outline is not moved by {step_mm} mm: say 1 to {LARGEST_STEP_MM}."
        )
    return ResizeCommand(larger=larger, step_mm=step_mm, ordinal=ordinal)


def _selection_alone(_: Said) -> Command:
    return QuestionCommand(
        text="What shall I do with it?",
        choices=("measure it", "accept it", "delete it"),
    )


def _segment_selection(said: Said) -> Command:
    measures = _LESION_MEASURES if _asks_for_size(said.text) else ()
    return SegmentCommand(concept=("lesion",), measures=measures)


def _show(said: Said) -> Command:
    contradiction = _contradiction(said.findings)
    if contradiction is not None:
        return contradiction
    finding = said.findings[0]
    return ShowCommand(
        concept=finding.concept.phrase,
        side=finding.side,
        location=finding.location,
        which=finding.which,
    )


def _goto(said: Said) -> Command:
    number = said.first(int, "number", "ordinal")
    assert number is not None
    if number < 1:
        return QuestionCommand(text=f"There is no slice {number}: say a number from 1.")
    return GotoCommand(slice=number)


def _goto_either(said: Said) -> Command:
    choices = tuple(f"go to slice {number}" for number in said.each(int, "number"))
    return QuestionCommand(text=f"I heard {' and '.join(choices)}: which one?", choices=choices)


def _delete(said: Said) -> Command:
    ordinal = said.first(int, "ordinal", "number")
    if ordinal is not None and ordinal < 1:
        return QuestionCommand(text=f"There is no finding {ordinal}: they count from 1.")
    return DeleteCommand(ordinal=ordinal)


def _window(said: Said) -> Command:
    preset = said.first(str, "preset")
    return WindowCommand(preset=WindowPreset(preset or "auto"))


def _dictate(said: Said) -> Command:
    (words,) = said.each(tuple, "text")
    return DictateCommand(
        text=_as_written(said.text, len(words)), section=said.first(str, "section")
    )


def _as_written(text: str, count: int) -> str:
    """Return the end of a text that holds this many words, with its case and punctuation."""
    written = text.split()
    return " ".join(written[max(0, len(written) - count) :]).strip()


def _sign(_: Said) -> Command:
    return QuestionCommand(
        text="Signing is done on the page, with a confirmation: no spoken sentence signs.",
        choices=("read back the report", "send the report to PACS"),
    )


def _finding_alone(said: Said) -> Command:
    contradiction = _contradiction(said.findings)
    if contradiction is not None:
        return contradiction
    name = said.text.strip().rstrip(".?!").lower().removeprefix("the ")
    return QuestionCommand(
        text=f"What shall I do with the {name}?",
        choices=(f"segment the {name}", f"measure the {name}", f"show the {name}"),
    )


def _unknown(said: Said) -> Command:
    (words,) = said.each(tuple, "unknown")
    name = " ".join(words)
    name = name.removeprefix("the ").removeprefix("a ")
    choices = tuple(f"segment the {phrase}" for phrase in said.nearest_concepts(name))
    return QuestionCommand(
        text=f"I do not know {name!r}: which of these is meant?", choices=choices
    )


MEANINGS: Final[Mapping[str, Callable[[Said], Command]]] = {
    "undo": lambda _: UndoCommand(),
    "redo": lambda _: RedoCommand(),
    "cancel": lambda _: CancelCommand(),
    "help": lambda _: HelpCommand(),
    "accept": lambda _: AcceptCommand(),
    "reject": lambda _: RejectCommand(),
    "delete": _delete,
    "next": lambda _: NextCommand(),
    "previous": lambda _: PreviousCommand(),
    "goto": _goto,
    "goto_either": _goto_either,
    "window": _window,
    "window_auto": _window,
    "compare": lambda _: CompareCommand(),
    "open_prior": lambda _: OpenPriorCommand(),
    "draft_report": lambda said: DraftReportCommand(section=said.first(str, "section")),
    "read_back": lambda said: ReadBackCommand(section=said.first(str, "section")),
    "send_masks": lambda _: SendCommand(what=SendWhat.SEGMENTATION),
    "send_report": lambda _: SendCommand(what=SendWhat.REPORT),
    "send_all": lambda _: SendCommand(what=SendWhat.ALL),
    "sign": _sign,
    "dictate": _dictate,
    "reported": _reported,
    "other_side": _other_side,
    "same_on_prior": lambda _: SameOnPriorCommand(),
    "enlarge": lambda said: _resize(said, larger=True),
    "shrink": lambda said: _resize(said, larger=False),
    "selection_alone": _selection_alone,
    "measure_drawn": _measure_drawn,
    "measure_finding": _measure_finding,
    "measure_selection": _measure_selection,
    "measure": _measure,
    "measure_as": _measure_as,
    "segment_selection": _segment_selection,
    "segment": _segment_said,
    "segment_as": lambda said: _segment(said.findings, said.measures),
    "show": _show,
    "finding_alone": _finding_alone,
    "unknown": _unknown,
}

"""What "this", "the other side" and "the same on the prior" mean, by what the page knows.

A sentence that points is made into one that does not; where two things could be meant the answer is
a question that names them, never a guess.
"""

from dataclasses import dataclass, replace
from typing import Final

from domain.command import (
    Command,
    DeleteCommand,
    MeasureCommand,
    OtherSideCommand,
    QuestionCommand,
    ReportedCommand,
    ResizeCommand,
    SameOnPriorCommand,
    SegmentCommand,
    Side,
)
from domain.ports import Grammar
from domain.uids import SeriesUID

_RECENT_S: Final = 20.0
"""What was drawn longer ago than this is not surely meant where a finding is selected too."""
_CHOICES: Final = 4
_OTHER: Final = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}
_WORDS: Final = {"left": "right", "right": "left"}


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a page knows beside a sentence, of the open study alone.

    Attributes
    ----------
    last
        The last sentence that outlined or measured something.
    prior
        The series of an earlier study that is shown beside the open one.
    findings
        Names of the findings, in the order of their numbers.
    selected
        Number of the selected finding, from 1.
    drawn_s
        Seconds since the newest mark was drawn; None where nothing is drawn.
    """

    last: str | None = None
    prior: SeriesUID | None = None
    findings: tuple[str, ...] = ()
    selected: int | None = None
    drawn_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Meant:
    """A command that points at nothing any more.

    Attributes
    ----------
    sentence
        Says the same by itself.
    series
        Where another than the open series is meant.
    """

    command: Command
    sentence: str
    series: SeriesUID | None = None


def resolved(  # noqa: PLR0911 - one return a kind
    command: Command, sentence: str, context: Context, grammar: Grammar
) -> Meant:
    """Return what a command means where this is known, or a question."""
    match command:
        case OtherSideCommand():
            return _other_side(command, context, grammar)
        case SameOnPriorCommand():
            return _on_prior(context, grammar)
        case ReportedCommand():
            asked = QuestionCommand(
                text="Reports of the prior are read by radcopilot ask --prior-report alone: here, "
                "open the prior beside the study and click on what it describes."
            )
            return Meant(command=asked, sentence=sentence)
        case MeasureCommand(target="drawn") if context.drawn_s is None:
            asked = QuestionCommand(text="Nothing is drawn: draw a box round it first.")
            return Meant(command=asked, sentence=sentence)
        case MeasureCommand(target="selection"):
            return Meant(command=_measured(command, context), sentence=sentence)
        case MeasureCommand(target="finding") | ResizeCommand() | DeleteCommand():
            return Meant(command=_of_finding(command, context), sentence=sentence)
        case _:
            return Meant(command=command, sentence=sentence)


def _last(context: Context, grammar: Grammar) -> SegmentCommand | MeasureCommand | None:
    command = grammar.parse(context.last) if context.last else None
    return command if isinstance(command, SegmentCommand | MeasureCommand) else None


def _other_side(command: OtherSideCommand, context: Context, grammar: Grammar) -> Meant:
    last = _last(context, grammar)
    concept = command.concept or _only_concept(last)
    if not isinstance(last, SegmentCommand) or _only_concept(last) != concept:
        return _which_side(concept, "No command of this study named one side of it")
    side = _OTHER.get(last.side) if last.side else None
    if side is None:
        return _which_side(concept, "The last command named no single side")
    swapped = _swapped(context.last or "")
    meant = grammar.parse(swapped)
    expected = replace(last, side=side)
    if meant != expected and command.concept is None:
        return _which_side(concept, "The last command named more than its side")
    if meant != expected or not set(command.measures) <= set(last.measures):
        swapped = _written(f"{side} {concept}", command.measures)
        meant = grammar.parse(swapped)
    if not isinstance(meant, SegmentCommand) or meant.side is not side:
        return _which_side(concept, f"I do not understand {swapped!r}")
    return Meant(command=meant, sentence=swapped)


def _only_concept(last: Command | None) -> str | None:
    if isinstance(last, SegmentCommand) and len(last.concept) == 1:
        return last.concept[0]
    return None


def _swapped(sentence: str) -> str:
    """Return a sentence with its side exchanged; with two sides named, it means a question."""
    return " ".join(_WORDS.get(word, word) for word in sentence.lower().split())


def _written(thing: str, measures: tuple[str, ...]) -> str:
    said = f" and measure its {' and its '.join(measures)}" if measures else ""
    return f"segment the {thing}{said}"


def _which_side(concept: str | None, reason: str) -> Meant:
    choices = () if concept is None else tuple(f"segment the {side} {concept}" for side in _OTHER)
    question = QuestionCommand(text=f"Which side is meant? {reason}.", choices=choices)
    return Meant(command=question, sentence=question.text)


def _on_prior(context: Context, grammar: Grammar) -> Meant:
    last = _last(context, grammar)
    if last is None or context.last is None:
        asked = QuestionCommand(
            text="The same as what? Nothing was outlined in this study yet: say what to outline."
        )
        return Meant(command=asked, sentence=asked.text)
    if context.prior is None:
        asked = QuestionCommand(
            text="No prior is shown: open it beside this study first.", choices=("open the prior",)
        )
        return Meant(command=asked, sentence=asked.text)
    return Meant(command=last, sentence=context.last, series=context.prior)


def _measured(command: MeasureCommand, context: Context) -> Command:
    """Return what "measure this" means: what was just drawn, or the selected finding."""
    selected = context.selected
    if context.drawn_s is not None:
        if selected is None or context.drawn_s <= _RECENT_S:
            return command
        return QuestionCommand(
            text=f"What you drew, or {_named(selected, context)}: which is to be measured?",
            choices=("measure what is drawn", f"measure finding {selected}"),
        )
    if not context.findings:
        return command
    return _of_finding(replace(command, target="finding"), context)


def _of_finding(
    command: MeasureCommand | ResizeCommand | DeleteCommand, context: Context
) -> Command:
    """Return the command with the number of its finding: the selected one, or the only one."""
    count = len(context.findings)
    if command.ordinal is not None:
        if count and command.ordinal > count:
            there = "there is one" if count == 1 else f"there are {count}"
            return QuestionCommand(text=f"There is no finding {command.ordinal}: {there}.")
        return command
    number = context.selected or (1 if count == 1 else None)
    if number is not None:
        return replace(command, ordinal=number)
    if not count:
        if isinstance(command, DeleteCommand):
            return command
        return QuestionCommand(text="No finding is here yet: outline one first.")
    listed = ", ".join(_named(each, context) for each in range(1, count + 1))
    return QuestionCommand(
        text=f"Which finding is meant: {listed}?",
        choices=tuple(_of_number(command, each) for each in range(1, min(count, _CHOICES) + 1)),
    )


def _named(number: int, context: Context) -> str:
    names = context.findings
    return f"finding {number}" + (f" ({names[number - 1]})" if number <= len(names) else "")


def _of_number(command: MeasureCommand | ResizeCommand | DeleteCommand, number: int) -> str:
    """Return the sentence that means a command on the finding of a number."""
    match command:
        case DeleteCommand():
            return f"delete finding {number}"
        case ResizeCommand():
            by = "" if command.step_mm is None else f" by {command.step_mm} mm"
            return f"make finding {number} {'larger' if command.larger else 'smaller'}{by}"
        case MeasureCommand():
            return f"measure finding {number}"

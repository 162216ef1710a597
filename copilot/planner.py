"""Command to plan, by rules: what will be read, made and, after a yes, sent."""

from typing import Final, assert_never

from domain.command import (
    AcceptCommand,
    CancelCommand,
    Command,
    CompareCommand,
    DeleteCommand,
    DictateCommand,
    DraftReportCommand,
    GotoCommand,
    HelpCommand,
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
    ShowCommand,
    UndoCommand,
    WindowCommand,
)
from domain.plan import Effect, Plan, Step

LOAD: Final = Step(name="load", effect=Effect.READ, says="read the series")
SEGMENT: Final = Step(name="segment", effect=Effect.DERIVE, says="outline it")
MEASURE: Final = Step(name="measure", effect=Effect.DERIVE, says="measure the outline")
WRITE: Final = Step(name="write", effect=Effect.DERIVE, says="write SEG, SR and draft here")
DRAFT: Final = Step(name="draft", effect=Effect.DERIVE, says="fill the report draft")
SHOW: Final = Step(name="show", effect=Effect.READ, says="show it on the page")
CHANGE: Final = Step(name="change", effect=Effect.DERIVE, says="change the findings here")
ASK: Final = Step(name="ask", effect=Effect.READ, says="ask back")
PUBLISH: Final = Step(name="publish", effect=Effect.PUBLISH, says="send it to the PACS")


class RulePlanner:
    """The ``Planner`` port."""

    def plan(self, command: Command) -> Plan:
        """Return the steps of a command; only ``send`` publishes, and waits for a yes."""
        return Plan(command=command, steps=_steps(command))


def makes_masks(plan: Plan) -> bool:
    """Tell whether a plan outlines something."""
    return SEGMENT in plan.steps


def _steps(command: Command) -> tuple[Step, ...]:  # noqa: PLR0911 - one return a kind
    match command:
        case SegmentCommand() | MeasureCommand():
            return (LOAD, SEGMENT, MEASURE, WRITE, DRAFT, SHOW)
        case SendCommand():
            return (PUBLISH,)
        case DraftReportCommand() | DictateCommand():
            return (DRAFT, SHOW)
        case (
            AcceptCommand()
            | RejectCommand()
            | UndoCommand()
            | RedoCommand()
            | DeleteCommand()
            | ResizeCommand()
        ):
            return (CHANGE, SHOW)
        case CompareCommand() | OpenPriorCommand():
            return (LOAD, SHOW)
        case QuestionCommand() | OtherSideCommand() | SameOnPriorCommand() | ReportedCommand():
            return (ASK,)
        case (
            ShowCommand()
            | GotoCommand()
            | NextCommand()
            | PreviousCommand()
            | WindowCommand()
            | CancelCommand()
            | HelpCommand()
            | ReadBackCommand()
        ):
            return (SHOW,)
        case _:
            assert_never(command)

"""The closed union of what may be asked of the copilot.

``as_json`` prints a command as the command line and the web API show it: ``action`` and the keys
that apply. Sides are the patient's.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, Final, TypeAlias

from domain.errors import InputError


class Side(StrEnum):
    """The patient's side."""

    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"


class Measure(StrEnum):
    """What can be measured of a mask."""

    VOLUME = "volume"
    DIAMETER = "diameter"
    DENSITY = "density"


class Which(StrEnum):
    """One of several, by size."""

    LARGEST = "largest"
    SMALLEST = "smallest"


class WindowPreset(StrEnum):
    """Named grey-level windows."""

    LUNG = "lung"
    BONE = "bone"
    BRAIN = "brain"
    MEDIASTINUM = "mediastinum"
    ABDOMEN = "abdomen"
    LIVER = "liver"
    SUBDURAL = "subdural"
    STROKE = "stroke"
    AUTO = "auto"


class SendWhat(StrEnum):
    """What is to leave for the PACS."""

    SEGMENTATION = "segmentation"
    REPORT = "report"
    ALL = "all"


LARGEST_STEP_MM: Final = 5


@dataclass(frozen=True, kw_only=True)
class SegmentCommand:
    """Make masks of one or more concepts, and perhaps measure them."""

    action: ClassVar[str] = "segment"
    concept: tuple[str, ...]
    side: Side | None = None
    measures: tuple[Measure, ...] = ()
    which: Which | None = None
    location: str | None = None

    def __post_init__(self) -> None:
        if not self.concept:
            raise InputError("a segment command names at least one concept")


@dataclass(frozen=True, kw_only=True)
class MeasureCommand:
    """Measure what is selected: the box, click or mask at hand.

    ``target`` is "selection"; "drawn" where what is drawn is meant and no finding; "finding" where
    the finding of this ``ordinal`` is meant, from 1.
    """

    action: ClassVar[str] = "measure"
    target: str = "selection"
    measures: tuple[Measure, ...] = (Measure.DIAMETER, Measure.VOLUME)
    concept: str | None = None
    ordinal: int | None = None


@dataclass(frozen=True, kw_only=True)
class ReportedCommand:
    """Find again what the prior's report describes: "measure the nodule described last year"."""

    action: ClassVar[str] = "reported"
    concept: str
    side: Side | None = None
    location: str | None = None
    measures: tuple[Measure, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OtherSideCommand:
    """Do the last command of the study on the patient's other side: "the other kidney"."""

    action: ClassVar[str] = "other_side"
    concept: str | None = None
    measures: tuple[Measure, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SameOnPriorCommand:
    """Do the last command of the study on the prior that is shown beside it."""

    action: ClassVar[str] = "same_on_prior"


@dataclass(frozen=True, kw_only=True)
class ResizeCommand:
    """Make an outline larger or smaller all round; None leaves the step to the page.

    ``ordinal`` is the finding's number, from 1; None means the selected one.
    """

    action: ClassVar[str] = "resize"
    larger: bool
    step_mm: int | None = None
    ordinal: int | None = None

    def __post_init__(self) -> None:
        if self.step_mm is not None and not 1 <= self.step_mm <= LARGEST_STEP_MM:
            raise InputError(
                f"an outline is not moved by {self.step_mm} mm: say 1 to {LARGEST_STEP_MM}"
            )


@dataclass(frozen=True, kw_only=True)
class ShowCommand:
    """Go to a finding and show it."""

    action: ClassVar[str] = "show"
    concept: str
    side: Side | None = None
    location: str | None = None
    which: Which | None = None


@dataclass(frozen=True, kw_only=True)
class GotoCommand:
    """Go to a slice, numbered as spoken: the page counts from 1."""

    action: ClassVar[str] = "goto"
    slice: int

    def __post_init__(self) -> None:
        if self.slice < 0:
            raise InputError(f"slice {self.slice} does not exist: say a number from 1")


@dataclass(frozen=True, kw_only=True)
class NextCommand:
    """Go to the next finding."""

    action: ClassVar[str] = "next"


@dataclass(frozen=True, kw_only=True)
class PreviousCommand:
    """Go to the finding before."""

    action: ClassVar[str] = "previous"


@dataclass(frozen=True, kw_only=True)
class WindowCommand:
    """Set the grey-level window."""

    action: ClassVar[str] = "window"
    preset: WindowPreset


@dataclass(frozen=True, kw_only=True)
class AcceptCommand:
    """The radiologist's yes to the mask shown."""

    action: ClassVar[str] = "accept"


@dataclass(frozen=True, kw_only=True)
class RejectCommand:
    """The radiologist's no to the mask shown."""

    action: ClassVar[str] = "reject"


@dataclass(frozen=True, kw_only=True)
class UndoCommand:
    """Take the last act back."""

    action: ClassVar[str] = "undo"


@dataclass(frozen=True, kw_only=True)
class RedoCommand:
    """Do again what was taken back."""

    action: ClassVar[str] = "redo"


@dataclass(frozen=True, kw_only=True)
class CancelCommand:
    """Stop what is running."""

    action: ClassVar[str] = "cancel"


@dataclass(frozen=True, kw_only=True)
class HelpCommand:
    """Say what can be said."""

    action: ClassVar[str] = "help"


@dataclass(frozen=True, kw_only=True)
class DeleteCommand:
    """Delete a finding by its number, from 1; None means the selected one."""

    action: ClassVar[str] = "delete"
    ordinal: int | None = None

    def __post_init__(self) -> None:
        if self.ordinal is not None and self.ordinal < 1:
            raise InputError(f"finding {self.ordinal} does not exist: they count from 1")


@dataclass(frozen=True, kw_only=True)
class OpenPriorCommand:
    """Open the prior study beside the current one."""

    action: ClassVar[str] = "open_prior"


@dataclass(frozen=True, kw_only=True)
class CompareCommand:
    """Compare the findings with the prior study's."""

    action: ClassVar[str] = "compare"


@dataclass(frozen=True, kw_only=True)
class DraftReportCommand:
    """Write the report draft, or one section of it."""

    action: ClassVar[str] = "draft_report"
    section: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReadBackCommand:
    """Read the report, or one section of it, aloud."""

    action: ClassVar[str] = "read_back"
    section: str | None = None


@dataclass(frozen=True, kw_only=True)
class SendCommand:
    """Send results to the PACS: always waits for a yes."""

    action: ClassVar[str] = "send"
    what: SendWhat = SendWhat.ALL


@dataclass(frozen=True, kw_only=True)
class DictateCommand:
    """Free text for the report."""

    action: ClassVar[str] = "dictate"
    text: str
    section: str | None = None


@dataclass(frozen=True, kw_only=True)
class QuestionCommand:
    """What the copilot answers when it is unsure: never a guess."""

    action: ClassVar[str] = "question"
    text: str
    choices: tuple[str, ...] = ()


Command: TypeAlias = (
    SegmentCommand
    | MeasureCommand
    | ReportedCommand
    | OtherSideCommand
    | SameOnPriorCommand
    | ResizeCommand
    | ShowCommand
    | GotoCommand
    | NextCommand
    | PreviousCommand
    | WindowCommand
    | AcceptCommand
    | RejectCommand
    | UndoCommand
    | RedoCommand
    | CancelCommand
    | HelpCommand
    | DeleteCommand
    | OpenPriorCommand
    | CompareCommand
    | DraftReportCommand
    | ReadBackCommand
    | SendCommand
    | DictateCommand
    | QuestionCommand
)

_ALWAYS_PRINTED: Final = frozenset({"measures"})


def as_json(command: Command) -> dict[str, Any]:
    """Return the command as plain JSON values: ``action`` and the keys that apply.

    One concept is a string, several are a list; ``measures`` of a segment command is always there,
    empty when no number was asked for.
    """
    printed: dict[str, Any] = {"action": command.action}
    for name in (each.name for each in fields(command)):
        value = getattr(command, name)
        if isinstance(value, tuple):
            value = [str(each) for each in value]
            if name == "concept" and len(value) == 1:
                value = value[0]
        elif isinstance(value, StrEnum):
            value = str(value)
        if (value is None or value == []) and name not in _ALWAYS_PRINTED:
            continue
        printed[name] = value
    return printed

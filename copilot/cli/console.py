"""What the command line shares: one JSON document on stdout, everything for people on stderr."""

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from copilot.settings import load_settings
from copilot.wiring.house import House
from domain.comparison import ToldPair
from domain.errors import InputError
from domain.ports import Progress as ProgressPort
from domain.prompt import Box, Line, Place, Point, Scribble

people: Final = Console(stderr=True, highlight=False)
_BOX_NUMBERS: Final = 5
_POINT_NUMBERS: Final = 3
_RANGE_NUMBERS: Final = 2
_LINE_NUMBERS: Final = 4
_CROSS_NUMBERS: Final = 8
BOX_FORM: Final = "SLICE,ROW0,COL0,ROW1,COL1"
POINT_FORM: Final = "SLICE,ROW,COL"
LINE_FORM: Final = "SLICE,ROW0,COL0,ROW1,COL1"
SCRIBBLE_FORM: Final = "SLICE,ROW,COL,ROW,COL,..."


_ending: Final[ContextVar[ExitStack]] = ContextVar("ending")


def house(config: Path | None) -> House:
    """Return the house by the site's settings; it is closed at the end of the command."""
    made = House(load_settings(config))
    if (ending := _ending.get(None)) is not None:
        ending.callback(made.close)
    return made


@contextmanager
def one_command() -> Iterator[None]:
    """Let go, at the end, of what a command of the command line opened."""
    with ExitStack() as ending:
        token = _ending.set(ending)
        try:
            yield
        finally:
            _ending.reset(token)


def emit(document: dict[str, Any] | list[Any]) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Print a line for people on standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(message: str) -> None:
    """Print one line on standard error."""
    sys.stderr.write("radcopilot: " + " ".join(message.split()) + "\n")
    sys.stderr.flush()


@contextmanager
def progress_bar() -> Iterator[ProgressPort]:
    """Show stages as bars on a terminal; nothing where standard error is a file."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=people, disable=not people.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def show(fraction: float, stage: str) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=1.0)
            bar.update(tasks[stage], completed=fraction)

        yield show


def parsed_box(text: str, *, positive: bool = True) -> Box:
    """Return the box of SLICE,ROW0,COL0,ROW1,COL1: zero-based, half-open.

    Raises
    ------
    InputError
        Naming the text and the form wanted.
    """
    option = "--box" if positive else "--not-box"
    numbers = _numbers(text, ",", _BOX_NUMBERS, option, BOX_FORM)
    box = Box.on_slice(numbers[0], (numbers[1], numbers[3]), (numbers[2], numbers[4]))
    return replace(box, positive=positive)


def parsed_point(text: str, *, positive: bool = True) -> Point:
    """Return the click of SLICE,ROW,COL: zero-based."""
    option = "--point" if positive else "--not-point"
    numbers = _numbers(text, ",", _POINT_NUMBERS, option, POINT_FORM)
    return Point(slice_index=numbers[0], row=numbers[1], column=numbers[2], positive=positive)


def parsed_line(text: str) -> Line:
    """Return the line of SLICE,ROW0,COL0,ROW1,COL1; four more numbers are the line across it.

    Raises
    ------
    InputError
        Naming the text and the form wanted.
    """
    index, numbers = _placed(text, "--line", LINE_FORM)
    if len(numbers) not in (_LINE_NUMBERS, _CROSS_NUMBERS):
        raise InputError(
            f"--line {text!r} has {len(numbers)} numbers after the slice: give {LINE_FORM}, and "
            "ROW2,COL2,ROW3,COL3 more for a second line across"
        )
    places = _places(numbers)
    across = (places[2], places[3]) if len(numbers) == _CROSS_NUMBERS else None
    return Line(slice_index=index, start=places[0], stop=places[1], across=across)


def parsed_scribble(text: str, *, positive: bool = True) -> Scribble:
    """Return the stroke of SLICE,ROW,COL,ROW,COL,...

    Raises
    ------
    InputError
        Naming the text and the form wanted.
    """
    option = "--scribble" if positive else "--not-scribble"
    index, numbers = _placed(text, option, SCRIBBLE_FORM)
    if not numbers or len(numbers) % 2:
        raise InputError(
            f"{option} {text!r} has {len(numbers)} numbers after the slice: give pairs, "
            f"{SCRIBBLE_FORM}"
        )
    return Scribble(slice_index=index, path=_places(numbers), positive=positive)


def _placed(text: str, option: str, form: str) -> tuple[int, tuple[float, ...]]:
    """Return a slice and the coordinates on it, of which fractions are allowed."""
    parts = text.split(",")
    try:
        return int(parts[0]), tuple(float(part) for part in parts[1:])
    except ValueError as error:
        raise InputError(
            f"{option} {text!r} is not of the form {form}: the slice a whole number, rows and "
            "columns numbers"
        ) from error


def _places(numbers: tuple[float, ...]) -> tuple[Place, ...]:
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def parsed_range(text: str) -> tuple[int, int]:
    """Return the half-open range of A:B: zero-based."""
    numbers = _numbers(text, ":", _RANGE_NUMBERS, "--slices", "A:B")
    return numbers[0], numbers[1]


def parsed_pair(text: str) -> ToldPair:
    """Return what CURRENT=PRIOR, CURRENT=new or gone=PRIOR tells.

    Raises
    ------
    InputError
        If it is of no such form.
    """
    current, equals, prior = (part.strip() for part in text.partition("="))
    is_new, is_gone = prior.casefold() == "new", current.casefold() == "gone"
    if not (equals and current and prior) or "=" in prior or (is_new and is_gone):
        raise InputError(
            f"--pair {text!r} is not of the form CURRENT=PRIOR, CURRENT=new or gone=PRIOR"
        )
    return ToldPair(current=None if is_gone else current, prior=None if is_new else prior)


def pair_option(current: str | None, prior: str | None) -> str:
    """Return the option that tells a pair, as it is typed in a shell."""
    told = f"{current or 'gone'}={prior or 'new'}"
    return f"--pair {shlex.quote(told)}"


def _numbers(text: str, separator: str, count: int, option: str, form: str) -> list[int]:
    parts = text.split(separator)
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise InputError(f"{option} {text!r} is not of the form {form} in whole numbers")
    return numbers

"""What the command line shares: one JSON document on stdout, everything for people on stderr."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from copilot.settings import load_settings
from copilot.wiring import House
from domain.errors import InputError
from domain.ports import Progress as ProgressPort
from domain.prompt import Box, Point

people: Final = Console(stderr=True, highlight=False)
_BOX_NUMBERS: Final = 5
_POINT_NUMBERS: Final = 3
_RANGE_NUMBERS: Final = 2


def house(config: Path | None) -> House:
    """Return the house by the site's settings."""
    return House(load_settings(config))


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


def parsed_box(text: str) -> Box:
    """Return the box of SLICE,ROW0,COL0,ROW1,COL1: zero-based, half-open.

    Raises
    ------
    InputError
        Naming the text and the form wanted.
    """
    numbers = _numbers(text, ",", _BOX_NUMBERS, "--box", "SLICE,ROW0,COL0,ROW1,COL1")
    return Box.on_slice(numbers[0], (numbers[1], numbers[3]), (numbers[2], numbers[4]))


def parsed_point(text: str) -> Point:
    """Return the click of SLICE,ROW,COL: zero-based."""
    numbers = _numbers(text, ",", _POINT_NUMBERS, "--point", "SLICE,ROW,COL")
    return Point(slice_index=numbers[0], row=numbers[1], column=numbers[2])


def parsed_range(text: str) -> tuple[int, int]:
    """Return the half-open range of A:B: zero-based."""
    numbers = _numbers(text, ":", _RANGE_NUMBERS, "--slices", "A:B")
    return numbers[0], numbers[1]


def _numbers(text: str, separator: str, count: int, option: str, form: str) -> list[int]:
    parts = text.split(separator)
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise InputError(f"{option} {text!r} is not of the form {form} in whole numbers")
    return numbers

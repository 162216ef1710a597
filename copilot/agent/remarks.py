"""What a model may say in its own words: no number not measured, no side that is not so."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from copilot.agent.calls import BadCallError

_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)?")
_MASK: Final = re.compile(r"\bm\d{1,3}\b")
_SIDE: Final = re.compile(r"\b(left|right)(?:-sided)?\b")
_COUNTED: Final = re.compile(
    r"\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|half|"
    r"double|twice|triple)\b"
)
_CODE: Final = re.compile(r"[<>{}`\\]|://|\bwww\.")
_HALF: Final = 0.5
_TINY: Final = 1e-9


def tidied(remark: str) -> str:
    """Return a remark on one line of printable text.

    Raises
    ------
    BadCallError
        If it holds an address or markup.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in remark).split())
    if _CODE.search(line):
        raise BadCallError("markup and addresses are not passed on: say it in plain words")
    return line


def checked(remark: str, numbers: Iterable[float], sides: Sequence[str | None]) -> str:
    """Return a remark on masks of which these numbers were measured, and which lie on these sides.

    Raises
    ------
    BadCallError
        For a number that was not measured of them, and a side that the images do not bear out.
    """
    line = tidied(remark)
    known = tuple(numbers)
    for found in _NUMBER.findall(_MASK.sub("", line)):
        if not any(_is_rounded(found, value) for value in known):
            raise BadCallError(
                f"{found} was not measured of these masks: leave numbers out, they are printed "
                "from the masks"
            )
    counted = _COUNTED.search(line.lower())
    if counted is not None:
        raise BadCallError(f"numbers in words ({counted[0]!r}) can't be checked: leave them out")
    for side in _SIDE.findall(line.lower()):
        if side not in sides:
            raise BadCallError(
                f"{side} is not where the images show these masks ({_told(sides)}): leave it out"
            )
    return line


def _told(sides: Sequence[str | None]) -> str:
    told = [side for side in sides if side is not None]
    return " and ".join(dict.fromkeys(told)) or "their side can't be told"


def _is_rounded(said: str, value: float) -> bool:
    """Tell whether a number is a value rounded to the decimals it is said with."""
    text = said.replace(",", ".")
    decimals = len(text.partition(".")[2])
    return abs(float(text) - value) <= _HALF * 10.0**-decimals + _TINY

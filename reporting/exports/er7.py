r"""HL7 version 2 in its usual encoding, ER7: delimiters, escapes, numbers and times.

Escapes are those of HL7 v2.5 section 2.7; the delimiters are always ``|^~\&``.
"""

import re
from datetime import datetime
from decimal import Decimal
from typing import Final

DELIMITERS: Final = "^~\\&"
_ESCAPES: Final = {"|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\", "\\": "\\E\\"}
_UNSAFE: Final = re.compile(r"[|^~&\\\x00-\x1f\x7f]")
_ESCAPED: Final = re.compile(r"\\(F|S|R|T|E|\.br|X(?:[0-9A-Fa-f]{2})+)\\")
_LINES: Final = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_UNESCAPED: Final = {name[1:-1]: char for char, name in _ESCAPES.items()} | {".br": "\n"}


def escaped(text: str) -> str:
    """Return a text for ST and TX: delimiters escaped, control characters as their numbers."""
    return _UNSAFE.sub(_escape, text)


def escaped_lines(text: str) -> str:
    r"""Return a text for FT: as ``escaped``, each end of a line as ``\.br\``."""
    return "\\.br\\".join(escaped(line) for line in _LINES.split(text))


def unescaped(text: str) -> str:
    """Return what an escaped text says."""

    def said(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith("X"):
            return bytes.fromhex(name[1:]).decode("utf-8", "replace")
        return _UNESCAPED[name]

    return _ESCAPED.sub(said, text)


def is_one_line(text: str) -> bool:
    """Tell whether a text has no end of a line inside."""
    return _LINES.search(text) is None


def decimal(value: float) -> str:
    """Return a number for NM: every digit of it, and no exponent, which NM does not know."""
    return format(Decimal(repr(float(value))), "f")


def timestamp(at: datetime) -> str:
    """Return a time for TS, with its zone where it has one."""
    return at.strftime("%Y%m%d%H%M%S%z")


def date(iso: str) -> str:
    """Return a date for TS from ISO 8601; empty for anything else."""
    digits = iso.replace("-", "")
    return digits if len(digits) == len("YYYYMMDD") and digits.isdecimal() else ""


def field(*components: str) -> str:
    """Return components as one field, escaped; the empty ones at its end are left out."""
    return "^".join(escaped(each) for each in components).rstrip("^")


def segment(name: str, fields: dict[int, str]) -> str:
    """Return a segment of fields by their numbers, from 1, each encoded already."""
    last = max((number for number, value in fields.items() if value), default=0)
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))])


def fields_of(line: str) -> list[str]:
    """Return the fields of a segment, its name first, still encoded."""
    return line.split("|")


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    return _ESCAPES.get(char) or f"\\X{ord(char):02X}\\"

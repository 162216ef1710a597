"""Fields of a filled template: whose words they hold, and which must still be looked at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from domain.measurement import Finding, Measurement
from reporting.language import Language
from reporting.templates.template import FieldForm, FieldKind

_DAY: Final = re.compile(r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})")
LONGEST: Final = 10_000


class Whose(StrEnum):
    """Whose words a field holds."""

    MACHINE = "machine"
    DEFAULT = "default"  # the template's: nobody has said it yet
    TYPED = "typed"
    STALE = "stale"  # typed over words that have changed since
    EMPTY = "empty"


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What a person typed or confirmed, and what stood there then."""

    text: str
    over: str = ""


@dataclass(frozen=True, kw_only=True)
class FilledField:
    """One field.

    Attributes
    ----------
    id
        "section/name".
    made
        What machine or template write there now.
    reason
        Why it is empty, or what stands against it.
    """

    id: str
    label: str
    text: str
    made: str
    whose: Whose
    kind: FieldKind = FieldKind.TEXT
    unit: str = ""
    options: tuple[str, ...] = ()
    required: bool = False
    reason: str = ""
    finding: Finding | None = None
    measurements: tuple[Measurement, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether a person must look at it before the report is signed."""
        if self.whose in {Whose.DEFAULT, Whose.STALE}:
            return True
        return self.required and not self.text.strip()

    def shown(self, words: Language) -> str:
        """Return what the report says here; what nobody has confirmed says so itself."""
        if not self.text.strip():
            pattern = words.sentences["to_fill"]
            return pattern.format(self.label) if self.required else ""
        text = self.text.strip()
        if self.unit and not any(letter.isalpha() for letter in text):
            text = f"{text} {words.units.get(self.unit, self.unit)}".rstrip()
        return words.sentences["to_review"].format(text) if self.is_open else text

    def printed(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "id": self.id,
            "label": self.label,
            "kind": self.kind.value,
            "unit": self.unit or None,
            "options": list(self.options),
            "text": self.text,
            "made": self.made,
            "mark": self.whose.value,
            "required": self.required,
            "open": self.is_open,
            "reason": self.reason or None,
            "tracking_uid": self.finding.tracking_uid if self.finding else None,
        }


def held(identity: str, made: str, whose: Whose, typed: Mapping[str, Typed]) -> tuple[str, Whose]:
    """Return the text of a field and whose it is, by what was typed there."""
    entry = typed.get(identity)
    if entry is None:
        return made, whose if made else Whose.EMPTY
    return entry.text, Whose.TYPED if entry.over == made else Whose.STALE


def refusal(form: FieldForm, text: str, words: Language) -> str | None:
    """Return why a text can't stand in a field, and what could; None where it can."""
    if len(text) > LONGEST:
        return f"field {form.name} holds {LONGEST} characters at most"
    if not text.strip():
        return None
    mark = re.escape(words.decimal)
    match form.kind:
        case FieldKind.NUMBER if not re.fullmatch(
            rf"[-+]?\d{{1,7}}(?:{mark}\d{{1,4}})?", text.strip()
        ):
            unit = f" in {form.unit}" if form.unit else ""
            example = words.digits("12.5")
            return f"field {form.name} takes one number{unit}, as {example}, without its unit"
        case FieldKind.DATE if not _is_day(text.strip()):
            return f"field {form.name} takes a date, as 2026-11-29"
        case FieldKind.CHOICE if text not in form.options:
            return f"field {form.name} takes one of {', '.join(form.options)}"
        case _:
            return None


def _is_day(text: str) -> bool:
    german = _DAY.fullmatch(text)
    try:
        if german:
            date(int(german["y"]), int(german["m"]), int(german["d"]))
        else:
            date.fromisoformat(text)
    except ValueError:
        return False
    return True

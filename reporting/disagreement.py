"""Where a person's sentence gives another number than the one that was measured.

Programs read the measured number beside the sentence, so the two would disagree in one message. A
number agrees when a measured one of the same kind rounds to it, with the digits that were typed. It
may also be one that the program wrote there (the prior's, an interval), or one of an earlier study
("previously 4 mL") beside a measured one.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from domain.concepts import ConceptTable
from domain.measurement import Finding, Measurement
from domain.report import LeftOut, Report
from reporting.language import Language
from reporting.reading.timing import earlier_sizes
from reporting.reading.vocabulary import LANGUAGES, vocabulary
from reporting.templates.fields import FilledField

_UNITS: Final = {  # of [facts.units]: UCUM, and what one of them is in it
    "mm": ("mm", 1.0),
    "cm": ("mm", 10.0),
    "m": ("mm", 1000.0),
    "ml": ("ml", 1.0),
    "l": ("ml", 1000.0),
    "mm3": ("ml", 0.001),
    "cm3": ("ml", 1.0),
    "mm2": ("mm2", 1.0),
    "cm2": ("mm2", 100.0),
    "hu": ("[hnsf'U]", 1.0),
    "suv": ("g/ml{SUVbw}", 1.0),
}
_EVEN: Final = 1e-6
_NO_NOUNS: Final = ConceptTable(concepts=())  # words of time are no nouns
_JOIN: Final = r"(?:[x\u00d7*]|to|by|bis|mal|auf|und|and|-|\u2013)"


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """Numbers of a sentence that were not measured, and what was measured in their unit.

    Attributes
    ----------
    unit
        UCUM, of the measured ones.
    said
        As they were typed.
    """

    field: FilledField
    finding: Finding
    unit: str
    said: tuple[str, ...]
    measured: tuple[Measurement, ...]

    def left_out(self) -> LeftOut:
        """Return what is left out where the sentence stands, and why."""
        return LeftOut(
            tracking_uid=self.finding.tracking_uid,
            unit=self.unit,
            reason=f"what was measured in {self.unit} was left out: the sentence of the report "
            f'says "{", ".join(self.said)}"',
        )


@dataclass(frozen=True, kw_only=True)
class _Number:
    """One number of a sentence; no value where it may be read in two ways."""

    start: int
    text: str
    unit: str
    sign: str
    value: float | None
    half_step: float

    def agrees(self, measured: float) -> bool:
        if self.value is None:
            return False
        if self.sign:
            return measured <= self.value if self.sign in "<≤" else measured >= self.value
        return abs(measured - self.value) <= self.half_step * (1.0 + _EVEN)


def disagreements(fields: Iterable[FilledField], words: Language) -> tuple[Disagreement, ...]:
    """Return the numbers that persons typed and nobody measured, by field and unit."""
    return tuple(
        each
        for field in fields
        if field.finding is not None and field.text.strip() and field.text != field.made
        for each in _in_field(field, field.finding, words)
    )


def without(report: Report, left_out: Sequence[LeftOut]) -> Report:
    """Return a report whose findings lack the numbers that are left out, and say why."""
    return replace(report, findings=tuple(_lacking(each, left_out) for each in report.findings))


def _lacking(finding: Finding, left_out: Sequence[LeftOut]) -> Finding:
    own = [each for each in left_out if each.tracking_uid == finding.tracking_uid]
    units = {each.unit for each in own}
    return replace(
        finding,
        measurements=tuple(m for m in finding.measurements if m.unit.value not in units),
        absent=(*finding.absent, *dict.fromkeys(each.reason for each in own)),
    )


def _in_field(field: FilledField, finding: Finding, words: Language) -> Iterator[Disagreement]:
    text = field.text
    if field.unit and not any(letter.isalpha() for letter in text):
        text = f"{text} {words.units.get(field.unit, field.unit)}"
    numbers = tuple(_numbers(text, words))
    ours = {(each.unit, each.value) for each in _numbers(field.made, words)}
    earlier: tuple[tuple[int, int], ...] = ()
    if words.code in LANGUAGES:  # those that reports are read in
        earlier = tuple(earlier_sizes(text, vocabulary(words.code, _NO_NOUNS)))
    for unit in dict.fromkeys(each.unit for each in numbers):
        measured = tuple(m for m in finding.measurements if m.unit.value == unit)
        own = [each for each in numbers if each.unit == unit]
        agreeing = [each for each in own if any(each.agrees(m.value) for m in measured)]
        said = tuple(
            each.text
            for each in own
            if each not in agreeing
            and (each.value is None or (unit, each.value) not in ours)
            and not (agreeing and any(begin <= each.start < end for begin, end in earlier))
        )
        if measured and said:
            yield Disagreement(
                field=field, finding=finding, unit=unit, said=said, measured=measured
            )


def _numbers(text: str, words: Language) -> Iterator[_Number]:
    """Yield the numbers with a unit; "12 x 8 mm" are two."""
    forms = {form: unit for unit, all_ in words.facts["units"].items() for form in all_}
    written = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    pattern = re.compile(
        rf"(?P<sign>[<>≤≥]\s*)?(?P<minus>(?<![\w.,)²³])[-\u2212])?(?P<digits>\d+(?:[.,]\d+)*)"
        rf"(?:[\s-]*(?P<unit>{written})(?![\w²³]))?(?P<joined>\s*{_JOIN}\s*(?=[-\u2212]?\d))?",
        re.IGNORECASE,
    )
    unit = ""
    found: list[_Number] = []
    for match in reversed(list(pattern.finditer(text))):
        own = forms.get((match["unit"] or "").lower(), "")
        unit = own or (unit if match["joined"] else "")
        if unit in _UNITS and text[match.start() - 1 : match.start()] != "±":
            found.append(_number(match, unit, words))
    return reversed(found)


def _number(match: re.Match[str], unit: str, words: Language) -> _Number:
    ucum, factor = _UNITS[unit]
    digits = match["digits"]
    whole, _, decimals = digits.partition(words.decimal)
    is_plain = whole.isdigit() and (decimals.isdigit() or decimals == "")
    sign = -1.0 if match["minus"] else 1.0
    said = match.group().removesuffix(match["joined"] or "").strip()
    return _Number(
        start=match.start("digits"),
        text=said if match["unit"] else f"{said} {unit}",
        unit=ucum,
        sign=(match["sign"] or "").strip(),
        value=sign * factor * float(f"{whole}.{decimals or 0}") if is_plain else None,
        half_step=0.5 * factor * 10.0 ** -len(decimals),
    )

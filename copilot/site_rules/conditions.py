"""Conditions on the attributes of a series: met or not, and why."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import Final

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from copilot.site_rules.units import INSTANCES, UNITS, factor
from dicom_node.queries import dicom_date
from domain.errors import SettingsError

_DAYS_A_YEAR: Final = 365.25
_AGE_UNITS: Final = {"D": 1 / _DAYS_A_YEAR, "W": 7 / _DAYS_A_YEAR, "M": 1 / 12, "Y": 1.0}
_AGE_DIGITS: Final = 3
_SHOWN: Final = frozenset(
    {"Modality", "BodyPartExamined", "SeriesDescription", "StudyDescription", "ImageType", *UNITS}
) - {"PatientAge", "PatientSize", "PatientWeight"}
"""Whose values may be said; others could tell who the patient is."""


@dataclass(frozen=True, kw_only=True)
class SeriesFacts:
    """What rules look at: the header of one instance, and how many there are."""

    header: Dataset
    instances: int


@dataclass(frozen=True, kw_only=True)
class Met:
    """Whether one condition holds, in words without patient data."""

    holds: bool
    says: str


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One attribute and what it must be: of several words one is enough, of numbers all must fit.

    Attributes
    ----------
    tag
        Keyword of the attribute (PS3.6), or ``Instances``.
    values, not_values
        One of these, none of these; capitals do not matter.
    pattern
        With ``*`` for any characters and ``?`` for one.
    at_least, at_most
        In ``unit``, both ends inside.
    """

    tag: str
    values: tuple[str, ...] = ()
    not_values: tuple[str, ...] = ()
    pattern: str = ""
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        if self.tag != INSTANCES and tag_for_keyword(self.tag) is None:
            raise SettingsError(f"{self.tag!r} is no attribute: write its keyword, as Modality")
        compares = self.at_least is not None or self.at_most is not None
        if not (compares or self.values or self.not_values or self.pattern):
            raise SettingsError(
                f"the condition on {self.tag} asks nothing: give is, is_not, matches, at_least or "
                "at_most"
            )
        if compares:
            factor(self.tag, self.unit)
        elif self.unit:
            raise SettingsError(f"the condition on {self.tag} has a unit and compares no number")
        ends = (self.at_least, self.at_most)
        if any(end is not None and not math.isfinite(end) for end in ends):
            raise SettingsError(f"the limits of {self.tag} are {ends}: give finite numbers")

    def met(self, facts: SeriesFacts) -> Met:
        """Return whether it holds for a series; an absent attribute meets only ``is_not``."""
        said = _texts(facts, self.tag)
        if not said:
            absent = not (self.values or self.pattern or self.unit) and bool(self.not_values)
            return Met(holds=absent, says=f"{self.tag} is absent")
        shown = self._shown(said)
        reasons = [*self._unlike(said, shown)]
        if self.unit:
            reasons += self._beyond(facts, said, shown)
        return Met(holds=not reasons, says="; ".join(reasons) or f"{self.tag} is {shown}")

    def _shown(self, said: Sequence[str]) -> str:
        if self.tag not in _SHOWN:
            return "given"
        listed = " / ".join(said)
        unit = UNITS.get(self.tag, "1")
        return f"{listed} {unit}" if unit != "1" else listed

    def _unlike(self, said: Sequence[str], shown: str) -> list[str]:
        upper = [each.upper() for each in said]
        reasons = []
        if self.values and not {each.upper() for each in self.values} & set(upper):
            reasons.append(f"{self.tag} is {shown}, not {' or '.join(self.values)}")
        if {each.upper() for each in self.not_values} & set(upper):
            reasons.append(f"{self.tag} is {shown}, which is left out")
        if self.pattern and not any(fnmatchcase(each, self.pattern.upper()) for each in upper):
            reasons.append(f"{self.tag} is {shown}, not like {self.pattern!r}")
        return reasons

    def _beyond(self, facts: SeriesFacts, said: Sequence[str], shown: str) -> list[str]:
        numbers = _numbers(facts, self.tag, said)
        if not numbers:
            return [f"{self.tag} is no number"]
        by = factor(self.tag, self.unit)
        low = -math.inf if self.at_least is None else self.at_least * by
        high = math.inf if self.at_most is None else self.at_most * by
        if all(low <= number <= high for number in numbers):
            return []
        limits = [
            f"{words} {limit:g} {self.unit}"
            for words, limit in (("at least", self.at_least), ("at most", self.at_most))
            if limit is not None
        ]
        return [f"{self.tag} is {shown}, not {' and '.join(limits)}"]


def _texts(facts: SeriesFacts, tag: str) -> tuple[str, ...]:
    if tag == INSTANCES:
        return (str(facts.instances),)
    value = facts.header.get(tag)
    if value is None or value == "":
        if tag == "PatientAge" and (age := _age_by_dates(facts.header)) is not None:
            return (f"{age:.3f}",)
        return ()
    several = value if isinstance(value, MultiValue | list | tuple) else [value]
    return tuple(text for each in several if (text := str(each).strip()))


def _numbers(facts: SeriesFacts, tag: str, said: Sequence[str]) -> tuple[float, ...]:
    if tag == "PatientAge" and facts.header.get(tag):
        ages = [_age_years(each) for each in said]
        return tuple(age for age in ages if age is not None)
    try:
        found = tuple(float(each) for each in said)
    except ValueError:
        return ()
    return found if all(math.isfinite(each) for each in found) else ()


def _age_years(text: str) -> float | None:
    """Return an AS value (PS3.5 section 6.2: nnnD, nnnW, nnnM, nnnY) in years."""
    number, unit = text[:-1], text[-1:].upper()
    if len(number) != _AGE_DIGITS or not number.isdigit() or unit not in _AGE_UNITS:
        return None
    return int(number) * _AGE_UNITS[unit]


def _age_by_dates(header: Dataset) -> float | None:
    born: date | None = dicom_date(str(header.get("PatientBirthDate") or ""))
    then: date | None = dicom_date(str(header.get("StudyDate") or ""))
    if born is None or then is None or then < born:
        return None
    return (then - born).days / _DAYS_A_YEAR

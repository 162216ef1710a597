"""What is known of a study, and a report with fields that a template makes of it."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from domain.comparison import Change
from domain.measurement import Finding
from domain.report import StudyContext
from reporting.priors.recist import Assessment
from reporting.templates.fields import FilledField
from reporting.templates.template import Template


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is known of a study.

    Attributes
    ----------
    findings
        Those that a person accepted.
    absent
        What was searched and not found, in sentences.
    changes, prior_date, current_date, assessment
        The comparison with an earlier study, where there is one.
    """

    context: StudyContext
    findings: tuple[Finding, ...] = ()
    absent: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    prior_date: date | None = None
    current_date: date | None = None
    assessment: Assessment | None = None


@dataclass(frozen=True, kw_only=True)
class FilledLine:
    """A line: plain texts and fields."""

    parts: tuple[str | FilledField, ...]

    @property
    def fields(self) -> tuple[FilledField, ...]:
        """Its fields, in order."""
        return tuple(part for part in self.parts if isinstance(part, FilledField))


@dataclass(frozen=True, kw_only=True)
class FilledSection:
    """A section under its heading."""

    name: str
    title: str
    lines: tuple[FilledLine, ...]


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A report with fields.

    Attributes
    ----------
    notes
        What the template would have said and does not, what it had no place for, and why.
    """

    template: Template
    case: Case
    sections: tuple[FilledSection, ...]
    notes: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[FilledField, ...]:
        """All fields, in order."""
        return tuple(
            each for section in self.sections for line in section.lines for each in line.fields
        )

    @property
    def open_fields(self) -> tuple[FilledField, ...]:
        """Those that a person must look at before the report is signed."""
        return tuple(each for each in self.fields if each.is_open)

    def printed(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "template": self.template.name,
            "language": self.template.language,
            "sections": [
                {
                    "name": section.name,
                    "title": section.title,
                    "lines": [
                        [each if isinstance(each, str) else each.printed() for each in line.parts]
                        for line in section.lines
                    ],
                }
                for section in self.sections
            ],
            "open": [each.id for each in self.open_fields],
            "notes": list(self.notes),
        }

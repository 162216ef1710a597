"""A report that nobody has signed yet."""

from dataclasses import dataclass

from domain.errors import InputError
from domain.measurement import Finding, Measurement


@dataclass(frozen=True, kw_only=True)
class StudyContext:
    """What the report's head says; patient data: never logged, never in an error."""

    patient_name: str = ""
    patient_id: str = ""
    accession_number: str = ""
    study_date: str = ""
    study_description: str = ""
    modality: str = ""
    technique: str = ""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One sentence and the numbers in it, each with the finding it belongs to.

    Every number in ``text`` comes from ``measurements``: see reporting.draft.
    """

    text: str
    finding: Finding | None = None
    measurements: tuple[Measurement, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReportDraft:
    """Sections of a draft. There is no field that could say "signed"."""

    context: StudyContext
    technique: tuple[Statement, ...]
    comparison: tuple[Statement, ...]
    findings: tuple[Statement, ...]
    impression: tuple[Statement, ...]

    def __post_init__(self) -> None:
        if not self.findings:
            raise InputError("a draft without a finding says nothing: state what was searched")

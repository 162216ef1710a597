"""Reports: the draft of one command, and the report of a study on its way to a signature."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import InputError
from domain.measurement import Finding, Measurement
from domain.uids import InstanceUID, StudyUID


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


class ReportStatus(StrEnum):
    """How far a report is."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    SIGNED = "signed"
    AMENDED = "amended"  # signed, and it stands in the place of an earlier signed version

    @property
    def is_final(self) -> bool:
        """Whether a person vouches for it; until then every export says DRAFT."""
        return self in {ReportStatus.SIGNED, ReportStatus.AMENDED}


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Who vouches for a report, and since when.

    Attributes
    ----------
    name
        The person's, as the report shows it.
    at
        With its time zone.
    """

    name: str
    at: datetime

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InputError("a signature needs the name of the person who signs")
        if self.at.tzinfo is None:
            raise InputError("the time of a signature needs its time zone")


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Numbers of a finding that programs do not get, since the signed sentence gives others.

    Attributes
    ----------
    unit
        UCUM: every number of the finding in it.
    """

    tracking_uid: InstanceUID
    unit: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a report under its heading.

    Attributes
    ----------
    name
        What programs call it: "technique", "comparison", "findings", "impression", or a name that
        the site's template gave it.
    title
        Its heading, in the language of the report.
    """

    name: str
    title: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """The report of a study as one version of it stands: what every export is made from.

    Attributes
    ----------
    findings
        All that the sentences tell of, in their order.
    version
        From 1; each one that was signed is kept.
    language
        BCP 47, as "en".
    signature
        There where the status is final, and only there.
    reason
        Why it amends an earlier version, in the words of who does; empty for the first.
    still_verified
        SR of results that an earlier version verified and this one leaves out.
    """

    study_instance_uid: StudyUID
    context: StudyContext
    sections: tuple[Section, ...]
    findings: tuple[Finding, ...] = ()
    status: ReportStatus = ReportStatus.DRAFT
    version: int = 1
    language: str = "en"
    signature: Signature | None = None
    reason: str = ""
    still_verified: tuple[InstanceUID, ...] = ()

    def __post_init__(self) -> None:
        if self.status.is_final != (self.signature is not None):
            raise InputError(
                f"a report that is {self.status.value} has "
                f"{'no signature' if self.signature is None else 'a signature'}: only one that is "
                "signed or amended has one, and has it always"
            )
        if self.version < 1:
            raise InputError(f"version {self.version} of a report: they count from 1")

"""The words that exports add to a report's own, in its language: where it stands, who signed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.report import Report, ReportStatus
from reporting.language import ENGLISH, Language, language, languages


@dataclass(frozen=True, kw_only=True)
class Words:
    """One language's.

    Attributes
    ----------
    draft
        Stands at the head and foot of each export, and on each page, until a person has signed.
    foot
        The same in one word, beside the number of the page.
    sides
        By the sides of findings.
    """

    language: str
    draft: str
    foot: str
    signed: str
    amended: str
    replaces: str
    page: str
    report: str
    version: str
    untitled: str
    patient: str
    patient_id: str
    accession_number: str
    study_date: str
    modality: str
    not_given: str
    evidence: str
    finding: str
    side: str
    image: str
    segment: str
    outlined_by: str
    outline: str
    proposal: str
    note: str
    interval: str
    amendment: str
    amended_by: str
    still_verified: str
    sides: Mapping[str, str]


def words_in(code: str) -> Words:
    """Return the words of a language that is shipped."""
    known = language(code)
    sides = {side: said.after.strip(" ,") for side, said in known.sides.items()}
    return Words(language=code, sides=sides, **known.exports)


def words_of(report: Report) -> Words:
    """Return the words in the report's language; in English where there are none of it."""
    return words_in(language_of(report).code)


def language_of(report: Report) -> Language:
    """Return the report's language; English where it is not known here."""
    code = report.language.partition("-")[0].lower()
    return language(code if code in languages() else ENGLISH)


def standing(report: Report) -> str:
    """Return what every export says at its head and foot: DRAFT, or who signed, when, and what."""
    words = words_of(report)
    if report.signature is None:
        return words.draft
    signed = words.signed.format(
        name=report.signature.name, at=moment(report.signature.at), version=report.version
    )
    if report.status is not ReportStatus.AMENDED:
        return signed
    if report.version == 1:
        return f"{words.amended} {signed}"
    replaces = words.replaces.format(version=report.version, earlier=report.version - 1)
    return f"{replaces} {signed}"


def amendment(report: Report) -> str:
    """Return who amended the report, when and why; empty where it is no amendment.

    A line below says what an earlier version had verified, and the archive keeps so.
    """
    words = words_of(report)
    said = report.reason
    if report.reason and report.signature is not None:
        said = words.amended_by.format(
            at=moment(report.signature.at), name=report.signature.name, reason=report.reason
        )
    if report.still_verified:
        said += "\n" + words.still_verified.format(uids=", ".join(report.still_verified))
    return said.strip()


def foot(report: Report) -> str:
    """Return what stands beside the number of a page: DRAFT, or which version this is."""
    words = words_of(report)
    if not report.status.is_final:
        return words.foot
    return f"{words.report}, {words.version} {report.version}"


def moment(at: datetime) -> str:
    """Return a time with its zone, the same in every language: "2026-01-31 14:05+01:00"."""
    return at.isoformat(sep=" ", timespec="minutes")

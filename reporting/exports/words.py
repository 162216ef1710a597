"""The words that exports add to a report's own, in its language: where it stands, who signed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from domain.report import Report, ReportStatus


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
    sides: Mapping[str, str]


ENGLISH: Final = Words(
    language="en",
    draft="DRAFT \N{MIDDLE DOT} not signed, not verified \N{MIDDLE DOT} for review by a "
    "radiologist",
    signed="Signed by {name} on {at}, version {version}.",
    amended="Amended.",
    replaces="Amended: version {version} replaces version {earlier}.",
    foot="DRAFT",
    page="page",
    report="Imaging report",
    version="version",
    untitled="Imaging study",
    patient="Patient",
    patient_id="Patient ID",
    accession_number="Accession number",
    study_date="Study date",
    modality="Modality",
    not_given="not given",
    evidence="Where the numbers come from",
    finding="Finding",
    side="Side",
    image="Image",
    segment="Segment",
    outlined_by="Outlined by",
    outline="Outline of {finding} on image {image}",
    proposal="PROPOSAL: nobody has confirmed the place yet.",
    note="Note: {warning}",
    interval="Where \N{PLUS-MINUS SIGN} stands beside a volume, it is the 95 % interval of voxel "
    "sampling for this outline; whether the outline is right is not in it.",
    sides={"left": "left", "right": "right", "both": "both"},
)
GERMAN: Final = Words(
    language="de",
    draft="ENTWURF \N{MIDDLE DOT} nicht unterschrieben, nicht geprüft \N{MIDDLE DOT} zur Prüfung "
    "durch die Radiologie",
    signed="Unterschrieben von {name} am {at}, Version {version}.",
    amended="Geändert.",
    replaces="Geändert: Version {version} ersetzt Version {earlier}.",
    foot="ENTWURF",
    page="Seite",
    report="Befundbericht",
    version="Version",
    untitled="Bildgebende Untersuchung",
    patient="Patient",
    patient_id="Patienten-ID",
    accession_number="Auftragsnummer",
    study_date="Untersuchungsdatum",
    modality="Modalität",
    not_given="nicht angegeben",
    evidence="Woher die Zahlen stammen",
    finding="Befund",
    side="Seite",
    image="Bild",
    segment="Segment",
    outlined_by="Umrissen von",
    outline="Umriss von {finding} auf Bild {image}",
    proposal="VORSCHLAG: Den Ort hat noch niemand bestätigt.",
    note="Hinweis: {warning}",
    interval="Steht \N{PLUS-MINUS SIGN} neben einem Volumen, so ist es das 95-%-Intervall der "
    "Voxelabtastung dieses Umrisses; ob der Umriss stimmt, sagt es nicht.",
    sides={"left": "links", "right": "rechts", "both": "beidseits"},
)
_LANGUAGES: Final = {each.language: each for each in (ENGLISH, GERMAN)}


def words_of(report: Report) -> Words:
    """Return the words in the report's language; in English where there are none of it."""
    return _LANGUAGES.get(report.language.partition("-")[0].lower(), ENGLISH)


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


def foot(report: Report) -> str:
    """Return what stands beside the number of a page: DRAFT, or which version this is."""
    words = words_of(report)
    if not report.status.is_final:
        return words.foot
    return f"{words.report}, {words.version} {report.version}"


def moment(at: datetime) -> str:
    """Return a time with its zone, the same in every language: "2026-01-31 14:05+01:00"."""
    return at.isoformat(sep=" ", timespec="minutes")

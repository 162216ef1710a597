"""Questions to a peer's archive (C-FIND, PS3.4 annex C): what is asked back at each level."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from pydicom.dataset import Dataset

from dicom_node.priors import StudyFound
from domain.uids import StudyUID


class Level(StrEnum):
    """The levels of a query."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


RETURNED: Final[Mapping[Level, tuple[str, ...]]] = {
    Level.PATIENT: ("PatientID", "IssuerOfPatientID", "PatientBirthDate"),
    Level.STUDY: (
        "StudyInstanceUID",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "StudyDate",
        "StudyDescription",
        "ModalitiesInStudy",
        "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: (
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "Modality",
        "BodyPartExamined",
        "NumberOfSeriesRelatedInstances",
    ),
    Level.IMAGE: ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"),
}


def identifier(level: Level, wanted: Mapping[str, str]) -> Dataset:
    """Return the identifier of a C-FIND: what must match, and what is asked back."""
    query = Dataset()
    query.QueryRetrieveLevel = str(level)
    for keyword in RETURNED[level]:
        setattr(query, keyword, "")
    for keyword, value in wanted.items():
        setattr(query, keyword, value)
    return query


def study_found(answer: Dataset, series: tuple[Dataset, ...] = ()) -> StudyFound:
    """Return a study-level answer as plain data, with body parts and modalities of its series."""
    modalities = _values(answer, "ModalitiesInStudy")
    for each in series:
        modalities |= _values(each, "Modality")
    return StudyFound(
        study_instance_uid=StudyUID(str(answer.get("StudyInstanceUID") or "")),
        patient_id=str(answer.get("PatientID") or "").strip(),
        issuer=str(answer.get("IssuerOfPatientID") or "").strip(),
        birth_date=str(answer.get("PatientBirthDate") or "").strip(),
        study_date=dicom_date(str(answer.get("StudyDate") or "")),
        modalities=modalities,
        body_parts=frozenset().union(*(_values(each, "BodyPartExamined") for each in series)),
    )


def dicom_date(text: str) -> date | None:
    """Return a DA value (also the older form with dots) as a date; None where it is none."""
    try:
        return datetime.strptime(text.strip().replace(".", ""), "%Y%m%d").date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return None


def count(answer: Dataset, keyword: str) -> int | None:
    """Return an IS value of an answer; None where the peer did not give it."""
    text = str(answer.get(keyword) if answer.get(keyword) is not None else "").strip()
    return int(text) if text.isdigit() else None


def _values(answer: Dataset, keyword: str) -> frozenset[str]:
    value = answer.get(keyword)
    several = [value] if isinstance(value, str) else (value or [])
    return frozenset(text for each in several if (text := str(each).strip().upper()))

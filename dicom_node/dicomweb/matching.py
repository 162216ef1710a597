"""What a search may match on, and how its values are compared.

PS3.18 section 8.3.4, PS3.4 section C.2.2.2.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from dicom_node.dicomweb.refusal import bad_request
from dicom_node.index_search import Between, Condition, Level, Like, OneOf, StudyHas
from dicom_node.index_table import folded_name

_DATE: Final = re.compile(r"[0-9]{8}")
_TIME: Final = re.compile(r"([0-9]{2}){1,3}(\.[0-9]{1,6})?")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,9}")
_SEVERAL: Final = re.compile(r"[,\\]")
_LATEST: Final = "999999.999999"


class Kind(Enum):
    """How a value is compared."""

    UID = auto()
    TEXT = auto()
    CODE = auto()
    NAME = auto()
    DATE = auto()
    TIME = auto()
    NUMBER = auto()


@dataclass(frozen=True, kw_only=True)
class Key:
    """An attribute that is matched on."""

    level: Level
    kind: Kind
    columns: tuple[str, ...]
    anywhere_in_study: bool = False


def _key(level: Level, kind: Kind, *columns: str, anywhere: bool = False) -> Key:
    return Key(level=level, kind=kind, columns=columns, anywhere_in_study=anywhere)


KEYS: Final = {
    "StudyInstanceUID": _key(Level.STUDY, Kind.UID, "study_instance_uid"),
    "StudyDate": _key(Level.STUDY, Kind.DATE, "study_date"),
    "StudyTime": _key(Level.STUDY, Kind.TIME, "study_time"),
    "AccessionNumber": _key(Level.STUDY, Kind.TEXT, "accession_number"),
    "ModalitiesInStudy": _key(Level.STUDY, Kind.CODE, "modality", anywhere=True),
    "SOPClassesInStudy": _key(Level.STUDY, Kind.UID, "sop_class_uid", anywhere=True),
    "ReferringPhysicianName": _key(Level.STUDY, Kind.NAME, "referring_physician_name"),
    "StudyDescription": _key(Level.STUDY, Kind.TEXT, "study_description"),
    "PatientName": _key(
        Level.STUDY,
        Kind.NAME,
        "patient_name",
        "patient_name_ideographic",
        "patient_name_phonetic",
    ),
    "PatientID": _key(Level.STUDY, Kind.TEXT, "patient_id"),
    "PatientBirthDate": _key(Level.STUDY, Kind.DATE, "patient_birth_date"),
    "PatientSex": _key(Level.STUDY, Kind.CODE, "patient_sex"),
    "StudyID": _key(Level.STUDY, Kind.TEXT, "study_id"),
    "Modality": _key(Level.SERIES, Kind.CODE, "modality"),
    "SeriesInstanceUID": _key(Level.SERIES, Kind.UID, "series_instance_uid"),
    "SeriesNumber": _key(Level.SERIES, Kind.NUMBER, "series_number"),
    "SeriesDescription": _key(Level.SERIES, Kind.TEXT, "series_description"),
    "BodyPartExamined": _key(Level.SERIES, Kind.CODE, "body_part_examined"),
    "PerformedProcedureStepStartDate": _key(Level.SERIES, Kind.DATE, "step_start_date"),
    "PerformedProcedureStepStartTime": _key(Level.SERIES, Kind.TIME, "step_start_time"),
    "SOPClassUID": _key(Level.INSTANCE, Kind.UID, "sop_class_uid"),
    "SOPInstanceUID": _key(Level.INSTANCE, Kind.UID, "sop_instance_uid"),
    "InstanceNumber": _key(Level.INSTANCE, Kind.NUMBER, "instance_number"),
    "NumberOfFrames": _key(Level.INSTANCE, Kind.NUMBER, "number_of_frames"),
    "Rows": _key(Level.INSTANCE, Kind.NUMBER, "rows"),
    "Columns": _key(Level.INSTANCE, Kind.NUMBER, "columns"),
    "BitsAllocated": _key(Level.INSTANCE, Kind.NUMBER, "bits_allocated"),
}


def keys_at(level: Level) -> tuple[str, ...]:
    """Return the keywords that a search at this level may match on."""
    return tuple(keyword for keyword, key in KEYS.items() if key.level <= level)


def condition(keyword: str, value: str) -> Condition | None:
    """Return the condition that a key and its value stand for; None where anything will do.

    Raises
    ------
    RequestRefusedError
        If the value is none of that attribute.
    """
    if not value.strip("*"):
        return None
    key = KEYS[keyword]
    if key.kind is Kind.DATE or key.kind is Kind.TIME:
        return _range(keyword, key.columns[0], value, key.kind)
    made = _match(keyword, key, value)
    return StudyHas(condition=made) if key.anywhere_in_study else made


def _match(keyword: str, key: Key, value: str) -> OneOf | Like:
    column = key.columns[0]
    match key.kind:
        case Kind.UID:
            return OneOf(column=column, values=_several(value))
        case Kind.CODE if len(several := _several(value)) > 1:
            return _codes(column, several)
        case Kind.NAME:
            return Like(columns=key.columns, pattern=folded_name(value))
        case Kind.NUMBER:
            if not _NUMBER.fullmatch(value.strip()):
                raise bad_request(f"{keyword}={value!r} is no whole number")
            return OneOf(column=column, values=(int(value),))
        case _:
            return _text(key.columns, value)


def _several(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _SEVERAL.split(value) if part.strip())


def _codes(column: str, values: Sequence[str]) -> OneOf:
    wild = next((value for value in values if "*" in value or "?" in value), None)
    if wild is not None:
        raise bad_request(f"{wild!r} stands in a list: give one pattern, or a list of values")
    return OneOf(column=column, values=tuple(values))


def _text(columns: tuple[str, ...], value: str) -> OneOf | Like:
    if "*" in value or "?" in value:
        return Like(columns=columns, pattern=value.strip())
    return OneOf(column=columns[0], values=(value.strip(),))


def _range(keyword: str, column: str, value: str, kind: Kind) -> Between:
    shape = _DATE if kind is Kind.DATE else _TIME
    low, dash, high = (part.strip() for part in value.replace(":", "").partition("-"))
    ends = [end for end in (low, high) if end]
    if not ends or not all(shape.fullmatch(end) for end in ends):
        example = "20240131 or 20240101-20240131" if kind is Kind.DATE else "1530 or 0800-1530"
        raise bad_request(f"{keyword}={value!r} cannot be read: write {example}")
    high = high if dash else low
    if kind is Kind.TIME and high:  # 10 means until 10:59:59.999999
        high += _LATEST[len(high) :]
    return Between(column=column, low=low, high=high)

"""The table of instances: what is matched on in columns, what is answered as DICOM JSON."""

import re
from pathlib import Path
from typing import Any, Final

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    inspect,
    text,
)

from dicom_node.dicom_json import dataset_json

SCHEMA: Final = 2
"""Which attributes a row holds; a row of a lower number is read from its file again."""

STUDY_KEYWORDS: Final = (
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "TimezoneOffsetFromUTC",
    "StudyDescription",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyID",
)
SERIES_KEYWORDS: Final = (
    "Modality",
    "SeriesDescription",
    "BodyPartExamined",
    "SeriesInstanceUID",
    "SeriesNumber",
    "Laterality",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "RequestAttributesSequence",
)
INSTANCE_KEYWORDS: Final = (
    "SOPClassUID",
    "SOPInstanceUID",
    "InstanceNumber",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
)
_HELD: Final = tuple(
    tag
    for keyword in (*STUDY_KEYWORDS, *SERIES_KEYWORDS, *INSTANCE_KEYWORDS)
    if (tag := tag_for_keyword(keyword)) is not None
)
_LARGEST_INTEGER: Final = 2**31 - 1
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,10}")

metadata: Final = MetaData()

instances: Final = Table(
    "instances",
    metadata,
    Column("sop_instance_uid", String(64), primary_key=True),
    Column("sop_class_uid", String(64), nullable=False),
    Column("series_instance_uid", String(64), nullable=False, index=True),
    Column("study_instance_uid", String(64), nullable=False, index=True),
    Column("patient_id", String(64), nullable=False, index=True),
    Column("study_date", String(8), nullable=False),
    Column("study_description", String(64), nullable=False),
    Column("series_description", String(64), nullable=False),
    Column("modality", String(16), nullable=False),
    Column("instance_number", Integer, nullable=False),
    Column("made_by_us", Integer, nullable=False),
    Column("path", String, nullable=False),
    # since schema 2; nullable, since a column is added to a table that has rows
    Column("schema", Integer),
    Column("transfer_syntax_uid", String(64)),
    Column("patient_name", String),
    Column("patient_name_ideographic", String),
    Column("patient_name_phonetic", String),
    Column("patient_birth_date", String),
    Column("patient_sex", String),
    Column("referring_physician_name", String),
    Column("accession_number", String, index=True),
    Column("study_id", String),
    Column("study_time", String),
    Column("series_number", Integer),
    Column("body_part_examined", String),
    Column("step_start_date", String),
    Column("step_start_time", String),
    Column("number_of_frames", Integer),
    Column("rows", Integer),
    Column("columns", Integer),
    Column("bits_allocated", Integer),
    Column("attributes", String),
    Column("size_bytes", BigInteger),  # of its file
)


def bring_up_to_date(connection: Connection) -> None:
    """Make the table, or add the columns that an older one lacks; its rows are kept."""
    metadata.create_all(connection)
    there = {column["name"] for column in inspect(connection).get_columns(instances.name)}
    for column in instances.columns:
        if column.name not in there:
            name = connection.dialect.identifier_preparer.quote(column.name)
            kind = column.type.compile(connection.dialect)
            connection.execute(text(f"ALTER TABLE {instances.name} ADD COLUMN {name} {kind}"))
    for index in instances.indexes:
        index.create(connection, checkfirst=True)


def row_of(header: Dataset, path: Path, *, ours: bool) -> dict[str, Any]:
    """Return the row of an instance."""
    meta: Dataset | None = getattr(header, "file_meta", None)
    return {
        "sop_instance_uid": str(header.SOPInstanceUID),
        "sop_class_uid": str(header.SOPClassUID),
        "series_instance_uid": _text(header, "SeriesInstanceUID"),
        "study_instance_uid": _text(header, "StudyInstanceUID"),
        "patient_id": _text(header, "PatientID"),
        "study_date": _text(header, "StudyDate"),
        "study_description": _text(header, "StudyDescription"),
        "series_description": _text(header, "SeriesDescription"),
        "modality": _text(header, "Modality"),
        "instance_number": _number(header, "InstanceNumber") or 0,
        "made_by_us": int(ours),
        "path": str(path),
        "size_bytes": _size_bytes(path),
        "schema": SCHEMA,
        "transfer_syntax_uid": str(meta.get("TransferSyntaxUID") or "") if meta else "",
        **_names(header),
        "patient_birth_date": _text(header, "PatientBirthDate"),
        "patient_sex": _text(header, "PatientSex"),
        "accession_number": _text(header, "AccessionNumber"),
        "study_id": _text(header, "StudyID"),
        "study_time": _text(header, "StudyTime").replace(":", ""),
        "series_number": _number(header, "SeriesNumber"),
        "body_part_examined": _text(header, "BodyPartExamined"),
        "step_start_date": _text(header, "PerformedProcedureStepStartDate"),
        "step_start_time": _text(header, "PerformedProcedureStepStartTime").replace(":", ""),
        "number_of_frames": _number(header, "NumberOfFrames"),
        "rows": _number(header, "Rows"),
        "columns": _number(header, "Columns"),
        "bits_allocated": _number(header, "BitsAllocated"),
        "attributes": dataset_json(header, tags=_HELD),
    }


def folded_name(group: str) -> str:
    """Return a component group of a person's name as it is compared: case and ends left out."""
    return "^".join(part.strip() for part in group.casefold().split("^")).rstrip("^")


def _names(header: Dataset) -> dict[str, str]:
    patient = PersonName(_text(header, "PatientName"))
    physician = PersonName(_text(header, "ReferringPhysicianName"))
    return {
        "patient_name": folded_name(patient.alphabetic),
        "patient_name_ideographic": folded_name(patient.ideographic),
        "patient_name_phonetic": folded_name(patient.phonetic),
        "referring_physician_name": folded_name(physician.alphabetic),
    }


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # removed since it was read
        return 0


def _text(header: Dataset, keyword: str) -> str:
    return str(header.get(keyword) or "")


def _number(header: Dataset, keyword: str) -> int | None:
    digits = _text(header, keyword)
    if not _INTEGER.fullmatch(digits) or abs(int(digits)) > _LARGEST_INTEGER:
        return None
    return int(digits)

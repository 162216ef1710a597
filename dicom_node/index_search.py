"""Questions to the index at one of three levels, as QIDO-RS puts them, and their answers."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, assert_never

from pydicom.uid import ImplicitVRLittleEndian
from sqlalchemy import Column, ColumnElement, Connection, RowMapping, Select, func, or_, select

from dicom_node.files import read_dataset
from dicom_node.index_table import instances
from domain.uids import InstanceUID, SeriesUID, StudyUID


class Level(IntEnum):
    """What is looked for; the attributes of the levels above are those of its parents."""

    STUDY = 1
    SERIES = 2
    INSTANCE = 3


@dataclass(frozen=True, kw_only=True)
class OneOf:
    """A column has one of these values."""

    column: str
    values: tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Like:
    """One of these columns has this pattern: ``*`` for any characters, ``?`` for one."""

    columns: tuple[str, ...]
    pattern: str


@dataclass(frozen=True, kw_only=True)
class Between:
    """A column lies in this range, both ends of it inside; an empty end is open."""

    column: str
    low: str
    high: str


@dataclass(frozen=True, kw_only=True)
class StudyHas:
    """Some instance of the study meets a condition, not only the one looked at."""

    condition: OneOf | Like


Condition = OneOf | Like | Between | StudyHas


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for; every condition must hold."""

    level: Level
    conditions: tuple[Condition, ...] = ()
    limit: int
    offset: int = 0


@dataclass(frozen=True, kw_only=True)
class Found:
    """A study, series or instance, shown by one of its instances.

    Attributes
    ----------
    attributes
        What the index holds of the header of that instance, in the DICOM JSON model.
    series, instances
        How many there are of them in the study (at the level of studies) or in the series.
    """

    study_instance_uid: StudyUID
    series_instance_uid: SeriesUID
    sop_instance_uid: InstanceUID
    transfer_syntax_uid: str
    path: Path
    attributes: Mapping[str, Any]
    series: int
    instances: int
    modalities: tuple[str, ...] = ()
    sop_classes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An instance and its file."""

    study_instance_uid: StudyUID
    series_instance_uid: SeriesUID
    sop_instance_uid: InstanceUID
    transfer_syntax_uid: str
    path: Path


_KEYS: Final = {
    Level.STUDY: (instances.c.study_instance_uid,),
    Level.SERIES: (instances.c.study_instance_uid, instances.c.series_instance_uid),
    Level.INSTANCE: (instances.c.sop_instance_uid,),
}
_MOST_NAMED: Final = 500  # in one IN of a statement


def found(connection: Connection, search: Search) -> tuple[Found, ...]:
    """Return what matches, in a lasting order: newest study first, then by number."""
    groups = connection.execute(_page(connection, search)).mappings().all()
    shown = _shown(connection, [group["shown"] for group in groups])
    within = _within(connection, [group["study"] for group in groups], search.level)
    return tuple(
        _found(shown[group["shown"]], group, within.get(group["study"], ((), ())))
        for group in groups
    )


def kept(
    connection: Connection, study: StudyUID, series: SeriesUID | None, instance: InstanceUID | None
) -> tuple[Kept, ...]:
    """Return the instances of a study, of one of its series, or the one named."""
    table = instances.c
    query = select(
        table.study_instance_uid,
        table.series_instance_uid,
        table.sop_instance_uid,
        table.transfer_syntax_uid,
        table.path,
    ).where(table.study_instance_uid == study)
    if series is not None:
        query = query.where(table.series_instance_uid == series)
    if instance is not None:
        query = query.where(table.sop_instance_uid == instance)
    order = (table.series_instance_uid, table.instance_number, table.sop_instance_uid)
    return tuple(
        Kept(
            study_instance_uid=StudyUID(row.study_instance_uid),
            series_instance_uid=SeriesUID(row.series_instance_uid),
            sop_instance_uid=InstanceUID(row.sop_instance_uid),
            transfer_syntax_uid=row.transfer_syntax_uid or _stored_syntax(Path(row.path)),
            path=Path(row.path),
        )
        for row in connection.execute(query.order_by(*order))
    )


def holds_all(connection: Connection, uids: Sequence[InstanceUID]) -> bool:
    """Tell whether every one of these instances has its row."""
    held = 0
    wanted = sorted(set(uids))
    for some in _in_parts(wanted):
        query = select(func.count()).where(instances.c.sop_instance_uid.in_(some))
        held += connection.scalar(query) or 0
    return held == len(wanted)


def remaining(connection: Connection, search: Search, returned: int) -> int:
    """Return how many match behind this page."""
    if returned < search.limit:
        return 0
    matching = _grouped(connection, search).subquery()
    total = connection.scalar(select(func.count()).select_from(matching)) or 0
    return max(0, int(total) - search.offset - returned)


def _page(connection: Connection, search: Search) -> Select[Any, Any, int, int]:
    order = [
        func.max(instances.c.study_date).desc(),
        func.min(instances.c.study_instance_uid),
        func.min(func.coalesce(instances.c.series_number, 0)),
        func.min(instances.c.series_instance_uid),
        func.min(instances.c.instance_number),
        func.min(instances.c.sop_instance_uid),
    ]
    return _grouped(connection, search).order_by(*order).limit(search.limit).offset(search.offset)


def _grouped(connection: Connection, search: Search) -> Select[Any, Any, int, int]:
    """Return one row for each study, series or instance of which any instance matches."""
    wheres = [_where(connection, each) for each in search.conditions]
    keys = _KEYS[search.level]
    matching = select(keys[-1]).where(*wheres)
    return (
        select(
            func.min(instances.c.sop_instance_uid).label("shown"),
            func.min(instances.c.study_instance_uid).label("study"),
            func.count(func.distinct(instances.c.series_instance_uid)).label("series"),
            func.count().label("instances"),
        )
        .where(keys[-1].in_(matching))
        .group_by(*keys)
    )


def _shown(connection: Connection, uids: Sequence[str]) -> dict[str, RowMapping]:
    rows: dict[str, RowMapping] = {}
    for some in _in_parts(uids):
        query = select(instances).where(instances.c.sop_instance_uid.in_(some))
        rows |= {row["sop_instance_uid"]: row for row in connection.execute(query).mappings()}
    return rows


def _within(
    connection: Connection, studies: Sequence[str], level: Level
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return the modalities and SOP classes of each study."""
    if level != Level.STUDY:
        return {}
    seen: dict[str, tuple[set[str], set[str]]] = {}
    for some in _in_parts(studies):
        query = (
            select(instances.c.study_instance_uid, instances.c.modality, instances.c.sop_class_uid)
            .where(instances.c.study_instance_uid.in_(some))
            .distinct()
        )
        for study, modality, sop_class in connection.execute(query):
            modalities, classes = seen.setdefault(study, (set(), set()))
            modalities.add(modality)
            classes.add(sop_class)
    return {
        study: (tuple(sorted(modalities - {""})), tuple(sorted(classes)))
        for study, (modalities, classes) in seen.items()
    }


def _found(
    row: RowMapping, group: RowMapping, within: tuple[tuple[str, ...], tuple[str, ...]]
) -> Found:
    return Found(
        study_instance_uid=StudyUID(row["study_instance_uid"]),
        series_instance_uid=SeriesUID(row["series_instance_uid"]),
        sop_instance_uid=InstanceUID(row["sop_instance_uid"]),
        transfer_syntax_uid=row["transfer_syntax_uid"] or "",
        path=Path(row["path"]),
        attributes=json.loads(row["attributes"]) if row["attributes"] else _attributes(row),
        series=group["series"],
        instances=group["instances"],
        modalities=within[0],
        sop_classes=within[1],
    )


def _attributes(row: RowMapping) -> dict[str, Any]:
    """Return what a row of an older schema holds, until its file is read again."""
    columns = (
        ("00080016", "UI", "sop_class_uid"),
        ("00080018", "UI", "sop_instance_uid"),
        ("00080020", "DA", "study_date"),
        ("00080060", "CS", "modality"),
        ("00081030", "LO", "study_description"),
        ("0008103E", "LO", "series_description"),
        ("00100020", "LO", "patient_id"),
        ("0020000D", "UI", "study_instance_uid"),
        ("0020000E", "UI", "series_instance_uid"),
    )
    return {tag: {"vr": vr, "Value": [row[name]]} for tag, vr, name in columns if row[name]}


def _stored_syntax(path: Path) -> str:
    """Read what a row of an older schema does not hold."""
    meta = read_dataset(path, with_pixels=False).file_meta
    return str(meta.get("TransferSyntaxUID") or ImplicitVRLittleEndian)


def _in_parts(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[at : at + _MOST_NAMED] for at in range(0, len(values), _MOST_NAMED))


def _where(connection: Connection, condition: Condition) -> ColumnElement[bool]:
    match condition:
        case OneOf():
            return instances.c[condition.column].in_(condition.values)
        case Like():
            columns = [instances.c[column] for column in condition.columns]
            return or_(*(_like(connection, column, condition.pattern) for column in columns))
        case Between():
            column = instances.c[condition.column]
            low = column >= condition.low if condition.low else column != ""
            return low & (column <= condition.high) if condition.high else low
        case StudyHas():
            has = select(instances.c.study_instance_uid).where(
                _where(connection, condition.condition)
            )
            return instances.c.study_instance_uid.in_(has)
        case _:
            assert_never(condition)


def _like(connection: Connection, column: Column[Any], pattern: str) -> ColumnElement[bool]:
    """Compare with a pattern, case and all: SQLite's LIKE does not, its GLOB does."""
    if connection.dialect.name == "sqlite":
        return column.op("GLOB", is_comparison=True)(pattern.replace("[", "[[]"))
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return column.like(escaped.replace("*", "%").replace("?", "_"), escape="\\")

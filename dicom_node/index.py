"""The index of what is stored: SQLite by default, any SQLAlchemy URL at scale."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from sqlalchemy import (
    Connection,
    Engine,
    RowMapping,
    create_engine,
    delete,
    event,
    func,
    select,
    update,
)
from sqlalchemy.exc import DataError, SQLAlchemyError

from dicom_node.index_search import Found, Kept, Search, found, holds_all, kept, remaining
from dicom_node.index_table import SCHEMA, bring_up_to_date, instances, row_of
from domain.errors import InputError, StorageError
from domain.uids import InstanceUID, SeriesUID, StudyUID


@dataclass(frozen=True, kw_only=True)
class SeriesSummary:
    """One series as the index knows it."""

    series_instance_uid: SeriesUID
    modality: str
    description: str
    instances: int
    made_by_us: bool


@dataclass(frozen=True, kw_only=True)
class StudySummary:
    """One study as the index knows it; ``patient_id`` is patient data: never logged."""

    study_instance_uid: StudyUID
    patient_id: str
    study_date: str
    description: str
    series: tuple[SeriesSummary, ...]


class Index:
    """Rows of instances; every method is one transaction and may be called from any thread."""

    def __init__(self, url: str) -> None:
        try:
            self._engine = create_engine(url, hide_parameters=True)  # errors would quote rows
            _tune(self._engine)
            with self._engine.begin() as connection:
                bring_up_to_date(connection)
        except SQLAlchemyError as error:
            raise StorageError(f"the index {url!r} cannot be opened: {_said(error)}") from error

    def add(self, headers: Iterable[tuple[Dataset, Path, bool]]) -> None:
        """Add instances, each with its file and whether we made it; known ones stay as they are.

        A row of an older schema is not known in this sense: it is written anew.

        Raises
        ------
        StorageError
            If the database refuses; nothing of this call is kept then.
        InputError
            If a value of a header cannot be held.
        """
        rows = [row_of(header, path, ours=ours) for header, path, ours in headers]
        if not rows:
            return
        uids = [row["sop_instance_uid"] for row in rows]
        try:
            with self._engine.begin() as connection:
                known = set(
                    connection.scalars(
                        select(instances.c.sop_instance_uid).where(
                            instances.c.sop_instance_uid.in_(uids), instances.c.schema == SCHEMA
                        )
                    )
                )
                fresh = {row["sop_instance_uid"]: row for row in rows}
                new = [row for uid, row in fresh.items() if uid not in known]
                if new:
                    replaced = [row["sop_instance_uid"] for row in new]
                    connection.execute(
                        delete(instances).where(instances.c.sop_instance_uid.in_(replaced))
                    )
                    connection.execute(instances.insert(), new)
        except DataError as error:
            raise InputError("a value of a header cannot be held by the index") from error
        except SQLAlchemyError as error:
            raise StorageError(f"the index cannot be written: {_said(error)}") from error

    def count(self) -> int:
        """Return how many instances are known."""
        with self._engine.begin() as connection:
            return int(connection.scalar(select(func.count()).select_from(instances)) or 0)

    def sizes(self, study: StudyUID | None = None) -> Mapping[StudyUID, int]:
        """Return how many bytes the files of each study have, or of the one named."""
        query = select(
            instances.c.study_instance_uid, func.coalesce(func.sum(instances.c.size_bytes), 0)
        ).group_by(instances.c.study_instance_uid)
        if study is not None:
            query = query.where(instances.c.study_instance_uid == study)
        with self._engine.begin() as connection:
            return {StudyUID(uid): int(size) for uid, size in connection.execute(query)}

    def totals(self) -> tuple[int, int]:
        """Return how many studies there are, and the bytes of all files."""
        query = select(
            func.count(func.distinct(instances.c.study_instance_uid)),
            func.coalesce(func.sum(instances.c.size_bytes), 0),
        )
        with self._engine.begin() as connection:
            studies, size = connection.execute(query).one()
        return int(studies), int(size)

    def files(self) -> tuple[tuple[SeriesUID, Path], ...]:
        """Return every file with its series."""
        query = select(instances.c.series_instance_uid, instances.c.path)
        with self._engine.begin() as connection:
            return tuple(
                (SeriesUID(series), Path(path)) for series, path in connection.execute(query)
            )

    def measure(self) -> None:
        """Write down the size of each file that an earlier version did not measure."""
        query = select(instances.c.path).where(instances.c.size_bytes.is_(None))
        with self._engine.begin() as connection:
            for path in connection.scalars(query).all():
                size = Path(path).stat().st_size if Path(path).exists() else 0
                connection.execute(
                    update(instances).where(instances.c.path == path).values(size_bytes=size)
                )

    def remove(
        self, study: StudyUID, uids: Collection[InstanceUID], within: Callable[[Connection], None]
    ) -> None:
        """Forget every instance of a study, in one transaction with what else goes with it.

        Parameters
        ----------
        uids
            What is known of the study.
        within
            Called first, in the transaction; what it raises leaves everything as it was.

        Raises
        ------
        InputError
            If the study has an instance besides those.
        StorageError
            If the database refuses.
        """
        of_study = instances.c.study_instance_uid == study
        try:
            with self._engine.begin() as connection:
                within(connection)
                there = set(
                    connection.scalars(select(instances.c.sop_instance_uid).where(of_study))
                )
                if there - set(uids):
                    raise InputError(f"study {study} grew meanwhile: it stays")
                connection.execute(delete(instances).where(of_study))
        except SQLAlchemyError as error:
            raise StorageError(f"the index cannot be written: {_said(error)}") from error

    def paths(self, series: SeriesUID) -> tuple[Path, ...]:
        """Return the files of a series in instance order."""
        query = (
            select(instances.c.path)
            .where(instances.c.series_instance_uid == series)
            .order_by(instances.c.instance_number, instances.c.sop_instance_uid)
        )
        with self._engine.begin() as connection:
            return tuple(Path(path) for path in connection.scalars(query))

    def study_of(self, series: SeriesUID) -> StudyUID | None:
        """Return the study of a series; None where no instance of it is here."""
        query = (
            select(instances.c.study_instance_uid)
            .where(instances.c.series_instance_uid == series)
            .limit(1)
        )
        with self._engine.begin() as connection:
            found = connection.scalar(query)
        return None if found is None else StudyUID(found)

    def known_paths(self) -> frozenset[str]:
        """Return every file that has a row of the current schema."""
        query = select(instances.c.path).where(instances.c.schema == SCHEMA)
        with self._engine.begin() as connection:
            return frozenset(connection.scalars(query))

    def outdated_paths(self) -> frozenset[str]:
        """Return every file whose row is of an older schema, to be read again."""
        query = select(instances.c.path).where(func.coalesce(instances.c.schema, 0) != SCHEMA)
        with self._engine.begin() as connection:
            return frozenset(connection.scalars(query))

    def search(self, search: Search) -> tuple[tuple[Found, ...], int]:
        """Return what matches, and how many more there are behind the limit."""
        with self._engine.begin() as connection:
            page = found(connection, search)
            return page, remaining(connection, search, len(page))

    def kept(
        self, study: StudyUID, series: SeriesUID | None = None, instance: InstanceUID | None = None
    ) -> tuple[Kept, ...]:
        """Return the instances of a study, of one of its series, or the one named."""
        with self._engine.begin() as connection:
            return kept(connection, study, series, instance)

    def holds_all(self, uids: Sequence[InstanceUID]) -> bool:
        """Tell whether every one of these instances has its row."""
        with self._engine.begin() as connection:
            return holds_all(connection, uids)

    def studies(self, study: StudyUID | None = None) -> tuple[StudySummary, ...]:
        """Return all studies, newest first, or the one named."""
        query = select(
            instances.c.study_instance_uid,
            func.min(instances.c.patient_id).label("patient_id"),
            func.min(instances.c.study_date).label("study_date"),
            func.min(instances.c.study_description).label("study_description"),
            instances.c.series_instance_uid,
            func.min(instances.c.modality).label("modality"),
            func.min(instances.c.series_description).label("series_description"),
            func.count().label("instances"),
            func.max(instances.c.made_by_us).label("made_by_us"),
        ).group_by(instances.c.study_instance_uid, instances.c.series_instance_uid)
        if study is not None:
            query = query.where(instances.c.study_instance_uid == study)
        with self._engine.begin() as connection:
            rows = connection.execute(query).mappings().all()
        return _studies(rows)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _studies(rows: Sequence[RowMapping]) -> tuple[StudySummary, ...]:
    grouped: dict[str, list[RowMapping]] = {}
    for row in rows:
        grouped.setdefault(row["study_instance_uid"], []).append(row)
    found = [
        StudySummary(
            study_instance_uid=StudyUID(uid),
            patient_id=members[0]["patient_id"],
            study_date=members[0]["study_date"],
            description=members[0]["study_description"],
            series=tuple(
                SeriesSummary(
                    series_instance_uid=SeriesUID(member["series_instance_uid"]),
                    modality=member["modality"],
                    description=member["series_description"],
                    instances=member["instances"],
                    made_by_us=bool(member["made_by_us"]),
                )
                for member in members
            ),
        )
        for uid, members in grouped.items()
    ]
    return tuple(sorted(found, key=lambda study: study.study_date, reverse=True))


def _tune(engine: Engine) -> None:
    """Let SQLite readers and the writer work at once (write-ahead log), and wait for locks."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the driver's own type
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA busy_timeout=10000")
        cursor.close()


def _said(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]

"""The book of studies: what was seen of each, so that nothing is taken for new twice."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Column, Engine, MetaData, RowMapping, String, Table, Text, select, update
from sqlalchemy.exc import IntegrityError

from dicom_node.completeness import State, Verdict
from domain.ports import Clock
from domain.uids import SeriesUID, StudyUID

metadata: Final = MetaData()
table: Final = Table(
    "arrivals",
    metadata,
    Column("study_instance_uid", String(64), primary_key=True),
    Column("origin", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("counts", Text, nullable=False),
    Column("baseline", Text, nullable=False),
    Column("says", Text, nullable=False),
    Column("at", String(40), nullable=False),
)
_OPENED: Final = ""  # the row that says since when the book is kept

Counts = Mapping[SeriesUID, int]


class Origin(StrEnum):
    """How a study came here: rules begin by themselves only on what was sent."""

    SENT = "sent"
    FETCHED = "fetched"  # it is being fetched, as a prior or for a person
    BASELINE = "baseline"  # it was fetched, or was here before this book: only what grows is new


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is known of a study.

    Attributes
    ----------
    counts
        Instances by series, as they were when it was last judged.
    baseline
        Instances by series that began nothing and never will.
    says
        For people: no patient data.
    """

    study_instance_uid: StudyUID
    origin: Origin
    state: State = State.ARRIVING
    counts: Mapping[SeriesUID, int] = field(default_factory=dict)
    baseline: Mapping[SeriesUID, int] = field(default_factory=dict)
    says: str = ""
    at: str = ""

    @property
    def verdict(self) -> Verdict:
        """The last verdict, as far as the next one needs it."""
        return Verdict(state=self.state, counts=self.counts)


class Book:
    """The table of studies."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        metadata.create_all(engine)

    def begin(self, here: Mapping[StudyUID, Counts]) -> None:
        """Begin the book, once: studies that are here already are none that arrive."""
        if self.get(StudyUID(_OPENED)) is not None:
            return
        known = self.all()
        rows = [
            self._row(study, Origin.BASELINE, State.COMPLETE, counts)
            for study, counts in (*here.items(), (StudyUID(_OPENED), {}))
            if study not in known
        ]
        with self._engine.begin() as connection:
            connection.execute(table.insert(), rows)

    def note(self, study: StudyUID, origin: Origin) -> bool:
        """Write down a study, unless it is known; return whether it is new."""
        try:
            with self._engine.begin() as connection:
                row = self._row(study, origin, State.ARRIVING, {})
                connection.execute(table.insert().values(row))
        except IntegrityError:
            return False
        return True

    def settle(self, study: StudyUID, counts: Counts) -> None:
        """Take what is here of a study that was fetched as its baseline."""
        with self._engine.begin() as connection:
            connection.execute(
                update(table)
                .where(table.c.study_instance_uid == study)
                .where(table.c.origin == Origin.FETCHED.value)
                .values(self._row(study, Origin.BASELINE, State.COMPLETE, counts))
            )

    def judge(self, study: StudyUID, verdict: Verdict, says: str) -> None:
        """Write down how a study stands."""
        with self._engine.begin() as connection:
            connection.execute(
                update(table)
                .where(table.c.study_instance_uid == study)
                .values(
                    state=verdict.state.value,
                    counts=json.dumps(dict(verdict.counts)),
                    says=says,
                    at=self._clock.now().isoformat(),
                )
            )

    def get(self, study: StudyUID) -> Entry | None:
        """Return what is known of a study; None for an unknown one."""
        query = select(table).where(table.c.study_instance_uid == study)
        with self._engine.begin() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _entry(row)

    def all(self) -> dict[StudyUID, Entry]:
        """Return every study that is known."""
        query = select(table).where(table.c.study_instance_uid != _OPENED)
        with self._engine.begin() as connection:
            entries = [_entry(row) for row in connection.execute(query).mappings()]
        return {each.study_instance_uid: each for each in entries}

    def _row(self, study: StudyUID, origin: Origin, state: State, counts: Counts) -> dict[str, Any]:
        return {
            "study_instance_uid": study,
            "origin": origin.value,
            "state": state.value,
            "counts": json.dumps(dict(counts)),
            "baseline": json.dumps(dict(counts)),
            "says": "",
            "at": self._clock.now().isoformat(),
        }


def _entry(row: RowMapping) -> Entry:
    return Entry(
        study_instance_uid=StudyUID(row["study_instance_uid"]),
        origin=Origin(row["origin"]),
        state=State(row["state"]),
        counts=json.loads(row["counts"]),
        baseline=json.loads(row["baseline"]),
        says=row["says"],
        at=row["at"],
    )

"""Studies that a person keeps: retention leaves them, and so does whoever deletes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, delete, insert, select
from sqlalchemy.exc import IntegrityError

from copilot.audit import SqlAuditLog
from domain.errors import InputError
from domain.ports import Clock
from domain.uids import StudyUID, checked_uid

metadata: Final = MetaData()
table: Final = Table(
    "holds",
    metadata,
    Column("study_instance_uid", String(64), primary_key=True),
    Column("actor", String(64), nullable=False),
    Column("at", String(40), nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Who keeps a study, and since when."""

    actor: str
    at: str


class Holds:
    """The table of kept studies."""

    def __init__(self, engine: Engine, audit: SqlAuditLog, clock: Clock) -> None:
        self._engine = engine
        self._audit = audit
        self._clock = clock
        metadata.create_all(engine)

    def keep(self, study: StudyUID, actor: str) -> None:
        """Keep a study until it is released.

        Raises
        ------
        InputError
            If it is kept already, naming by whom.
        """
        checked_uid(study, "Study Instance UID")
        row = {"study_instance_uid": study, "actor": actor, "at": self._clock.now().isoformat()}
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(table).values(row))
                self._audit.record_in(connection, actor=actor, act="study.kept", subject=study)
        except IntegrityError as error:
            hold = self.all()[study]
            raise InputError(
                f"study {study} is kept by {hold.actor} already, since {hold.at[:10]}"
            ) from error

    def release(self, study: StudyUID, actor: str) -> None:
        """Let retention have a study again.

        Raises
        ------
        InputError
            If nobody keeps it.
        """
        with self._engine.begin() as connection:
            gone = connection.execute(delete(table).where(table.c.study_instance_uid == study))
            if not gone.rowcount:
                raise InputError(f"study {study} is not kept: see radcopilot studies list")
            self._audit.record_in(connection, actor=actor, act="study.released", subject=study)

    def all(self) -> dict[StudyUID, Hold]:
        """Return every study that is kept."""
        with self._engine.begin() as connection:
            return dict(holds_in(connection))


def holds_in(connection: Connection) -> Mapping[StudyUID, Hold]:
    """Return every study that is kept, as a transaction sees it."""
    return {
        StudyUID(row["study_instance_uid"]): Hold(actor=row["actor"], at=row["at"])
        for row in connection.execute(select(table)).mappings()
    }

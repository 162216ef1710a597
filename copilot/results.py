"""What the server made of commands: one row each, with its files in a folder of its own."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    Engine,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    func,
    select,
    update,
)

from copilot.audit import SqlAuditLog
from domain.errors import InputError

metadata: Final = MetaData()
commands: Final = Table(
    "commands",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", String(40), nullable=False),
    Column("series_instance_uid", String(64), nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("document", Text, nullable=False),
)


class State(StrEnum):
    """Where a result stands; only "sent" has left this machine."""

    RUNNING = "running"
    FAILED = "failed"  # its document says why
    ANSWERED = "answered"  # a question, a refusal, or a command of the page: nothing to accept
    WAITING = "waiting"  # for the radiologist's yes or no
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SENT = "sent"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One command and what came of it."""

    id: str
    at: str
    series_instance_uid: str
    state: State
    document: Mapping[str, Any]

    def printed(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "id": self.id,
            "at": self.at,
            "series_instance_uid": self.series_instance_uid,
            "state": self.state.value,
            **self.document,
        }


class Results:
    """The table of commands; each change of state and its audit row are one transaction."""

    def __init__(self, engine: Engine, audit: SqlAuditLog, folder: Path) -> None:
        self._engine = engine
        self._audit = audit
        self._folder = folder
        metadata.create_all(engine)

    def new_folder(self) -> tuple[str, Path]:
        """Return the id of a result to come, and the folder for its files."""
        identity = uuid.uuid4().hex
        return identity, self._folder / identity

    def folder(self, identity: str) -> Path:
        """Return the folder of a result's files."""
        return self._folder / self.get(identity).id

    def add(self, result: Result, actor: str) -> None:
        """Keep a new result."""
        with self._engine.begin() as connection:
            connection.execute(
                commands.insert().values(
                    id=result.id,
                    at=result.at,
                    series_instance_uid=result.series_instance_uid,
                    state=result.state.value,
                    document=json.dumps(result.document),
                )
            )
            action = result.document["command"]["action"]
            self._audit.record_in(
                connection, actor=actor, act=f"command.{action}", subject=result.id
            )

    def get(self, identity: str) -> Result:
        """Return a result.

        Raises
        ------
        InputError
            If there is none of this id.
        """
        query = select(commands).where(commands.c.id == identity)
        with self._engine.begin() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise InputError(f"there is no result {identity!r}")
        return _result(row)

    @property
    def root(self) -> Path:
        """Folder of all results' files, one folder each by id."""
        return self._folder

    def accepted(self) -> tuple[Result, ...]:
        """Return all that a radiologist accepted, the oldest first."""
        query = (
            select(commands)
            .where(commands.c.state.in_([State.ACCEPTED.value, State.SENT.value]))
            .order_by(commands.c.at)
        )
        with self._engine.begin() as connection:
            return tuple(_result(row) for row in connection.execute(query).mappings())

    def counts(self) -> dict[str, int]:
        """Return how many results stand in each state."""
        query = select(commands.c.state, func.count()).group_by(commands.c.state)
        with self._engine.begin() as connection:
            return {str(state): int(count) for state, count in connection.execute(query)}

    def all(self, most: int) -> tuple[Result, ...]:
        """Return the newest results first."""
        query = select(commands).order_by(commands.c.at.desc()).limit(most)
        with self._engine.begin() as connection:
            return tuple(_result(row) for row in connection.execute(query).mappings())

    def finish(self, result: Result) -> None:
        """Keep what a running command came to; one that is not running stays as it is."""
        with self._engine.begin() as connection:
            connection.execute(
                update(commands)
                .where(commands.c.id == result.id)
                .where(commands.c.state == State.RUNNING.value)
                .values(state=result.state.value, document=json.dumps(result.document))
            )

    def note(self, identity: str, act: str, actor: str) -> None:
        """Write an act on a result to the audit trail."""
        with self._engine.begin() as connection:
            self._audit.record_in(connection, actor=actor, act=act, subject=identity)

    def move(self, identity: str, wanted: State, allowed: frozenset[State], actor: str) -> Result:
        """Change the state of a result, with its audit row, and return it.

        Raises
        ------
        InputError
            If it does not stand in one of the allowed states.
        """
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(commands)
                .where(commands.c.id == identity)
                .where(commands.c.state.in_([state.value for state in allowed]))
                .values(state=wanted.value)
            )
            if changed.rowcount:
                self._audit.record_in(
                    connection, actor=actor, act=f"result.{wanted.value}", subject=identity
                )
        result = self.get(identity)
        if not changed.rowcount:
            raise InputError(
                f"result {identity} is {result.state.value}: it cannot become {wanted.value}"
            )
        return result


def result_of(
    identity: str, at: datetime, series_instance_uid: str, document: Mapping[str, Any]
) -> Result:
    """Return a fresh result, waiting for a yes where it has masks."""
    return Result(
        id=identity,
        at=at.isoformat(),
        series_instance_uid=series_instance_uid,
        state=State.WAITING if document["masks"] else State.ANSWERED,
        document=document,
    )


def _result(row: RowMapping) -> Result:
    return Result(
        id=row["id"],
        at=row["at"],
        series_instance_uid=row["series_instance_uid"],
        state=State(row["state"]),
        document=json.loads(row["document"]),
    )

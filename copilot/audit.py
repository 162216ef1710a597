"""The audit trail: who did what to which object, append-only and chained by hashes.

Each row's hash covers the row before it, so a changed, removed or inserted row is found by
``verify``. Triggers refuse changes and deletions on SQLite; elsewhere the chain tells.
"""

import hashlib
import json
from typing import Any, Final

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, event, func, select, text
from sqlalchemy.engine import Connection

from domain.errors import StorageError
from domain.ports import Clock

metadata: Final = MetaData()
acts: Final = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("act", String(64), nullable=False),
    Column("subject", String(512), nullable=False),
    Column("hash", String(64), nullable=False),
)
_LOCKS: Final = {  # one writer at a time, so that the chain has no fork
    "sqlite": "UPDATE audit SET act = act WHERE number = -1",
    "postgresql": "LOCK TABLE audit IN EXCLUSIVE MODE",
}
_FIRST: Final = "0" * 64
_SHOWN: Final = ("number", "at", "actor", "act", "subject")
_REFUSALS: Final = tuple(
    f"CREATE TRIGGER IF NOT EXISTS audit_no_{verb.lower()} BEFORE {verb} ON audit "
    "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
    for verb in ("UPDATE", "DELETE")
)


class SqlAuditLog:
    """The ``AuditLog`` port in a database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        if engine.dialect.name not in _LOCKS:
            raise StorageError(
                f"database {engine.dialect.name!r} is not supported: use SQLite or PostgreSQL"
            )
        self._engine = engine
        self._clock = clock
        if engine.dialect.name == "sqlite":
            event.listen(metadata, "after_create", _refuse_changes)
        metadata.create_all(engine)

    def record(self, *, actor: str, act: str, subject: str) -> None:
        """Write one act in a transaction of its own."""
        with self._engine.begin() as connection:
            self.record_in(connection, actor=actor, act=act, subject=subject)

    def hold(self, connection: Connection) -> None:
        """Keep every other act waiting until this transaction is over."""
        connection.execute(text(_LOCKS[self._engine.dialect.name]))

    def record_in(self, connection: Connection, *, actor: str, act: str, subject: str) -> None:
        """Write one act in the transaction of the act itself."""
        self.hold(connection)
        last = connection.execute(
            select(acts.c.number, acts.c.hash).order_by(acts.c.number.desc()).limit(1)
        ).first()
        row = {
            "number": (last.number if last else 0) + 1,
            "at": self._clock.now().isoformat(),
            "actor": actor,
            "act": act,
            "subject": subject,
        }
        connection.execute(
            acts.insert().values(**row, hash=_chained(last.hash if last else _FIRST, row))
        )

    def count(self, act: str) -> int:
        """Return how often an act was done."""
        query = select(func.count()).select_from(acts).where(acts.c.act == act)
        with self._engine.begin() as connection:
            return int(connection.scalar(query) or 0)

    def last(self, most: int) -> list[dict[str, Any]]:
        """Return the last acts, the newest first."""
        query = select(acts).order_by(acts.c.number.desc()).limit(most)
        with self._engine.begin() as connection:
            return [
                {key: row[key] for key in _SHOWN} for row in connection.execute(query).mappings()
            ]

    def verify(self) -> int:
        """Return the number of entries when the chain is whole.

        Raises
        ------
        StorageError
            Naming the first entry that was changed, or before which one is missing.
        """
        before = _FIRST
        count = 0
        with self._engine.begin() as connection:
            for row in connection.execute(select(acts).order_by(acts.c.number)).mappings():
                count += 1
                plain = {key: row[key] for key in _SHOWN}
                if row["number"] != count or row["hash"] != _chained(before, plain):
                    raise StorageError(
                        f"audit entry {count} was changed, or one is missing before it: restore "
                        "the database from a backup and investigate"
                    )
                before = row["hash"]
        return count


def _chained(before: str, row: dict[str, object]) -> str:
    said = before + json.dumps(row, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _refuse_changes(_target: MetaData, connection: Connection, **_: object) -> None:
    if connection.dialect.name == "sqlite":
        for statement in _REFUSALS:
            connection.execute(text(statement))

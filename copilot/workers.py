"""Who else works on this database: workers say that they live, and a dead one's work is taken up.

The database's own clock decides, so that hosts need not agree on the time.
"""

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Engine, Float, MetaData, String, Table, Text, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from domain.errors import SettingsError

log: Final = logging.getLogger(__name__)

metadata: Final = MetaData()
table: Final = Table(
    "workers",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("queues", Text, nullable=False),
    Column("seen_s", Float, nullable=False),
)
_FORGOTTEN_S: Final = 86_400.0
_NOW: Final = func.extract("epoch", func.clock_timestamp())


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A process that shares the work, and how long ago it was heard of."""

    name: str
    queues: tuple[str, ...]
    silent_s: float


class Roster:
    """The table of workers; on PostgreSQL, where there can be any."""

    def __init__(self, engine: Engine) -> None:
        if engine.dialect.name != "postgresql":
            raise SettingsError(
                "workers share a PostgreSQL database: set [storage] database to one "
                "(postgresql+psycopg://…); on SQLite the server does all work itself"
            )
        self._engine = engine
        metadata.create_all(engine)

    def sign(self, name: str, queues: Sequence[str]) -> None:
        """Say that a worker lives."""
        row = insert(table).values(name=name, queues=" ".join(queues), seen_s=_NOW)
        with self._engine.begin() as connection:
            connection.execute(
                row.on_conflict_do_update(
                    index_elements=[table.c.name],
                    set_={"seen_s": _NOW, "queues": row.excluded.queues},
                )
            )

    def leave(self, name: str) -> None:
        """Say that a worker ends."""
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.name == name))

    def all(self) -> tuple[Worker, ...]:
        """Return everyone heard of within a day, the liveliest first."""
        query = select(table.c.name, table.c.queues, (_NOW - table.c.seen_s).label("silent_s"))
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.seen_s < _NOW - _FORGOTTEN_S))
            rows = connection.execute(query.order_by(table.c.seen_s.desc())).mappings().all()
        return tuple(
            Worker(
                name=row["name"],
                queues=tuple(row["queues"].split()),
                silent_s=float(row["silent_s"]),
            )
            for row in rows
        )

    def alive(self, dead_after_s: float) -> frozenset[str]:
        """Return the names of those heard of lately."""
        return frozenset(each.name for each in self.all() if each.silent_s < dead_after_s)


class Rounds:
    """A thread that does something every so often, over failures; a context manager.

    Parameters
    ----------
    at_once
        Whether it begins with doing it, not with waiting.
    leave_s
        How long the end waits for what is being done; None waits until it is done.
    """

    def __init__(
        self,
        name: str,
        act: Callable[[], object],
        every_s: float,
        *,
        at_once: bool = False,
        leave_s: float | None = None,
    ) -> None:
        self._act = act
        self._every_s = every_s
        self._pause_s = 0.0 if at_once else every_s
        self._leave_s = leave_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def __enter__(self) -> None:
        """Begin."""
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        self._thread.join(self._leave_s)

    def _work(self) -> None:
        while not self._ended.wait(self._pause_s):
            self._pause_s = self._every_s
            try:
                self._act()
            except Exception:  # the database may be away for a while
                log.exception("rounds.failed name=%s", self._thread.name)


def dead(busy: Collection[str], alive: Collection[str], own: str) -> frozenset[str]:
    """Return who holds work and does not live."""
    return frozenset(busy) - frozenset(alive) - {own}

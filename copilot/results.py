"""What the server made of commands: one row each, with its files in a folder of its own."""

import json
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
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
from sqlalchemy.exc import IntegrityError

from copilot.audit import SqlAuditLog
from domain.errors import InputError
from domain.uids import SeriesUID

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
    REPLACED = "replaced"  # another stands in its place: its document says which


_ASIDE: Final = "part."
UNDECIDED: Final = frozenset({State.WAITING, State.ANSWERED, State.FAILED})
_REPLACEABLE: Final = frozenset({State.WAITING, State.ACCEPTED, State.SENT})
_FROM_THE_START: Final = ("corrects",)  # what a command was begun with, whoever finishes it


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
        self._putting = threading.Lock()
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

    def add_once(self, result: Result, actor: str) -> bool:
        """Keep a new result, unless one of its id is kept already; return whether it is new."""
        try:
            self.add(result, actor)
        except IntegrityError:
            return False
        return True

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

    def states(self, most: int) -> dict[str, tuple[str, str]]:
        """Return state and series of the newest results, by id."""
        query = (
            select(commands.c.id, commands.c.state, commands.c.series_instance_uid)
            .order_by(commands.c.at.desc())
            .limit(most)
        )
        with self._engine.begin() as connection:
            return {str(row.id): (row.state, row[2]) for row in connection.execute(query)}

    def of_series(self, series: SeriesUID) -> tuple[Result, ...]:
        """Return what was made of a series, the oldest first."""
        query = (
            select(commands).where(commands.c.series_instance_uid == series).order_by(commands.c.at)
        )
        with self._engine.begin() as connection:
            return tuple(_result(row) for row in connection.execute(query).mappings())

    def finish(self, result: Result) -> bool:
        """Keep what a running command came to; one that is not running stays as it is."""
        began = self.get(result.id).document
        kept = {key: began[key] for key in _FROM_THE_START if key in began}
        return self._rewrite(result.id, State.RUNNING, result.state, {**kept, **result.document})

    @contextmanager
    def aside(self, identity: str) -> Iterator[Path]:
        """Hold a folder ready for the files of a result to come; what is left in it goes."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{_ASIDE}{identity}.", dir=self._folder) as folder:
            yield Path(folder)

    def put(self, result: Result, folder: Path) -> bool:
        """Keep what a running command came to with its files, which are moved; tell whether it was.

        Two hands may have worked on one command: what the first of them made is kept whole, and
        nothing of the second. This process is the only one that puts.
        """
        with self._putting:
            if self.get(result.id).state is not State.RUNNING:
                return False
            kept = self._folder / result.id
            kept.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.iterdir()):
                path.replace(kept / path.name)
            named = {
                kind: str((kept / Path(path).name).resolve())
                for kind, path in result.document["files"].items()
            }
            return self.finish(replace(result, document={**result.document, "files": named}))

    def tidy(self) -> None:
        """Remove what processes that were killed left aside; nothing else may be working."""
        for left in self._folder.glob(f"{_ASIDE}*"):
            shutil.rmtree(left, ignore_errors=True)

    def running(self) -> tuple[Result, ...]:
        """Return what is not finished, the oldest first."""
        query = (
            select(commands).where(commands.c.state == State.RUNNING.value).order_by(commands.c.at)
        )
        with self._engine.begin() as connection:
            return tuple(_result(row) for row in connection.execute(query).mappings())

    def begin_again(self, identity: str, document: Mapping[str, Any]) -> None:
        """Let a failed command run again.

        Raises
        ------
        InputError
            If it did not fail.
        """
        if not self._rewrite(identity, State.FAILED, State.RUNNING, document):
            state = self.get(identity).state
            raise InputError(f"result {identity} is {state.value}: only one that failed runs again")

    def supersede(self, identity: str, by: str, actor: str) -> None:
        """Mark a result that nobody accepted as replaced by another; its files stay."""
        before = self.get(identity)
        document = {**before.document, "replaced_by": by}
        if before.state in UNDECIDED and self._rewrite(
            identity, before.state, State.REPLACED, document
        ):
            self.note(identity, "result.replaced", actor)

    def accept(self, identity: str, actor: str) -> Result:
        """Record a yes; the earlier result that this one corrects is replaced in the same act.

        Raises
        ------
        InputError
            If it does not wait for a yes.
        """
        result = self.get(identity)
        document = {**result.document, "accepted_by": actor}
        earlier = None
        if "corrects" in document:
            earlier = self.get(document["corrects"])
            reason = why_it_stays(earlier, result)
            if reason:
                document["earlier_stays"], earlier = reason, None
            else:
                document["replaces"] = earlier.id
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(commands)
                .where(commands.c.id == identity)
                .where(commands.c.state == State.WAITING.value)
                .values(state=State.ACCEPTED.value, document=json.dumps(document))
            )
            if changed.rowcount:
                accepted = f"result.{State.ACCEPTED.value}"
                self._audit.record_in(connection, actor=actor, act=accepted, subject=identity)
            if changed.rowcount and earlier is not None:
                self._replace_in(connection, earlier, identity, actor)
        if not changed.rowcount:
            state = self.get(identity).state.value
            raise InputError(f"result {identity} is {state}: it cannot become accepted")
        return self.get(identity)

    def _replace_in(self, connection: Connection, earlier: Result, by: str, actor: str) -> None:
        connection.execute(
            update(commands)
            .where(commands.c.id == earlier.id)
            .where(commands.c.state.in_([state.value for state in _REPLACEABLE]))
            .values(
                state=State.REPLACED.value,
                document=json.dumps({**earlier.document, "replaced_by": by}),
            )
        )
        replaced = f"result.{State.REPLACED.value}"
        self._audit.record_in(connection, actor=actor, act=replaced, subject=earlier.id)

    def _rewrite(
        self, identity: str, before: State, after: State, document: Mapping[str, Any]
    ) -> bool:
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(commands)
                .where(commands.c.id == identity)
                .where(commands.c.state == before.value)
                .values(state=after.value, document=json.dumps(document))
            )
        return bool(changed.rowcount)

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


def why_it_stays(earlier: Result, later: Result) -> str:
    """Return why an earlier result stands beside the one that began with its mask; else empty.

    What is replaced may be withdrawn from archives: a mask that nobody corrected never is.
    """
    if earlier.state not in _REPLACEABLE:
        return f"result {earlier.id} is {earlier.state.value}"
    before, after = earlier.document["masks"], later.document["masks"]
    if len(before) != 1 or len(after) != 1:
        return (
            f"result {earlier.id} holds {len(before)} masks and this one {len(after)}: only one "
            "mask replaces one"
        )
    if earlier.series_instance_uid != later.series_instance_uid:
        return f"result {earlier.id} is of another series"
    for key in ("concept", "side"):
        was, now = before[0].get(key), after[0].get(key)
        if was and now and was != now:
            return f"result {earlier.id} is of the {was}, this one of the {now}"
    return ""


def _result(row: RowMapping) -> Result:
    return Result(
        id=row["id"],
        at=row["at"],
        series_instance_uid=row["series_instance_uid"],
        state=State(row["state"]),
        document=json.loads(row["document"]),
    )

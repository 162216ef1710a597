"""From an accepted result to a destination that has confirmed it: the outbox.

A result's files are written once, with their UIDs, before anybody says yes. Whatever is sent again
after a crash is the same instance, so that a destination never holds two for one mask.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from copilot.audit import SqlAuditLog
from copilot.results import Results
from copilot.results import State as ResultState
from copilot.workflows.packing import Packed, Packer
from domain.errors import (
    InputError,
    PeerRefusedError,
    PeerUnreachableError,
    RadcopilotError,
    StorageError,
)
from domain.ports import Clock, Publisher

log: Final = logging.getLogger(__name__)

DELIVER: Final = "deliver-2"
OLD_DELIVER: Final = "deliver-1"  # without its first step; what was begun under it goes on
QUEUE: Final = "deliveries"
DELIVER_REPORT: Final = "deliver-report-1"
REPORT_QUEUE: Final = "report-deliveries"
REPORT: Final = "report-"  # how the ids of reports on their way begin; those of results are hex
ACTOR: Final = "radcopilot"
_FIRST_PAUSE_S: Final = 2.0
_LONGEST_PAUSE_S: Final = 900.0
_MOST_REFUSALS: Final = 3  # a PACS that is starting says no as well
_MOST_ATTEMPTS: Final = 100  # some 24 hours
_MOST_WORDS: Final = 500

metadata: Final = MetaData()
table: Final = Table(
    "deliveries",
    metadata,
    Column("result_id", String(32), primary_key=True),
    Column("destination", String(64), primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("round", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("refusals", Integer, nullable=False),
    Column("says", Text, nullable=False),
    Column("at", String(40), nullable=False),
)


class State(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"
    SENT = "sent"  # the destination took it, and has not confirmed it yet
    COMMITTED = "committed"  # it promised to keep it, or was asked and has it
    UNCONFIRMED = "unconfirmed"  # it took it, and offers no way to confirm
    FAILED = "failed"  # a dead letter: its words are kept, and it can be tried again
    CANCELLED = "cancelled"


_OPEN: Final = frozenset({State.QUEUED, State.SENT})
_UNCONFIRMED: Final = "stored; it offers no storage commitment and answers no query of ours"
AGAIN: Final = "again"
_PREPARED: Final = "prepared"
_REACHED: Final = frozenset({State.SENT.value, State.COMMITTED.value, State.UNCONFIRMED.value})
_DONE: Final = frozenset({State.COMMITTED, State.UNCONFIRMED})


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One result, or one version of a report, for one destination.

    Attributes
    ----------
    round
        How often it was begun: a new round after a failure has a new workflow.
    attempts, refusals
        Failed tries within this round, and those of them in which the destination said no.
    says
        The last words of the destination, or of what is between.
    """

    result_id: str
    destination: str
    state: State
    round: int
    attempts: int
    refusals: int
    says: str
    at: str

    @property
    def is_report(self) -> bool:
        """Whether it is of a report."""
        return self.result_id.startswith(REPORT)

    @property
    def workflow(self) -> str:
        """Name of the workflow that brings it there."""
        return DELIVER_REPORT if self.is_report else DELIVER

    @property
    def queue(self) -> str:
        """Where its tries wait."""
        return REPORT_QUEUE if self.is_report else QUEUE

    @property
    def workflow_id(self) -> str:
        """That of its next try: deterministic, so that nothing runs twice."""
        return f"{self.workflow}-{self._try}"

    @property
    def old_workflow_id(self) -> str:
        """That of the same try, where an earlier version of this software queued it."""
        return f"{OLD_DELIVER}-{self._try}"

    @property
    def _try(self) -> str:
        return f"{self.result_id}-{self.destination}-{self.round}-{self.attempts + 1}"

    @property
    def is_open(self) -> bool:
        """Whether it is still being worked on."""
        return self.state in _OPEN

    @property
    def is_done(self) -> bool:
        """Whether the destination has it."""
        return self.state in _DONE

    @property
    def pause_s(self) -> float:
        """How long to wait before its next try."""
        return float(min(_FIRST_PAUSE_S * 2 ** (self.attempts - 1), _LONGEST_PAUSE_S))

    def printed(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "result": self.result_id,
            "peer": self.destination,
            "state": self.state.value,
            "attempts": self.attempts,
            "says": self.says,
            "at": self.at,
        }


class Outbox:
    """The table of deliveries."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        metadata.create_all(engine)

    def put(self, result_id: str, destination: str) -> Delivery:
        """Queue a delivery, once for a result and a destination; one that failed begins again."""
        try:
            with self._engine.begin() as connection:
                connection.execute(
                    insert(table).values(
                        result_id=result_id,
                        destination=destination,
                        state=State.QUEUED.value,
                        round=1,
                        attempts=0,
                        refusals=0,
                        says="",
                        at=self._clock.now().isoformat(),
                    )
                )
        except IntegrityError:
            if self.get(result_id, destination).state in (State.FAILED, State.CANCELLED):
                self.again(result_id, destination)
        return self.get(result_id, destination)

    def again(self, result_id: str, destination: str) -> Delivery:
        """Begin a new round of a delivery that failed or was cancelled.

        Raises
        ------
        InputError
            If it is still open, or done.
        """
        begun = self._new_round(result_id, destination, {State.FAILED, State.CANCELLED})
        found = self.get(result_id, destination)
        if not begun:
            raise InputError(
                f"the delivery of {result_id} to {destination} is {found.state.value}: only one "
                "that failed or was cancelled begins again"
            )
        return found

    def anew(self, result_id: str, destination: str) -> Delivery:
        """Begin a new round of a delivery that is done, for what was made of its result since."""
        self._new_round(result_id, destination, _DONE)
        return self.get(result_id, destination)

    def _new_round(self, result_id: str, destination: str, out_of: Collection[State]) -> bool:
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(table)
                .where(table.c.result_id == result_id, table.c.destination == destination)
                .where(table.c.state.in_([each.value for each in out_of]))
                .values(
                    state=State.QUEUED.value,
                    round=table.c.round + 1,
                    attempts=0,
                    refusals=0,
                    says="",
                )
            )
        return bool(changed.rowcount)

    def stop(self, result_id: str, destination: str) -> Delivery:
        """Mark an open delivery as cancelled.

        Raises
        ------
        InputError
            If it is not open.
        """
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(table)
                .where(table.c.result_id == result_id, table.c.destination == destination)
                .where(table.c.state.in_([state.value for state in _OPEN]))
                .values(state=State.CANCELLED.value)
            )
        found = self.get(result_id, destination)
        if not changed.rowcount:
            raise InputError(
                f"the delivery of {result_id} to {destination} is {found.state.value}: only an "
                "open one can be cancelled"
            )
        return found

    def note(
        self,
        delivery: tuple[str, str],
        state: State,
        says: str,
        **counts: int,
    ) -> None:
        """Write down where an open delivery stands; one that was cancelled stays so."""
        result_id, destination = delivery
        values: dict[str, Any] = {
            "state": state.value,
            "says": says[:_MOST_WORDS],
            "at": self._clock.now().isoformat(),
            **counts,
        }
        with self._engine.begin() as connection:
            connection.execute(
                update(table)
                .where(table.c.result_id == result_id, table.c.destination == destination)
                .where(table.c.state != State.CANCELLED.value)
                .values(**values)
            )

    def failed(self, before: Delivery, error: RadcopilotError) -> bool:
        """Count a failed try, and return whether it was the last one.

        A destination that only is away is waited for, and so is a disk that is full; one that
        refuses is not.
        """
        passes = isinstance(error, PeerUnreachableError | StorageError)
        refusals = before.refusals + (not passes)
        attempts = before.attempts + 1
        is_over = refusals >= _MOST_REFUSALS or attempts >= _MOST_ATTEMPTS
        self.note(
            (before.result_id, before.destination),
            State.FAILED if is_over else before.state,
            str(error),
            attempts=attempts,
            refusals=refusals,
        )
        return is_over

    def get(self, result_id: str, destination: str) -> Delivery:
        """Return a delivery.

        Raises
        ------
        InputError
            If there is none.
        """
        found = [each for each in self.of(result_id) if each.destination == destination]
        if not found:
            raise InputError(f"nothing of result {result_id!r} goes to {destination!r}")
        return found[0]

    def of(self, result_id: str) -> tuple[Delivery, ...]:
        """Return the deliveries of a result, by destination."""
        query = select(table).where(table.c.result_id == result_id).order_by(table.c.destination)
        with self._engine.begin() as connection:
            return tuple(_delivery(row) for row in connection.execute(query).mappings())

    def all(self, states: Sequence[State] = (), most: int | None = None) -> tuple[Delivery, ...]:
        """Return deliveries, the latest change first; of some states, or of all."""
        query = select(table).order_by(table.c.at.desc())
        if states:
            query = query.where(table.c.state.in_([state.value for state in states]))
        if most is not None:
            query = query.limit(most)
        with self._engine.begin() as connection:
            return tuple(_delivery(row) for row in connection.execute(query).mappings())


Step = Callable[[Callable[[], Any], str], Any]
Later = Callable[[Delivery, float], None]


class Courier:
    """What the workflow of a delivery does at the destination, each step safe to do twice."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        results: Results,
        publishers: Mapping[str, Publisher],
        audit: SqlAuditLog,
        packer: Packer,
    ) -> None:
        self._packer = packer
        self._outbox = outbox
        self._results = results
        self._publishers = publishers
        self._audit = audit

    def deliver(self, result_id: str, destination: str, step: Step, later: Later) -> str:
        """Try once to prepare, send and confirm: the workflow.

        What fails is tried again later, or given up.

        Parameters
        ----------
        step
            Does something once and remembers what it returned.
        later
            Queues the next try of a delivery after seconds.
        """
        acts = (("prepare", self._prepare), ("send", self._send), ("confirm", self._confirm))
        return self._through(acts, (result_id, destination), step, later)

    def deliver_unprepared(self, result_id: str, destination: str, step: Step, later: Later) -> str:
        """Go on with a workflow of the older shape: SEG and SR as they are."""
        acts = (("send", self._send), ("confirm", self._confirm))
        return self._through(acts, (result_id, destination), step, later)

    def _through(
        self,
        acts: Sequence[tuple[str, Callable[[tuple[str, str]], str]]],
        delivery: tuple[str, str],
        step: Step,
        later: Later,
    ) -> str:
        outcome = State.FAILED.value
        for name, act in acts:
            outcome = step(partial(act, delivery), name)
            if outcome not in _REACHED and outcome != _PREPARED:
                break
        if outcome in _REACHED:
            step(partial(self._finish, delivery[0]), "finish")
            if step(partial(self._packer.is_behind, *delivery), "behind"):  # signed meanwhile
                later(self._outbox.anew(*delivery), 0.0)
        elif outcome == AGAIN:
            pause_s = step(partial(self._pause_s, delivery), "when")
            later(self._outbox.get(*delivery), pause_s)
        return str(outcome)

    def _prepare(self, delivery: tuple[str, str]) -> str:
        before = self._stopped(delivery)
        if before.state is State.CANCELLED:
            return State.CANCELLED.value
        try:
            self._packer.pack(*delivery, before.round)
        except RadcopilotError as error:
            log.warning("delivery.not_prepared result=%s destination=%s", *delivery)
            return self._failed(before, error)
        return _PREPARED

    def _send(self, delivery: tuple[str, str]) -> str:
        return self._tried(delivery, self._sent)

    def _sent(self, delivery: Delivery, peer: Publisher, packed: Packed) -> tuple[State, str]:
        stored = peer.store(packed.files)
        self._packer.received(delivery.result_id, delivery.destination, packed)
        return State.SENT, packed.says(f"{len(stored)} objects stored")

    def _confirm(self, delivery: tuple[str, str]) -> str:
        return self._tried(delivery, self._confirmed)

    def _confirmed(self, _delivery: Delivery, peer: Publisher, packed: Packed) -> tuple[State, str]:
        confirmed = peer.confirm(packed.files)
        if confirmed is None:
            return State.UNCONFIRMED, packed.says(_UNCONFIRMED)
        return State.COMMITTED, packed.says(f"{len(confirmed)} objects confirmed")

    def _stopped(self, delivery: tuple[str, str]) -> Delivery:
        """Return a delivery, cancelled where its result was replaced meanwhile."""
        before = self._outbox.get(*delivery)
        is_replaced = self._results.get(delivery[0]).state is ResultState.REPLACED
        if is_replaced and before.is_open:
            return self._outbox.stop(*delivery)
        return before

    def _tried(
        self,
        delivery: tuple[str, str],
        act: Callable[[Delivery, Publisher, Packed], tuple[State, str]],
    ) -> str:
        """Return the state that was reached, that it is to be tried again, or that it is over."""
        before = self._stopped(delivery)
        if before.state is State.CANCELLED:
            return State.CANCELLED.value
        result_id, destination = delivery
        try:
            if destination not in self._publishers:
                raise PeerRefusedError(
                    f"no destination is called {destination!r} any more: add it to [[peers]]"
                )
            packed = self._packer.packed(result_id, destination, before.round)
            state, says = act(before, self._publishers[destination], packed)
        except RadcopilotError as error:
            log.warning("delivery.failed result=%s destination=%s", result_id, destination)
            return self._failed(before, error)
        self._outbox.note(delivery, state, says)
        return state.value

    def _failed(self, before: Delivery, error: RadcopilotError) -> str:
        if not self._outbox.failed(before, error):
            return AGAIN
        subject = f"{before.result_id} {before.destination}"
        self._audit.record(actor=ACTOR, act="delivery.failed", subject=subject)
        return State.FAILED.value

    def _pause_s(self, delivery: tuple[str, str]) -> float:
        return self._outbox.get(*delivery).pause_s

    def _finish(self, result_id: str) -> None:
        """Mark a result as sent once every destination has it."""
        if any(each.state not in _DONE for each in self._outbox.of(result_id)):
            return
        if self._results.get(result_id).state is ResultState.ACCEPTED:
            self._results.move(
                result_id, ResultState.SENT, frozenset({ResultState.ACCEPTED}), ACTOR
            )


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(
        result_id=row["result_id"],
        destination=row["destination"],
        state=State(row["state"]),
        round=row["round"],
        attempts=row["attempts"],
        refusals=row["refusals"],
        says=row["says"],
        at=row["at"],
    )

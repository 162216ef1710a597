"""Dispatches of reports on their way to the hospital's information systems, by HL7 over MLLP.

They go through the outbox of results: the same states, tries, dead letters and ``radcopilot jobs``.
The message is made again for each try, from the version as it is kept; the same version gives the
same message, which a receiver knows by its control ID.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import Column, Engine, Integer, MetaData, RowMapping, String, Table, select
from sqlalchemy.exc import IntegrityError

from copilot.audit import SqlAuditLog
from copilot.exporting import enclosed_of
from copilot.mllp import Listener
from copilot.workflows.delivery import ACTOR, AGAIN, REPORT, Delivery, Later, Outbox, State, Step
from domain.errors import InputError, PeerRefusedError, RadcopilotError
from domain.ports import Clock
from domain.report import Report
from reporting.exports.enclosed import Envelope
from reporting.exports.hl7 import control_id, report_hl7

log: Final = logging.getLogger(__name__)

ReportOf = Callable[[str, int], Report]
_KEY: Final = 32  # of the column of results' ids
_LONGEST_ID: Final = 128

metadata: Final = MetaData()
table: Final = Table(
    "report_deliveries",
    metadata,
    Column("id", String(_KEY), primary_key=True),
    Column("report_id", String(_LONGEST_ID), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("at", String(40), nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Who takes reports, and what the messages to it say of us and it."""

    listener: Listener
    envelope: Envelope


@dataclass(frozen=True, kw_only=True)
class Dispatch:
    """One version of a report, as the outbox knows it by ``id``; ``at`` is when it was queued."""

    id: str
    report_id: str
    version: int
    at: datetime

    def in_words(self) -> str:
        """Return what it is called in lists."""
        return f"report {self.report_id} version {self.version}"


class Dispatches:
    """The table of what the outbox's ids of reports stand for."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        metadata.create_all(engine)

    def put(self, report_id: str, version: int) -> Dispatch:
        """Keep a version, once, and return it.

        Raises
        ------
        InputError
            If the id is too long to be kept.
        """
        if not 0 < len(report_id) <= _LONGEST_ID:
            raise InputError(
                f"the id of a report has 1 to {_LONGEST_ID} characters, this has {len(report_id)}"
            )
        digest = hashlib.sha256(f"{report_id}\n{version}".encode()).hexdigest()
        key = (REPORT + digest)[:_KEY]
        row = {
            "id": key,
            "report_id": report_id,
            "version": version,
            "at": self._clock.now().isoformat(),
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(table.insert().values(**row))
        except IntegrityError:
            log.info("report.queued_before id=%s", key)
        return self.get(key)

    def get(self, key: str) -> Dispatch:
        """Return what an id of the outbox stands for.

        Raises
        ------
        InputError
            If it is none of a report.
        """
        query = select(table).where(table.c.id == key)
        with self._engine.begin() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise InputError(f"no report is on its way as {key!r}")
        return _dispatch(row)

    def of(self, report_id: str) -> tuple[Dispatch, ...]:
        """Return the versions of a report that were queued, the earliest first."""
        query = select(table).where(table.c.report_id == report_id).order_by(table.c.version)
        with self._engine.begin() as connection:
            return tuple(_dispatch(row) for row in connection.execute(query).mappings())


class ReportCourier:
    """Brings versions of reports to destinations, each version once and never after a later one.

    Parameters
    ----------
    report_of
        Returns a version of a report as it is kept, the same at every call.
    later
        Queues the next try of a delivery after seconds.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        dispatches: Dispatches,
        report_of: ReportOf,
        destinations: Mapping[str, Destination],
        audit: SqlAuditLog,
        later: Later,
    ) -> None:
        self._outbox = outbox
        self._dispatches = dispatches
        self._report_of = report_of
        self._destinations = destinations
        self._audit = audit
        self._later = later

    def deliver(self, report_id: str, version: int, destination: str, actor: str) -> Delivery:
        """Queue a version for a destination and return where the delivery stands.

        It goes on in the background, over restarts. Asked again, nothing is sent twice; one that
        failed begins again. An earlier version that is still on its way is stopped.

        Parameters
        ----------
        report_id
            The UID of its study, which is not removed while the report is on its way.

        Raises
        ------
        InputError
            If there is no such destination or version, a later one was queued already, or the
            report names no patient: nobody could file it.
        """
        if destination not in self._destinations:
            known = ", ".join(self._destinations) or "none"
            raise InputError(
                f"no destination {destination!r} of reports in the settings "
                f"([[report_destinations]]: {known})"
            )
        report = self._report_of(report_id, version)
        if not report.context.patient_id:
            raise InputError(
                f"version {version} of report {report_id} names no Patient ID: {destination} could "
                "not file it; send it by hand"
            )
        kept = self._dispatches.put(report_id, version)
        later = self._later_version(kept, destination)
        if later is not None:
            raise InputError(
                f"version {later.version} of report {report_id} was queued for {destination} "
                f"already: version {version} is not sent after it"
            )
        for earlier in self._dispatches.of(report_id):
            if earlier.version < version:
                self._stop(earlier, destination)
        delivery = self._outbox.put(kept.id, destination)
        subject = f"{kept.in_words()} {destination}"
        self._audit.record(actor=actor, act="report.queued", subject=subject)
        if delivery.is_open:
            self._later(delivery, 0.0)
        return delivery

    def run(self, key: str, destination: str, step: Step) -> str:
        """Try once to send: the workflow. What fails is tried again later, or given up."""
        outcome = step(partial(self._send, (key, destination)), "send")
        if outcome == AGAIN:
            pause_s = step(lambda: self._outbox.get(key, destination).pause_s, "when")
            self._later(self._outbox.get(key, destination), pause_s)
        return str(outcome)

    def _send(self, delivery: tuple[str, str]) -> str:
        key, destination = delivery
        kept = self._dispatches.get(key)
        if self._later_version(kept, destination) is not None:
            self._stop(kept, destination)
        before = self._outbox.get(*delivery)
        if before.state is State.CANCELLED:
            return State.CANCELLED.value
        try:
            words = self._sent(kept, self._called(destination))
        except RadcopilotError as error:
            log.warning("report.not_sent id=%s destination=%s", key, destination)
            if not self._outbox.failed(before, error):
                return AGAIN
            subject = f"{kept.in_words()} {destination}"
            self._audit.record(actor=ACTOR, act="delivery.failed", subject=subject)
            return State.FAILED.value
        self._outbox.note(delivery, State.COMMITTED, words)
        self._audit.record(
            actor=ACTOR, act="report.delivered", subject=f"{kept.in_words()} {destination}"
        )
        return State.COMMITTED.value

    def _sent(self, kept: Dispatch, destination: Destination) -> str:
        report = self._report_of(kept.report_id, kept.version)
        envelope = replace(destination.envelope, at=kept.at)
        message = report_hl7(report, replace(enclosed_of(report), envelope=envelope))
        return destination.listener.send(message, control_id(message))

    def _called(self, destination: str) -> Destination:
        if destination not in self._destinations:
            raise PeerRefusedError(
                f"no destination of reports is called {destination!r}: add it to "
                "[[report_destinations]]"
            )
        return self._destinations[destination]

    def _later_version(self, kept: Dispatch, destination: str) -> Dispatch | None:
        """Return a later version that was queued for the same destination."""
        for each in reversed(self._dispatches.of(kept.report_id)):
            if each.version > kept.version and self._is_queued(each, destination):
                return each
        return None

    def _is_queued(self, dispatch: Dispatch, destination: str) -> bool:
        return any(each.destination == destination for each in self._outbox.of(dispatch.id))

    def _stop(self, dispatch: Dispatch, destination: str) -> None:
        for each in self._outbox.of(dispatch.id):
            if each.destination == destination and each.is_open:
                self._outbox.stop(dispatch.id, destination)


def _dispatch(row: RowMapping) -> Dispatch:
    return Dispatch(
        id=row["id"],
        report_id=row["report_id"],
        version=row["version"],
        at=datetime.fromisoformat(row["at"]),
    )

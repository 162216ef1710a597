"""What stands in the way of removing a study: results and reports not delivered, who keeps it.

Read in one transaction, for one study or for all: the removal itself looks once more in the
transaction that forgets the study, so that nothing is decided in between.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from copilot.keeping.holds import Hold, holds_in
from copilot.results import State as Made
from copilot.results import commands
from copilot.workflows.delivery import State as Delivered
from copilot.workflows.delivery import table as deliveries
from copilot.workflows.reports_out import table as dispatches
from domain.uids import SeriesUID, StudyUID

_SHOWN: Final = 8


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A result of a series, and where it stands at each destination."""

    result: str
    at: str
    state: Made
    deliveries: Mapping[str, Delivered]


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What is known of results and kept studies."""

    entries: Mapping[SeriesUID, tuple[Entry, ...]]
    reports: Mapping[StudyUID, tuple[str, ...]]
    holds: Mapping[StudyUID, Hold]
    believes_unconfirmed: bool

    def reasons(self, study: StudyUID, series: Collection[SeriesUID]) -> tuple[str, ...]:
        """Return why a study must stay, each with what would change that; none: it may go."""
        said = [*self._held(study), *self.reports.get(study, ())]
        for uid in series:
            for entry in self.entries.get(uid, ()):
                said += self._open(entry)
        return tuple(said)

    def last_command(self, series: Collection[SeriesUID]) -> str:
        """Return when the last command on one of these series was given; empty for never."""
        return max((entry.at for uid in series for entry in self.entries.get(uid, ())), default="")

    def _held(self, study: StudyUID) -> Iterator[str]:
        if study in self.holds:
            hold = self.holds[study]
            yield f"kept by {hold.actor} since {hold.at[:10]}: radcopilot studies release {study}"

    def _open(self, entry: Entry) -> Iterator[str]:
        name = f"result {entry.result[:_SHOWN]}"
        on_its_way = [
            f"{name} is on its way to {destination}: wait, or radcopilot jobs cancel"
            for destination, state in entry.deliveries.items()
            if state in (Delivered.QUEUED, Delivered.SENT)
        ]
        match entry.state:
            case Made.RUNNING:
                yield f"{name} is being made: wait for it"
            case Made.WAITING:
                yield f"{name} waits for a decision: accept or reject it"
            case Made.ACCEPTED | Made.SENT:
                yield from on_its_way
                yield from self._unconfirmed(name, entry)
            case _:  # decided against, replaced, or nothing to decide
                yield from on_its_way

    def _unconfirmed(self, name: str, entry: Entry) -> Iterator[str]:
        if not entry.deliveries:
            yield f"{name} is accepted and was sent nowhere: send or reject it"
        for destination, state in entry.deliveries.items():
            if state is Delivered.UNCONFIRMED and not self.believes_unconfirmed:
                yield (
                    f"{name} was taken by {destination}, which offers no way to confirm it: see "
                    "[retention] believe_unconfirmed"
                )
            elif state in (Delivered.FAILED, Delivered.CANCELLED):
                yield (
                    f"{name} did not reach {destination} (delivery {state.value}): radcopilot jobs "
                    "retry, or reject it"
                )


def ledger(
    connection: Connection,
    *,
    believes_unconfirmed: bool,
    series: Collection[SeriesUID] | None = None,
) -> Ledger:
    """Return what a transaction sees: of some series, or of all."""
    made = select(
        commands.c.id, commands.c.at, commands.c.series_instance_uid, commands.c.state
    ).order_by(commands.c.at)
    sent = select(deliveries.c.result_id, deliveries.c.destination, deliveries.c.state)
    if series is not None:
        made = made.where(commands.c.series_instance_uid.in_(series))
        of_these = select(commands.c.id).where(commands.c.series_instance_uid.in_(series))
        sent = sent.where(deliveries.c.result_id.in_(of_these))
    by_result: dict[str, dict[str, Delivered]] = defaultdict(dict)
    for result, destination, state in connection.execute(sent):
        by_result[result][destination] = Delivered(state)
    entries: dict[SeriesUID, list[Entry]] = defaultdict(list)
    for row in connection.execute(made):
        entries[SeriesUID(row.series_instance_uid)].append(
            Entry(
                result=row.id,
                at=row.at,
                state=Made(row.state),
                deliveries=by_result.get(row.id, {}),
            )
        )
    return Ledger(
        entries={uid: tuple(each) for uid, each in entries.items()},
        reports=_reports(connection),
        holds=holds_in(connection),
        believes_unconfirmed=believes_unconfirmed,
    )


def _reports(connection: Connection) -> dict[StudyUID, tuple[str, ...]]:
    """Return what holds a study while its report is on its way.

    One that was given up holds nothing: versions and results stay when their study goes.
    """
    query = (
        select(dispatches.c.report_id, dispatches.c.version, deliveries.c.destination)
        .join(deliveries, deliveries.c.result_id == dispatches.c.id)
        .where(deliveries.c.state.in_([Delivered.QUEUED.value, Delivered.SENT.value]))
        .order_by(dispatches.c.version, deliveries.c.destination)
    )
    found: dict[StudyUID, list[str]] = defaultdict(list)
    for study, version, destination in connection.execute(query):
        found[StudyUID(study)].append(
            f"version {version} of its report is on its way to {destination}: wait, or radcopilot "
            "jobs cancel"
        )
    return {study: tuple(each) for study, each in found.items()}

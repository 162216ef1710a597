"""The keeper of the store: what may go, and its going.

Nothing goes that somebody may still need to decide on, or that a destination has not confirmed;
nobody can force that, neither retention nor a person.
"""

import logging
import math
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine

from copilot.audit import SqlAuditLog
from copilot.keeping.ledger import Ledger, ledger
from copilot.keeping.policy import Choice, Going, Limits, Standing, choose
from copilot.workflows.book import Book, Entry, Origin
from dicom_node.completeness import QuietPeriods
from dicom_node.index import StudySummary
from dicom_node.store import Removed, Store
from domain.errors import InputError, RadcopilotError
from domain.ports import Clock, seen_name
from domain.uids import SeriesUID, StudyUID

log: Final = logging.getLogger(__name__)

ACTOR: Final = "radcopilot"
REMOVED: Final = "study.removed"
_FETCH_ENDS_S: Final = 3600.0  # a fetch that brought nothing for so long was cut off


@dataclass(frozen=True, kw_only=True)
class Tidied:
    """What one round did, or would do."""

    choice: Choice
    removed: tuple[Going, ...] = ()
    failed: tuple[tuple[Going, str], ...] = ()


class Keeper:
    """Knows of every study whether it may go, and lets it go.

    Parameters
    ----------
    seen
        Folder of what engines saw ahead, one folder each, with one for each series.
    """

    def __init__(
        self,
        *,
        store: Store,
        book: Book,
        engine: Engine,
        audit: SqlAuditLog,
        clock: Clock,
        periods: QuietPeriods,
        limits: Limits,
        believes_unconfirmed: bool,
        seen: Path,
    ) -> None:
        self._store = store
        self._book = book
        self._engine = engine
        self._audit = audit
        self._clock = clock
        self._periods = periods
        self._limits = limits
        self._believes_unconfirmed = believes_unconfirmed
        self._seen = seen
        self._ending = threading.Event()

    def all(self) -> tuple[Standing, ...]:
        """Return how every stored study stands, the newest first."""
        self._store.settle()
        with self._engine.begin() as connection:
            known = ledger(connection, believes_unconfirmed=self._believes_unconfirmed)
        book, sizes = self._book.all(), self._store.index.sizes()
        arrivals = self._store.last_arrivals_s()
        return tuple(
            self._standing(each, known, book.get(each.study_instance_uid), sizes, arrivals)
            for each in self._store.index.studies()
        )

    def of(self, study: StudyUID) -> Standing:
        """Return how a study stands.

        Raises
        ------
        InputError
            If nothing of it is here.
        """
        self._store.settle()
        found = self._store.index.studies(study)
        if not found:
            raise InputError(f"study {study} is not stored here: see radcopilot studies list")
        series = [each.series_instance_uid for each in found[0].series]
        with self._engine.begin() as connection:
            known = ledger(
                connection, believes_unconfirmed=self._believes_unconfirmed, series=series
            )
        sizes = self._store.index.sizes(study)
        arrivals = {uid: self._store.last_arrival_s(uid) for uid in series}
        return self._standing(found[0], known, self._book.get(study), sizes, arrivals)

    def remove(
        self, study: StudyUID, actor: str, why: str, *, unused_since_s: float = math.inf
    ) -> Removed:
        """Remove a study from store, index and caches; its results and the audit trail stay.

        Parameters
        ----------
        unused_since_s
            When it was last used, as far as whoever chose it knew, in seconds since 1970.

        Raises
        ------
        InputError
            If it must stay, with every reason; or was used since.
        StorageError
            If it cannot be removed now.
        """
        standing = self.of(study)
        _refuse(study, standing.reasons)
        if standing.last_used_s > unused_since_s:
            raise InputError(f"study {study} stays: it was used meanwhile")
        said = f"{study} instances={standing.instances} bytes={standing.size_bytes} ({why})"

        def within(connection: Connection) -> None:
            self._audit.record_in(connection, actor=actor, act=REMOVED, subject=said)
            now = ledger(
                connection,
                believes_unconfirmed=self._believes_unconfirmed,
                series=standing.series,
            )
            _refuse(study, now.reasons(study, standing.series))

        removed = self._store.remove(study, standing.last_arrival_s, within)
        for series in standing.series:
            for folder in self._seen.glob(f"*/{seen_name(series)}"):
                shutil.rmtree(folder, ignore_errors=True)
        log.info(
            "study.removed study=%s by=%s instances=%d bytes=%d",
            study,
            actor,
            removed.instances,
            removed.size_bytes,
        )
        return removed

    def would(self) -> Tidied:
        """Return what retention would do now; nothing happens."""
        choice = self._choice()
        return Tidied(choice=choice, removed=choice.going)

    def _choice(self) -> Choice:
        if not self._limits.is_any:
            return Choice()
        return choose(
            self.all(),
            self._limits,
            free_bytes=self._store.room.free_bytes,
            now_s=self._clock.now().timestamp(),
        )

    def tidy(self, actor: str = ACTOR) -> Tidied:
        """Remove what retention chooses, one by one; what stays after all is said."""
        choice = self._choice()
        removed: list[Going] = []
        failed: list[tuple[Going, str]] = []
        for going in choice.going:
            if self._ending.is_set():
                break
            chosen = going.standing
            try:
                self.remove(
                    chosen.study_instance_uid,
                    actor,
                    going.why,
                    unused_since_s=chosen.last_used_s,
                )
            except RadcopilotError as error:
                log.warning("study.stays study=%s", chosen.study_instance_uid)
                failed.append((going, str(error)))
            else:
                removed.append(going)
        if choice.short:
            log.warning("retention.short %s, and nothing more may go", choice.short)
        return Tidied(choice=choice, removed=tuple(removed), failed=tuple(failed))

    def close(self) -> None:
        """End a round after the study it is at."""
        self._ending.set()

    def removed_ever(self) -> int:
        """Return how many studies were removed since the audit trail began."""
        return self._audit.count(REMOVED)

    def _standing(
        self,
        study: StudySummary,
        known: Ledger,
        entry: Entry | None,
        sizes: Mapping[StudyUID, int],
        arrivals: Mapping[SeriesUID, float],
    ) -> Standing:
        uid = study.study_instance_uid
        series = tuple(each.series_instance_uid for each in study.series)
        arrived_s = max((arrivals.get(each, 0.0) for each in series), default=0.0)
        command = known.last_command(series)
        used_s = max(arrived_s, datetime.fromisoformat(command).timestamp() if command else 0.0)
        arriving = self._arriving(study, entry, arrived_s)
        return Standing(
            study_instance_uid=uid,
            study_date=study.study_date,
            series=series,
            instances=sum(each.instances for each in study.series),
            size_bytes=sizes.get(uid, 0),
            last_arrival_s=arrived_s,
            last_used_s=used_s,
            reasons=(*arriving, *known.reasons(uid, series)),
            kept_by=known.holds[uid].actor if uid in known.holds else "",
            arrival=entry.state.value if entry else "",
        )

    def _arriving(
        self, study: StudySummary, entry: Entry | None, arrived_s: float
    ) -> Sequence[str]:
        now_s = self._clock.now().timestamp()
        quiet_in_s = arrived_s + self._periods.of([each.modality for each in study.series]) - now_s
        if quiet_in_s > 0:
            return (f"it is arriving: wait {quiet_in_s:.0f} s",)
        is_fetched = entry is not None and entry.origin is Origin.FETCHED
        if is_fetched and now_s < arrived_s + _FETCH_ENDS_S:
            return ("it is being fetched: wait until that is done",)
        return ()


def _refuse(study: StudyUID, reasons: Sequence[str]) -> None:
    if reasons:
        raise InputError(f"study {study} stays: {'; '.join(reasons)}")

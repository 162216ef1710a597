"""From arriving images to a study that is complete, and what begins with it.

A study is judged once nothing of it has come for a while: by that quiet alone, or by the count of
the archive that the settings name. Whatever comes later opens it again. What was judged is known by
its content, so that re-sent images begin nothing.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from pydicom.dataset import Dataset

from copilot.workflows.book import Book, Counts, Entry, Origin
from copilot.workflows.durable import Durable, patient_step, step
from dicom_node.completeness import QuietPeriods, SeriesHere, State, judge
from dicom_node.equipment import is_ours
from domain.errors import PeerError, RadcopilotError
from domain.uids import InstanceUID, SeriesUID, StudyUID

log: Final = logging.getLogger(__name__)

RECEIVE: Final = "receive-1"
PRIORS: Final = "priors-1"
STUDIES: Final = "studies"
FETCHES: Final = "fetches"
_TICK_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 900.0

Counted = Callable[[StudyUID], Mapping[SeriesUID, int]]
Fetch = Callable[[StudyUID], object]
Complete = Callable[[StudyUID, Collection[SeriesUID]], object]
Priors = Callable[[StudyUID], object]


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A series as it is stored, without what we made ourselves."""

    modality: str
    instances: tuple[InstanceUID, ...]


class Shelf(Protocol):
    """What is asked of the store."""

    def series(self, study: StudyUID) -> Mapping[SeriesUID, Arrived]:
        """Return the series of a study, without those we made."""
        ...

    def last_arrival_s(self, series: SeriesUID) -> float:
        """Return when the last instance of a series came, in seconds since 1970."""
        ...

    def counts(self) -> Mapping[StudyUID, Counts]:
        """Return every study with the instances of its series, without those we made."""
        ...


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How an archive is asked for its own count of a study.

    Attributes
    ----------
    counted
        None where no archive is asked: quiet alone decides.
    fetch
        Brings what is missing; None leaves that to whoever sends.
    most
        How often it is asked before the study stays incomplete, or is taken by quiet alone where
        the archive never answered.
    """

    counted: Counted | None = None
    fetch: Fetch | None = None
    pause_s: float = 30.0
    most: int = 5


class Reception:
    """Watches what arrives, and queues each study that has become quiet to be judged."""

    def __init__(
        self,
        *,
        shelf: Shelf,
        book: Book,
        durable: Durable,
        periods: QuietPeriods,
        asking: Asking,
        complete: Complete,
        priors: Priors | None = None,
    ) -> None:
        self._shelf = shelf
        self._book = book
        self._durable = durable
        self._periods = periods
        self._asking = asking
        self._complete = complete
        self._priors = priors
        self._due: dict[StudyUID, float] = {}
        self._modalities: dict[StudyUID, set[str]] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin: with what came while nobody watched, then with what comes."""
        here = self._shelf.counts()
        self._book.begin(here)
        known = self._book.all()
        for study, counts in here.items():
            if _is_open(known.get(study), counts):
                series = self._shelf.series(study)
                self._expect(study, {each.modality for each in series.values()})
        self._thread = threading.Thread(target=self._watch, name="reception", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching; the next start finds what was not judged."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def arrived(self, header: Dataset, _: Path) -> None:
        """Note an image that was received; what we made ourselves begins nothing."""
        study = header.get("StudyInstanceUID")
        if study is not None and not is_ours(header):
            self._expect(StudyUID(str(study)), {str(header.get("Modality") or "")})

    def receive(self, study: StudyUID, attempt: int) -> str:
        """Judge a study, and begin what follows where it is complete: the workflow."""
        judged: dict[str, Any] = step(lambda: self._judge(study, attempt), "judge")
        match judged["state"]:
            case State.COMPLETE:
                self._complete(study, judged["changed"])
            case State.INCOMPLETE:
                if self._asking.fetch is not None:
                    step(lambda: self._brought(study), "fetch")
                if attempt < self._asking.most:
                    pause_s = min(self._asking.pause_s * 2 ** (attempt - 1), _LONGEST_PAUSE_S)
                    self._queue(study, judged["digest"], attempt + 1, pause_s)
            case State.ARRIVING:
                pause_s = judged["quiet_in_s"] + _TICK_S
                self._queue(study, judged["digest"], attempt + 1, pause_s)
            case _:  # nothing of it is here any more
                pass
        return str(judged["state"])

    def fetch_priors(self, study: StudyUID) -> None:
        """Fetch what is prior to a study: the workflow."""
        if self._priors is not None:
            bring = self._priors
            patient_step(lambda: bring(study), "priors")

    def _expect(self, study: StudyUID, modalities: set[str]) -> None:
        with self._changed:
            seen = self._modalities.setdefault(study, set())
            seen |= modalities
            self._due[study] = time.monotonic() + self._periods.of(sorted(seen))
            self._changed.notify_all()

    def _watch(self) -> None:
        while True:
            with self._changed:
                if self._closing:
                    return
                now = time.monotonic()
                quiet = [study for study, due in self._due.items() if due <= now]
                for study in quiet:
                    del self._due[study]
                    self._modalities.pop(study, None)
            for study in quiet:
                self._begin(study)
            with self._changed:
                if not self._closing:
                    self._changed.wait(_TICK_S)

    def _begin(self, study: StudyUID) -> None:
        try:
            is_new = self._book.note(study, Origin.SENT)
            entry = self._book.get(study)
            if entry is None or entry.origin is Origin.FETCHED:
                return
            self._queue(study, _digest(self._shelf.series(study)), 1)
            if is_new and self._priors is not None:
                self._durable.enqueue(PRIORS, f"{PRIORS}-{study}", study)
        except Exception:  # the thread must outlive a database that is away; tried again
            log.exception("reception.failed study=%s", study)
            self._expect(study, set())

    def _queue(self, study: StudyUID, digest: str, attempt: int, pause_s: float = 0.0) -> None:
        identity = f"{RECEIVE}-{study}-{digest}-{attempt}"
        self._durable.enqueue(RECEIVE, identity, study, attempt, delay_s=pause_s)

    def _judge(self, study: StudyUID, attempt: int) -> dict[str, Any]:
        """Judge, and write it down."""
        series = self._shelf.series(study)
        if not series:
            return {"state": "gone"}
        here = [
            SeriesHere(
                series_instance_uid=uid,
                modality=each.modality,
                instances=len(each.instances),
                last_arrival_s=self._shelf.last_arrival_s(uid),
            )
            for uid, each in series.items()
        ]
        before = self._book.get(study)
        counted, excuse = self._counted(study, attempt)
        verdict = judge(
            here,
            time.time(),
            self._periods,
            counted=counted,
            before=before.verdict if before else None,
        )
        says = verdict.says
        if excuse and verdict.state is State.COMPLETE:
            verdict, says = replace(verdict, state=State.INCOMPLETE), excuse
        if verdict.state is not State.ARRIVING:
            self._book.judge(study, verdict, says)
        log.info("study.judged study=%s state=%s", study, verdict.state)
        baseline = before.baseline if before else {}
        return {
            "state": verdict.state.value,
            "digest": _digest(series),
            "quiet_in_s": verdict.quiet_in_s,
            "changed": [
                uid for uid, number in verdict.counts.items() if number != baseline.get(uid)
            ],
        }

    def _counted(self, study: StudyUID, attempt: int) -> tuple[Mapping[SeriesUID, int] | None, str]:
        """Return the archive's count, and why there is none where that is worth asking again."""
        if self._asking.counted is None:
            return None, ""
        try:
            return self._asking.counted(study), ""
        except PeerError as error:
            log.warning("study.not_counted study=%s reason=%s", study, error)
            if attempt >= self._asking.most:
                return None, ""
            return None, f"the archive does not say how many there are, asked {attempt} times"

    def _brought(self, study: StudyUID) -> str:
        assert self._asking.fetch is not None
        try:
            self._asking.fetch(study)
        except RadcopilotError as error:
            log.warning("study.not_fetched study=%s", study)
            return str(error)
        return ""


def content_digest(uids: Iterable[str]) -> str:
    """Return what a set of instances is known by: none is ever put under a known UID again."""
    return hashlib.sha256("\n".join(sorted(uids)).encode()).hexdigest()[:16]


def _digest(series: Mapping[SeriesUID, Arrived]) -> str:
    return content_digest(uid for each in series.values() for uid in each.instances)


def _is_open(entry: Entry | None, counts: Counts) -> bool:
    """Tell whether a study was not judged as it is now."""
    if entry is None:
        return True
    if entry.origin is Origin.FETCHED:
        return False
    return entry.state is not State.COMPLETE or entry.counts != counts

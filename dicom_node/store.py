"""Instances on disk: received as raw bytes, kept whole or not at all, indexed behind the scenes.

A file is durable (flushed and renamed) before its sender is told so. The index follows in
batches; whatever a crash left unindexed, or half removed, is found at the next start.
"""

import hashlib
import logging
import os
import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset
from sqlalchemy import Connection

from dicom_node.equipment import is_ours
from dicom_node.files import Aside, read_dataset, same_object
from dicom_node.index import Index
from dicom_node.leaving import Leaving
from dicom_node.room import Room
from domain.errors import IndexUnavailableError, InputError, StorageError, UnreadableFileError
from domain.uids import InstanceUID, SeriesUID, StudyUID, checked_uid

log: Final = logging.getLogger(__name__)

_BATCH: Final = 512
_QUIET_S: Final = 0.15  # indexing waits for a pause between images: receiving goes first
_RETRY_S: Final = 2.0
_ABANDONED_S: Final = 3600.0  # a younger .part file may be another process's, still being written
_CLOSE_TIMEOUT_S: Final = 60.0

Arrival = Callable[[Dataset, Path], None]


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What left the store."""

    instances: int
    size_bytes: int


class Store:
    """A folder of instances with its index; the ``Archive`` port."""

    def __init__(
        self,
        folder: Path,
        index: Index,
        on_arrival: Arrival | None = None,
        room: Room | None = None,
    ) -> None:
        self.room = room or Room(folder)
        self._instances = folder / "instances"
        self._leaving = Leaving(folder / "leaving", self.path_of)
        self._quarantine = folder / "quarantine"
        self._incoming = self._instances / "incoming"
        self._index = index
        self._on_arrival = on_arrival
        self._waiting: queue.Queue[Path | None] = queue.Queue()
        self._placing = threading.Lock()
        self._counted = threading.Condition()
        self._queued = self._handled = 0
        self._left: list[Path] = []
        self._read_again: frozenset[str] = frozenset()
        self._fault = ""
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._recover()
        self._indexer = threading.Thread(target=self._work, name="indexer", daemon=True)
        self._indexer.start()

    @property
    def index(self) -> Index:
        """The index of this store; it may lag behind arrivals by a batch: see ``settle``."""
        return self._index

    def path_of(self, uid: InstanceUID) -> Path:
        """Return where an instance is kept, spread over folders by the digest of its UID.

        Raises
        ------
        InputError
            If the UID is not one: it could otherwise name a file outside the store.
        """
        checked_uid(uid, "SOP Instance UID")
        spread = hashlib.sha256(uid.encode()).hexdigest()[:2]
        return self._instances / spread / f"{uid}.dcm"

    def has(self, uid: InstanceUID) -> bool:
        """Tell whether an instance is kept, indexed or not."""
        return self.path_of(uid).exists()

    def aside(self, size: int = 0) -> Aside:
        """Return a file to write an arriving object to, of so many bytes where that is known.

        Raises
        ------
        NoRoomError
            If the disk is nearly full.
        StorageError
            If it cannot be made.
        """
        self.room.check(size)
        return Aside(self._incoming)

    def keep(self, uid: InstanceUID, content: bytes) -> bool:
        """Keep a complete DICOM file; see ``keep_aside``."""
        aside = self.aside(len(content))
        aside.write(content)
        return self.keep_aside(uid, aside)

    def keep_aside(self, uid: InstanceUID, aside: Aside) -> bool:
        """Keep a DICOM file that is whole; return False when its data set was there already.

        A different object under a known UID never replaces the first: it goes to quarantine.

        Raises
        ------
        StorageError
            If it cannot be written; nothing half-written remains.
        IndexUnavailableError
            If the index failed at the last try: what is kept now might not be found.
        NoRoomError
            If the disk is nearly full.
        """
        try:
            return self._keep(self.path_of(uid), aside)
        finally:
            aside.discard()

    def _keep(self, path: Path, aside: Aside) -> bool:
        there = _content(path)
        if there is not None:
            content = aside.content()
            if not same_object(there, content):
                digest = hashlib.sha256(content).hexdigest()[:12]
                aside.become(self._quarantine / f"{path.stem}-{digest}.dcm")
                log.warning(
                    "instance.differs sop_instance_uid=%s kept=first other=quarantine", path.stem
                )
                return False
            if _arrived_again(path):
                return False
        if self._fault:
            raise IndexUnavailableError(
                f"{self._fault}; nothing is taken in before it can: it is tried every "
                f"{_RETRY_S:g} s"
            )
        self.room.check(0)
        aside.flush()
        with self._placing:
            is_first = not path.exists()
            if is_first:
                aside.become(path)
        if not is_first:  # another association brought one meanwhile
            return self._keep(path, aside)
        self._queue(path)
        return True

    def remove(
        self, study: StudyUID, last_arrival_s: float, within: Callable[[Connection], None]
    ) -> Removed:
        """Remove every instance of a study: from the index in one transaction, then from the disk.

        What is sent of it meanwhile is kept, and the study stays; or is kept anew, after it left.

        Parameters
        ----------
        last_arrival_s
            When the last of it came, as far as is known, in seconds since 1970.
        within
            Called in that transaction, before; what it raises leaves everything as it was.

        Raises
        ------
        InputError
            If something of it came since, or nothing of it is here.
        StorageError
            If another removal or a backup is going on, or the database refuses.
        """
        self.settle()
        with self._leaving.alone():
            uids = [each.sop_instance_uid for each in self._index.kept(study)]
            if not uids:
                raise InputError(f"nothing of study {study} is here")
            size_bytes = self._leaving.set_aside(uids, last_arrival_s)
            try:
                self._index.remove(study, uids, within)
            except BaseException:
                self._leaving.put_back(uids)
                raise
            for path in self._leaving.delete(uids):  # sent again since: its row is to be new
                self._queue(path)
        return Removed(instances=len(uids), size_bytes=size_bytes)

    @contextmanager
    def unremoved(self) -> Iterator[None]:
        """Let nothing be removed while within.

        Raises
        ------
        StorageError
            If a removal is going on.
        """
        with self._leaving.alone():
            yield

    def settle(self) -> None:
        """Wait until everything kept so far is in the index, whatever comes meanwhile."""
        with self._counted:
            wanted = self._queued
            self._counted.wait_for(lambda: self._handled >= wanted)

    def _queue(self, path: Path | None) -> None:
        with self._counted:
            self._queued += 1
            self._waiting.put(path)

    def instance_paths(self, series: SeriesUID) -> tuple[Path, ...]:
        """Return the files of a series; empty when it is not known."""
        self.settle()
        return self._index.paths(series)

    def last_arrival_s(self, series: SeriesUID) -> float:
        """Return when the last instance of a series was written, in seconds since 1970; 0: none."""
        return max(map(_arrived_s, self.instance_paths(series)), default=0.0)

    def last_arrivals_s(self) -> dict[SeriesUID, float]:
        """Return of every series when its last instance was written, in seconds since 1970."""
        found: dict[SeriesUID, float] = {}
        for series, path in self._index.files():
            found[series] = max(found.get(series, 0.0), _arrived_s(path))
        return found

    def series_of(self, study: StudyUID) -> tuple[SeriesUID, ...]:
        """Return the series of a study; empty when it is not known."""
        self.settle()
        return tuple(
            series.series_instance_uid
            for found in self._index.studies(study)
            for series in found.series
        )

    def close(self) -> None:
        """Finish indexing and stop."""
        self._queue(None)
        self._indexer.join(_CLOSE_TIMEOUT_S)
        self._index.close()

    def _recover(self) -> None:
        known = self._index.known_paths()
        self._read_again = self._index.outdated_paths()
        self._leaving.recover(lambda: self._index.known_paths() | self._index.outdated_paths())
        self._index.measure()
        if self._read_again:
            log.info("index.outdated instances=%d read=again", len(self._read_again))
        there = sorted(self._instances.rglob("*"))
        if lost := len(known.difference(map(str, there))):
            log.warning("index.without_file instances=%d folder=%s", lost, self._instances)
        for path in there:
            if path.suffix == ".part":
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    path.unlink()
            elif path.is_file() and str(path) not in known:
                self._queue(path)

    def _work(self) -> None:
        while True:
            batch = self._next_batch()
            paths = [*self._left, *(path for path in batch if path is not None)]
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # they would carry values of headers
                    self._index_files(paths)
                self._left, self._fault = [], ""
            except StorageError as error:
                self._left, self._fault = paths, str(error)
                log.exception("index.failed instances=%d retry_s=%g", len(paths), _RETRY_S)
            except Exception:  # the indexer must outlive anything one batch holds
                log.exception("index.failed instances=%d retry=at next start", len(paths))
                self._left = []
            with self._counted:
                self._handled += len(batch)
                self._counted.notify_all()
            if None in batch:
                return

    def _next_batch(self) -> list[Path | None]:
        try:
            batch = [self._waiting.get(timeout=_RETRY_S if self._left else None)]
        except queue.Empty:
            return []
        while len(batch) < _BATCH and batch[-1] is not None:
            try:
                batch.append(self._waiting.get(timeout=_QUIET_S))
            except queue.Empty:
                break
        return batch

    def _index_files(self, paths: Sequence[Path]) -> None:
        headers = [(header, path) for path in paths if (header := self._header(path)) is not None]
        try:
            self._index.add((header, path, is_ours(header)) for header, path in headers)
        except StorageError:
            raise
        except Exception:  # noqa: BLE001 - one odd header must not keep the others out
            headers = [(header, path) for header, path in headers if self._added(header, path)]
        if self._on_arrival is None:
            return
        for header, path in headers:
            if str(path) in self._read_again:
                continue
            try:
                self._on_arrival(header, path)
            except Exception:  # the indexer must outlive what others make of an arrival
                log.exception("arrival.failed sop_instance_uid=%s", path.stem)

    def _header(self, path: Path) -> Dataset | None:
        """Return the header of a kept file; None where it went to quarantine."""
        try:
            header = read_dataset(path, with_pixels=False)
            if str(header.get("SOPInstanceUID")) == path.stem:
                return header
            reason = "it names another instance"
        except UnreadableFileError:
            reason = "unreadable"
        except Exception as error:  # noqa: BLE001 - one odd file must not keep the others out
            reason = f"unreadable ({type(error).__name__})"
        self._set_aside(path, reason)
        return None

    def _added(self, header: Dataset, path: Path) -> bool:
        try:
            self._index.add([(header, path, is_ours(header))])
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a value of a header leads to
            self._set_aside(path, f"a header the index cannot hold ({type(error).__name__})")
            return False
        return True

    def _set_aside(self, path: Path, reason: str) -> None:
        self._quarantine.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.replace(self._quarantine / path.name)
        log.warning(
            "instance.unusable sop_instance_uid=%s reason=%s moved=quarantine", path.stem, reason
        )


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _arrived_again(path: Path) -> bool:
    """Note that a file was sent again, so that it counts as arriving; False where it is gone."""
    with suppress(FileNotFoundError):
        os.utime(path)
        return True
    return False


def _arrived_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # on its way out
        return 0.0

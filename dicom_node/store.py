"""Instances on disk: received as raw bytes, kept whole or not at all, indexed behind the scenes.

A file is durable (flushed and renamed) before its sender is told so. The index follows in
batches; whatever a crash left unindexed is found at the next start.
"""

import hashlib
import logging
import queue
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from dicom_node.equipment import is_ours
from dicom_node.files import read_dataset, same_object, write_whole
from dicom_node.index import Index
from domain.errors import IndexUnavailableError, StorageError, UnreadableFileError
from domain.uids import InstanceUID, SeriesUID, StudyUID, checked_uid

log: Final = logging.getLogger(__name__)

_BATCH: Final = 512
_QUIET_S: Final = 0.15  # indexing waits for a pause between images: receiving goes first
_RETRY_S: Final = 2.0
_ABANDONED_S: Final = 3600.0  # a younger .part file may be another process's, still being written
_CLOSE_TIMEOUT_S: Final = 60.0

Arrival = Callable[[Dataset, Path], None]


class Store:
    """A folder of instances with its index; the ``Archive`` port."""

    def __init__(self, folder: Path, index: Index, on_arrival: Arrival | None = None) -> None:
        self._instances = folder / "instances"
        self._quarantine = folder / "quarantine"
        self._index = index
        self._on_arrival = on_arrival
        self._waiting: queue.Queue[Path | None] = queue.Queue()
        self._left: list[Path] = []
        self._read_again: frozenset[str] = frozenset()
        self._fault = ""
        self._instances.mkdir(parents=True, exist_ok=True)
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

    def keep(self, uid: InstanceUID, content: bytes) -> bool:
        """Keep a complete DICOM file; return False when its data set was there already.

        A different object under a known UID never replaces the first: it goes to quarantine.

        Raises
        ------
        StorageError
            If it cannot be written; nothing half-written remains.
        IndexUnavailableError
            If the index failed at the last try: what is kept now might not be found.
        """
        path = self.path_of(uid)
        if path.exists():
            if same_object(path.read_bytes(), content):
                return False
            digest = hashlib.sha256(content).hexdigest()[:12]
            write_whole(self._quarantine / f"{uid}-{digest}.dcm", content)
            log.warning("instance.differs sop_instance_uid=%s kept=first other=quarantine", uid)
            return False
        if self._fault:
            raise IndexUnavailableError(
                f"{self._fault}; nothing is taken in before it can: it is tried every "
                f"{_RETRY_S:g} s"
            )
        write_whole(path, content)
        self._waiting.put(path)
        return True

    def settle(self) -> None:
        """Wait until everything kept so far is in the index."""
        self._waiting.join()

    def instance_paths(self, series: SeriesUID) -> tuple[Path, ...]:
        """Return the files of a series; empty when it is not known."""
        self.settle()
        return self._index.paths(series)

    def last_arrival_s(self, series: SeriesUID) -> float:
        """Return when the last instance of a series was written, in seconds since 1970; 0: none."""
        paths = self.instance_paths(series)
        return max((path.stat().st_mtime for path in paths), default=0.0)

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
        self._waiting.put(None)
        self._indexer.join(_CLOSE_TIMEOUT_S)
        self._index.close()

    def _recover(self) -> None:
        known = self._index.known_paths()
        self._read_again = self._index.outdated_paths()
        for path in sorted(self._instances.rglob("*")):
            if path.suffix == ".part":
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    path.unlink()
            elif path.is_file() and str(path) not in known:
                self._waiting.put(path)

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
            for _ in batch:
                self._waiting.task_done()
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

"""Instances on disk: received as raw bytes, kept whole or not at all, indexed behind the scenes.

A file is durable (flushed and renamed) before its sender is told so. The index follows in
batches; whatever a crash left unindexed is found at the next start.
"""

import hashlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from dicom_node.equipment import is_ours
from dicom_node.files import read_dataset, write_whole
from dicom_node.index import Index
from domain.errors import RadcopilotError, UnreadableFileError
from domain.uids import InstanceUID, SeriesUID, StudyUID, checked_uid

log: Final = logging.getLogger(__name__)

_BATCH: Final = 512
_QUIET_S: Final = 0.15  # indexing waits for a pause between images: receiving goes first
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

    def keep(self, uid: InstanceUID, content: bytes) -> bool:
        """Keep a complete DICOM file; return False when exactly this was there already.

        A different object under a known UID never replaces the first: it goes to quarantine.

        Raises
        ------
        StorageError
            If it cannot be written; nothing half-written remains.
        """
        path = self.path_of(uid)
        if path.exists():
            if path.read_bytes() == content:
                return False
            digest = hashlib.sha256(content).hexdigest()[:12]
            write_whole(self._quarantine / f"{uid}-{digest}.dcm", content)
            log.warning("instance.differs sop_instance_uid=%s kept=first other=quarantine", uid)
            return False
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
        for path in sorted(self._instances.rglob("*")):
            if path.suffix == ".part":
                path.unlink()
            elif path.is_file() and str(path) not in known:
                self._waiting.put(path)

    def _work(self) -> None:
        while True:
            batch = self._next_batch()
            paths = [path for path in batch if path is not None]
            try:
                self._index_files(paths)
            except Exception:  # the indexer must outlive anything one batch holds
                log.exception("index.failed instances=%d retry=at next start", len(paths))
            for _ in batch:
                self._waiting.task_done()
            if None in batch:
                return

    def _next_batch(self) -> list[Path | None]:
        batch = [self._waiting.get()]
        while len(batch) < _BATCH and batch[-1] is not None:
            try:
                batch.append(self._waiting.get(timeout=_QUIET_S))
            except queue.Empty:
                break
        return batch

    def _index_files(self, paths: Sequence[Path]) -> None:
        headers: list[tuple[Dataset, Path]] = []
        for path in paths:
            try:
                headers.append((read_dataset(path, with_pixels=False), path))
            except UnreadableFileError:
                self._quarantine.mkdir(parents=True, exist_ok=True)
                path.replace(self._quarantine / path.name)
                log.warning("instance.unreadable sop_instance_uid=%s moved=quarantine", path.stem)
        self._index.add((header, path, is_ours(header)) for header, path in headers)
        if self._on_arrival is None:
            return
        for header, path in headers:
            try:
                self._on_arrival(header, path)
            except RadcopilotError:
                log.exception("arrival.failed sop_instance_uid=%s", path.stem)

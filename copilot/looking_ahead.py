"""The engine looks at series as they arrive, so that the first box on them is answered at once.

One series at a time, in the background, once no image of it has come for a while. A command of the
radiologist goes first: the work waits until the processor is free again.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from dicom_node.equipment import is_ours
from domain.errors import Cancelled, RadcopilotError
from domain.ports import Archive, LooksAhead, Segmenter
from domain.uids import SeriesUID
from domain.volume import Volume

log: Final = logging.getLogger(__name__)

QUIET_S: Final = 5.0
_LONGEST_QUEUE: Final = 200

Load = Callable[[Sequence[Path]], Volume]


class LookingAhead:
    """A queue of series and the one thread that works on it; a context manager.

    Parameters
    ----------
    engine
        Looked ahead with where it can; any other makes this a queue that does nothing.
    load
        Makes the volume of a series' files.
    quiet_s
        A series is complete when nothing of it has arrived for so many seconds.
    """

    def __init__(self, engine: Segmenter, load: Load, quiet_s: float = QUIET_S) -> None:
        self._engine = engine if isinstance(engine, LooksAhead) else None
        self._load = load
        self._quiet_s = quiet_s
        self._waiting: dict[SeriesUID, float] = {}
        self._changed = threading.Condition()
        self._commands = 0
        self._current: SeriesUID | None = None
        self._cancelled = False
        self._closing = False
        self._archive: Archive | None = None
        self._thread: threading.Thread | None = None

    def start(self, archive: Archive) -> None:
        """Begin to work on the series of an archive."""
        self._archive = archive
        self._thread = threading.Thread(target=self._work, name="looking-ahead", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; what was seen so far is kept."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def arrived(self, header: Dataset, _: Path) -> None:
        """Note an image that was received; our own objects and objects without pixels are not."""
        series = header.get("SeriesInstanceUID")
        if self._engine is None or series is None or is_ours(header) or "Rows" not in header:
            return
        with self._changed:
            uid = SeriesUID(str(series))
            if uid not in self._waiting and len(self._waiting) >= _LONGEST_QUEUE:
                log.info("looking_ahead.full series left out until it is asked for")
                return
            self._waiting[uid] = time.monotonic() + self._quiet_s
            self._changed.notify_all()

    def hurry(self, series: SeriesUID) -> None:
        """Look at a series next, if it waits: somebody has opened it."""
        with self._changed:
            if series in self._waiting:
                self._waiting[series] = 0.0
                self._changed.notify_all()

    def cancel(self, series: SeriesUID) -> None:
        """Forget a series, also when it is being looked at."""
        with self._changed:
            self._waiting.pop(series, None)
            self._cancelled = self._cancelled or series == self._current
            self._changed.notify_all()

    @contextmanager
    def stood_aside(self) -> Iterator[None]:
        """Leave the processor to what runs within."""
        with self._changed:
            self._commands += 1
        try:
            yield
        finally:
            with self._changed:
                self._commands -= 1
                self._changed.notify_all()

    @property
    def is_idle(self) -> bool:
        """True when nothing is waiting and nothing is being looked at."""
        with self._changed:
            return not self._waiting and self._current is None

    def _work(self) -> None:
        while (series := self._next()) is not None:
            try:
                self._look(series)
            except Cancelled:
                log.info("looking_ahead.cancelled")
            except RadcopilotError as error:
                log.info("looking_ahead.left_out reason=%s", type(error).__name__)
            except Exception:  # the thread must outlive anything one series holds
                log.exception("looking_ahead.failed")
            with self._changed:
                self._current = None

    def _next(self) -> SeriesUID | None:
        """Return the series complete for longest, waiting for one; None at the end."""
        with self._changed:
            while not self._closing:
                due = min(self._waiting, key=self._waiting.__getitem__, default=None)
                left = None if due is None else self._waiting[due] - time.monotonic()
                if due is not None and left is not None and left <= 0:
                    del self._waiting[due]
                    self._current, self._cancelled = due, False
                    return due
                self._changed.wait(left)
        return None

    def _look(self, series: SeriesUID) -> None:
        assert self._archive is not None
        assert self._engine is not None
        files = self._archive.instance_paths(series)
        if not files:
            return
        self._stand_by(0.0, "")
        seen = self._engine.look_ahead(self._load(files), self._stand_by)
        log.info("looking_ahead.done slices=%d", seen)

    def _stand_by(self, fraction: float, stage: str) -> None:  # noqa: ARG002 - a Progress
        """Wait while a command runs; stop when this series or the server was given up."""
        with self._changed:
            while self._commands and not self._closing and not self._cancelled:
                self._changed.wait()
            if self._closing or self._cancelled:
                raise Cancelled("looking ahead was stopped")

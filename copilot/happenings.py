"""What changed, in order, for pages that look on: results, deliveries, studies, progress.

The database is the one truth, whoever writes to it: this server, a worker or the command line. It
is looked at twice a second while a page listens, and what differs is told. Identifiers and states
alone are told: a page asks for the rest.
"""

import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from domain.errors import RadcopilotError

log: Final = logging.getLogger(__name__)

LOOK_S: Final = 0.5
_KEPT: Final = 2000

Facts = Mapping[str, Any]
Look = Callable[[], Mapping[tuple[str, ...], Facts]]
"""Return what there is by key; the key's first word is the kind of the happening."""


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One change; ``number`` counts within the life of the server."""

    number: int
    kind: str
    facts: Facts


class Happenings:
    """The last changes, and the thread that finds them while somebody listens."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._life = uuid.uuid4().hex[:8]
        self._kept: deque[Happening] = deque(maxlen=_KEPT)
        self._count = 0
        self._listeners = 0
        self._seen: Mapping[tuple[str, ...], Facts] | None = None
        self._turn = threading.Lock()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="happenings", daemon=True)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Look for changes while within."""
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._wake.set()
            self._thread.join()

    @property
    def is_over(self) -> bool:
        """Whether the server ends."""
        return self._ended.is_set()

    @property
    def has_looked(self) -> bool:
        """Whether it is known what there is: what changes from now on will be told."""
        return self._seen is not None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen while within."""
        with self._turn:
            self._listeners += 1
        self._wake.set()
        try:
            yield
        finally:
            with self._turn:
                self._listeners -= 1

    def mark(self) -> str:
        """Return where we are: what happens later comes after it."""
        with self._turn:
            return self._named(self._count)

    def after(self, mark: str) -> tuple[tuple[Happening, ...], str] | None:
        """Return what happened after a mark, and the next mark; None where that is not known.

        A mark of an earlier life of the server, or one too old, is not known: look at everything
        again.
        """
        life, _, number = mark.partition("-")
        with self._turn:
            if life != self._life or not number.isdigit() or int(number) > self._count:
                return None
            since = int(number)
            oldest = self._kept[0].number if self._kept else self._count + 1
            if since + 1 < oldest:
                return None
            found = tuple(each for each in self._kept if each.number > since)
            return found, self._named(self._count)

    def name(self, happening: Happening) -> str:
        """Return the mark after a happening."""
        return self._named(happening.number)

    def _named(self, number: int) -> str:
        return f"{self._life}-{number}"

    def _work(self) -> None:
        while not self._ended.is_set():
            with self._turn:
                listened = self._listeners > 0
            if not listened:
                self._wake.wait()
                self._wake.clear()
                continue
            try:
                self._compare(self._look())
            except RadcopilotError:
                log.warning("happenings.blind retry_s=%g", LOOK_S)
            except Exception:  # looking on must outlive a database that is away for a moment
                log.exception("happenings.failed retry_s=%g", LOOK_S)
            self._ended.wait(LOOK_S)

    def _compare(self, found: Mapping[tuple[str, ...], Facts]) -> None:
        seen, self._seen = self._seen, found
        if seen is None:
            return
        with self._turn:
            for key, facts in found.items():
                if seen.get(key) != facts:
                    self._tell(key[0], facts)
            for key in seen.keys() - found.keys():
                if key[0] == "progress":
                    continue
                self._tell(key[0], {**seen[key], "gone": True})

    def _tell(self, kind: str, facts: Facts) -> None:
        self._count += 1
        self._kept.append(Happening(number=self._count, kind=kind, facts=facts))

"""How far persons' commands are, and the wish to stop one; in this process's memory alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from domain.errors import Cancelled
from domain.ports import Progress


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How far a command is: 0 to 1, and what is done now."""

    fraction: float
    says: str


class Running:
    """The commands at work."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._stages: dict[str, Stage] = {}
        self._stopped: set[str] = set()

    @contextmanager
    def followed(self, identity: str) -> Iterator[Progress]:
        """Follow a command while within; its progress raises ``Cancelled`` once it is stopped."""

        def progress(fraction: float, stage: str) -> None:
            with self._turn:
                if identity in self._stopped:
                    raise Cancelled("stopped by the reader")
                self._stages[identity] = Stage(fraction=fraction, says=stage)

        with self._turn:
            self._stages[identity] = Stage(fraction=0.0, says="waiting for its turn")
        try:
            yield progress
        finally:
            with self._turn:
                self._stages.pop(identity, None)
                self._stopped.discard(identity)

    def stop(self, identity: str) -> None:
        """Have a command stop at its next step, if it is at work here."""
        with self._turn:
            if identity in self._stages:
                self._stopped.add(identity)

    def stages(self) -> dict[str, Stage]:
        """Return how far each command is."""
        with self._turn:
            return dict(self._stages)

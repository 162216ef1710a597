"""Masks as they are made, before they are measured and written; in this process's memory alone.

A reader sees the outline while numbers and objects are still made of it. It cannot be accepted: the
result can, and its mask is the one that counts.
"""

import threading

from domain.segment import Segment


class Glimpses:
    """The masks that running commands have made so far."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._made: dict[str, list[Segment]] = {}

    def begin(self, identity: str) -> None:
        """Note that a command is at work here."""
        with self._turn:
            self._made[identity] = []

    def show(self, identity: str, segment: Segment) -> None:
        """Keep a mask to be looked at, if the command is at work here."""
        with self._turn:
            if identity in self._made:
                self._made[identity].append(segment)

    def end(self, identity: str) -> None:
        """Forget a command: its result has come, or nothing has."""
        with self._turn:
            self._made.pop(identity, None)

    def of(self, identity: str, number: int) -> Segment | None:
        """Return the mask of this number, from 0, if a command at work here has made it."""
        with self._turn:
            made = self._made.get(identity, [])
            return made[number] if 0 <= number < len(made) else None

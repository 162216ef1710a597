"""One utterance of a station: its sound as it comes in, and what was read of it so far."""

import time
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Final

from domain.errors import RadcopilotError
from domain.speech import SAMPLE_RATE_HZ, Utterance
from domain.uids import SeriesUID
from voice.audio import utterance_of_pcm16
from voice.following import SpeechFollower

_BYTES_PER_SAMPLE: Final = 2
_PRE_ROLL_S: Final = 0.5
_SHARE_READ_AGAIN: Final = 1 / 8
"""New sound, of all of it, before a partial text is read again: long ones cost more each time."""


class Mode(StrEnum):
    """What is being said: a sentence of the grammar, or text for the report."""

    COMMAND = "command"
    DICTATE = "dictate"


class Reading(IntEnum):
    """Why the engine reads, the most pressing first."""

    FINAL = 0
    AHEAD = 1
    PARTIAL = 2


@dataclass(frozen=True, kw_only=True)
class Order:
    """How a station wants to be listened to; the series is the one open while it is said."""

    mode: Mode = Mode.COMMAND
    hands_free: bool = False
    series_instance_uid: SeriesUID | None = None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of listening, in seconds of sound where not said otherwise.

    Attributes
    ----------
    stations
        Most that are connected at once.
    longest_s
        Of one utterance; dictation goes on in a further one.
    waiting
        Utterances of one station that wait to be read.
    partial_every_s
        New sound before a partial text is read again; more where the utterance is long.
    pause_s
        Silence in which the final reading is begun, though the key is still held.
    ends_s
        Silence that ends an utterance where the hands are free.
    piece_s
        Dictation longer than this is cut at its next pause.
    """

    stations: int = 32
    longest_s: float = 60.0
    waiting: int = 4
    partial_every_s: float = 0.7
    pause_s: float = 0.2
    ends_s: float = 0.8
    piece_s: float = 20.0


class Saying:
    """An utterance, from the first frame until its text is told.

    Positions count samples from the first frame that came, those forgotten included.
    """

    def __init__(self, order: Order, *, continues: bool = False) -> None:
        self.order = order
        self.continues = continues
        self.follower = SpeechFollower()
        self.ended_at_s: float | None = None
        self.goes_on = False
        self.read_to = 0
        self._asked_to = 0
        self._outcome: dict[str, Any] | RadcopilotError | None = None
        self._outcome_to = 0
        self._sound = bytearray()
        self._forgotten = 0

    @property
    def heard(self) -> int:
        """Samples that have come."""
        return self._forgotten + len(self._sound) // _BYTES_PER_SAMPLE

    @property
    def duration_s(self) -> float:
        """Seconds kept."""
        return len(self._sound) / _BYTES_PER_SAMPLE / SAMPLE_RATE_HZ

    @property
    def outcome(self) -> dict[str, Any] | RadcopilotError | None:
        """Document or error of a complete reading, if nothing but silence came after it."""
        return self._outcome if self.follower.last_speech <= self._outcome_to else None

    @property
    def says_nothing_more(self) -> bool:
        """Return whether it follows another, or waited for a voice, and nobody spoke."""
        return (self.continues or self.order.hands_free) and not self.follower.begun

    def add(self, frames: bytes) -> None:
        """Keep frames that the follower has heard."""
        self._sound += frames
        if self.order.hands_free and not self.follower.begun:
            self._forget(2 * _PRE_ROLL_S, _PRE_ROLL_S)

    def end(self, *, goes_on: bool = False) -> None:
        """Take no more; ``goes_on`` where the station's next utterance has begun."""
        self.ended_at_s = time.perf_counter()
        self.goes_on = goes_on

    def wants(self, reading: Reading, limits: Limits) -> bool:
        """Return whether this reading is due while it is being said."""
        paused = self.follower.silence_s >= limits.pause_s
        match reading:
            case Reading.AHEAD:
                return self.follower.begun and paused and self.follower.last_speech > self._asked_to
            case Reading.PARTIAL:
                new_s = (self.heard - self.read_to) / SAMPLE_RATE_HZ
                new = self.follower.last_speech > self.read_to
                every_s = max(limits.partial_every_s, self.duration_s * _SHARE_READ_AGAIN)
                return self.follower.begun and new and new_s >= every_s
            case Reading.FINAL:
                return False

    def taken(self, reading: Reading) -> tuple[Utterance, int]:
        """Return the sound so far, to be read, and up to which sample it goes."""
        self.read_to = self.heard
        if reading is not Reading.PARTIAL:
            self._asked_to = self.heard
        return utterance_of_pcm16(bytes(self._sound)), self.heard

    def settle(self, outcome: dict[str, Any] | RadcopilotError, up_to: int) -> None:
        """Keep what a complete reading gave."""
        self._outcome, self._outcome_to = outcome, up_to

    def _forget(self, beyond_s: float, kept_s: float) -> None:
        if self.duration_s > beyond_s:
            kept = int(kept_s * SAMPLE_RATE_HZ) * _BYTES_PER_SAMPLE
            self._forgotten += (len(self._sound) - kept) // _BYTES_PER_SAMPLE
            del self._sound[:-kept]

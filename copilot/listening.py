"""Several stations share one speech engine: fairly, and while they are still speaking.

What is asked of the engine, the most pressing first: utterances that have ended; those in a pause,
read as if they had ended, so that the text is there when the key is let go; and partial texts to be
shown. Among stations the one whose turn is longest ago is next.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from copilot.hearing import document
from copilot.intent.interpretation import interpret
from copilot.saying import Limits, Mode, Order, Reading, Saying
from domain.command import DictateCommand
from domain.errors import AudioError, BusyError, MessageError, RadcopilotError
from domain.ports import Grammar, Transcriber
from domain.speech import SAMPLE_RATE_HZ, Utterance
from voice.audio import utterance_of_pcm16
from voice.punctuation import written

log: Final = logging.getLogger(__name__)
_CLOSES_WITHIN_S: Final = 30.0
_LONGEST_MESSAGE_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class PartialText:
    """What was understood so far, to be shown and never acted upon."""

    text: str


@dataclass(frozen=True, kw_only=True)
class FinalText:
    """What was said; ``heard`` is the document of ``copilot.hearing``."""

    heard: dict[str, Any]
    order: Order
    release_to_text_s: float
    goes_on: bool


@dataclass(frozen=True, kw_only=True)
class Failed:
    """An utterance came to nothing."""

    error: RadcopilotError


@dataclass(frozen=True)
class Stopped:
    """Dictation has ended, and nothing was said since its last final text."""


Told = PartialText | FinalText | Failed | Stopped
Tell = Callable[[Told], None]
"""Called from the engine's thread: it must come back at once."""


@dataclass(frozen=True, kw_only=True)
class _Task:
    station: "Station"
    saying: Saying
    reading: Reading
    utterance: Utterance
    up_to: int


class Listener:
    """One engine and its thread; entered and left with the application.

    Parameters
    ----------
    transcriber
        Asked for at the first reading: the engine may be missing, which is told to the station.
    """

    def __init__(
        self, transcriber: Callable[[], Transcriber], grammar: Grammar, limits: Limits | None = None
    ) -> None:
        self._transcriber = transcriber
        self._grammar = grammar
        self.limits = limits or Limits()
        self.changed = threading.Condition()
        self._stations: list[Station] = []
        self._turns = 0
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="listener", daemon=True)

    def __enter__(self) -> Self:
        """Begin to read."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Read no more; what is being read is not told."""
        with self.changed:
            self._is_closed = True
            self._stations.clear()
            self.changed.notify_all()
        self._thread.join(_CLOSES_WITHIN_S)

    def station(self, tell: Tell) -> "Station":
        """Return a new station.

        Raises
        ------
        BusyError
            If there are as many as are listened to.
        """
        with self.changed:
            if len(self._stations) >= self.limits.stations:
                raise BusyError(
                    f"{len(self._stations)} stations are listened to, and no more at once: close "
                    "pages that are not used"
                )
            made = Station(self, tell)
            self._stations.append(made)
            return made

    def forget(self, station: "Station") -> None:
        """Tell a station nothing more."""
        with self.changed:
            if station in self._stations:
                self._stations.remove(station)

    def _work(self) -> None:
        while (task := self._next()) is not None:
            began = time.perf_counter()
            outcome = self._read(task)
            log.debug(
                "speech.read reading=%s seconds=%.2f sound_s=%.1f",
                task.reading.name.lower(),
                time.perf_counter() - began,
                task.utterance.duration_s,
            )
            with self.changed:
                if task.station in self._stations:
                    task.station.settle(task.saying, task.reading, outcome, task.up_to)

    def _next(self) -> _Task | None:
        with self.changed:
            while not self._is_closed:
                if task := self._chosen():
                    return task
                self.changed.wait()
        return None

    def _chosen(self) -> _Task | None:
        for reading in Reading:
            due = [each for each in self._stations if each.wants(reading)]
            if due:
                station = min(due, key=lambda each: each.turns[reading])
                self._turns += 1
                station.took_turn(reading, self._turns)
                saying = station.next_of(reading)
                utterance, up_to = saying.taken(reading)
                return _Task(
                    station=station,
                    saying=saying,
                    reading=reading,
                    utterance=utterance,
                    up_to=up_to,
                )
        return None

    def _read(self, task: _Task) -> dict[str, Any] | RadcopilotError:
        order, utterance = task.saying.order, task.utterance
        freely = order.mode is Mode.DICTATE or task.reading is Reading.PARTIAL
        began = time.perf_counter()
        try:
            transcript = self._transcriber().transcribe(
                utterance, None if freely else self._grammar
            )
            command = (
                DictateCommand(text=written(transcript.text))
                if freely
                else interpret(transcript, self._grammar)
            )
        except RadcopilotError as error:
            return error
        except Exception as error:  # the engine's thread: it reads on for the other stations
            log.exception("speech.failed")
            return RadcopilotError(
                f"the speech engine failed ({type(error).__name__}): say it again, or type it"
            )
        timings_s = {"recognise": round(time.perf_counter() - began, 3)}
        return document(transcript, command, utterance, timings_s)


class Station:
    """One microphone: its utterance in progress, and those that wait to be read."""

    def __init__(self, listener: Listener, tell: Tell) -> None:
        self.turns = dict.fromkeys(Reading, 0)
        self._listener = listener
        self._limits = listener.limits
        self._changed = listener.changed
        self._tell = tell
        self._saying: Saying | None = None
        self._is_spoilt = False
        self._waiting: deque[Saying] = deque()

    def start(self, order: Order) -> None:
        """Begin an utterance.

        Raises
        ------
        MessageError
            If one has begun and not ended.
        BusyError
            If as many as may wait are not read yet.
        """
        with self._changed:
            if self._saying is not None:
                raise MessageError("start came before the end of an utterance: send stop first")
            self._check_room()
            self._saying, self._is_spoilt = Saying(order), False

    def hear(self, frames: bytes) -> None:
        """Take the next frames: little-endian 16-bit samples at 16 kHz, mono.

        Raises
        ------
        MessageError
            If no utterance has begun, or the message is too long.
        AudioError
            If they are no whole samples, or the utterance is too long: it is dropped.
        """
        saying = self._saying
        if saying is None:
            if self._is_spoilt:
                return
            raise MessageError("frames came before start: send start first, then frames")
        if len(frames) > _LONGEST_MESSAGE_S * SAMPLE_RATE_HZ * 2:
            raise MessageError(
                f"a message of {len(frames)} bytes is too long: send 20 to 100 ms of sound in each"
            )
        if not frames:
            return
        samples = utterance_of_pcm16(frames).samples
        saying.follower.hear(samples)
        with self._changed:
            if self._saying is saying:
                saying.add(frames)
                self._bound(saying)
                self._changed.notify_all()

    def stop(self) -> None:
        """End the utterance: its text is told when it is read, at once if it is already.

        Raises
        ------
        MessageError
            If none has begun.
        AudioError
            If no frame came.
        """
        with self._changed:
            saying, self._saying = self._saying, None
            if saying is None:
                if self._is_spoilt:
                    self._is_spoilt = False
                    return
                raise MessageError("stop came before start: send start first, then frames")
            if saying.heard == 0 and not saying.says_nothing_more:
                raise AudioError("no sound came: hold the key while speaking")
            saying.end()
            self._wait(saying)

    def cancel(self) -> None:
        """Drop what is being said, and what was said and is not read yet."""
        with self._changed:
            self._saying, self._is_spoilt = None, True
            self._waiting.clear()

    def leave(self) -> None:
        """Be forgotten: nothing is told any more."""
        self.cancel()
        self._listener.forget(self)

    def took_turn(self, reading: Reading, number: int) -> None:
        """Note when it was this station's turn; what is read ahead counts as what has ended."""
        whole = reading is not Reading.PARTIAL
        self.turns |= dict.fromkeys((Reading.FINAL, Reading.AHEAD) if whole else (reading,), number)

    def wants(self, reading: Reading) -> bool:
        """Return whether the engine should read for this station."""
        if reading is Reading.FINAL:
            return bool(self._waiting)
        return self._saying is not None and self._saying.wants(reading, self._limits)

    def next_of(self, reading: Reading) -> Saying:
        """Return what is to be read: ask ``wants`` first."""
        if reading is Reading.FINAL:
            return self._waiting[0]
        assert self._saying is not None
        return self._saying

    def settle(
        self,
        saying: Saying,
        reading: Reading,
        outcome: dict[str, Any] | RadcopilotError,
        up_to: int,
    ) -> None:
        """Take what a reading gave: show it, keep it for the end, or tell it."""
        is_said = saying is self._saying
        if reading is not Reading.PARTIAL:
            saying.settle(outcome, up_to)
        if is_said and not isinstance(outcome, RadcopilotError):
            self._tell(PartialText(text=outcome["text"]))
        self._tell_ended()

    def _bound(self, saying: Saying) -> None:
        follower, limits = saying.follower, self._limits
        if saying.order.hands_free and follower.begun and follower.silence_s >= limits.ends_s:
            self._go_on(saying)
        elif saying.order.mode is Mode.DICTATE:
            long = saying.duration_s >= limits.piece_s and follower.silence_s >= limits.pause_s
            if long or saying.duration_s >= limits.longest_s:
                self._go_on(saying)
        elif saying.duration_s >= limits.longest_s:
            hands_free = saying.order.hands_free
            self._saying = Saying(saying.order) if hands_free else None
            self._is_spoilt = not hands_free
            raise AudioError(
                f"{limits.longest_s:.0f} s were recorded, and a command is a sentence: release the "
                "key after it, or dictate"
            )

    def _go_on(self, saying: Saying) -> None:
        self._saying = Saying(saying.order, continues=True)
        try:
            self._check_room()
        except BusyError as error:
            self._tell(Failed(error=error))
            return
        saying.end(goes_on=True)
        self._wait(saying)

    def _check_room(self) -> None:
        if len(self._waiting) >= self._limits.waiting:
            raise BusyError(
                f"{len(self._waiting)} utterances of this station are not read yet, and this one "
                "was dropped: wait for their text, and say it again"
            )

    def _wait(self, saying: Saying) -> None:
        self._waiting.append(saying)
        self._tell_ended()
        self._changed.notify_all()

    def _tell_ended(self) -> None:
        """Tell what has ended and is read, in the order in which it was said."""
        while self._waiting:
            saying = self._waiting[0]
            told: Told
            if not saying.goes_on and saying.says_nothing_more:
                told = Stopped()
            elif saying.outcome is None:
                return
            else:
                told = _told(saying, saying.outcome)
            self._waiting.popleft()
            self._tell(told)


def _told(saying: Saying, outcome: dict[str, Any] | RadcopilotError) -> Told:
    if isinstance(outcome, RadcopilotError):
        return Failed(error=outcome)
    assert saying.ended_at_s is not None
    return FinalText(
        heard=outcome,
        order=saying.order,
        release_to_text_s=round(time.perf_counter() - saying.ended_at_s, 3),
        goes_on=saying.goes_on,
    )

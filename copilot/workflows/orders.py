"""A command as it is remembered, and the hands that carry it out: once, here or on another host."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from copilot.agent.agent import When
from copilot.analysis import Analyst
from copilot.comparing.stored import Asked
from copilot.hints import Hints
from copilot.printing import printed_analysis
from copilot.understanding import understood
from copilot.workflows.glimpses import Glimpses
from copilot.workflows.running import Running
from domain.command import Command, CompareCommand, MeasureCommand, SegmentCommand
from domain.comparison import ToldPair
from domain.errors import RadcopilotError
from domain.ports import Grammar, Progress
from domain.uids import SeriesUID

log: Final = logging.getLogger(__name__)

COMMAND: Final = "command-1"
ANALYSE: Final = "analyse-1"


@dataclass(frozen=True, kw_only=True)
class Order:
    """A command as it is remembered, to be carried out after a kill too: no image, UIDs alone.

    ``rule`` is the site's rule that asked for it, and ``images`` how many it saw; empty where a
    person did. ``prior`` is the series it is compared with; None leaves that to the rules.
    ``told`` is what a person said is what; None takes what was told at the comparison before.
    """

    identity: str
    series: SeriesUID
    sentence: str
    hints: Hints
    engine: str | None
    agent: When | None
    rule: str = ""
    images: int = 0
    prior: SeriesUID | None = None
    told: tuple[ToldPair, ...] | None = None


class Place(Protocol):
    """Where images are taken from, and where what was made is put."""

    def is_running(self, identity: str) -> bool:
        """Tell whether an order still waits for what it comes to."""
        ...

    def files(self, series: SeriesUID) -> AbstractContextManager[tuple[Path, ...]]:
        """Hold the files of a series ready.

        Raises
        ------
        InputError
            If it is not stored.
        """
        ...

    def hints(self, hints: Hints) -> Hints:
        """Return hints whose earlier mask can be read here."""
        ...

    def folder(self, identity: str) -> AbstractContextManager[Path]:
        """Hold a folder ready for the files of a result."""
        ...

    def finish(self, order: Order, document: dict[str, Any], folder: Path) -> None:
        """Keep what an order came to, unless it was finished by another before."""
        ...

    def fail(self, order: Order, reason: str) -> None:
        """Keep that an order came to nothing."""
        ...


class Comparing(Protocol):
    """Compares stored series with their priors."""

    def compare(self, asked: Asked, folder: Path, progress: Progress) -> dict[str, Any]:
        """Write what a comparison makes into a folder, and return the result's document."""
        ...


def compares(command: Command, prior: SeriesUID | None) -> bool:
    """Tell whether an order is to be compared with a prior, rather than done on one series."""
    if isinstance(command, SegmentCommand | MeasureCommand):
        return prior is not None
    return isinstance(command, CompareCommand)


class CutOff(BaseException):
    """The process ends amid an order of a rule: the order stays as it is, for the next start."""


class Precedence:
    """Persons' commands go first, one at a time; what rules asked for waits between its steps."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._persons = 0
        self._busy = threading.Lock()
        self._closing = False

    @contextmanager
    def person(self) -> Iterator[None]:
        """Work for a person, alone."""
        with self._changed:
            self._persons += 1
        try:
            with self._busy:
                yield
        finally:
            with self._changed:
                self._persons -= 1
                self._changed.notify_all()

    @contextmanager
    def background(self) -> Iterator[Progress]:
        """Work that stands still while persons' commands run."""
        yield self._stand_by

    def close(self) -> None:
        """Cut off what works in the background: the next start takes it up."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _stand_by(self, fraction: float, stage: str) -> None:  # noqa: ARG002 - a Progress
        with self._changed:
            while self._persons and not self._closing:
                self._changed.wait()
            if self._closing:
                raise CutOff


class Hand:
    """Carries out orders with an analyst, at a place."""

    def __init__(
        self,
        *,
        place: Place,
        analyst: Analyst,
        grammar: Grammar,
        precedence: Precedence | None = None,
        aside: Callable[[], AbstractContextManager[None]] = nullcontext,
        running: Running | None = None,
        glimpses: Glimpses | None = None,
        comparing: Comparing | None = None,
    ) -> None:
        self._place = place
        self._analyst = analyst
        self._grammar = grammar
        self._precedence = precedence or Precedence()
        self._aside = aside
        self._running = running or Running()
        self._glimpses = glimpses or Glimpses()
        self._comparing = comparing

    def carry_out(self, order: Order) -> None:
        """Do what was ordered, once; after a kill it is done from the start, into the same folder.

        Raises
        ------
        RadcopilotError
            What the command came to instead; the result says so too.
        """
        try:
            self.attempt(order)
        except Exception as error:
            self.give_up(order, error)
            raise

    def attempt(self, order: Order) -> None:
        """Do what was ordered, unless it was done; what fails may be tried again."""
        if self._place.is_running(order.identity):
            self._work(order)

    def give_up(self, order: Order, error: Exception) -> None:
        """Write into the result why nothing came of an order."""
        if isinstance(error, RadcopilotError):
            self._place.fail(order, str(error))
        else:  # an engine may be anyone's: its crash is an answer too
            log.error("command.failed result=%s", order.identity, exc_info=error)
            self._place.fail(order, f"the engine broke down ({type(error).__name__})")

    def _work(self, order: Order) -> None:
        command = understood(self._grammar, order.sentence)
        with self._turn(order) as progress, self._place.files(order.series) as files:
            if self._comparing is not None and compares(command, order.prior):
                self._compare(self._comparing, order, command, files, progress)
                return
            analysis = self._analyst.run(
                files,
                command,
                self._place.hints(order.hints),
                progress,
                order.engine,
                agent=order.agent,
                seen=partial(self._glimpses.show, order.identity),
            )
            with self._place.folder(order.identity) as folder:
                written = analysis.write(folder)
                document = printed_analysis(analysis, written, order.sentence)
                if order.rule:
                    document |= {"rule": order.rule, "images": order.images}
                self._place.finish(order, document, folder)

    def _compare(
        self,
        comparing: Comparing,
        order: Order,
        command: Command,
        files: tuple[Path, ...],
        progress: Progress,
    ) -> None:
        asked = Asked(
            series=order.series,
            files=files,
            sentence=order.sentence,
            command=command,
            hints=self._place.hints(order.hints),
            engine=order.engine,
            prior=order.prior,
            told=order.told,
        )
        with self._place.folder(order.identity) as folder:
            document = comparing.compare(asked, folder, progress)
            self._place.finish(order, document, folder)

    @contextmanager
    def _turn(self, order: Order) -> Iterator[Progress]:
        if order.rule:
            with self._precedence.background() as progress:
                yield progress
        else:
            self._glimpses.begin(order.identity)
            try:
                with (
                    self._running.followed(order.identity) as progress,
                    self._precedence.person(),
                    self._aside(),
                ):
                    progress(0.0, "reading images")
                    yield progress
            finally:
                self._glimpses.end(order.identity)

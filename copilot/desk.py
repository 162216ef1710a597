"""The working desk of the server: commands on stored series, the yes, and what follows from it."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from copilot.agent.agent import When
from copilot.analysis import Analyst
from copilot.hints import EarlierMask, Hints
from copilot.printing import printed_analysis
from copilot.results import Result, Results, result_of
from copilot.results import State as ResultState
from copilot.understanding import understood
from copilot.workflows.delivery import DELIVER, OBJECTS, Delivery, Outbox
from copilot.workflows.durable import Durable
from domain.command import as_json
from domain.errors import InputError, RadcopilotError
from domain.ports import Archive, Clock, Grammar, no_progress
from domain.uids import SeriesUID

log: Final = logging.getLogger(__name__)

COMMAND: Final = "command-1"
_WAIT_S: Final = 20.0
_LOOK_S: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Order:
    """A command as it is remembered, to be carried out after a kill too: no image, UIDs alone."""

    identity: str
    series: SeriesUID
    sentence: str
    hints: Hints
    engine: str | None
    agent: When | None


class Desk:
    """Runs one command at a time on this machine's processor; results wait for a person.

    ``aside`` makes whatever works in the background leave the processor to the command.
    """

    def __init__(
        self,
        *,
        archive: Archive,
        analyst: Analyst,
        grammar: Grammar,
        results: Results,
        destinations: Sequence[str],
        outbox: Outbox,
        durable: Durable,
        clock: Clock,
        aside: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._archive = archive
        self._analyst = analyst
        self._grammar = grammar
        self._results = results
        self._destinations = destinations
        self._outbox = outbox
        self._durable = durable
        self._clock = clock
        self._aside = aside
        self._busy = threading.Lock()

    @property
    def results(self) -> Results:
        """What was made so far."""
        return self._results

    def command(
        self,
        series: SeriesUID,
        sentence: str,
        hints: Hints,
        actor: str,
        engine: str | None = None,
        *,
        agent: When | None = None,
    ) -> Result:
        """Do what a sentence says on a stored series; nothing is sent.

        ``agent`` says when the agent works; None leaves that to the settings.

        Raises
        ------
        InputError
            If the series is not stored here, or a hint does not fit it.
        """
        self._files(series)
        command = understood(self._grammar, sentence)
        identity, _ = self._results.new_folder()
        began = Result(
            id=identity,
            at=self._clock.now().isoformat(),
            series_instance_uid=series,
            state=ResultState.RUNNING,
            document={"text": sentence, "command": as_json(command), "masks": []},
        )
        self._results.add(began, actor)
        order = Order(
            identity=identity,
            series=series,
            sentence=sentence,
            hints=hints,
            engine=engine,
            agent=agent,
        )
        if self._durable.is_running:
            self._durable.begin(COMMAND, identity, order)
            self._durable.result(identity)
        else:
            self.carry_out(order)
        return self._results.get(identity)

    def carry_out(self, order: Order) -> None:
        """Do what was ordered, once; after a kill it is done from the start, into the same folder.

        Raises
        ------
        RadcopilotError
            What the command came to instead; the result says so too.
        """
        began = self._results.get(order.identity)
        if began.state is not ResultState.RUNNING:
            return
        try:
            document = self._document(order)
        except RadcopilotError as error:
            self._fail(began, str(error))
            raise
        except Exception as error:  # an engine may be anyone's: its crash is an answer too
            log.exception("command.failed result=%s", order.identity)
            self._fail(began, f"the engine broke down ({type(error).__name__})")
            raise
        made = result_of(order.identity, self._clock.now(), order.series, document)
        self._results.finish(made)

    def _fail(self, began: Result, reason: str) -> None:
        failed = {**began.document, "error": reason}
        self._results.finish(replace(began, state=ResultState.FAILED, document=failed))

    def _document(self, order: Order) -> dict[str, Any]:
        command = understood(self._grammar, order.sentence)
        with self._busy, self._aside():
            analysis = self._analyst.run(
                self._files(order.series),
                command,
                order.hints,
                no_progress,
                order.engine,
                agent=order.agent,
            )
            written = analysis.write(self._results.folder(order.identity))
        return printed_analysis(analysis, written, order.sentence)

    def _files(self, series: SeriesUID) -> tuple[Path, ...]:
        files = self._archive.instance_paths(series)
        if not files:
            raise InputError(f"series {series} is not stored here: send it to this node first")
        return files

    def mask_of(self, identity: str, segment: int | None) -> EarlierMask:
        """Return the mask of an earlier result, to be corrected.

        Raises
        ------
        InputError
            If there is no such result, or it has no mask.
        """
        seg = self._results.folder(identity) / OBJECTS[0]
        if not seg.is_file():
            raise InputError(f"result {identity} has no mask to correct: name one with a SEG")
        return EarlierMask(seg=seg, segment=segment)

    def accept(self, identity: str, actor: str) -> Result:
        """Record the radiologist's yes."""
        waiting = frozenset({ResultState.WAITING})
        return self._results.move(identity, ResultState.ACCEPTED, waiting, actor)

    def reject(self, identity: str, actor: str) -> Result:
        """Record the radiologist's no; the files stay, marked rejected."""
        waiting = frozenset({ResultState.WAITING, ResultState.ACCEPTED})
        return self._results.move(identity, ResultState.REJECTED, waiting, actor)

    @property
    def outbox(self) -> Outbox:
        """What goes to which destination."""
        return self._outbox

    def send(
        self, identity: str, actor: str, wait_s: float = _WAIT_S
    ) -> tuple[Result, tuple[Delivery, ...]]:
        """Queue an accepted result for every destination, and say where each delivery stands.

        It goes on in the background, over restarts, until each destination has it. Asked again
        for a destination that has it, nothing is sent twice.

        Parameters
        ----------
        wait_s
            How long to wait for the first answer of each.

        Raises
        ------
        InputError
            If it was not accepted, or no destination is configured.
        """
        result = self._results.get(identity)
        if result.state is not ResultState.ACCEPTED:
            raise InputError(
                f"result {identity} is {result.state.value}: nothing leaves before it is accepted"
            )
        if not self._destinations:
            raise InputError("no destination is configured: add [[peers]] to the settings")
        self._results.note(identity, "result.queued", actor)
        for destination in self._destinations:
            self._begin(self._outbox.put(identity, destination))
        self._wait(identity, wait_s)
        return self._results.get(identity), self._outbox.of(identity)

    def retry(self, identity: str, destination: str) -> Delivery:
        """Begin a delivery that failed or was cancelled again.

        Raises
        ------
        InputError
            If it is open or done.
        """
        delivery = self._outbox.again(identity, destination)
        self._begin(delivery)
        return delivery

    def cancel(self, identity: str, destination: str) -> Delivery:
        """Stop an open delivery before its next attempt; what the destination has stays there.

        Raises
        ------
        InputError
            If it is not open.
        """
        delivery = self._outbox.stop(identity, destination)
        self._durable.cancel(delivery.workflow_id)
        return delivery

    def resume(self) -> int:
        """Queue every open delivery that no workflow knows; return how many are open.

        A process may be killed between the row and the workflow.
        """
        found = [each for each in self._outbox.all() if each.is_open]
        for delivery in found:
            self._begin(delivery)
        return len(found)

    def _begin(self, delivery: Delivery) -> None:
        if delivery.is_open:
            self._durable.enqueue(
                DELIVER, delivery.workflow_id, delivery.result_id, delivery.destination
            )

    def _wait(self, identity: str, wait_s: float) -> None:
        """Wait until each delivery is done, or was tried once without success."""
        until = time.monotonic() + wait_s
        while time.monotonic() < until:
            deliveries = self._outbox.of(identity)
            if any(each.is_open and not each.attempts for each in deliveries):
                time.sleep(_LOOK_S)
                continue
            is_there = all(each.is_done for each in deliveries)
            if not is_there or self._results.get(identity).state is ResultState.SENT:
                return
            time.sleep(_LOOK_S)

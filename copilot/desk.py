"""The working desk of the server: commands on stored series, the yes, and what follows from it."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from copilot.agent.agent import When
from copilot.hints import EarlierMask, Hints
from copilot.intent.deixis import Context
from copilot.results import Result, Results
from copilot.results import State as ResultState
from copilot.twins import SEG
from copilot.understanding import meant, understood
from copilot.workflows.delivery import Delivery, Outbox
from copilot.workflows.durable import GOES_ON, Durable
from copilot.workflows.orders import COMMAND, Hand, Order, compares
from copilot.workflows.running import Running
from domain.command import CompareCommand, as_json
from domain.comparison import ToldPair
from domain.errors import InputError
from domain.ports import Archive, Clock, Grammar
from domain.uids import SeriesUID

_WAIT_S: Final = 20.0
_NEVER_BEGAN: Final = "the server ended before it was begun: give the command again"
_LOOK_S: Final = 0.1


class Desk:
    """Takes commands on stored series; their results wait for a person's yes."""

    def __init__(
        self,
        *,
        archive: Archive,
        hand: Hand,
        grammar: Grammar,
        results: Results,
        destinations: Sequence[str],
        outbox: Outbox,
        durable: Durable,
        clock: Clock,
        elsewhere: Callable[[str | None], str] = lambda _engine: "",
        running: Running | None = None,
        is_behind: Callable[[str, str], bool] = lambda _result, _destination: False,
    ) -> None:
        self._archive = archive
        self._hand = hand
        self._grammar = grammar
        self._results = results
        self._destinations = destinations
        self._outbox = outbox
        self._durable = durable
        self._clock = clock
        self._elsewhere = elsewhere
        self._running = running or Running()
        self._is_behind = is_behind

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
        context: Context | None = None,
        prior: SeriesUID | None = None,
        told: tuple[ToldPair, ...] | None = None,
    ) -> Result:
        """Do what a sentence says on a stored series; nothing is sent.

        ``agent`` says when the agent works; None leaves that to the settings. ``context`` is what
        a page knows of words that point: "this", "the other side". ``prior`` is the series to
        compare with; without it, comparing takes the one that the page has beside the study, or
        the newest that fits. ``told`` says which lesion is which; None takes what was told before.

        Raises
        ------
        InputError
            If the series is not stored here, a hint does not fit it, or pairs are told of a
            command that compares nothing.
        """
        began = self.begin(
            series,
            sentence,
            hints,
            actor,
            engine,
            agent=agent,
            context=context,
            prior=prior,
            told=told,
        )
        if self._durable.is_running and began.state is ResultState.RUNNING:
            self._durable.result(began.id)
        return self._results.get(began.id)

    def begin(
        self,
        series: SeriesUID,
        sentence: str,
        hints: Hints,
        actor: str,
        engine: str | None = None,
        *,
        agent: When | None = None,
        context: Context | None = None,
        prior: SeriesUID | None = None,
        told: tuple[ToldPair, ...] | None = None,
    ) -> Result:
        """Begin what ``command`` does and return at once; the result is running."""
        found = meant(self._grammar, sentence, context or Context())
        if found.series is not None:  # what was pointed at is not on these images
            series, hints, prior = found.series, Hints(), None
        self._check_stored(series)
        # those who carry an order out read its sentence again, and know nothing of a page
        is_order = understood(self._grammar, found.sentence) == found.command
        sentence = found.sentence if is_order else sentence
        if isinstance(found.command, CompareCommand) and prior is None and context is not None:
            prior = context.prior
        if told and not compares(found.command, prior):
            raise InputError(
                f"{len(told)} pairs are told, and nothing is compared: say so with the command "
                '"compare with the prior"'
            )
        identity, _ = self._results.new_folder()
        began = Result(
            id=identity,
            at=self._clock.now().isoformat(),
            series_instance_uid=series,
            state=ResultState.RUNNING if is_order else ResultState.ANSWERED,
            document={"text": sentence, "command": as_json(found.command), "masks": []}
            | self._corrects(hints),
        )
        self._results.add(began, actor)
        for pair in told or ():  # which one is in the result: an act is short
            what = " gone" if pair.current is None else " new" if pair.prior is None else ""
            self._results.note(identity, f"pair.told{what}", actor)
        if told == ():
            self._results.note(identity, "pair.told none", actor)
        if not is_order:
            return began
        order = Order(
            identity=identity,
            series=series,
            sentence=sentence,
            hints=hints,
            engine=engine,
            agent=agent,
            prior=prior,
            told=told,
        )
        is_here = compares(found.command, prior)  # workers have one series, and no other study
        if not self._durable.is_running:
            self._hand.carry_out(order)
        elif not is_here and (queue := self._elsewhere(engine)):
            self._durable.enqueue(COMMAND, identity, order, queue=queue)
        else:
            self._durable.begin(COMMAND, identity, order)
        return began

    def stop(self, identity: str, actor: str) -> Result:
        """Stop a running command at its next step; its result says so.

        Raises
        ------
        InputError
            If it is not running.
        """
        result = self._results.get(identity)
        if result.state is not ResultState.RUNNING:
            raise InputError(f"result {identity} is {result.state.value}: nothing is to be stopped")
        self._results.note(identity, "command.stopped", actor)
        self._running.stop(identity)
        return result

    def _check_stored(self, series: SeriesUID) -> None:
        if not self._archive.instance_paths(series):
            raise InputError(f"series {series} is not stored here: send it to this node first")

    def mask_of(self, identity: str, segment: int | None) -> EarlierMask:
        """Return the mask of an earlier result, to be corrected.

        Raises
        ------
        InputError
            If there is no such result, or it has no mask.
        """
        seg = self._results.folder(identity) / SEG
        if not seg.is_file():
            raise InputError(f"result {identity} has no mask to correct: name one with a SEG")
        return EarlierMask(seg=seg, segment=segment)

    def _corrects(self, hints: Hints) -> dict[str, str]:
        """Return which result a command begins with, where it begins with one."""
        seg = hints.mask.seg if hints.mask else None
        if seg is None or seg.parent.parent != self._results.root:
            return {}
        return {"corrects": seg.parent.name}

    def accept(self, identity: str, actor: str) -> Result:
        """Record the radiologist's yes; what is on its way of the result it replaces is stopped."""
        result = self._results.accept(identity, actor)
        if "replaces" in result.document:
            for delivery in self._outbox.of(result.document["replaces"]):
                if delivery.is_open:
                    self.cancel(delivery.result_id, delivery.destination, actor)
        return result

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

    def deliver_signed(self, identities: Iterable[str]) -> None:
        """Queue the signed report of results for the destinations that have an earlier one."""
        for identity in identities:
            for delivery in self._outbox.of(identity):
                if delivery.is_done and self._is_behind(identity, delivery.destination):
                    self._begin(self._outbox.anew(identity, delivery.destination))

    def retry(self, identity: str, destination: str, actor: str) -> Delivery:
        """Begin a delivery that failed or was cancelled again.

        Raises
        ------
        InputError
            If it is open or done.
        """
        self._results.note(identity, f"delivery.retry {destination}", actor)
        delivery = self._outbox.again(identity, destination)
        self._begin(delivery)
        return delivery

    def cancel(self, identity: str, destination: str, actor: str) -> Delivery:
        """Stop an open delivery before its next attempt; what the destination has stays there.

        Raises
        ------
        InputError
            If it is not open.
        """
        self._results.note(identity, f"delivery.cancel {destination}", actor)
        delivery = self._outbox.stop(identity, destination)
        self._durable.cancel(delivery.workflow_id)
        return delivery

    def resume(self) -> int:
        """Take up what a kill between a row and its workflow left; return how many deliveries.

        Every open delivery is queued that no workflow knows. A command that none knows was not
        begun, and what was pointed at is not in its row: it has failed, and may be given again.
        """
        for began in self._results.running():
            if "rule" not in began.document and self._durable.status(began.id) is None:
                document = {**began.document, "error": _NEVER_BEGAN}
                self._results.finish(replace(began, state=ResultState.FAILED, document=document))
        found = [each for each in self._outbox.all() if each.is_open]
        for delivery in found:
            self._begin(delivery)
        return len(found)

    def _begin(self, delivery: Delivery) -> None:
        if delivery.is_open and self._durable.status(delivery.old_workflow_id) not in GOES_ON:
            self._durable.enqueue(
                delivery.workflow, delivery.workflow_id, delivery.result_id, delivery.destination
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

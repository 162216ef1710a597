"""The part of the composition root that is about work: queues, rules, reception and hands."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cached_property, partial
from typing import Final, TypeVar

from copilot.fetching import counted
from copilot.settings import ConditionSettings, RuleSettings
from copilot.site_rules.conditions import Condition
from copilot.site_rules.rules import Run, SiteRule, check_rules
from copilot.system import SystemClock
from copilot.wiring.deliveries import queue_delivery
from copilot.wiring.house import House
from copilot.workers import Roster, Rounds, dead
from copilot.workflows.automation import SETTLE, SETTLEMENTS, Automation
from copilot.workflows.book import Book, Origin
from copilot.workflows.durable import Workflow, WorkQueue, patient_step, step
from copilot.workflows.glimpses import Glimpses
from copilot.workflows.orders import ANALYSE, COMMAND, Comparing, Hand, Order, Place, Precedence
from copilot.workflows.places import Here
from copilot.workflows.reception import (
    FETCHES,
    PRIORS,
    RECEIVE,
    STUDIES,
    Asking,
    Reception,
)
from copilot.workflows.running import Running
from copilot.workflows.shelf import StoreShelf
from domain.errors import SettingsError
from domain.uids import StudyUID

ENGINE: Final = "engine-"
PREFETCH: Final = "prefetch-1"
_COMMANDS: Final = "commands"
_ALL: Final = "*"
_LOOKS_A_LIFE: Final = 3
_Got = TypeVar("_Got")


class Workplace:
    """Builds what works in a process, each part when it is first asked for."""

    def __init__(self, home: House) -> None:
        self._home = home
        self.precedence = Precedence()
        self.running = Running()
        self.glimpses = Glimpses()

    def check(self) -> str:
        """Refuse rules and queues that could not work, and say what there is.

        Raises
        ------
        SettingsError
            Naming what is wrong, and the remedy.
        """
        self.taken(self._home.settings.work.node_takes)
        automatic = sum(rule.run is Run.AUTOMATIC for rule in self.rules)
        names = ", ".join(queue.removeprefix(ENGINE) for queue in self.queues)
        return f"{len(self.rules)} rules, {automatic} automatic; queues {names}"

    @cached_property
    def rules(self) -> tuple[SiteRule, ...]:
        """The site's rules, checked.

        Raises
        ------
        SettingsError
            Naming the rule that could not be carried out.
        """
        home = self._home
        rules = tuple(site_rule(each) for each in home.settings.rules)
        if rules:
            destinations = [peer.ae_title for peer in home.settings.peers]
            check_rules(rules, home.grammar, list(home.engines), destinations)
        return rules

    @cached_property
    def queues(self) -> Mapping[str, int]:
        """Every queue of engines' work, with how much of it is done at a time in one process.

        Raises
        ------
        SettingsError
            If an engine is in two queues, or a queue names one that is not installed.
        """
        found: dict[str, int] = {}
        for engine in self._home.engines:
            queue, at_once = self._queue(engine)
            found[queue] = at_once
        named = [name for each in self._home.settings.work.queues.values() for name in each.engines]
        for name in named:
            if named.count(name) > 1:
                raise SettingsError(f"[work.queues] has {name!r} twice: an engine has one queue")
            if name not in self._home.engines:
                known = ", ".join(sorted(self._home.engines))
                raise SettingsError(
                    f"[work.queues] names the engine {name!r}, which is not installed: {known}"
                )
        return found

    def queue_of(self, engine: str | None) -> str:
        """Return the queue of an engine's work; None asks for the default engine's."""
        return self._queue(engine or self._home.settings.segmentation.engine)[0]

    def elsewhere(self, engine: str | None) -> str:
        """Return the queue of an engine whose work this process leaves to workers; else empty."""
        queue = self.queue_of(engine)
        return "" if self._takes(queue) else queue

    def taken(self, names: tuple[str, ...]) -> dict[str, int]:
        """Return the queues of these names, as the settings write them; ``*`` for all.

        Raises
        ------
        SettingsError
            If there is none of a name.
        """
        known = {queue.removeprefix(ENGINE): queue for queue in self.queues}
        for name in names:
            if name != _ALL and name not in known:
                raise SettingsError(f"no queue is called {name!r}: there are {', '.join(known)}")
        return {
            queue: self.queues[queue]
            for name, queue in known.items()
            if _ALL in names or name in names
        }

    @cached_property
    def shelf(self) -> StoreShelf:
        """The store, by study."""
        return StoreShelf(self._home.store)

    @cached_property
    def book(self) -> Book:
        """What was seen of each study."""
        self._home.audit  # noqa: B018 - opens the database, and names what is wrong with it
        return Book(self._home.database, SystemClock())

    @cached_property
    def reception(self) -> Reception:
        """What watches arrivals, not yet started."""
        home = self._home
        from_peer = home.settings.priors.on_arrival_from
        return Reception(
            shelf=self.shelf,
            book=self.book,
            durable=home.durable,
            periods=home.quiet_periods,
            asking=self._asking(),
            complete=self.automation(home.durable).begin,
            priors=partial(self._fetch_priors, from_peer) if from_peer else None,
        )

    def automation(self, queue: WorkQueue) -> Automation:
        """Return what applies the rules, queueing work there."""
        home = self._home

        def deliver(result_id: str, destination: str) -> None:
            queue_delivery(queue, home.outbox.get(result_id, destination))

        return Automation(
            rules=self.rules,
            archive=self.shelf,
            grammar=home.grammar,
            results=home.results,
            outbox=home.outbox,
            clock=SystemClock(),
            queue=queue,
            queue_of=self.queue_of,
            deliver=deliver,
        )

    @cached_property
    def hand(self) -> Hand:
        """Carries out orders on this process's own store."""
        home = self._home
        return self.hand_at(
            Here(home.store, home.results, SystemClock()),
            aside=home.looking_ahead.stood_aside,
            comparing=home.stored_comparer,
        )

    def hand_at(
        self,
        place: Place,
        aside: Callable[[], AbstractContextManager[None]] = nullcontext,
        comparing: Comparing | None = None,
    ) -> Hand:
        """Return what carries out orders at a place; comparing needs the store of all studies."""
        return Hand(
            place=place,
            analyst=self._home.analyst,
            grammar=self._home.grammar,
            precedence=self.precedence,
            running=self.running,
            glimpses=self.glimpses,
            aside=aside,
            comparing=comparing,
        )

    def engine_workflows(self, hand: Hand) -> tuple[Workflow, ...]:
        """Return what a process does for engines: the orders of persons and of rules."""
        durable = self._home.durable

        def command(order: Order) -> None:
            step(lambda: hand.carry_out(order), "carry out")

        def analyse(order: Order) -> None:
            try:
                patient_step(lambda: hand.attempt(order), "carry out")
            except Exception as error:  # noqa: BLE001 - whatever an engine raises, the result says so
                reason = error
                step(lambda: hand.give_up(order, reason), "give up")
                return
            identity = f"{SETTLE}-{order.identity}"
            durable.enqueue(SETTLE, identity, order.identity, queue=SETTLEMENTS)

        default = self.queue_of(None)
        return (
            Workflow(name=COMMAND, run=command, queue=_COMMANDS),
            Workflow(name=ANALYSE, run=analyse, queue=default),
        )

    @contextmanager
    def working(self) -> Iterator[None]:
        """Do the server's work while within: what was left, what arrives, what is ordered."""
        home = self._home
        reception, automation = self.reception, self.automation(home.durable)
        home.results.tidy()
        workflows = (
            *home.deliveries(),
            *self.engine_workflows(self.hand),
            Workflow(name=RECEIVE, run=reception.receive, queue=STUDIES),
            Workflow(name=PRIORS, run=reception.fetch_priors, queue=FETCHES),
            Workflow(name=PREFETCH, run=self._prefetched, queue=FETCHES),
            Workflow(name=SETTLE, run=automation.settle, queue=SETTLEMENTS),
        )
        taken = self.taken(home.settings.work.node_takes)
        own = {each.queue: each.at_once for each in workflows if each.name != ANALYSE}
        with ExitStack() as stack:
            home.durable.start(workflows, {**own, **taken})
            stack.callback(home.durable.close)
            stack.callback(self.precedence.close)
            automation.resume()
            home.listen(reception.arrived)
            reception.start()
            stack.callback(reception.close)
            self._mind_workers(stack)
            yield

    def _mind_workers(self, stack: ExitStack) -> None:
        """Take up what workers leave when they die, where there can be any."""
        home = self._home
        if home.database.dialect.name != "postgresql":
            return
        roster = Roster(home.database)
        dead_after_s = home.settings.work.dead_after_s

        def look() -> None:
            alive = roster.alive(dead_after_s)
            durable = home.durable
            durable.take_over(dead(durable.busy_executors(), alive, durable.executor))

        stack.enter_context(Rounds("workers", look, dead_after_s / _LOOKS_A_LIFE))

    def _queue(self, engine: str) -> tuple[str, int]:
        for name, queue in self._home.settings.work.queues.items():
            if engine in queue.engines:
                return f"{ENGINE}{name}", queue.at_once
        return f"{ENGINE}{engine}", 1

    def _takes(self, queue: str) -> bool:
        taken = self._home.settings.work.node_takes
        return _ALL in taken or queue.removeprefix(ENGINE) in taken

    def _asking(self) -> Asking:
        home = self._home
        settings = home.settings.completeness
        if not settings.ask:
            if settings.fetch_missing:
                raise SettingsError(
                    "[completeness] fetch_missing needs ask: the peer to fetch from"
                )
            return Asking()
        peer = home.peers.either(home.peers.called(settings.ask))
        bring = home.fetcher(settings.ask).fetch if settings.fetch_missing else None
        return Asking(
            counted=partial(counted, peer),
            fetch=bring,
            pause_s=settings.ask_again_s,
            most=settings.most_asks,
        )

    def prefetch(self, patient_id: str, ae_title: str) -> str:
        """Queue the fetching of a patient's newest studies, for an order that came; its identity.

        Raises
        ------
        InputError
            If no peer is called so.
        """
        self._home.peers.called(ae_title)
        identity = f"{PREFETCH}-{uuid.uuid4().hex}"
        self._home.durable.enqueue(PREFETCH, identity, ae_title, patient_id)
        return identity

    def _prefetched(self, ae_title: str, patient_id: str) -> list[str]:
        """Fetch what is not here of a patient's newest studies: the workflow."""

        def bring() -> list[str]:
            home = self._home
            fetcher = home.fetcher(ae_title)
            today = SystemClock().now().date()
            chosen = [
                choice.study.study_instance_uid
                for choice in fetcher.newest(patient_id, today, home.prior_rules)
                if choice.chosen
            ]
            for study in chosen:
                self.fetched(study, fetcher.fetch)
            return [str(study) for study in chosen]

        brought: list[str] = patient_step(bring, "prefetch")
        return brought

    def _fetch_priors(self, ae_title: str, study: StudyUID) -> None:
        """Fetch priors of a study, each noted as fetched: rules begin nothing on them."""
        home = self._home
        fetcher = home.fetcher(ae_title)
        for choice in fetcher.priors(fetcher.described(study), home.prior_rules):
            if choice.chosen:
                self.fetched(choice.study.study_instance_uid, fetcher.fetch)

    def fetched(self, study: StudyUID, fetch: Callable[[StudyUID], _Got]) -> _Got:
        """Fetch a study as one that begins nothing by itself."""
        self.book.note(study, Origin.FETCHED)
        try:
            return fetch(study)
        finally:
            counts = {
                uid: len(series.instances) for uid, series in self.shelf.series(study).items()
            }
            self.book.settle(study, counts)


def site_rule(settings: RuleSettings) -> SiteRule:
    """Return a rule of the settings.

    Raises
    ------
    SettingsError
        Naming the rule and what is wrong with a condition of it.
    """
    try:
        return SiteRule(
            name=settings.name,
            when=tuple(_condition(each) for each in settings.when),
            command=settings.command,
            engine=settings.engine,
            run=Run(settings.run),
            push_back=settings.push_back,
            push_warned=settings.push_warned,
        )
    except SettingsError as error:
        raise SettingsError(f"rule {settings.name!r}: {error}") from error


def _condition(settings: ConditionSettings) -> Condition:
    return Condition(
        tag=settings.tag,
        values=_several(settings.values),
        not_values=_several(settings.is_not),
        pattern=settings.matches,
        at_least=settings.at_least,
        at_most=settings.at_most,
        unit=settings.unit,
    )


def _several(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value

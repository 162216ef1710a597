"""What rules of the site make happen: orders on series, and what leaves without a person's yes."""

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from copilot.hints import Hints
from copilot.results import UNDECIDED, Result, Results, State
from copilot.site_rules.conditions import SeriesFacts
from copilot.site_rules.rules import RuleVerdict, Run, SiteRule, judged
from copilot.understanding import understood
from copilot.workflows.delivery import Outbox
from copilot.workflows.durable import WorkQueue, patient_step, step
from copilot.workflows.orders import ANALYSE, Order
from copilot.workflows.reception import content_digest
from dicom_node.files import headers
from domain.command import as_json
from domain.errors import InputError
from domain.ports import Clock, Grammar
from domain.uids import InstanceUID, SeriesUID, StudyUID

log: Final = logging.getLogger(__name__)

SETTLE: Final = "settle-1"
SETTLEMENTS: Final = "settlements"
AFTER_PERSONS: Final = 10
_ID_LENGTH: Final = 32


@dataclass(frozen=True, kw_only=True)
class SeriesVerdicts:
    """What the rules say of one series."""

    series_instance_uid: SeriesUID
    modality: str
    description: str
    instances: int
    verdicts: tuple[RuleVerdict, ...]


class Archive(Protocol):
    """What is asked of the store."""

    def files_of(self, study: StudyUID) -> Mapping[SeriesUID, Mapping[InstanceUID, Path]]:
        """Return the files of a study by series and instance."""
        ...


class Automation:
    """Applies the site's rules to studies.

    Parameters
    ----------
    queue_of
        The queue of an engine's work; None asks for the default engine's.
    deliver
        Queues a delivery that was put into the outbox.
    """

    def __init__(
        self,
        *,
        rules: Sequence[SiteRule],
        archive: Archive,
        grammar: Grammar,
        results: Results,
        outbox: Outbox,
        clock: Clock,
        queue: WorkQueue,
        queue_of: Callable[[str | None], str],
        deliver: Callable[[str, str], None],
    ) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._archive = archive
        self._grammar = grammar
        self._results = results
        self._outbox = outbox
        self._clock = clock
        self._queue = queue
        self._queue_of = queue_of
        self._deliver = deliver

    def verdicts(self, study: StudyUID) -> tuple[SeriesVerdicts, ...]:
        """Return what every rule says of every series of a study; nothing happens.

        Raises
        ------
        InputError
            If the study is not stored.
        """
        return study_verdicts(tuple(self._rules.values()), self._archive, study)

    def begin(self, study: StudyUID, series: Collection[SeriesUID]) -> None:
        """Order what automatic rules say of series of a study: part of a workflow.

        Ordered again for the same images, a result is the same one, and nothing happens.
        """
        for order in patient_step(lambda: self._automatic(study, series), "rules"):
            self._enqueue(order, 1)

    def ask(self, study: StudyUID, name: str | None = None) -> tuple[str, ...]:
        """Order what rules say of a study because a person asks for it; all, or the one named.

        Raises
        ------
        InputError
            If no rule is called so, or none applies.
        """
        if name is not None and name not in self._rules:
            known = ", ".join(self._rules) or "none"
            raise InputError(f"no rule is called {name!r}; there are {known}")
        orders = [
            self._order(study, found.series_instance_uid, verdict.rule)
            for found in self.verdicts(study)
            for verdict in found.verdicts
            if verdict.applies and name in (None, verdict.rule.name)
        ]
        if not orders:
            raise InputError(
                f"no rule applies to study {study}: radcopilot rules test {study} says why"
            )
        for order in orders:
            self._enqueue(order, 1)
        return tuple(order.identity for order in orders)

    def retry(self, identity: str) -> str:
        """Order a failed result of a rule again, and return the name of its workflow.

        Raises
        ------
        InputError
            If it is none of a rule, or did not fail.
        """
        result = self._results.get(identity)
        rule = result.document.get("rule")
        if not rule:
            raise InputError(f"result {identity} is no rule's: give the command again")
        tries = _round(result) + 1
        document = {**result.document, "round": tries}
        document.pop("error", None)
        self._results.begin_again(identity, document)
        return self._enqueue(_order_of(result, rule), tries)

    def resume(self) -> None:
        """Queue every order of a rule that no workflow knows: a kill came between the two."""
        for result in self._results.running():
            if "rule" in result.document:
                self._enqueue(_order_of(result, str(result.document["rule"])), _round(result))

    def settle(self, identity: str) -> None:
        """Mark what a rule's result replaces, and send it where it may: the workflow."""
        step(lambda: self._replace_earlier(identity), "replace")
        for destination in step(lambda: self._accepted(identity), "accept"):
            step(partial(self._put, identity, destination), "put")
            self._deliver(identity, destination)

    def _automatic(self, study: StudyUID, series: Collection[SeriesUID]) -> list[Order]:
        return [
            self._order(study, found.series_instance_uid, verdict.rule)
            for found in self.verdicts(study)
            if found.series_instance_uid in series
            for verdict in found.verdicts
            if verdict.applies and verdict.rule.run is Run.AUTOMATIC
        ]

    def _order(self, study: StudyUID, series: SeriesUID, rule: SiteRule) -> Order:
        """Return the order of a rule on a series; its result's row is there afterwards."""
        uids = self._archive.files_of(study)[series]
        said = f"{rule.fingerprint} {series} {content_digest(uids)}"
        identity = hashlib.sha256(said.encode()).hexdigest()[:_ID_LENGTH]
        began = Result(
            id=identity,
            at=self._clock.now().isoformat(),
            series_instance_uid=series,
            state=State.RUNNING,
            document={
                "text": rule.command,
                "command": as_json(understood(self._grammar, rule.command)),
                "engine": rule.engine or None,
                "masks": [],
                "rule": rule.name,
                "images": len(uids),
            },
        )
        self._results.add_once(began, rule.actor)
        return _order_of(began, rule.name)

    def _enqueue(self, order: Order, tries: int) -> str:
        workflow = f"{ANALYSE}-{order.identity}-{tries}"
        queue = self._queue_of(order.engine)
        self._queue.enqueue(ANALYSE, workflow, order, queue=queue, priority=AFTER_PERSONS)
        return workflow

    def _replace_earlier(self, identity: str) -> None:
        """Of a rule's results on a series let the one on the most images stand for the others.

        Whichever was finished last: hands of different speed do not decide.
        """
        made = self._results.get(identity)
        rule = made.document.get("rule")
        alike = [
            each
            for each in self._results.of_series(SeriesUID(made.series_instance_uid))
            if each.document.get("rule") == rule
            and each.document["text"] == made.document["text"]
            and each.state in UNDECIDED
        ]
        whole = [each for each in alike if each.state is not State.FAILED]
        if not whole:
            return
        stands = max(whole, key=_images)
        for each in alike:
            if _images(each) < _images(stands):
                self._results.supersede(each.id, stands.id, f"rule {rule}")

    def _accepted(self, identity: str) -> list[str]:
        """Accept in the name of a rule that allows it, and return where the result goes."""
        made = self._results.get(identity)
        rule = self._rules.get(str(made.document.get("rule")))
        if rule is None or not rule.push_back or made.state not in (State.WAITING, State.ACCEPTED):
            return []
        reason = held_back(made.document, rule)
        if reason:
            log.info("result.held_back result=%s reason=%s", identity, reason)
            self._results.note(identity, "result.held_back", rule.actor)
            return []
        if made.state is State.WAITING:
            waiting = frozenset({State.WAITING})
            self._results.move(identity, State.ACCEPTED, waiting, rule.actor)
        return list(rule.push_back)

    def _put(self, identity: str, destination: str) -> None:
        self._outbox.put(identity, destination)


def held_back(document: Mapping[str, Any], rule: SiteRule) -> str:
    """Return why a rule's result waits for a yes all the same; empty where it may leave."""
    masks = document["masks"]
    if not masks:
        return "it has no mask"
    kinds = {mask["made_by"]["algorithm_type"] for mask in masks}
    if kinds != {"AUTOMATIC"}:
        return f"its masks are {', '.join(sorted(kinds))}"
    engines = {mask["made_by"]["engine"] for mask in masks}
    if any(mask["is_proposal"] for mask in masks) and not rule.push_warned:
        return f"{', '.join(sorted(engines))} only proposes it"
    if (document["warnings"] or document["refusals"]) and not rule.push_warned:
        return "it has warnings"
    return ""


def study_verdicts(
    rules: Sequence[SiteRule], archive: Archive, study: StudyUID
) -> tuple[SeriesVerdicts, ...]:
    """Return what rules say of every series of a stored study; nothing happens.

    Raises
    ------
    InputError
        If the study is not stored.
    """
    files = archive.files_of(study)
    if not files:
        raise InputError(f"study {study} is not stored here: give a UID of radcopilot studies")
    return tuple(verdicts_of(rules, uid, tuple(several.values())) for uid, several in files.items())


def verdicts_of(
    rules: Sequence[SiteRule], series: SeriesUID, files: Sequence[Path]
) -> SeriesVerdicts:
    """Return what rules say of a series in these files."""
    header = headers(files[:1])[0]
    facts = SeriesFacts(header=header, instances=len(files))
    return SeriesVerdicts(
        series_instance_uid=series,
        modality=str(header.get("Modality") or ""),
        description=str(header.get("SeriesDescription") or ""),
        instances=len(files),
        verdicts=judged(rules, facts),
    )


def _order_of(result: Result, rule: str) -> Order:
    return Order(
        identity=result.id,
        series=SeriesUID(result.series_instance_uid),
        sentence=str(result.document["text"]),
        hints=Hints(),
        engine=result.document.get("engine"),
        agent=None,
        rule=rule,
        images=_images(result),
    )


def _round(result: Result) -> int:
    return int(result.document.get("round", 1))


def _images(result: Result) -> int:
    return int(result.document.get("images", 0))

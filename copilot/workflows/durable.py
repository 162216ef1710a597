"""DBOS over the site's database: workflows that go on where a killed process left them.

One process has one of these at a time: DBOS keeps its registry and its threads for all of it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, Protocol

from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, SetWorkflowID, StepOptions
from dbos import error as dbos_errors

from domain.errors import PeerUnreachableError, StorageError

log: Final = logging.getLogger(__name__)

NAME: Final = "radcopilot"
GOES_ON: Final = frozenset({"PENDING", "ENQUEUED", "DELAYED"})  # DBOS's words for work to be done
# Of the shape of the workflows, not of the software: an upgrade goes on with what was begun. Raise
# it where the steps of a workflow change, and keep the old function under its own name.
SHAPE: Final = "1"
_SQLITE: Final = "sqlite:///"
_POLL_S: Final = 0.5
_LEAVE_S: Final = 5
_FIRST_PAUSE_S: Final = 1.0
_ATTEMPTS: Final = 6  # over half a minute


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A function whose steps are remembered; it is called again from the start after a crash.

    Attributes
    ----------
    name
        Under which it is remembered: never reused for another shape.
    queue
        Where it waits, unless it is begun at once, or another queue is named.
    at_once
        How many of the queue run at a time in one process.
    """

    name: str
    run: Callable[..., Any]
    queue: str
    at_once: int = 1


class WorkQueue(Protocol):
    """What is asked of the durable work, from within its process or from outside."""

    def enqueue(
        self,
        name: str,
        identity: str,
        *arguments: object,
        delay_s: float = 0.0,
        queue: str = "",
        priority: int = 0,
    ) -> None:
        """Queue a workflow once."""
        ...


class Durable:
    """The workflows of a process, from ``start`` to ``close``.

    Parameters
    ----------
    database_url
        SQLAlchemy URL; SQLite or PostgreSQL.
    executor
        Name of this process: what it leaves is taken up by the next of the same name.
    """

    def __init__(self, database_url: str, executor: str = "local") -> None:
        self._url = database_url
        self._executor = executor
        self._workflows: dict[str, Callable[..., Any]] = {}
        self._queues: dict[str, str] = {}
        self._is_running = False

    @property
    def executor(self) -> str:
        """Name of this process among those that share the work."""
        return self._executor

    @property
    def is_running(self) -> bool:
        """Whether workflows are taken up by this process."""
        return self._is_running

    def start(self, workflows: Sequence[Workflow], queues: Mapping[str, int] | None = None) -> None:
        """Take up what was left, and whatever is queued from now on in the queues of this process.

        Parameters
        ----------
        queues
            Those it takes work from, with how many at a time; None: those of its workflows.

        Raises
        ------
        StorageError
            If the database cannot be used.
        """
        config: DBOSConfig = {
            "name": NAME,
            "system_database_url": self._url,
            "application_version": SHAPE,
            "executor_id": self._executor,
            "enable_otlp": False,
            "log_level": "WARNING",
            "db_engine_kwargs": {"hide_parameters": True},
        }
        DBOS(config=config)
        for each in workflows:
            self._workflows[each.name] = DBOS.workflow(name=each.name)(_plain(each.run))
            self._queues[each.name] = each.queue
        if queues is None:
            queues = {each.queue: each.at_once for each in workflows}
        DBOS.listen_queues(list(queues))
        try:
            DBOS.launch()
        except Exception as error:  # SQLAlchemy's, the driver's, DBOS's own
            log.exception("durable.failed")
            DBOS.destroy(destroy_registry=True)
            raise StorageError(
                f"the database of work cannot be opened ({type(error).__name__}): set [storage] "
                "database to one that can be written"
            ) from error
        for queue, at_once in queues.items():
            DBOS.register_queue(queue, worker_concurrency=at_once, polling_interval_sec=_POLL_S)
        self._is_running = True

    def close(self) -> None:
        """Leave work where it is; the next start takes it up."""
        if self._is_running:
            self._is_running = False
            DBOS.logger.setLevel(logging.CRITICAL)  # work that is cut off is not news: it goes on
            DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=_LEAVE_S)

    def enqueue(
        self,
        name: str,
        identity: str,
        *arguments: object,
        delay_s: float = 0.0,
        queue: str = "",
        priority: int = 0,
    ) -> None:
        """Queue a workflow once: what has this identity already, whatever its state, stays.

        One that waits for its time holds no thread, and no place in its queue. The lowest
        ``priority`` goes first.
        """
        options = _options(name, identity, queue or self._queues[name], delay_s, priority)
        DBOS.enqueue_workflow_with_options(options, *arguments)

    def begin(self, name: str, identity: str, *arguments: object) -> None:
        """Run a workflow at once, in a thread of its own, past every queue."""
        with SetWorkflowID(identity):
            DBOS.start_workflow(self._workflows[name], *arguments)

    def result(self, identity: str) -> Any:  # noqa: ANN401 - what the workflow returns
        """Wait for a workflow and return what it returned, or raise what it raised."""
        return DBOS.retrieve_workflow(identity).get_result()

    def busy_executors(self) -> frozenset[str]:
        """Return the names of the processes that work on something, or died amid it."""
        return frozenset(
            str(each.executor_id)
            for each in DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
        )

    def take_over(self, executors: Collection[str]) -> int:
        """Queue again what processes left when they died; return how much that was.

        One that is alive after all loses nothing: whoever finishes first is believed.
        """
        if not executors:
            return 0
        left = DBOS.list_workflows(
            status="PENDING", executor_id=list(executors), load_input=False, load_output=False
        )
        for each in left:
            DBOS.resume_workflow(each.workflow_id, queue_name=each.queue_name)
        return len(left)

    def status(self, identity: str) -> str | None:
        """Return DBOS's word for the state of a workflow; None for an unknown one."""
        found = DBOS.get_workflow_status(identity)
        return None if found is None else str(found.status)

    def waiting(self) -> Counter[str]:
        """Return how much work waits or runs in each queue; nothing before the start."""
        if not self._is_running:
            return Counter()
        found = DBOS.list_queued_workflows(load_input=False, load_output=False)
        counts = Counter(dict.fromkeys(self._queues.values(), 0))
        counts.update(str(each.queue_name) for each in found)
        return counts

    def cancel(self, identity: str) -> None:
        """Stop a workflow before its next step."""
        try:
            DBOS.cancel_workflow(identity)
        except dbos_errors.DBOSException as error:
            log.warning("durable.not_cancelled id=%s reason=%s", identity, type(error).__name__)


def _plain(run: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that DBOS can write its notes on; a bound method takes none."""

    @wraps(run)
    def plain(*arguments: object) -> Any:  # noqa: ANN401 - what the workflow returns
        return run(*arguments)

    return plain


class Outside:
    """Queues work of a process that runs elsewhere, as ``Durable.enqueue`` does."""

    def __init__(self, client: DBOSClient, queues: Mapping[str, str]) -> None:
        self._client = client
        self._queues = queues

    def enqueue(
        self,
        name: str,
        identity: str,
        *arguments: object,
        delay_s: float = 0.0,
        queue: str = "",
        priority: int = 0,
    ) -> None:
        """Queue a workflow once."""
        options = _options(name, identity, queue or self._queues[name], delay_s, priority)
        self._client.enqueue(options, *arguments)


def _options(name: str, identity: str, queue: str, delay_s: float, priority: int) -> EnqueueOptions:
    options: EnqueueOptions = {
        "workflow_name": name,
        "queue_name": queue,
        "workflow_id": identity,
    }
    if priority:  # DBOS takes 1 and more; none goes first
        options["priority"] = priority
    if delay_s:
        options["delay_seconds"] = delay_s
    return options


@contextmanager
def from_outside(database_url: str) -> Iterator[DBOSClient]:
    """Yield what queues and cancels work for a process that runs elsewhere.

    Raises
    ------
    StorageError
        If the database cannot be used.
    """
    try:
        client = DBOSClient(system_database_url=database_url, lazy=False)
    except Exception as error:  # SQLAlchemy's, the driver's, DBOS's own
        log.exception("durable.failed")
        raise StorageError(
            f"the database of work cannot be opened ({type(error).__name__}): start radcopilot "
            "serve once, or see [storage] database"
        ) from error
    try:
        yield client
    finally:
        client.destroy()


def step(run: Callable[[], Any], name: str) -> Any:  # noqa: ANN401 - what it returns
    """Do something once within a workflow: what it returned is remembered."""
    return DBOS.run_step({"name": name}, run)


def patient_step(  # what the step returns
    run: Callable[[], Any], name: str, first_pause_s: float = _FIRST_PAUSE_S
) -> Any:  # noqa: ANN401
    """Do something once within a workflow, and again later where the world was in the way.

    What is wrong with the order itself is not tried again.

    Raises
    ------
    Exception
        What the last try raised.
    """
    options: StepOptions = {
        "name": name,
        "retries_allowed": True,
        "interval_seconds": first_pause_s,
        "backoff_rate": 2.0,
        "max_attempts": _ATTEMPTS,
        "should_retry": _may_pass,
    }
    try:
        return DBOS.run_step(options, run)
    except dbos_errors.DBOSMaxStepRetriesExceeded as exceeded:
        raise exceeded.errors[-1] from exceeded


def _may_pass(error: BaseException) -> bool:
    """Tell whether the same may work later: disks, networks and memory come back."""
    return isinstance(error, StorageError | PeerUnreachableError | OSError | MemoryError)


def work_database(database_url: str, folder: str) -> str:
    """Return where DBOS keeps its tables: a file of its own beside SQLite, else the same database.

    SQLite has one writer at a time; work and results would wait for one another in one file.
    """
    if database_url.startswith(_SQLITE):
        return f"{_SQLITE}{folder}/work.db"
    return database_url

"""DBOS over the site's database: workflows that go on where a killed process left them.

One process has one of these at a time: DBOS keeps its registry and its threads for all of it.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, SetWorkflowID
from dbos import error as dbos_errors

from domain.errors import StorageError

log: Final = logging.getLogger(__name__)

NAME: Final = "radcopilot"
# Of the shape of the workflows, not of the software: an upgrade goes on with what was begun. Raise
# it where the steps of a workflow change, and keep the old function under its own name.
SHAPE: Final = "1"
_SQLITE: Final = "sqlite:///"
_POLL_S: Final = 0.5
_LEAVE_S: Final = 5


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A function whose steps are remembered; it is called again from the start after a crash.

    Attributes
    ----------
    name
        Under which it is remembered: never reused for another shape.
    queue
        Where it waits, unless it is begun at once.
    at_once
        How many of the queue run at a time in one process.
    """

    name: str
    run: Callable[..., Any]
    queue: str
    at_once: int = 1


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
    def is_running(self) -> bool:
        """Whether workflows are taken up by this process."""
        return self._is_running

    def start(self, workflows: Sequence[Workflow]) -> None:
        """Take up what was left, and whatever is queued from now on.

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
        }
        DBOS(config=config)
        for each in workflows:
            self._workflows[each.name] = DBOS.workflow(name=each.name)(each.run)
            self._queues[each.name] = each.queue
        try:
            DBOS.launch()
        except Exception as error:  # SQLAlchemy's, the driver's, DBOS's own
            log.exception("durable.failed")
            DBOS.destroy(destroy_registry=True)
            raise StorageError(
                f"the database of work cannot be opened ({type(error).__name__}): set [storage] "
                "database to one that can be written"
            ) from error
        for queue, at_once in {each.queue: each.at_once for each in workflows}.items():
            DBOS.register_queue(queue, worker_concurrency=at_once, polling_interval_sec=_POLL_S)
        self._is_running = True

    def close(self) -> None:
        """Leave work where it is; the next start takes it up."""
        if self._is_running:
            self._is_running = False
            DBOS.logger.setLevel(logging.CRITICAL)  # work that is cut off is not news: it goes on
            DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=_LEAVE_S)

    def enqueue(self, name: str, identity: str, *arguments: object, delay_s: float = 0.0) -> None:
        """Queue a workflow once: what has this identity already, whatever its state, stays.

        One that waits for its time holds no thread, and no place in its queue.
        """
        options: EnqueueOptions = {
            "workflow_name": name,
            "queue_name": self._queues[name],
            "workflow_id": identity,
        }
        if delay_s:
            options["delay_seconds"] = delay_s
        DBOS.enqueue_workflow_with_options(options, *arguments)

    def begin(self, name: str, identity: str, *arguments: object) -> None:
        """Run a workflow at once, in a thread of its own, past every queue."""
        with SetWorkflowID(identity):
            DBOS.start_workflow(self._workflows[name], *arguments)

    def result(self, identity: str) -> Any:  # noqa: ANN401 - what the workflow returns
        """Wait for a workflow and return what it returned, or raise what it raised."""
        return DBOS.retrieve_workflow(identity).get_result()

    def status(self, identity: str) -> str | None:
        """Return DBOS's word for the state of a workflow; None for an unknown one."""
        found = DBOS.get_workflow_status(identity)
        return None if found is None else str(found.status)

    def cancel(self, identity: str) -> None:
        """Stop a workflow before its next step."""
        try:
            DBOS.cancel_workflow(identity)
        except dbos_errors.DBOSException as error:
            log.warning("durable.not_cancelled id=%s reason=%s", identity, type(error).__name__)


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


def work_database(database_url: str, folder: str) -> str:
    """Return where DBOS keeps its tables: a file of its own beside SQLite, else the same database.

    SQLite has one writer at a time; work and results would wait for one another in one file.
    """
    if database_url.startswith(_SQLITE):
        return f"{_SQLITE}{folder}/work.db"
    return database_url

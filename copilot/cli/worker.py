"""``radcopilot worker``: more hands on the same database, on this host or another."""

import os
import signal
import socket
import threading
import uuid
from pathlib import Path
from typing import Annotated, Final

import typer

from copilot.cli.console import house, say
from copilot.logs import begin_logging
from copilot.settings import read_secret
from copilot.wiring.house import House
from copilot.workers import Roster, Rounds
from copilot.workflows.elsewhere import Elsewhere, NodeOverHttp
from copilot.workplace import ENGINE, Workplace
from domain.errors import SettingsError

_MIB: Final = 2**20
_SIGNS_A_LIFE: Final = 5


def worker(
    *,
    queue: Annotated[
        list[str] | None, typer.Option(help="Take work of this queue only; may be repeated.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings of the site.")] = None,
) -> None:
    """Take engines' work from the site's database until interrupted.

    It needs PostgreSQL, the address of the server ([work] node_url) and the weights of its engines;
    images come from the server by DICOMweb, results go back to it.
    """
    home = house(config)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    work(home, tuple(queue or ("*",)), ended)


def work(home: House, queues: tuple[str, ...], ended: threading.Event) -> None:
    """Work until told to end; what is cut off then is taken up by others.

    Raises
    ------
    SettingsError
        If the database is not PostgreSQL, no server is named, or a queue is not known.
    """
    settings = home.settings.work
    roster = Roster(home.database)
    if not settings.node_url:
        raise SettingsError("a worker needs [work] node_url: where radcopilot serve answers")
    home.executor = own_name()
    workplace = Workplace(home)
    taken = workplace.taken(queues)
    node = NodeOverHttp(
        url=settings.node_url.rstrip("/"),
        token=read_secret(home.settings.web.token_file, "web.token_file"),
        ca=settings.ca,
        timeout_s=settings.request_timeout_s,
    )
    name = home.durable.executor
    place = Elsewhere(node, home.settings.storage.root / "fetched", settings.cache_mb * _MIB)
    workflows = workplace.engine_workflows(workplace.hand_at(place))
    begin_logging()
    roster.sign(name, list(taken))
    every_s = settings.dead_after_s / _SIGNS_A_LIFE
    with Rounds("sign", lambda: roster.sign(name, list(taken)), every_s):
        home.durable.start(workflows, taken)
        listed = ", ".join(queue.removeprefix(ENGINE) for queue in taken)
        say(f"worker {name} takes work of {listed} for {node.url}")
        ended.wait()
        workplace.precedence.close()
        home.durable.close()
    roster.leave(name)
    place.close()
    home.close()


def own_name() -> str:
    """Return a name that no other worker has had."""
    return f"worker-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"

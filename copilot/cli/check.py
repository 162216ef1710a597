"""``radcopilot check``: what the server needs to run, a line each, with the remedy."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from copilot.cli.console import emit, house, say
from copilot.models.catalog import DEFAULT
from copilot.peers import asked
from copilot.serving import listening_socket
from copilot.wiring.house import House
from copilot.wiring.network import node_tls, report_listener
from copilot.workers import Roster, Worker
from copilot.workplace import ENGINE, Workplace
from dicom_node.scu import DicomPeer, Peer
from domain.errors import PeerError, RadcopilotError, StorageError

_LEAST_FREE_GB: Final = 5.0
_BYTES_PER_GB: Final = 1e9
_ASK_S: Final = 5.0
_ANY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to

Check = Callable[[], str]


def check(
    *,
    config: Annotated[Path | None, typer.Option(help="Settings of the site.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check settings, storage, models, ports and peers: a line each, with the remedy."""
    home = house(config)
    rows = []
    for name, test in _checks(home):
        try:
            rows.append({"check": name, "ok": True, "says": test()})
        except RadcopilotError as error:
            rows.append({"check": name, "ok": False, "says": str(error)})
    home.close()
    if as_json:
        emit(rows)
    else:
        for row in rows:
            say(f"{'ok  ' if row['ok'] else 'FAIL'} {row['check']}: {row['says']}")
    failed = [str(row["check"]) for row in rows if not row["ok"]]
    if failed:
        raise StorageError(f"{len(failed)} of {len(rows)} checks failed: {', '.join(failed)}")


def _checks(home: House) -> Iterator[tuple[str, Check]]:
    yield "settings", lambda: "read"
    yield "storage", lambda: _storage(home)
    yield "database", lambda: _database(home)
    yield "retention", lambda: _retention(home)
    for name in DEFAULT:
        yield f"model {name}", partial(_model, home, name)
    yield "engines", lambda: ", ".join(sorted(home.engines))
    yield "rules", Workplace(home).check
    yield "templates", lambda: _templates(home)
    yield "workers", lambda: _workers(home)
    yield "DICOM port", lambda: _dicom_port(home)
    yield "DICOM callers", lambda: _callers(home)
    yield "DICOM TLS", lambda: _tls(home)
    yield "web port", lambda: _web_port(home)
    yield "access", home.exposure
    if (provider := home.openid) is not None:
        yield "OpenID provider", provider.check
    for peer in home.settings.peers:
        yield f"peer {peer.ae_title}", partial(asked, home, peer)
    for destination in home.settings.report_destinations:
        yield f"reports to {destination.name}", report_listener(destination).reach


def _templates(home: House) -> str:
    polished = "polished by the agent's endpoint" if home.polisher is not None else "not polished"
    own = [each for each in home.templates.all if each.language == home.templates.words.code]
    return f"{len(own)} in {home.templates.words.name}, sentences {polished}"


def _storage(home: House) -> str:
    root = home.settings.storage.root
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{root} cannot be made: {error.strerror}") from error
    if not os.access(root, os.W_OK):
        raise StorageError(f"{root} cannot be written: give its owner to this user")
    free_gb = home.room.free_bytes / _BYTES_PER_GB
    least_gb = max(_LEAST_FREE_GB, home.settings.retention.least_free_gb)
    if free_gb < least_gb:
        raise StorageError(
            f"{root} has {free_gb:.1f} GB free: make room for {least_gb:g} (radcopilot studies "
            "tidy, or [retention])"
        )
    return f"{root}, {free_gb:.0f} GB free"


def _database(home: House) -> str:
    entries = home.audit.verify()
    return f"{home.database.dialect.name} answers; {entries} audit entries, the chain is whole"


def _retention(home: House) -> str:
    settings = home.settings.retention
    limits = [
        f"unused for {settings.days:g} days" if settings.days else "",
        f"above {settings.most_gb:g} GB" if settings.most_gb else "",
        f"below {settings.wanted_free_gb:g} GB free" if settings.wanted_free_gb else "",
    ]
    said = " or ".join(filter(None, limits))
    refused = f"objects are refused below {settings.least_free_gb:g} GB free"
    return f"studies go when {said}; {refused}" if said else f"off: no study goes; {refused}"


def _workers(home: House) -> str:
    """Say who takes engines' work besides the server, and whether anybody takes what it leaves."""
    workplace = Workplace(home)
    left = set(workplace.queues) - set(workplace.taken(home.settings.work.node_takes))
    workers: tuple[Worker, ...] = ()
    if home.database.dialect.name == "postgresql":
        workers = Roster(home.database).all()
    dead_after_s = home.settings.work.dead_after_s
    alive = [each for each in workers if each.silent_s < dead_after_s]
    silent = [each for each in workers if each.silent_s >= dead_after_s]
    orphaned = left - {queue for each in alive for queue in each.queues}
    if orphaned:
        names = ", ".join(sorted(queue.removeprefix(ENGINE) for queue in orphaned))
        raise StorageError(
            f"nobody takes the work of {names}: start radcopilot worker, or add it to [work] "
            "node_takes"
        )
    said = [f"{each.name} heard of {each.silent_s:.0f} s ago" for each in alive]
    said += [f"{each.name} silent for {each.silent_s:.0f} s" for each in silent]
    return "; ".join(said) or "none: the server does all work itself"


def _model(home: House, name: str) -> str:
    home.models.verify(name)
    return "installed and whole"


def _dicom_port(home: House) -> str:
    """Say that the port is free, or that our node answers there."""
    node = home.settings.node
    try:
        listening_socket(node.host, node.port).close()
    except StorageError:
        host = "127.0.0.1" if node.host in _ANY_ADDRESS else node.host
        ours = Peer(ae_title=node.ae_title, host=host, port=node.port, connect_timeout_s=_ASK_S)
        try:
            DicomPeer(node.ae_title, ours).echo()
        except PeerError:
            raise StorageError(
                f"{node.host}:{node.port} is taken and no node of ours answers there: stop what "
                "uses it, or set [node] port to another"
            ) from None
        return f"{node.host}:{node.port}, a DICOM node answers there: the server runs"
    return f"{node.host}:{node.port} is free"


def _web_port(home: House) -> str:
    """Say that the port is free, or that our server answers there."""
    web = home.settings.web
    try:
        listening_socket(web.host, web.port).close()
    except StorageError:
        scheme = "https" if web.certificate else "http"
        host = "127.0.0.1" if web.host in _ANY_ADDRESS else web.host
        try:
            answer = httpx.get(
                f"{scheme}://{host}:{web.port}/health",
                timeout=_ASK_S,
                verify=False,  # noqa: S501 - no secret is sent; its certificate names another host
                trust_env=False,
            )
        except httpx.HTTPError as error:
            raise StorageError(
                f"{web.host}:{web.port} is taken and no server of ours answers there: stop what "
                "uses it, or set [web] port to another"
            ) from error
        return f"{web.host}:{web.port}, a server answers there (HTTP {answer.status_code})"
    return f"{web.host}:{web.port} is free"


def _callers(home: House) -> str:
    door = home.door
    listed = "; ".join(str(entry) for entry in door.allowed) or "nobody"
    called = f"who must call {door.ae_title}" if door.check_called_ae else "by any called AE title"
    return f"{listed}, {called}"


def _tls(home: House) -> str:
    tls = node_tls(home.settings.node)
    if tls is None:
        return "off"
    tls.context()
    return f"{tls.certificate}, " + (f"callers signed by {tls.ca}" if tls.ca else "any caller")

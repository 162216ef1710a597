"""``radcopilot serve`` and ``radcopilot check``: the server, and what it needs to run."""

import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer

from copilot.cli.console import emit, house, say
from copilot.models.catalog import DEFAULT
from copilot.serving import listening_socket, running_node, serve_web
from copilot.wiring import House
from domain.errors import RadcopilotError, StorageError

Config = Annotated[Path | None, typer.Option(help="Settings of the site.")]
_LEAST_FREE_GB: Final = 5.0
_BYTES_PER_GB: Final = 1e9

Check = Callable[[], str]


def serve(*, config: Config = None) -> None:
    """Run the DICOM node and the web application until interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("pynetdicom").setLevel(logging.WARNING)
    logging.getLogger("pydicom").setLevel(logging.ERROR)  # its warnings quote values of headers
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("highdicom").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, _end)
    home = house(config)
    web = home.settings.web
    with running_node(home) as app:
        say(f"DICOM node {home.settings.node.ae_title} on port {home.node.port}")
        say(f"web API on http://{web.host}:{web.port}/docs")
        serve_web(app, web.host, web.port)


def _end(_number: int, _frame: FrameType | None) -> None:
    """End as on Ctrl-C, so that the node stops and the index is written before the process goes."""
    raise SystemExit(0)


def check(
    *,
    config: Config = None,
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
    for name in DEFAULT:
        yield f"model {name}", lambda name=name: _model(home, name)  # type: ignore[misc]
    yield "engines", lambda: ", ".join(sorted(home.engines))
    yield "DICOM port", lambda: _port(home.settings.node.host, home.settings.node.port)
    yield "DICOM callers", lambda: _callers(home)
    yield "DICOM TLS", lambda: _tls(home)
    yield "web port", lambda: _port(home.settings.web.host, home.settings.web.port)
    for peer in home.settings.peers:
        yield f"peer {peer.ae_title}", lambda peer=peer: _echo(home, peer)  # type: ignore[misc]


def _storage(home: House) -> str:
    root = home.settings.storage.root
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{root} cannot be made: {error.strerror}") from error
    if not os.access(root, os.W_OK):
        raise StorageError(f"{root} cannot be written: give its owner to this user")
    free_gb = shutil.disk_usage(root).free / _BYTES_PER_GB
    if free_gb < _LEAST_FREE_GB:
        raise StorageError(f"{root} has {free_gb:.1f} GB free: make room for {_LEAST_FREE_GB:g}")
    return f"{root}, {free_gb:.0f} GB free"


def _model(home: House, name: str) -> str:
    home.models.verify(name)
    return "installed and whole"


def _port(host: str, port: int) -> str:
    listening_socket(host, port).close()
    return f"{host}:{port} is free"


def _callers(home: House) -> str:
    door = home.door
    listed = "; ".join(str(entry) for entry in door.allowed) or "nobody"
    called = f"who must call {door.ae_title}" if door.check_called_ae else "by any called AE title"
    return f"{listed}, {called}"


def _tls(home: House) -> str:
    tls = home.node_tls
    if tls is None:
        return "off"
    tls.context()
    return f"{tls.certificate}, " + (f"callers signed by {tls.ca}" if tls.ca else "any caller")


def _echo(home: House, peer: object) -> str:
    found = next(each for each in home.settings.peers if each is peer)
    home.peer(found).echo()
    return f"answers at {found.host}:{found.port}"

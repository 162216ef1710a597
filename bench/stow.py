"""Malformed STOW-RS requests for ``bench.garbage``, over a socket: every byte can be wrong."""

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI

from copilot.api.dicomweb import add_dicomweb
from copilot.api.dicomweb_answers import PREFIX, DicomWeb
from copilot.serving import listening_socket
from dicom_node.receiving import received_file
from dicom_node.store import Store

STOW_LAYERS: Final = ("STOW part", "STOW body", "STOW request")
_TIMEOUT_S: Final = 20.0
_PATIENCE_S: Final = 2.0
_LARGEST_INSTANCE: Final = 8 * 2**20
_LARGEST_UPLOAD: Final = 32 * 2**20
_BOUNDARY: Final = "part-of-the-bench"
_KEPT: Final = "00081199"
_UID: Final = "00081155"


@dataclass(frozen=True, kw_only=True)
class StowAnswer:
    """What was answered: the status, whether it says why, and what it says it kept."""

    status: str
    names_reason: bool
    kept: tuple[str, ...]


@contextmanager
def serving(store: Store, folder: Path) -> Iterator[int]:
    """Serve a store's DICOMweb on a free loopback port; yields the port."""
    app = FastAPI()
    web = DicomWeb(
        store=store,
        folder=folder,
        largest_upload=_LARGEST_UPLOAD,
        largest_instance=_LARGEST_INSTANCE,
    )
    add_dicomweb(app, web)
    listener = listening_socket("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until = time.monotonic() + _TIMEOUT_S
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(_TIMEOUT_S)
        listener.close()


def request(
    data: bytes,
    names: tuple[str, str, str],
    layer: str,
    chance: random.Random,
    damage: Callable[[bytes, random.Random], bytes],
) -> tuple[bytes, bytes]:
    """Return a STOW-RS request of one object, damaged at a layer, and its body.

    ``names`` are SOP Class UID, SOP Instance UID and transfer syntax.
    """
    sop_class, uid, syntax = names
    _, part = received_file(data, sop_class=sop_class, instance=uid, syntax=syntax, source="bench")
    if layer == "STOW part":
        part = damage(part, chance)
    head = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = head + part + f"\r\n--{_BOUNDARY}--\r\n".encode()
    if layer == "STOW body":
        body = damage(body, chance)
    lines = (
        f"POST {PREFIX}/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f'Content-Type: multipart/related; type="application/dicom"; boundary={_BOUNDARY}\r\n'
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    if layer == "STOW request":
        lines = damage(lines, chance)
    return lines + body, body


def asked(port: int, sent: bytes) -> StowAnswer:
    """Send a request and return what came back; one that is waited with for more is broken off."""
    received, is_left_waiting = b"", False
    with socket.create_connection(("127.0.0.1", port), _PATIENCE_S) as connection:
        try:
            connection.sendall(sent)
            while piece := connection.recv(65536):
                received += piece
        except TimeoutError:
            is_left_waiting = not received
        except OSError:
            pass  # it was refused before its end: the answer may have come all the same
    if is_left_waiting:
        return StowAnswer(status="left waiting", names_reason=True, kept=())
    head, _, body = received.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    status = words[1].decode("ascii", "replace") if len(words) > 1 else "closed"
    return StowAnswer(
        status=status,
        names_reason=b"\r\nwarning:" in head.lower() or len(body) > len("{}"),
        kept=_kept(body),
    )


def _kept(body: bytes) -> tuple[str, ...]:
    try:
        said = json.loads(body[body.find(b"{") : body.rfind(b"}") + 1] or b"{}")
    except ValueError:
        return ()
    items = said.get(_KEPT, {}).get("Value", []) if isinstance(said, dict) else []
    return tuple(str(item[_UID]["Value"][0]) for item in items)

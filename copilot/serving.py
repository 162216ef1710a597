"""The server's parts put together: node, desk and application, started and stopped as one."""

import errno
import logging
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import uvicorn
from fastapi import FastAPI

from copilot.api.app import make_app
from copilot.api.dicomweb import DicomWeb, add_dicomweb
from copilot.desk import Desk
from copilot.hearing import heard
from copilot.metrics import Sources, exposition
from copilot.models.catalog import DEFAULT
from copilot.system import SystemClock
from copilot.wiring import House
from dicom_node.equipment import software_version
from domain.errors import StorageError

log: Final = logging.getLogger(__name__)
_BYTES_PER_GB: Final = 1e9
_MIB: Final = 2**20


@contextmanager
def running_node(home: House) -> Iterator[FastAPI]:
    """Run the DICOM node and yield the application over it; stop and settle at the end.

    Raises
    ------
    StorageError
        If the port is taken or the storage folder cannot be used.
    """
    with home.node:
        try:
            if home.settings.segmentation.look_ahead:
                home.looking_ahead.start(home.store)
            yield application(home)
        finally:
            home.node.stop()
            home.looking_ahead.close()
            home.store.close()
            home.close()


def application(home: House) -> FastAPI:
    """Return the web application of a house."""
    desk = Desk(
        archive=home.store,
        analyst=home.analyst,
        grammar=home.grammar,
        results=home.results,
        destinations=[peer.ae_title for peer in home.settings.peers],
        outbox=home.outbox,
        durable=home.durable,
        clock=SystemClock(),
        aside=home.looking_ahead.stood_aside,
    )

    sources = Sources(
        instances=home.store.index.count,
        received=lambda: home.node.received,
        results=home.results,
        outbox=home.outbox,
        folder=home.settings.storage.root,
    )

    @contextmanager
    def working() -> Iterator[None]:
        home.durable.start(home.workflows(desk.carry_out))
        try:
            desk.resume()
            yield
        finally:
            home.durable.close()

    app = make_app(
        desk,
        studies=home.store.index.studies,
        health=lambda: health(home),
        transcribe=lambda recording: heard(recording, home.transcriber, home.grammar),
        version=software_version(),
        metrics=lambda: exposition(sources),
        working=working,
    )
    add_dicomweb(
        app,
        DicomWeb(
            store=home.store,
            folder=home.settings.storage.root,
            largest_upload=home.settings.web.largest_upload_mb * _MIB,
            largest_instance=home.settings.node.largest_instance_mb * _MIB,
        ),
    )
    return app


def health(home: House) -> dict[str, Any]:
    """Return what a monitor wants to know; no patient data."""
    root = home.settings.storage.root
    models = {name: home.models.is_installed(name) for name in DEFAULT}
    return {
        "status": "ok" if all(models.values()) else "degraded",
        "version": software_version(),
        "node": {"ae_title": home.settings.node.ae_title, "port": home.node.port},
        "instances": home.store.index.count(),
        "received": home.node.received,
        "disk_free_gb": round(shutil.disk_usage(_existing(root)).free / _BYTES_PER_GB, 1),
        "models": models,
    }


def serve_web(app: FastAPI, host: str, port: int) -> None:
    """Answer HTTP until interrupted.

    Raises
    ------
    StorageError
        If the port is taken, naming the remedy.
    """
    listener = listening_socket(host, port)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a bound socket; port 0 lets the system choose."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno in {errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL}:
            raise StorageError(
                f"web port {host}:{port} cannot be used ({error.strerror}): stop what uses it, or "
                "set [web] port to another"
            ) from error
        raise
    return listener


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder

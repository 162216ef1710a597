"""The server's parts put together: node, desk and application, started and stopped as one."""

import errno
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import uvicorn
from fastapi import FastAPI

from copilot.access.caller import Callers
from copilot.access.views import Views
from copilot.api.access import access_router
from copilot.api.app import make_app
from copilot.api.dicomweb import add_dicomweb
from copilot.api.dicomweb_answers import DicomWeb
from copilot.api.events import events_router
from copilot.api.glimpses import glimpses_router
from copilot.api.guard import Guard
from copilot.api.images import images_router
from copilot.api.masks import masks_router
from copilot.api.ohif import ohif_router
from copilot.api.ohif_viewer import Viewer
from copilot.api.page import page_router
from copilot.api.reports import reports_router
from copilot.api.station import station_router
from copilot.api.voice import voice_router
from copilot.api.work import work_router
from copilot.correction import Corrections
from copilot.desk import Desk
from copilot.happenings import Happenings
from copilot.hearing import heard
from copilot.housekeeping import Housekeeping
from copilot.lightbox import Lightbox
from copilot.listening import Listener
from copilot.metrics import Sources, exposition
from copilot.models.catalog import DEFAULT
from copilot.ohif import INSTALLED
from copilot.peers import PeerWatch
from copilot.reports.office import open_office
from copilot.settings import Settings, WebSettings
from copilot.system import SystemClock
from copilot.watched import Watched
from copilot.wiring.house import House
from copilot.workplace import Workplace
from dicom_node.equipment import software_version
from domain.errors import InputError, StorageError
from domain.uids import SeriesUID, StudyUID

log: Final = logging.getLogger(__name__)
_BYTES_PER_GB: Final = 1e9
_MIB: Final = 2**20
_LEAVE_S: Final = 3


@contextmanager
def running_node(home: House) -> Iterator[FastAPI]:
    """Run the DICOM node and yield the application over it; stop and settle at the end.

    Raises
    ------
    StorageError
        If the port is taken or the storage folder cannot be used.
    """
    if home.settings.segmentation.look_ahead:
        home.listen(home.looking_ahead.arrived)
    with home.node:
        try:
            if home.settings.segmentation.look_ahead:
                home.looking_ahead.start(home.store)
            yield application(home)
        finally:
            home.node.stop()
            home.looking_ahead.close()
            home.volumes.close()
            home.store.close()
            home.close()


def application(home: House) -> FastAPI:
    """Return the web application of a house."""
    workplace = Workplace(home)
    workplace.check()
    housekeeping = Housekeeping(home, workplace)
    desk = Desk(
        archive=home.store,
        hand=workplace.hand,
        grammar=home.grammar,
        results=home.results,
        destinations=[peer.ae_title for peer in home.settings.peers],
        outbox=home.outbox,
        durable=home.durable,
        clock=SystemClock(),
        elsewhere=workplace.elsewhere,
        running=workplace.running,
        is_behind=home.packer.is_behind,
    )

    sources = Sources(
        instances=home.store.index.count,
        received=lambda: home.node.received,
        results=home.results,
        outbox=home.outbox,
        stored=home.store.index.totals,
        room=home.room,
        rejected=lambda: home.node.rejected,
        peers=housekeeping.peers.reports,
        queues=home.durable.waiting,
        removed=housekeeping.keeper.removed_ever,
    )

    office = open_office(home, desk)
    watched = Watched(
        results=home.results,
        outbox=home.outbox,
        reports=office.lifecycle,
        running=workplace.running,
        instances=home.store.index.count,
        studies=lambda: listed_studies(home, workplace),
    )
    happenings = Happenings(watched.look)

    @contextmanager
    def working() -> Iterator[None]:
        with workplace.working(), housekeeping.working(), happenings.working(), listener:
            desk.resume()
            office.lifecycle.resume()
            yield

    def ask_rules(study: StudyUID, actor: str) -> tuple[str, ...]:
        home.audit.record(actor=actor, act="rules.ordered", subject=study)
        return workplace.automation(home.durable).ask(study)

    def prefetch(patient_id: str, peer: str, actor: str) -> str:
        home.audit.record(actor=actor, act="studies.fetched", subject=f"from {peer}")
        return workplace.prefetch(patient_id, peer)

    listener = Listener(lambda: home.transcriber, home.grammar)
    web = home.settings.web
    app = make_app(
        desk,
        studies=lambda: listed_studies(home, workplace),
        ask_rules=ask_rules,
        prefetch=prefetch,
        health=lambda: health(home, housekeeping.peers),
        transcribe=lambda recording: heard(recording, home.transcriber, home.grammar),
        version=software_version(),
        metrics=lambda: exposition(sources),
        working=working,
    )
    app.include_router(voice_router(listener))
    app.include_router(work_router(home.results, SystemClock()))
    _add_page(app, home, happenings)
    app.include_router(glimpses_router(workplace.glimpses, home.results))
    app.include_router(reports_router(office.lifecycle, office.exports, home.polisher))
    _add_guard(app, home)
    add_dicomweb(
        app,
        DicomWeb(
            store=home.store,
            folder=home.settings.storage.root,
            largest_upload=web.largest_upload_mb * _MIB,
            largest_instance=home.settings.node.largest_instance_mb * _MIB,
        ),
    )
    return app


def _add_page(app: FastAPI, home: House, happenings: Happenings) -> None:
    """Serve the page, and what it alone asks for."""
    lightbox = Lightbox(home.store)
    corrections = Corrections(
        results=home.results,
        lightbox=lightbox,
        analyst=home.analyst,
        grammar=home.grammar,
        concepts=home.concepts,
        clock=SystemClock(),
    )

    def ready(series: SeriesUID) -> None:
        home.volumes.ahead(lightbox.files(series))
        home.looking_ahead.hurry(series)

    app.include_router(page_router())
    viewer = _viewer(home.settings)
    app.include_router(ohif_router(viewer))
    app.include_router(images_router(lightbox, ready))
    app.include_router(masks_router(corrections))
    app.include_router(events_router(happenings))
    app.include_router(
        station_router(
            home.settings, list(home.engines), home.concepts, has_ohif=viewer is not None
        )
    )


def _viewer(settings: Settings) -> Viewer | None:
    """Return the OHIF that the settings name, else the one that was installed, if there is one."""
    named = settings.web.ohif_folder
    folder = Path(named).expanduser() if named else settings.storage.models / INSTALLED
    return Viewer(folder) if named or folder.is_dir() else None


def _add_guard(app: FastAPI, home: House) -> None:
    """Let in who may come in, and each to what they may do."""
    app.include_router(access_router(home.entrance, home.openid, home.audit.last))

    def study_of_result(identity: str) -> str | None:
        try:
            series = home.results.get(identity).series_instance_uid
        except InputError:
            return None
        return home.store.index.study_of(SeriesUID(series))

    app.add_middleware(
        Guard,
        entrance=home.entrance,
        callers=Callers(home.settings.web),
        views=Views(home.audit, home.settings.access.view_again_s),
        study_of_series=lambda series: home.store.index.study_of(SeriesUID(series)),
        study_of_result=study_of_result,
        frame_ancestors=home.settings.web.frame_ancestors,
    )


def listed_studies(home: House, workplace: Workplace) -> list[dict[str, Any]]:
    """Return stored studies, newest first, with how far each has arrived."""
    seen = workplace.book.all()
    listed = []
    for study in home.store.index.studies():
        entry = seen.get(study.study_instance_uid)
        arrival = None if entry is None else {"state": entry.state.value, "says": entry.says}
        listed.append({**asdict(study), "arrival": arrival})
    return listed


def health(home: House, peers: PeerWatch) -> dict[str, Any]:
    """Return what a monitor wants to know, without asking anybody; no patient data."""
    room = home.room
    models = {name: home.models.is_installed(name) for name in DEFAULT}
    reports = peers.reports()
    wrong = [f"model {name} is not installed" for name, there in models.items() if not there]
    if room.is_low:
        wrong.append("the disk is nearly full: nothing is taken in")
    wrong += [f"peer {name}: {each.says}" for name, each in reports.items() if each.up is False]
    return {
        "status": "degraded" if wrong else "ok",
        "wrong": wrong,
        "version": software_version(),
        "node": {"ae_title": home.settings.node.ae_title, "port": home.node.port},
        "instances": home.store.index.count(),
        "received": home.node.received,
        "disk_free_gb": round(room.free_bytes / _BYTES_PER_GB, 1),
        "disk": {
            "free_gb": round(room.free_bytes / _BYTES_PER_GB, 3),
            "least_free_gb": home.settings.retention.least_free_gb,
            "takes_objects": not room.is_low,
            "refused_objects": room.refused,
        },
        "peers": {name: each.printed() for name, each in reports.items()},
        "models": models,
    }


def serve_web(app: FastAPI, web: WebSettings) -> None:
    """Answer HTTP, or HTTPS where a certificate is given, until interrupted.

    Raises
    ------
    StorageError
        If the port is taken, or certificate and key cannot be read, naming the remedy.
    """
    listener = listening_socket(web.host, web.port)
    try:
        config = uvicorn.Config(
            app,
            log_config=None,  # ours: its own would write what exceptions quote
            log_level="warning",
            ssl_certfile=web.certificate or None,
            ssl_keyfile=web.key or None,
            proxy_headers=False,  # the guard believes those of trusted proxies alone
            server_header=False,
            timeout_graceful_shutdown=_LEAVE_S,  # pages listen for as long as they are open
        )
        config.load()
    except (OSError, ssl.SSLError) as error:
        listener.close()
        raise StorageError(
            f"[web] certificate {web.certificate} and key {web.key or '(none)'} cannot be used "
            f"({error.strerror or type(error).__name__}): give PEM files that go together"
        ) from error
    uvicorn.Server(config).run(sockets=[listener])


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

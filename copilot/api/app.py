"""The FastAPI application: studies, commands, the yes, and the health of the node.

Handlers are plain functions: FastAPI runs them in threads, since everything below them blocks.
"""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI, HTTPException, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from copilot.api.bodies import CommandBody, PrefetchBody
from copilot.api.person import Asker
from copilot.desk import Desk
from domain.errors import (
    Cancelled,
    CannotDoError,
    InputError,
    ModelMissingError,
    PeerError,
    RadcopilotError,
)
from domain.uids import SeriesUID, StudyUID

_MOST_LISTED: Final = 200
_LARGEST_RECORDING: Final = 20_000_000
_FILES: Final = {
    "seg.dcm": "application/dicom",
    "sr.dcm": "application/dicom",
    "draft.md": "text/markdown",
    "draft.html": "text/html",
    "outline_1.png": "image/png",
}

Health = Callable[[], dict[str, Any]]
Studies = Callable[[], list[dict[str, Any]]]
AskRules = Callable[[StudyUID, str], tuple[str, ...]]
Prefetch = Callable[[str, str, str], str]
Transcribe = Callable[[Path], dict[str, Any]]
Metrics = Callable[[], bytes]
Working = Callable[[], AbstractContextManager[None]]


def make_app(
    desk: Desk,
    *,
    studies: Studies,
    ask_rules: AskRules,
    prefetch: Prefetch,
    health: Health,
    transcribe: Transcribe,
    version: str,
    metrics: Metrics,
    working: Working = nullcontext,
) -> FastAPI:
    """Return the application; its OpenAPI page is at ``/docs``.

    ``working`` is entered while the application serves.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as stack:
            await run_in_threadpool(stack.enter_context, working())
            yield
            await run_in_threadpool(stack.close)

    app = FastAPI(title="radcopilot", version=version, redoc_url=None, lifespan=lifespan)
    app.exception_handler(RadcopilotError)(_answer_error)
    app.include_router(_station(health, transcribe))
    app.include_router(_studies(studies, ask_rules, prefetch))
    app.include_router(_monitor(metrics))
    app.include_router(_commands(desk))
    app.include_router(_decisions(desk))
    app.include_router(_deliveries(desk))
    return app


def _studies(studies: Studies, ask_rules: AskRules, prefetch: Prefetch) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["studies"])

    @router.post("/prefetches", status_code=202)
    def post_prefetch(body: PrefetchBody, person: Asker) -> dict[str, Any]:
        """Fetch what is not here of a patient's newest studies: for an order that has come."""
        return {"work": prefetch(body.patient_id, body.peer, person.name)}

    @router.get("/studies")
    def get_studies() -> list[dict[str, Any]]:
        """List stored studies with their series and how far they have arrived, newest first."""
        return studies()

    @router.post("/studies/{study}/rules", status_code=202)
    def post_rules(study: str, person: Asker) -> dict[str, Any]:
        """Order what the site's rules say of a study; the results are there when they are done."""
        return {"results": list(ask_rules(StudyUID(study), person.name))}

    return router


def _station(health: Health, transcribe: Transcribe) -> APIRouter:
    router = APIRouter(tags=["station"])

    @router.get("/health")
    def get_health() -> dict[str, Any]:
        """Say whether node, store and models are ready."""
        return health()

    @router.post("/api/transcriptions")
    def post_transcription(recording: UploadFile) -> dict[str, Any]:
        """Recognise a recording (WAV or FLAC); it is not kept."""
        content = recording.file.read(_LARGEST_RECORDING + 1)
        if len(content) > _LARGEST_RECORDING:
            raise HTTPException(413, f"recordings may have {_LARGEST_RECORDING} bytes at most")
        with tempfile.NamedTemporaryFile(suffix=".wav") as aside:
            aside.write(content)
            aside.flush()
            return transcribe(Path(aside.name))

    return router


def _monitor(metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["station"])

    @router.get("/metrics", response_class=Response)
    def get_metrics() -> Response:
        """Return counts and states in Prometheus's text format."""
        return Response(metrics(), media_type=CONTENT_TYPE_LATEST)

    return router


def _commands(desk: Desk) -> APIRouter:
    router = APIRouter(prefix="/api/commands", tags=["commands"])

    @router.post("", status_code=201)
    def post_command(body: CommandBody, person: Asker) -> dict[str, Any]:
        """Do what a sentence says on a stored series; the result waits for a yes.

        "compare with the prior" takes the series named by ``prior``, else the one that the page
        has beside the study, else the newest that fits; to segment or measure with a ``prior``
        compares too. ``pairs`` say which lesion is which, whatever matching finds; left out, those
        told at the last comparison with that prior hold on. Without ``wait`` it is answered at once
        as running; ``/api/events`` tells the rest.
        """
        series = SeriesUID(body.series_instance_uid)
        mask = desk.mask_of(body.mask.result, body.mask.segment) if body.mask else None
        hints = body.hints(mask)
        work = desk.command if body.wait else desk.begin
        made = work(
            series,
            body.text,
            hints,
            person.name,
            body.engine,
            agent=body.agent,
            context=body.context.context(),
            prior=None if body.prior is None else SeriesUID(body.prior),
            told=body.told(person.name),
        )
        return made.printed()

    @router.get("")
    def get_commands() -> list[dict[str, Any]]:
        """List what was asked and what came of it, newest first."""
        return [result.printed() for result in desk.results.all(_MOST_LISTED)]

    @router.get("/{identity}")
    def get_command(identity: str) -> dict[str, Any]:
        """Return one result."""
        return desk.results.get(identity).printed()

    @router.post("/{identity}/stop")
    def post_stop(identity: str, person: Asker) -> dict[str, Any]:
        """Stop a running command at its next step."""
        return desk.stop(identity, person.name).printed()

    @router.get("/{identity}/{filename}")
    def get_file(identity: str, filename: str) -> FileResponse:
        """Return a file of a result: seg.dcm, sr.dcm, draft.md, draft.html, outline_1.png."""
        path = desk.results.folder(identity) / filename
        if filename not in _FILES or not path.is_file():
            raise HTTPException(404, f"result {identity} has no file {filename}")
        return FileResponse(path, media_type=_FILES[filename])

    return router


def _decisions(desk: Desk) -> APIRouter:
    router = APIRouter(prefix="/api/commands/{identity}", tags=["decisions"])

    @router.post("/accept")
    def post_accept(identity: str, person: Asker) -> dict[str, Any]:
        """Record the radiologist's yes."""
        return desk.accept(identity, person.name).printed()

    @router.post("/reject")
    def post_reject(identity: str, person: Asker) -> dict[str, Any]:
        """Record the radiologist's no."""
        return desk.reject(identity, person.name).printed()

    @router.post("/send")
    def post_send(identity: str, person: Asker) -> dict[str, Any]:
        """Queue an accepted result for every destination; it goes on until each has it."""
        result, deliveries = desk.send(identity, person.name)
        return {**result.printed(), "peers": [each.printed() for each in deliveries]}

    return router


def _deliveries(desk: Desk) -> APIRouter:
    router = APIRouter(prefix="/api/deliveries", tags=["deliveries"])

    @router.get("")
    def get_deliveries() -> list[dict[str, Any]]:
        """List what goes where, the latest change first."""
        return [each.printed() for each in desk.outbox.all()[:_MOST_LISTED]]

    @router.get("/{identity}")
    def get_of(identity: str) -> list[dict[str, Any]]:
        """Return the deliveries of one result."""
        return [each.printed() for each in desk.outbox.of(identity)]

    @router.post("/{identity}/{destination}/retry")
    def post_retry(identity: str, destination: str, person: Asker) -> dict[str, Any]:
        """Begin a delivery that failed or was cancelled again."""
        return desk.retry(identity, destination, person.name).printed()

    @router.post("/{identity}/{destination}/cancel")
    def post_cancel(identity: str, destination: str, person: Asker) -> dict[str, Any]:
        """Stop a delivery before its next attempt."""
        return desk.cancel(identity, destination, person.name).printed()

    return router


def _answer_error(_request: Request, error: Exception) -> JSONResponse:
    match error:
        case InputError() | CannotDoError():
            status = 422
        case Cancelled():
            status = 409
        case PeerError():
            status = 502
        case ModelMissingError():
            status = 503
        case _:
            status = 500
    return JSONResponse({"error": type(error).__name__, "detail": str(error)}, status)

"""DICOMweb under ``/dicom-web``: what the node has stored, searched, retrieved and added to.

Handlers are plain functions, run in threads; only an upload is received by the event loop.
"""

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from copilot.api.dicomweb_answers import (
    PREFIX,
    DicomWeb,
    bulk_sent,
    checked,
    frame_number,
    frame_numbers,
    frames_sent,
    headers_sent,
    objects_sent,
    picture,
    searched,
    thumbnail,
    uploaded,
)
from dicom_node.dicomweb.query import Scope
from dicom_node.dicomweb.refusal import RequestRefusedError
from dicom_node.index_search import Level
from domain.uids import SeriesUID, StudyUID


def add_dicomweb(app: FastAPI, web: DicomWeb) -> None:
    """Serve DICOMweb from an application."""
    app.exception_handler(RequestRefusedError)(_answer_refusal)
    for router in (_searches(web), _objects(web), _frames(web), _pictures(web), _uploads(web)):
        app.include_router(router, prefix=PREFIX, tags=["dicomweb"])


def _searches(web: DicomWeb) -> APIRouter:
    router = APIRouter()

    @router.get("/studies")
    def get_studies(request: Request) -> Response:
        """Search for studies (QIDO-RS)."""
        return searched(web, request, Scope(level=Level.STUDY))

    @router.get("/series")
    def get_series(request: Request) -> Response:
        """Search for series of any study."""
        return searched(web, request, Scope(level=Level.SERIES))

    @router.get("/instances")
    def get_instances(request: Request) -> Response:
        """Search for instances of any study."""
        return searched(web, request, Scope(level=Level.INSTANCE))

    @router.get("/studies/{study}/series")
    def get_series_of(request: Request, study: str) -> Response:
        """Search for series of a study."""
        uid = StudyUID(checked(study, "study"))
        return searched(web, request, Scope(level=Level.SERIES, study=uid))

    @router.get("/studies/{study}/instances")
    def get_instances_of_study(request: Request, study: str) -> Response:
        """Search for instances of a study."""
        uid = StudyUID(checked(study, "study"))
        return searched(web, request, Scope(level=Level.INSTANCE, study=uid))

    @router.get("/studies/{study}/series/{series}/instances")
    def get_instances_of_series(request: Request, study: str, series: str) -> Response:
        """Search for instances of a series."""
        scope = Scope(
            level=Level.INSTANCE,
            study=StudyUID(checked(study, "study")),
            series=SeriesUID(checked(series, "series")),
        )
        return searched(web, request, scope)

    return router


def _objects(web: DicomWeb) -> APIRouter:
    router = APIRouter()

    @router.get("/studies/{study}")
    def get_study(request: Request, study: str) -> Response:
        """Retrieve the objects of a study (WADO-RS)."""
        return objects_sent(request, web.kept(study), alone=False)

    @router.get("/studies/{study}/metadata")
    def get_study_metadata(request: Request, study: str) -> Response:
        """Retrieve the headers of a study."""
        return headers_sent(request, web.kept(study))

    @router.get("/studies/{study}/series/{series}")
    def get_series(request: Request, study: str, series: str) -> Response:
        """Retrieve the objects of a series."""
        return objects_sent(request, web.kept(study, series), alone=False)

    @router.get("/studies/{study}/series/{series}/metadata")
    def get_series_metadata(request: Request, study: str, series: str) -> Response:
        """Retrieve the headers of a series."""
        return headers_sent(request, web.kept(study, series))

    @router.get("/studies/{study}/series/{series}/instances/{instance}")
    def get_instance(request: Request, study: str, series: str, instance: str) -> Response:
        """Retrieve an object."""
        return objects_sent(request, web.kept(study, series, instance), alone=True)

    @router.get("/studies/{study}/series/{series}/instances/{instance}/metadata")
    def get_metadata(request: Request, study: str, series: str, instance: str) -> Response:
        """Retrieve the header of an object."""
        return headers_sent(request, web.kept(study, series, instance))

    return router


def _frames(web: DicomWeb) -> APIRouter:
    router = APIRouter(prefix="/studies/{study}/series/{series}/instances/{instance}")

    @router.get("/frames/{numbers}")
    def get_frames(
        request: Request, study: str, series: str, instance: str, numbers: str
    ) -> Response:
        """Retrieve frames by number, from 1, as they are stored or decoded."""
        (kept,) = web.kept(study, series, instance)
        return frames_sent(request, kept, frame_numbers(numbers))

    @router.get("/bulkdata/{path:path}")
    def get_bulkdata(
        request: Request, study: str, series: str, instance: str, path: str
    ) -> Response:
        """Retrieve a large value that the metadata refer to."""
        (kept,) = web.kept(study, series, instance)
        return bulk_sent(request, kept, path)

    return router


def _pictures(web: DicomWeb) -> APIRouter:
    router = APIRouter()
    an_instance = "/studies/{study}/series/{series}/instances/{instance}"

    @router.get(f"{an_instance}/rendered")
    def get_rendered(request: Request, study: str, series: str, instance: str) -> Response:
        """Render the first frame as JPEG or PNG."""
        return picture(request, web.kept(study, series, instance), 1)

    @router.get(f"{an_instance}/frames/{{number}}/rendered")
    def get_rendered_frame(
        request: Request, study: str, series: str, instance: str, number: str
    ) -> Response:
        """Render a frame as JPEG or PNG."""
        return picture(request, web.kept(study, series, instance), frame_number(number))

    @router.get(f"{an_instance}/frames/{{number}}/thumbnail")
    def get_frame_thumbnail(
        request: Request, study: str, series: str, instance: str, number: str
    ) -> Response:
        """Render a frame in small."""
        return thumbnail(request, web.kept(study, series, instance), frame_number(number))

    @router.get(f"{an_instance}/thumbnail")
    def get_thumbnail(request: Request, study: str, series: str, instance: str) -> Response:
        """Render an object in small."""
        return thumbnail(request, web.kept(study, series, instance))

    @router.get("/studies/{study}/series/{series}/thumbnail")
    def get_series_thumbnail(request: Request, study: str, series: str) -> Response:
        """Render an image from the middle of a series in small."""
        return thumbnail(request, web.kept(study, series))

    @router.get("/studies/{study}/thumbnail")
    def get_study_thumbnail(request: Request, study: str) -> Response:
        """Render an image of a study in small."""
        return thumbnail(request, web.kept(study))

    return router


def _uploads(web: DicomWeb) -> APIRouter:
    router = APIRouter()

    @router.post("/studies")
    async def post_studies(request: Request) -> Response:
        """Store objects (STOW-RS)."""
        return await uploaded(web, request, None)

    @router.post("/studies/{study}")
    async def post_study(request: Request, study: str) -> Response:
        """Store objects of one study."""
        return await uploaded(web, request, StudyUID(checked(study, "study")))

    return router


def _answer_refusal(_request: Request, error: Exception) -> JSONResponse:
    status = error.status if isinstance(error, RequestRefusedError) else 500
    return JSONResponse({"error": type(error).__name__, "detail": str(error)}, status)

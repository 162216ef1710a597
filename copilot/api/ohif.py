"""OHIF under /ohif, and our panel for it under /ohif/copilot, which another OHIF may load."""

from importlib import resources
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from copilot.api.ohif_viewer import INDEX, Viewer
from copilot.api.packed import PackedFile, read_packed

_OURS: Final = "copilot/"
_CONFIG: Final = "app-config.js"
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_NOT_HERE: Final = (
    "OHIF is not installed here: run 'radcopilot ohif install', or name the folder of a built OHIF "
    "as [web] ohif_folder"
)


def ohif_router(viewer: Viewer | None) -> APIRouter:
    """Return the routes of the viewer; without one only our own modules are answered."""
    router = APIRouter(include_in_schema=False)
    folder = resources.files("copilot") / "static" / "ohif"
    ours = read_packed(folder) if folder.is_dir() else {}

    @router.get("/ohif/{path:path}")
    def get_file(path: str, request: Request) -> Response:
        if path.startswith(_OURS):
            return _ours(ours, path.removeprefix(_OURS), request)
        if viewer is None:
            raise HTTPException(503, _NOT_HERE)
        headers = {**_HEADERS, "Content-Security-Policy": viewer.policy}
        if path == _CONFIG:
            return _ours(ours, _CONFIG, request)
        is_place = "." not in path.rpartition("/")[2]  # of the viewer's own router
        name = INDEX if is_place else path
        if name not in viewer:
            raise HTTPException(404, f"OHIF has no file {path[:100]}")
        file = viewer.file(name)
        mark = f'"{file.mark}"'
        if request.headers.get("if-none-match") == mark:
            return Response(status_code=304, headers={**headers, "ETag": mark})
        return file.packed.answer(request, {**headers, "ETag": mark})

    return router


def _ours(files: dict[str, PackedFile], name: str, request: Request) -> Response:
    if name not in files:
        raise HTTPException(404, f"the panel for OHIF has no file {name[:100]}: run make page")
    return files[name].answer(request, _HEADERS)

"""The reading station's page: built files out of the package, with the policy that guards them."""

from importlib import resources
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from copilot.api.packed import read_packed

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; worker-src 'self' blob:; font-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_FOREVER: Final = "public, max-age=31536000, immutable"  # a file's name holds its digest
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_NOT_BUILT: Final = "the page is not built here: run make page, or install the wheel, which has it"


def page_router() -> APIRouter:
    """Return the routes of the page; files are read once."""
    router = APIRouter(include_in_schema=False)
    folder = resources.files("copilot") / "static"
    files = read_packed(folder / "assets") if folder.is_dir() else {}
    index = (folder / "index.html").read_bytes() if folder.is_dir() else b""

    @router.get("/")
    def get_page() -> Response:
        if not index:
            raise HTTPException(503, _NOT_BUILT)
        headers = {**_HEADERS, "Cache-Control": "no-cache"}
        return Response(index, media_type="text/html; charset=utf-8", headers=headers)

    @router.get("/assets/{name}")
    def get_asset(name: str, request: Request) -> Response:
        if name not in files:
            raise HTTPException(404, f"the page has no file {name}")
        return files[name].answer(request, {**_HEADERS, "Cache-Control": _FOREVER})

    return router

"""The reading station's page: built files out of the package, with the policy that guards them."""

import mimetypes
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

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
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))


@dataclass(frozen=True, kw_only=True)
class _File:
    content: dict[str, bytes]  # by encoding; "" is as it is
    kind: str


def page_router() -> APIRouter:
    """Return the routes of the page; files are read once."""
    router = APIRouter(include_in_schema=False)
    folder = resources.files("copilot") / "static"
    files = _read(folder / "assets") if folder.is_dir() else {}
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
        file = files[name]
        accepted = request.headers.get("accept-encoding", "")
        known = [each for each, _ in _ENCODINGS if each in accepted and each in file.content]
        chosen = known[0] if known else ""
        headers = {**_HEADERS, "Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
        if chosen:
            headers["Content-Encoding"] = chosen
        return Response(file.content[chosen], media_type=file.kind, headers=headers)

    return router


def _read(folder: Traversable) -> dict[str, _File]:
    found = {each.name: each.read_bytes() for each in folder.iterdir()}
    packed = tuple(ending for _, ending in _ENCODINGS)
    return {
        name: _File(
            content={"": content}
            | {
                encoding: found[name + ending]
                for encoding, ending in _ENCODINGS
                if name + ending in found
            },
            kind=mimetypes.guess_type(name)[0] or "application/octet-stream",
        )
        for name, content in found.items()
        if not name.endswith(packed)
    }

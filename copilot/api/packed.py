"""Files of the page and its like: read once, answered in the packed form that a browser takes."""

import gzip
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Final

from fastapi import Request
from fastapi.responses import Response

GZIP: Final = "gzip"
_ENCODINGS: Final = (("br", ".br"), (GZIP, ".gz"))
_LEVEL: Final = 6
_KINDS: Final = {".js": "text/javascript", ".wasm": "application/wasm", ".woff2": "font/woff2"}


@dataclass(frozen=True, kw_only=True)
class PackedFile:
    """A file in every form there is of it.

    Attributes
    ----------
    content
        By encoding; "" is as it is.
    """

    content: Mapping[str, bytes]
    kind: str

    def answer(self, request: Request, headers: Mapping[str, str]) -> Response:
        """Return the form that the browser takes and that is smallest."""
        accepted = request.headers.get("accept-encoding", "")
        known = [each for each, _ in _ENCODINGS if each in accepted and each in self.content]
        chosen = known[0] if known else ""
        more = {"Content-Encoding": chosen} if chosen else {}
        return Response(
            self.content[chosen],
            media_type=self.kind,
            headers={**headers, "Vary": "Accept-Encoding", **more},
        )


def read_packed(folder: Traversable) -> dict[str, PackedFile]:
    """Return the files of a folder by name, each with those packed beside it."""
    found = {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}
    packed = tuple(ending for _, ending in _ENCODINGS)
    return {
        name: PackedFile(
            content={"": content}
            | {
                encoding: found[name + ending]
                for encoding, ending in _ENCODINGS
                if name + ending in found
            },
            kind=kind_of(name),
        )
        for name, content in found.items()
        if not name.endswith(packed)
    }


def packed_now(name: str, content: bytes) -> PackedFile:
    """Return a file with its packed form made here."""
    forms = {"": content, GZIP: gzip.compress(content, _LEVEL, mtime=0)}
    return PackedFile(content=forms, kind=kind_of(name))


def kind_of(name: str) -> str:
    """Return the media type of a file by its name, whatever this machine's own table says."""
    known = next((kind for ending, kind in _KINDS.items() if name.endswith(ending)), None)
    return known or mimetypes.guess_type(name)[0] or "application/octet-stream"

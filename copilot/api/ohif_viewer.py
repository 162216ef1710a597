"""An unpacked OHIF as it is answered under /ohif: its addresses begin there, its policy is its own.

OHIF's release is built for the root of a server. Three things in it name that root: the page, the
style sheet, and one line of each script that loads others. They are changed on the way out; the
folder stays as it was unpacked.
"""

import base64
import hashlib
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from copilot.api.packed import PackedFile, packed_now
from domain.errors import SettingsError

BASE: Final = "/ohif/"
INDEX: Final = "index.html"
_TEXTS: Final = (".js", ".css", ".html", ".json", ".svg")
_PUBLIC_URL: Final = re.compile(rb'window\.PUBLIC_URL\s*=\s*"([^"]*)"')
_INLINE: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_LINKS: Final = re.compile(rb'\b(href|src|content)="/(?!/)')
_STYLE_LINKS: Final = re.compile(rb"url\(/(?!/)")
_SCRIPT_BASE: Final = re.compile(rb'(\.p\s*=\s*)"/"')


@dataclass(frozen=True, kw_only=True)
class ViewerFile:
    """A file of the viewer, and the mark by which a browser knows that it has it."""

    packed: PackedFile
    mark: str


class Viewer:
    """The files of an unpacked OHIF; what is not text is read when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        """Look at the folder.

        Raises
        ------
        SettingsError
            If it holds no built OHIF, or one that was built for another address.
        """
        self._folder = folder
        self._names = _names(folder)
        self._kept: dict[str, ViewerFile] = {}
        self._turn = threading.Lock()
        page = self._read(INDEX)
        told = _PUBLIC_URL.search(page)
        if told is None or told.group(1) not in {b"/", BASE.encode()}:
            built = told.group(1).decode("latin-1") if told else "nothing known"
            raise SettingsError(
                f"the OHIF in {folder} was built for {built}: give a release's dist folder, or "
                f"build it with PUBLIC_URL={BASE}"
            )
        self._is_moved = told.group(1) == b"/"
        self.policy = _policy(self.file(INDEX).packed.content[""])

    def __contains__(self, name: str) -> bool:
        """Tell whether there is a file of this name, folders written with slashes."""
        return name in self._names

    def file(self, name: str) -> ViewerFile:
        """Return a file; one asked for is kept, packed."""
        with self._turn:
            found = self._kept.get(name)
        if found is not None:
            return found
        content = self._read(name)
        if self._is_moved:
            content = _moved(name, content)
        made = ViewerFile(
            packed=packed_now(name, content), mark=hashlib.sha256(content).hexdigest()[:32]
        )
        with self._turn:
            return self._kept.setdefault(name, made)

    def _read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise SettingsError(
                f"{self._folder / name} cannot be read ({error.strerror}): [web] ohif_folder names "
                "the folder of a built OHIF, with its index.html"
            ) from error


def _names(folder: Path) -> frozenset[str]:
    """Return every file's name; what is asked for is looked up here and never joined to a path."""
    return frozenset(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.resolve().is_relative_to(folder.resolve())
    )


def _moved(name: str, content: bytes) -> bytes:
    """Return a file with its addresses under BASE."""
    base = BASE.encode()
    if name == INDEX:
        content = _PUBLIC_URL.sub(b'window.PUBLIC_URL="' + base + b'"', content)
        return _LINKS.sub(rb'\1="' + base, content)
    if name.endswith(".css"):
        return _STYLE_LINKS.sub(b"url(" + base, content)
    if name.endswith(".js"):
        return _SCRIPT_BASE.sub(rb'\1"' + base + b'"', content)
    return content


def _policy(page: bytes) -> str:
    """Return the policy of the viewer's page: looser than ours where OHIF does not work otherwise.

    Its own inline scripts are named by digest. OHIF's components write style elements; its decoders
    of compressed images are WebAssembly.
    """
    scripts = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(each).digest()).decode()}'"
        for each in _INLINE.findall(page)
    )
    return (
        f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval' {scripts}; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; "
        "worker-src 'self' blob:; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )

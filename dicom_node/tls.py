"""DICOM over TLS 1.2 or later (PS3.15 annex B); the files are read again when they change."""

import logging
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domain.errors import SettingsError

log: Final = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class ServerTls:
    """What our node shows, and by whom a caller's certificate must be signed (mutual TLS)."""

    certificate: Path
    key: Path
    ca: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file of it."""
        return tuple(path for path in (self.certificate, self.key, self.ca) if path)

    def context(self) -> ssl.SSLContext:
        """Return a context of the files as they are now.

        Raises
        ------
        SettingsError
            Naming the file that cannot be used.
        """
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        _load_own(made, self.certificate, self.key)
        if self.ca is not None:
            _load_ca(made, self.ca)
            made.verify_mode = ssl.CERT_REQUIRED
        return made


@dataclass(frozen=True, kw_only=True)
class ClientTls:
    """How we call a peer: whom to trust (None: the system's list), and what we show."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    check_hostname: bool = True

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise SettingsError("tls of a peer: give certificate and key together, or neither")

    def context(self) -> ssl.SSLContext:
        """Return a context of the files as they are now.

        Raises
        ------
        SettingsError
            Naming the file that cannot be used.
        """
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.check_hostname = self.check_hostname
        if self.ca is not None:
            _load_ca(made, self.ca)
        else:
            made.load_default_certs()
        if self.certificate is not None and self.key is not None:
            _load_own(made, self.certificate, self.key)
        return made


class Reloading:
    """A server context that follows its files; what cannot be used leaves the last one in use."""

    def __init__(self, tls: ServerTls) -> None:
        self._tls = tls
        self._lock = threading.Lock()
        self._seen = _stamp(tls.files)
        self._context = tls.context()

    def context(self) -> ssl.SSLContext:
        """Return the context for a new association."""
        with self._lock:
            now = _stamp(self._tls.files)
            if now != self._seen:
                self._seen = now
                try:
                    self._context = self._tls.context()
                    log.info("tls.reloaded certificate=%s", self._tls.certificate.name)
                except SettingsError as error:
                    log.error("tls.not_reloaded %s; the last certificate stays in use", error)  # noqa: TRY400 - the message says it all
            return self._context


def _stamp(files: tuple[Path, ...]) -> Stamp:
    found = []
    for path in files:
        try:
            status = path.stat()
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)


def _load_own(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    _loaded(
        lambda: context.load_cert_chain(certificate, key, password=_no_password),
        f"certificate {certificate} with key {key}",
    )


def _load_ca(context: ssl.SSLContext, ca: Path) -> None:
    _loaded(lambda: context.load_verify_locations(ca), f"ca {ca}")


def _loaded(load: Callable[[], None], what: str) -> None:
    try:
        load()
    except FileNotFoundError as error:
        raise SettingsError(f"tls {what}: no such file") from error
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise SettingsError(
            f"tls {what} cannot be used ({error}): give PEM files that belong together, the key "
            "without a password"
        ) from error


def _no_password() -> str:
    """Answer OpenSSL in place of a prompt on the terminal, which would stop a server."""
    raise ValueError("the key has a password")

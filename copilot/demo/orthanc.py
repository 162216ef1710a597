"""A private Orthanc on free loopback ports: a real PACS for the demo and the tests."""

import json
import shutil
import socket
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from domain.errors import PeerUnreachableError

BINARY: Final = Path("/usr/sbin/Orthanc")
PLUGINS: Final = Path("/usr/share/orthanc/plugins")
WANTED_PLUGINS: Final = ("libOrthancDicomWeb.so", "libOrthancGdcm.so")
AE_TITLE: Final = "ORTHANC"
_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 15.0
_POLL_S: Final = 0.1


def free_port() -> int:
    """Return a loopback TCP port that nobody uses at this moment."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_installed() -> bool:
    """Tell whether Orthanc can be started here."""
    return BINARY.exists()


@dataclass(frozen=True, kw_only=True)
class KnownModality:
    """A DICOM node that Orthanc may send to."""

    ae_title: str
    host: str
    port: int


class Orthanc:
    """One Orthanc process with a folder of its own; a context manager that ends it."""

    def __init__(self, folder: Path, modalities: tuple[KnownModality, ...] = ()) -> None:
        self.folder = folder
        self.dicom_port = free_port()
        self.http_port = free_port()
        self._modalities = modalities
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Base of its REST interface."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def dicomweb_url(self) -> str:
        """Base of its DICOMweb interface."""
        return f"{self.url}/dicom-web"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder / "orthanc.json"
        settings.write_text(json.dumps(self._settings(), indent=1))
        output = (self.folder / "orthanc.log").open("wb")
        self._process = subprocess.Popen(  # noqa: S603 - a fixed path, no shell
            [str(BINARY), str(settings)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"TCP_NODELAY": "1", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        )
        output.close()
        self._wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder / "storage", ignore_errors=True)

    def start(self) -> None:
        """Start again what was stopped, with all that it holds."""
        self.__enter__()

    def stop(self) -> None:
        """End the process and keep its folder."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _settings(self) -> dict[str, Any]:
        plugins = [str(PLUGINS / name) for name in WANTED_PLUGINS if (PLUGINS / name).exists()]
        return {
            "Name": "radcopilot-private",
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "Plugins": plugins,
            "DicomAet": AE_TITLE,
            "DicomPort": self.dicom_port,
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomCheckCalledAet": True,
            "UnknownSopClassAccepted": True,
            "StableAge": 2,
            "DicomModalities": {
                modality.ae_title: {
                    "AET": modality.ae_title,
                    "Host": modality.host,
                    "Port": modality.port,
                    "AllowStorageCommitment": True,
                }
                for modality in self._modalities
            },
        }

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                with httpx.Client(trust_env=False, timeout=2.0) as client:
                    if client.get(f"{self.url}/system").is_success:
                        return
            except httpx.HTTPError:
                time.sleep(_POLL_S)
        self.__exit__(None, None, None)
        raise PeerUnreachableError(
            f"Orthanc did not start in {_START_TIMEOUT_S:g} s: see {self.folder / 'orthanc.log'}"
        )

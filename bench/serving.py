"""A real server for a bench, on free ports, with its data in a folder of its own."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from copilot.demo.orthanc import free_port
from copilot.settings import environment

_START_S: Final = 90.0
_LEAVE_S: Final = 60.0
_LOOK_S: Final = 0.1
_SERVE: Final = "from copilot.cli.main import main; main()"
_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where it listens, and its process."""

    web_port: int
    dicom_port: int
    pid: int

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{_HOST}:{self.web_port}"

    def get(self, path: str) -> httpx.Response:
        """Ask for something."""
        return httpx.get(self.url + path, timeout=60.0, trust_env=False)


@contextmanager
def serving(folder: Path, *, look_ahead: bool = False) -> Iterator[Server]:
    """Run a server until left; what it wrote is in ``server.log``."""
    web_port, dicom_port = free_port(), free_port()
    site = folder / "site.toml"
    site.write_text(
        f'[storage]\nfolder = "{folder / "data"}"\n[node]\nport = {dicom_port}\n'
        f"[web]\nport = {web_port}\n[segmentation]\nlook_ahead = {str(look_ahead).lower()}\n",
        encoding="utf-8",
    )
    path = folder / "server.log"
    with path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", _SERVE, "serve", "--config", str(site)],
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Server(web_port=web_port, dicom_port=dicom_port, pid=process.pid)

    def is_up() -> bool:
        if process.poll() is not None:
            raise SystemExit(f"the server ended at once:\n{path.read_text(encoding='utf-8')}")
        return server.get("/health").is_success

    try:
        until(is_up)
        yield server
    finally:
        process.terminate()
        process.wait(_LEAVE_S)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; a server that does not answer yet is asked again.

    Raises
    ------
    TimeoutError
        If it takes too long.
    """
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if holds():
                return
        time.sleep(_LOOK_S)
    raise TimeoutError(f"the server did not come so far in {_START_S:.0f} s: see its server.log")

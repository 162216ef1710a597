"""A real server process on free ports, with a site file of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from copilot.demo.orthanc import free_port
from dicom_node.scu import DicomPeer, Peer

START_S = 90.0


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where it answers, and what it wrote."""

    config: Path
    folder: Path
    log: Path
    node_port: int
    web_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def peer(self) -> DicomPeer:
        """A modality that calls it."""
        called = Peer(ae_title="RADCOPILOT", host="127.0.0.1", port=self.node_port)
        return DicomPeer("MODALITY", called)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=30, trust_env=False)

    def metrics(self) -> dict[str, float]:
        lines = self.get("/metrics").text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}


@contextmanager
def running_server(folder: Path, tables: str = "", storage: str = "") -> Iterator[Server]:
    """Run a server until the end; its site file has ``tables``, and ``storage`` in that table."""
    server = Server(
        config=folder / "site.toml",
        folder=folder / "site",
        log=folder / "server.log",
        node_port=free_port(),
        web_port=free_port(),
    )
    server.config.write_text(
        f'[storage]\nfolder = "{server.folder}"\n{storage}\n[node]\nport = {server.node_port}\n'
        f"[web]\nport = {server.web_port}\n[segmentation]\nlook_ahead = false\n{tables}",
        encoding="utf-8",
    )
    program = str(Path(sys.executable).parent / "radcopilot")
    with server.log.open("ab") as log:
        process = subprocess.Popen(
            [program, "serve", "--config", str(server.config)], stdout=log, stderr=log
        )
    try:
        _await(process, server)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=60)


def _await(process: subprocess.Popen[bytes], server: Server) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert process.poll() is None, server.log.read_text()
        with suppress(httpx.HTTPError):
            server.get("/health").raise_for_status()
            return
        time.sleep(0.1)
    raise AssertionError(f"the server did not start: {server.log.read_text()}")

"""Workers share studies over PostgreSQL, one is killed, and every study is outlined once.

``python -m bench.workers --database postgresql+psycopg://… [--studies 40] [--seed 1]``

A real server that does no engine's work itself, two real ``radcopilot worker`` processes that have
nothing of its disk, and a rule that outlines the lungs of every study that arrives. One worker is
ended by SIGKILL amid its work.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
from dbos import DBOSClient

from bench.studies import write_ct
from copilot.demo.orthanc import free_port
from copilot.settings import environment
from copilot.workflows.orders import ANALYSE
from dicom_node.scu import DicomPeer, Peer

_HERE: Final = "127.0.0.1"
_START_S: Final = 60.0
_END_S: Final = 300.0
_TOKEN: Final = "a token for the bench alone"  # noqa: S105 - of a server that ends with the bench
_SHAPE: Final = (24, 48, 64)
_SPACING_MM: Final = (6.0, 4.0, 4.0)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found at the end; empty ``wrong`` is what is wanted.

    Attributes
    ----------
    shares
        How many results each worker finished.
    left
        How many were not done yet when the one was killed.
    """

    studies: int
    shares: tuple[int, ...]
    left: int
    seconds: float
    wrong: tuple[str, ...]


@dataclass(kw_only=True)
class Site:
    """A server and its workers, in folders of their own."""

    folder: Path
    database: str
    count: int
    random: random.Random
    stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.node_port, self.web_port = free_port(), free_port()
        (self.folder / "token").write_text(_TOKEN)
        self.url = f"http://127.0.0.1:{self.web_port}"

    def settings(self, name: str) -> Path:
        """Write the settings of a process with a folder of its own."""
        path = self.folder / f"{name}.toml"
        path.write_text(
            f"""
[storage]
folder = "{self.folder / name}"
database = "{self.database}"
[node]
port = {self.node_port}
[web]
port = {self.web_port}
token_file = "{self.folder / "token"}"
[segmentation]
look_ahead = false
[completeness]
quiet_s = 0.5
quiet_s_by_modality = {{}}
[work]
node_takes = []
dead_after_s = 6.0
node_url = "{self.url}"
[[rules]]
name = "lungs"
when = [{{ tag = "Modality", is = "CT" }}]
command = "segment both lungs"
run = "automatic"
""",
            encoding="utf-8",
        )
        return path

    def run(self) -> Verdict:
        """Send, kill one worker, wait for the end, and look."""
        began = time.monotonic()
        with self.stack:
            self._start("serve", "node")
            self._until(self._answers, _START_S)
            workers = [self._start("worker", f"worker_{number}") for number in (1, 2)]
            self._send()
            self._until(lambda: self._done() >= self.count // 4, _END_S)
            left = self.count - self._done()
            victim = self.random.choice(workers)
            time.sleep(self.random.uniform(0, 0.5))
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            self._until(lambda: self._done() >= self.count, _END_S)
            results = self._results()
            return Verdict(
                studies=self.count,
                shares=self._shares(),
                left=left,
                seconds=time.monotonic() - began,
                wrong=tuple(self._faults(results)),
            )

    def _faults(self, results: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - yields text
        if len(results) != self.count:
            yield f"{len(results)} results for {self.count} studies"
        by_series = Counter(each["series_instance_uid"] for each in results)
        yield from (f"series {uid} has {n} results" for uid, n in by_series.items() if n > 1)
        for each in results:
            if each["state"] != "waiting":
                yield f"result {each['id']} is {each['state']}: {each.get('error', '')}"
            elif not httpx.get(f"{self.url}/api/commands/{each['id']}/seg.dcm").is_success:
                yield f"result {each['id']} has no SEG on the server"

    def _shares(self) -> tuple[int, ...]:
        client = DBOSClient(system_database_url=self.database, lazy=False)
        try:
            done = client.list_workflows(name=ANALYSE, load_input=False, load_output=False)
        finally:
            client.destroy()
        return tuple(sorted(Counter(str(each.executor_id) for each in done).values()))

    def _start(self, command: str, name: str) -> subprocess.Popen[bytes]:
        program = Path(sys.executable).parent / "radcopilot"
        log = (self.folder / f"{name}.log").open("ab")
        process = subprocess.Popen(  # noqa: S603 - our own program
            [str(program), command, "--config", str(self.settings(name))],
            stdout=log,
            stderr=log,
            env=environment() | {"PYTHONUNBUFFERED": "1"},
        )
        log.close()
        self.stack.callback(_end, process)
        return process

    def _send(self) -> None:
        peer = DicomPeer("BENCH", Peer(ae_title="RADCOPILOT", host=_HERE, port=self.node_port))
        for number in range(self.count):
            peer.store(_chest(self.folder / f"study_{number}", number))

    def _answers(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/health", timeout=1).is_success
        return False

    def _results(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/api/commands", timeout=30).json()
        return found

    def _done(self) -> int:
        return sum(each["state"] != "running" for each in self._results())

    def _until(self, is_so: Callable[[], bool], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not is_so() and time.monotonic() < until:
            time.sleep(0.2)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _chest(folder: Path, number: int) -> tuple[Path, ...]:
    """Write a small body with two lungs, in a study of its own."""
    places = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(_SHAPE, _SPACING_MM, strict=True)),
        indexing="ij",
        sparse=True,
    )
    body = (places[1] / 85) ** 2 + (places[2] / 120) ** 2 <= 1
    voxels = np.where(body, 40.0, -1000.0) + np.zeros(_SHAPE)
    for side in (-1, 1):
        lung = (places[0] / 62) ** 2 + (places[1] / 60) ** 2 + ((places[2] - side * 55) / 40) ** 2
        voxels[np.broadcast_to(lung <= 1, _SHAPE)] = -850.0
    voxels += np.random.default_rng(number).normal(0, 10, _SHAPE)
    return write_ct(folder, voxels, _SPACING_MM, bench="workers", number=number)


def shared(studies: int, seed: int, folder: Path, database: str) -> Verdict:
    """Run it in a folder, and return what was found."""
    return Site(
        folder=folder,
        database=database,
        count=studies,
        random=random.Random(seed),  # noqa: S311 - a bench
    ).run()


def main() -> None:
    """Run and print; the exit status is 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="workers."))
    verdict = shared(given.studies, given.seed, folder, given.database)
    print(
        f"{verdict.studies} studies, shares {verdict.shares}, {verdict.left} left at the kill, "
        f"{verdict.seconds:.0f} s, load {os.getloadavg()[0]:.1f}"
    )
    for wrong in verdict.wrong:
        print(f"WRONG: {wrong}")
    if verdict.wrong:
        print(f"kept for a look: {folder}")
        sys.exit(1)
    shutil.rmtree(folder)
    print("each study once")


if __name__ == "__main__":
    main()

"""Kill the server at random moments, and see that nothing was lost and nothing is there twice.

``python -m bench.chaos [--kills 20] [--seed 1] [--studies 4] [--database URL]``

A real server receives studies, outlines a lesion in each, and sends what is accepted to a real
Orthanc, which is itself stopped and started. SIGKILL comes at seeded random moments. At the end
every study that was sent is here and equal, every accepted mask is in the archive exactly once and
confirmed, and no workflow is open.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pydicom

from copilot.demo.orthanc import AE_TITLE, KnownModality, Orthanc, free_port
from copilot.results import State as ResultState
from copilot.settings import load_settings
from copilot.system import RandomUids
from copilot.wiring import House
from copilot.workflows.delivery import State
from copilot.workflows.durable import from_outside
from dicom_node.scu import DicomPeer, Peer
from dicom_node.series_writer import SeriesIdentity, write_series
from domain.codes import HOUNSFIELD_UNIT
from domain.errors import PeerError
from domain.grid import Grid
from domain.uids import SeriesUID
from domain.volume import Volume

_START_S: Final = 60.0
_END_S: Final = 300.0
_LONGEST_LIFE_S: Final = 4.0
_STOPS_ARCHIVE: Final = 0.3
_BOX: Final = {"slice": 6, "row_start": 20, "column_start": 20, "row_stop": 45, "column_stop": 45}
_ALL: Final = 10_000
_RADIUS_MM: Final = 10
_OPEN_WORK: Final = ["PENDING", "ENQUEUED", "DELAYED"]


@dataclass(kw_only=True)
class Study:
    """One study on its way: sent, outlined, accepted, queued for the archive."""

    files: tuple[Path, ...]
    series: str
    was_received: bool = False
    result: str | None = None
    was_accepted: bool = False
    was_queued: bool = False

    @property
    def is_done(self) -> bool:
        """Whether the person has nothing left to do."""
        return self.was_queued


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found at the end; empty ``wrong`` is what is wanted."""

    kills: int
    archive_stops: int
    studies: int
    seconds: float
    wrong: tuple[str, ...]


@dataclass(kw_only=True)
class Chaos:
    """A server, an archive and a person, in a folder of their own."""

    folder: Path
    random: random.Random
    count: int
    database: str = ""
    studies: list[Study] = field(default_factory=list)
    kills: int = 0
    archive_stops: int = 0

    def __post_init__(self) -> None:
        self.node_port, self.web_port = free_port(), free_port()
        known = KnownModality(ae_title="RADCOPILOT", host="127.0.0.1", port=self.node_port)
        self.archive = Orthanc(self.folder / "orthanc", (known,))
        self.config = self.folder / "site.toml"
        self.config.write_text(
            f"""
[storage]
folder = "{self.folder / "site"}"
database = "{self.database}"
[node]
port = {self.node_port}
[web]
port = {self.web_port}
[segmentation]
look_ahead = false
[[peers]]
ae_title = "{AE_TITLE}"
host = "127.0.0.1"
port = {self.archive.dicom_port}
connect_timeout_s = 2.0
answer_timeout_s = 10.0
""",
            encoding="utf-8",
        )
        self.studies = [_study(self.folder / f"study_{n}", n) for n in range(self.count)]
        self.peer = DicomPeer(
            "BENCH", Peer(ae_title="RADCOPILOT", host="127.0.0.1", port=self.node_port)
        )

    def run(self, kills: int) -> Verdict:
        """Kill that often, let all come to an end, and look."""
        began = time.monotonic()
        with self.archive:
            while self.kills < kills:
                self._one_life()
            self._last_life()
        return Verdict(
            kills=self.kills,
            archive_stops=self.archive_stops,
            studies=len(self.studies),
            seconds=time.monotonic() - began,
            wrong=tuple(self.wrong),
        )

    def _one_life(self) -> None:
        server = self._started()
        person = threading.Thread(target=self._work, args=(lambda: server.poll() is None,))
        person.start()
        if self.random.random() < _STOPS_ARCHIVE:
            self.archive.stop()
            self.archive_stops += 1
            time.sleep(self.random.uniform(0, 1))
            self.archive.start()
        time.sleep(self.random.uniform(0, _LONGEST_LIFE_S))
        server.send_signal(signal.SIGKILL)
        server.wait()
        person.join()
        self.kills += 1

    def _last_life(self) -> None:
        server = self._started()
        try:
            self._work(lambda: True)
            self._until(lambda: not any(each["state"] in _UNSETTLED for each in self._deliveries()))
            sent = {each["result"] for each in self._deliveries()}
            there = [httpx.get(f"{self.archive.url}/instances", timeout=30).json()]
            self.in_archive = [
                httpx.get(f"{self.archive.url}/instances/{each}/simplified-tags", timeout=30).json()
                for each in there[0]
            ]
            self.delivered = sent
            self.states = {each["result"]: each["state"] for each in self._deliveries()}
        finally:
            server.terminate()
            server.wait(timeout=60)
        self.wrong = list(self._faults())

    def _faults(self) -> Any:  # noqa: ANN401 - yields text
        home = House(load_settings(self.config))
        for study in self.studies:
            kept = {
                str(pydicom.dcmread(path).SOPInstanceUID): pydicom.dcmread(path)
                for path in home.store.instance_paths(SeriesUID(study.series))
            }
            for path in study.files:
                original = pydicom.dcmread(path)
                if kept.get(str(original.SOPInstanceUID)) != original:
                    yield f"{path.parent.name}/{path.name} is not here as it was sent"
        for study in self.studies:
            assert study.result is not None
            seg = pydicom.dcmread(home.results.folder(study.result) / "seg.dcm")
            uids = [str(each.get("SOPInstanceUID")) for each in self.in_archive]
            count = uids.count(str(seg.SOPInstanceUID))
            if count != 1:
                yield f"the mask of result {study.result} is {count} times in the archive"
            if self.states.get(study.result) != State.COMMITTED.value:
                yield f"result {study.result} is {self.states.get(study.result)}, not committed"
        masks = [each for each in self.in_archive if each.get("Modality") == "SEG"]
        if len(masks) != len(self.studies):
            yield f"{len(masks)} masks in the archive for {len(self.studies)} accepted"
        with from_outside(home.work_url) as client:
            stuck = client.list_workflows(status=_OPEN_WORK)
        if stuck:
            yield f"{len(stuck)} workflows are open: {[each.workflow_id for each in stuck][:3]}"
        cut_off = [each for each in home.results.all(_ALL) if each.state is ResultState.RUNNING]
        if cut_off:
            yield f"{len(cut_off)} commands that were cut off never came to an end"
        home.audit.verify()
        home.store.close()
        home.close()

    def _started(self) -> subprocess.Popen[bytes]:
        program = Path(sys.executable).parent / "radcopilot"
        log = (self.folder / "server.log").open("ab")
        server = subprocess.Popen(  # noqa: S603 - our own program
            [str(program), "serve", "--config", str(self.config)], stdout=log, stderr=log
        )
        log.close()
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            if server.poll() is not None:
                raise RuntimeError(f"the server ended by itself: see {self.folder}/server.log")
            with suppress(httpx.HTTPError):
                httpx.get(f"{self._api}/health", timeout=1).raise_for_status()
                return server
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start: see {self.folder}/server.log")

    @property
    def _api(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    def _work(self, is_alive: Callable[[], bool]) -> None:
        """Do what a person does with every study, again where it was cut off."""
        until = time.monotonic() + _END_S
        while is_alive() and time.monotonic() < until:
            open_ones = [each for each in self.studies if not each.is_done]
            if not open_ones:
                return
            with suppress(httpx.HTTPError, PeerError, OSError):
                self._next(self.random.choice(open_ones))

    def _next(self, study: Study) -> None:
        if not study.was_received:
            self.peer.store(study.files)
            study.was_received = True
        elif study.result is None:
            body = {
                "series_instance_uid": study.series,
                "text": "segment the lung lesion",
                "boxes": [_BOX],
                "slices": [3, 10],
            }
            study.result = self._post("/api/commands", body)["id"]
        elif not study.was_accepted:
            state = httpx.get(f"{self._api}/api/commands/{study.result}", timeout=30).json()[
                "state"
            ]
            if state == "waiting":
                self._post(f"/api/commands/{study.result}/accept")
            study.was_accepted = True
        else:
            self._post(f"/api/commands/{study.result}/send")
            study.was_queued = True

    def _post(self, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        answer = httpx.post(f"{self._api}{path}", json=body, timeout=60)
        already_sent = path.endswith("/send") and "is sent" in answer.text
        if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY and already_sent:
            return {}
        answer.raise_for_status()
        return answer.json()

    def _deliveries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self._api}/api/deliveries", timeout=30).json()
        return found

    def _until(self, is_so: Callable[[], bool]) -> None:
        until = time.monotonic() + _END_S
        while not is_so() and time.monotonic() < until:
            time.sleep(0.3)


_UNSETTLED: Final = frozenset({State.QUEUED.value, State.SENT.value})


def _study(folder: Path, number: int) -> Study:
    """Write a small chest with a bright ball, in a study of its own."""
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]) * np.array([2.0, 1.0, 1.0])
    grid = Grid(affine=affine, shape=(13, 64, 64))
    z, y, x = np.ogrid[:13, :64, :64]
    inside = (2 * (z - 6)) ** 2 + (y - 32) ** 2 + (x - 32) ** 2 <= _RADIUS_MM**2
    noise = np.random.default_rng(number).normal(0, 5, grid.shape)
    voxels = (np.where(inside, 50, -850) + noise).astype(np.int16)
    volume = Volume(voxels=voxels, grid=grid, modality="CT", unit=HOUNSFIELD_UNIT)
    uids = RandomUids()
    identity = SeriesIdentity(
        patient_name="BENCH^CHAOS",
        patient_id=f"CHAOS{number}",
        study_instance_uid=uids.new_uid(),
        series_instance_uid=uids.new_uid(),
        frame_of_reference_uid=uids.new_uid(),
        study_date="20200102",
        study_description="chaos",
        series_description="chaos",
    )
    files = write_series(volume, identity, uids, folder)
    return Study(files=files, series=str(identity.series_instance_uid))


def chaos(kills: int, seed: int, studies: int, folder: Path, database: str = "") -> Verdict:
    """Run it in a folder, and return what was found."""
    made = Chaos(folder=folder, random=random.Random(seed), count=studies, database=database)  # noqa: S311 - a bench
    return made.run(kills)


def main() -> None:
    """Run and print; the exit status is 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--studies", type=int, default=4)
    parser.add_argument("--database", default="")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos."))
    verdict = chaos(given.kills, given.seed, given.studies, folder, given.database)
    print(
        f"{verdict.kills} kills, {verdict.archive_stops} stops of the archive, {verdict.studies} "
        f"studies, {verdict.seconds:.0f} s, seed {given.seed}"
    )
    for wrong in verdict.wrong:
        print(f"WRONG: {wrong}")
    if verdict.wrong:
        print(f"kept for a look: {folder}")
        sys.exit(1)
    shutil.rmtree(folder)
    print("nothing lost, nothing twice")


if __name__ == "__main__":
    main()

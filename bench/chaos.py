"""Kill the server at random moments, and see that nothing was lost and nothing is there twice.

``python -m bench.chaos [--kills 20] [--seed 1] [--studies 4] [--database URL]``

A real server receives studies, carries out a rule and a person's command on each, and sends what
is accepted to a real Orthanc, which is itself stopped and started. SIGKILL comes at seeded moments
of a phase that is drawn for each life: while images arrive, while an engine works, between the
files of a result, between queueing and sending, between sending and confirming, or anywhere. At the
end every study that was sent is here and equal, its rule was carried out once, every accepted mask
is in the archive exactly once and confirmed, and no workflow is open.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pydicom
from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from bench.studies import write_ct
from copilot.demo.orthanc import AE_TITLE, KnownModality, Orthanc, free_port
from copilot.results import State as ResultState
from copilot.settings import load_settings
from copilot.wiring.house import House
from copilot.workflows.delivery import State
from copilot.workflows.delivery import table as deliveries
from copilot.workflows.durable import from_outside
from dicom_node.scu import DicomPeer, Peer
from domain.errors import PeerError
from domain.uids import SeriesUID

_START_S: Final = 60.0
_END_S: Final = 300.0
_LONGEST_LIFE_S: Final = 4.0
_STOPS_ARCHIVE: Final = 0.3
_BOX: Final = {"slice": 6, "row_start": 20, "column_start": 20, "row_stop": 45, "column_stop": 45}
_ALL: Final = 10_000
_RADIUS_MM: Final = 10
_RULE: Final = "lungs"
_ANY: Final = 0.5
_LONGEST_WAIT_S: Final = 8.0
_WITHIN_S: Final = 0.15
_LOOK_S: Final = 0.002
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
    phases: Mapping[str, int]


class Phase(StrEnum):
    """When a kill comes."""

    RECEIVE = "receive"
    SEGMENT = "segment"
    ENCODE = "encode"
    SEND = "send"
    COMMIT = "commit"
    ANYWHERE = "anywhere"


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
    doing: str = ""
    phases: Counter[str] = field(default_factory=Counter)

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
[completeness]
quiet_s = 1.0
quiet_s_by_modality = {{}}
[[rules]]
name = "{_RULE}"
when = [{{ tag = "Modality", is = "CT" }}]
command = "segment both lungs"
run = "automatic"
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
            try:
                while self.kills < kills:
                    self._one_life()
                self._last_life()
            finally:
                self.database_here.dispose()
        return Verdict(
            kills=self.kills,
            archive_stops=self.archive_stops,
            studies=len(self.studies),
            seconds=time.monotonic() - began,
            wrong=tuple(self.wrong),
            phases=dict(self.phases),
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
        phase = self._moment(self.random.choice(list(Phase)))
        server.send_signal(signal.SIGKILL)
        server.wait()
        person.join()
        self.kills += 1
        self.phases[phase] += 1

    def _moment(self, phase: Phase) -> Phase:
        """Wait for a moment of a phase, and return the phase it is; anywhere when none came."""
        if phase is Phase.ANYWHERE:
            time.sleep(self.random.uniform(0, _LONGEST_LIFE_S))
            return phase
        until = time.monotonic() + _LONGEST_WAIT_S
        while time.monotonic() < until:
            if self._is_now(phase):
                if phase is not Phase.ENCODE:  # that is over in a few milliseconds
                    time.sleep(self.random.uniform(0, _WITHIN_S))
                return phase
            time.sleep(_LOOK_S)
        return Phase.ANYWHERE

    def _is_now(self, phase: Phase) -> bool:
        match phase:
            case Phase.RECEIVE | Phase.SEGMENT:
                return self.doing == phase
            case Phase.ENCODE:
                results = (self.folder / "site" / "results").glob("*")
                return any(
                    (each / "seg.dcm").exists() and not (each / "draft.html").exists()
                    for each in results
                )
            case Phase.SEND | Phase.COMMIT:
                wanted = State.QUEUED if phase is Phase.SEND else State.SENT
                with suppress(SQLAlchemyError), self.database_here.begin() as connection:
                    query = select(func.count()).where(deliveries.c.state == wanted.value)
                    return bool(connection.scalar(query))
            case Phase.ANYWHERE:
                return True
        return False

    @cached_property
    def database_here(self) -> Engine:
        """The site's database, looked at from outside."""
        return create_engine(self.database or f"sqlite:///{self.folder}/site/radcopilot.db")

    def _last_life(self) -> None:
        server = self._started()
        try:
            self._work(lambda: True)
            self._until(lambda: not any(each["state"] in _UNSETTLED for each in self._deliveries()))
            self._until(self._rules_are_done)
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
        yield from self._faults_of_rules(home)
        cut_off = [each for each in home.results.all(_ALL) if each.state is ResultState.RUNNING]
        if cut_off:
            yield f"{len(cut_off)} commands that were cut off never came to an end"
        home.audit.verify()
        home.store.close()
        home.close()

    def _faults_of_rules(self, home: House) -> Any:  # noqa: ANN401 - yields text
        for study in self.studies:
            made = [
                each
                for each in home.results.of_series(SeriesUID(study.series))
                if each.document.get("rule") == _RULE and each.state is not ResultState.REPLACED
            ]
            if len(made) != 1:
                yield f"the rule was carried out {len(made)} times on {study.series}"
            yield from (
                f"the rule's result {each.id} failed: {each.document.get('error')}"
                for each in made
                if each.state is ResultState.FAILED
            )

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
                self._next(self._chosen(open_ones))
            self.doing = ""

    def _chosen(self, open_ones: Sequence[Study]) -> Study:
        """Return any study, or as often the one that is furthest."""
        if self.random.random() < _ANY:
            return self.random.choice(open_ones)
        return max(
            open_ones, key=lambda each: (each.was_accepted, each.result or "", each.was_received)
        )

    def _next(self, study: Study) -> None:
        if not study.was_received:
            self.doing = Phase.RECEIVE
            self.peer.store(study.files)
            study.was_received = True
        elif study.result is None:
            self.doing = Phase.SEGMENT
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

    def _rules_are_done(self) -> bool:
        studies = httpx.get(f"{self._api}/api/studies", timeout=30).json()
        if any((each["arrival"] or {}).get("state") != "complete" for each in studies):
            return False
        home = House(load_settings(self.config))
        counts = home.results.counts()
        home.close()
        return len(studies) == len(self.studies) and not counts.get(ResultState.RUNNING.value)

    def _until(self, is_so: Callable[[], bool]) -> None:
        until = time.monotonic() + _END_S
        while not is_so() and time.monotonic() < until:
            time.sleep(0.3)


_UNSETTLED: Final = frozenset({State.QUEUED.value, State.SENT.value})


def _study(folder: Path, number: int) -> Study:
    """Write a small chest with a bright ball, in a study of its own."""
    shape = (13, 64, 64)
    z, y, x = np.ogrid[:13, :64, :64]
    inside = (2 * (z - 6)) ** 2 + (y - 32) ** 2 + (x - 32) ** 2 <= _RADIUS_MM**2
    noise = np.random.default_rng(number).normal(0, 5, shape)
    voxels = np.where(inside, 50, -850) + noise
    files = write_ct(folder, voxels, (2.0, 1.0, 1.0), bench="chaos", number=number)
    header = pydicom.dcmread(files[0], stop_before_pixels=True)
    return Study(files=files, series=str(header.SeriesInstanceUID))


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
        f"studies, {verdict.seconds:.0f} s, seed {given.seed}, load {os.getloadavg()[0]:.1f}"
    )
    print("kills while: " + ", ".join(f"{phase} {n}" for phase, n in verdict.phases.items()))
    for wrong in verdict.wrong:
        print(f"WRONG: {wrong}")
    if verdict.wrong:
        print(f"kept for a look: {folder}")
        sys.exit(1)
    shutil.rmtree(folder)
    print("nothing lost, nothing twice")


if __name__ == "__main__":
    main()

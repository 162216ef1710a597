"""Rate of receiving images: our node beside dcmtk's storescp and Orthanc, in one run.

``python -m bench.ingest [--images 500] [--associations 1 4]``

The same images are sent by dcmtk's ``storescu`` with TCP_NODELAY=1 (without it every receiver
measures Nagle's algorithm). Receivers take turns, pass by pass, so that a busy machine slows all.
Ours counts until the last image is durable on disk; its index follows behind and is timed apart.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from copilot.demo.orthanc import AE_TITLE, Orthanc, free_port, is_installed
from copilot.settings import environment
from copilot.system import RandomUids
from dicom_node.index import Index
from dicom_node.scp import DicomNode, NodeAddress
from dicom_node.series_writer import SeriesIdentity, write_series
from dicom_node.store import Store
from domain.codes import HOUNSFIELD_UNIT
from domain.grid import Grid
from domain.volume import Volume

STORESCU: Final = "/usr/bin/storescu"
STORESCP: Final = "/usr/bin/storescp"
_NO_NAGLE: Final = {"TCP_NODELAY": "1"}
_START_S: Final = 15.0


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Something that listens, by its title and port."""

    name: str
    ae_title: str
    port: int


def make_images(folder: Path, count: int) -> list[Path]:
    """Write ``count`` CT images of 512 x 512 with noise, about 529 kB each."""
    noise = np.random.default_rng(1).integers(-1000, 1000, (count, 512, 512)).astype(np.int16)
    uids = RandomUids()
    identity = SeriesIdentity(
        patient_name="BENCH^INGEST",
        patient_id="BENCH",
        study_instance_uid=uids.new_uid(),
        series_instance_uid=uids.new_uid(),
        frame_of_reference_uid=uids.new_uid(),
        study_date="20200101",
        study_description="bench",
        series_description="bench",
    )
    grid = Grid(affine=np.diag([1.0, 0.7, 0.7, 1.0])[[2, 1, 0, 3]], shape=noise.shape)
    volume = Volume(voxels=noise, grid=grid, modality="CT", unit=HOUNSFIELD_UNIT)
    return list(write_series(volume, identity, uids, folder))


@contextmanager
def own_node(folder: Path) -> Iterator[Receiver]:
    """Run our node in a process of its own, as a site would."""
    port = free_port()
    with _process([sys.executable, "-m", "bench.ingest", "--node", str(folder), str(port)], port):
        yield Receiver(name="radcopilot", ae_title="RADCOPILOT", port=port)


@contextmanager
def dcmtk(folder: Path) -> Iterator[Receiver]:
    """Run dcmtk's storescp, forking for each association."""
    folder.mkdir(parents=True)
    port = free_port()
    command = [STORESCP, "--fork", "-od", str(folder), "-aet", "STORESCP", str(port)]
    with _process(command, port):
        yield Receiver(name="dcmtk storescp", ae_title="STORESCP", port=port)


@contextmanager
def orthanc(folder: Path) -> Iterator[Receiver]:
    """Run Orthanc with a fresh store."""
    with Orthanc(folder) as running:
        yield Receiver(name="Orthanc", ae_title=AE_TITLE, port=running.dicom_port)


def send(receiver: Receiver, images: Sequence[Path], associations: int) -> float:
    """Send the images over so many associations at once and return the seconds it took."""
    parts = [images[start::associations] for start in range(associations)]
    start = time.perf_counter()
    senders = [
        subprocess.Popen(  # noqa: S603 - fixed program
            [
                STORESCU,
                "-aec",
                receiver.ae_title,
                "127.0.0.1",
                str(receiver.port),
                *map(str, part),
            ],
            env=environment() | _NO_NAGLE,
        )
        for part in parts
    ]
    if any(sender.wait() for sender in senders):
        raise SystemExit(f"{receiver.name} refused images")
    return time.perf_counter() - start


@contextmanager
def _process(command: Sequence[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment() | _NO_NAGLE)  # noqa: S603
    try:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            probe = subprocess.run(  # noqa: S603 - fixed program
                ["/usr/bin/echoscu", "-aec", "ANY", "127.0.0.1", str(port)],
                capture_output=True,
                check=False,
            )
            if probe.returncode == 0:
                break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def _serve(folder: Path, port: int) -> None:
    store = Store(folder, Index(f"sqlite:///{folder / 'index.db'}"))
    with DicomNode(NodeAddress(ae_title="RADCOPILOT", port=port), store):
        try:
            while True:
                time.sleep(1.0)
        except KeyboardInterrupt:
            store.close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--associations", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--node", nargs=2, metavar=("FOLDER", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.node:
        Path(arguments.node[0]).mkdir(parents=True, exist_ok=True)
        _serve(Path(arguments.node[0]), int(arguments.node[1]))
        return
    if not (is_installed() and Path(STORESCP).exists()):
        raise SystemExit("Orthanc and dcmtk must be installed for this bench")
    _compare(arguments.images, arguments.associations, arguments.passes)


def _compare(count: int, associations: Sequence[int], passes: int) -> None:
    makers: tuple[Callable[[Path], AbstractContextManager[Receiver]], ...] = (
        own_node,
        dcmtk,
        orthanc,
    )
    rates: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as workplace:
        images = make_images(Path(workplace) / "images", count)
        for number in range(passes):
            for several in associations:
                for make in makers:
                    folder = Path(workplace) / f"{make.__name__}-{several}-{number}"
                    with ExitStack() as stack:
                        receiver = stack.enter_context(make(folder))
                        seconds = send(receiver, images, several)
                    rates.setdefault((receiver.name, several), []).append(count / seconds)
                    shutil.rmtree(folder, ignore_errors=True)
    _show(rates, associations, count)


def _show(rates: dict[tuple[str, int], list[float]], associations: Sequence[int], n: int) -> None:
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    table = Table(title=f"{n} CT images of 529 kB; images/s, each pass; load average {load}")
    table.add_column("receiver")
    for several in associations:
        table.add_column(f"{several} association{'s' if several > 1 else ''}")
        table.add_column("ratio to Orthanc")
    for name in dict.fromkeys(name for name, _ in rates):
        row = [name]
        for several in associations:
            mine, theirs = rates[name, several], rates["Orthanc", several]
            row.append(" / ".join(f"{rate:.0f}" for rate in mine))
            row.append(f"{np.mean(mine) / np.mean(theirs):.2f}")
        table.add_row(*row)
    console = Console(width=110)
    console.print(table)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    console.print(f"CPU of all receivers and senders: {used.ru_utime + used.ru_stime:.0f} s")


if __name__ == "__main__":
    main()

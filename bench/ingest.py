"""Rate of receiving images: our node beside dcmtk's storescp and Orthanc, in one run.

``python -m bench.ingest [--images 500] [--associations 1 4]``
``python -m bench.ingest --soak 20000``: memory over many small images, and what idle callers cost

The same images are sent by dcmtk's ``storescu`` with TCP_NODELAY=1 (without it every receiver
measures Nagle's algorithm). Receivers take turns, pass by pass, so that a busy machine slows all.
Ours counts until the last image is durable on disk; its index follows behind and is timed apart.
"""

import argparse
import os
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

from bench.callers import idle_associations, store_many
from bench.studies import write_ct
from copilot.demo.orthanc import AE_TITLE, Orthanc, free_port, is_installed
from copilot.settings import environment
from dicom_node.index import Index
from dicom_node.scp import DicomNode, NodeAddress
from dicom_node.store import Store

STORESCU: Final = "/usr/bin/storescu"
STORESCP: Final = "/usr/bin/storescp"
_NO_NAGLE: Final = {"TCP_NODELAY": "1"}
_START_S: Final = 15.0
_SETTLE_S: Final = 2.0
_PARTS: Final = 10
_IDLE: Final = 4
_IDLE_S: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Something that listens, by its title and port."""

    name: str
    ae_title: str
    port: int
    pid: int

    @property
    def cpu_s(self) -> float:
        """Processor time of the process so far, with that of children it has waited for."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_mb(self) -> float:
        """Memory of the process."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(each for each in status.splitlines() if each.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


def make_images(folder: Path, count: int, pixels: int = 512) -> list[Path]:
    """Write ``count`` CT images with noise, about 529 kB each where they have 512 x 512 pixels."""
    shape = (count, pixels, pixels)
    noise = np.random.default_rng(1).integers(-1000, 1000, shape)
    return list(write_ct(folder, noise, (1.0, 0.7, 0.7), bench="ingest"))


@contextmanager
def own_node(folder: Path) -> Iterator[Receiver]:
    """Run our node in a process of its own, as a site would."""
    port = free_port()
    command = [sys.executable, "-m", "bench.ingest", "--node", str(folder), str(port)]
    with _process(command, port) as pid:
        yield Receiver(name="radcopilot", ae_title="RADCOPILOT", port=port, pid=pid)


@contextmanager
def dcmtk(folder: Path) -> Iterator[Receiver]:
    """Run dcmtk's storescp, forking for each association."""
    folder.mkdir(parents=True)
    port = free_port()
    command = [STORESCP, "--fork", "-od", str(folder), "-aet", "STORESCP", str(port)]
    with _process(command, port) as pid:
        yield Receiver(name="dcmtk storescp", ae_title="STORESCP", port=port, pid=pid)


@contextmanager
def orthanc(folder: Path) -> Iterator[Receiver]:
    """Run Orthanc with a fresh store."""
    with Orthanc(folder) as running:
        yield Receiver(name="Orthanc", ae_title=AE_TITLE, port=running.dicom_port, pid=running.pid)


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
def _process(command: Sequence[str], port: int) -> Iterator[int]:
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
        yield process.pid
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
    parser.add_argument("--soak", type=int, default=0, help="so many small images instead")
    arguments = parser.parse_args()
    if arguments.node:
        Path(arguments.node[0]).mkdir(parents=True, exist_ok=True)
        _serve(Path(arguments.node[0]), int(arguments.node[1]))
        return
    if arguments.soak:
        _soak(arguments.soak)
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
    cpu_s: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as workplace:
        images = make_images(Path(workplace) / "images", count)
        for number in range(passes):
            for several in associations:
                for make in makers:
                    folder = Path(workplace) / f"{make.__name__}-{several}-{number}"
                    with ExitStack() as stack:
                        receiver = stack.enter_context(make(folder))
                        before = receiver.cpu_s
                        seconds = send(receiver, images, several)
                        time.sleep(_SETTLE_S)  # ours indexes behind the images
                        used = receiver.cpu_s - before
                    cpu_s.setdefault((receiver.name, several), []).append(used)
                    rates.setdefault((receiver.name, several), []).append(count / seconds)
                    shutil.rmtree(folder, ignore_errors=True)
    _show(rates, cpu_s, associations, count)


def _soak(count: int) -> None:
    """Send small images on one association, and look at the node's memory; then idle callers."""
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as workplace:
        folder = Path(workplace)
        image = make_images(folder / "image", 1, pixels=64)[0]
        with own_node(folder / "node") as node:
            part = max(count // _PARTS, 1)
            for number in range(_PARTS):
                store_many(node.port, image, part)
                console.print(f"{(number + 1) * part} images: {node.resident_mb:.0f} MB")
            time.sleep(_SETTLE_S)
            with idle_associations(node.port, _IDLE):
                before = node.cpu_s
                time.sleep(_IDLE_S)
                share = (node.cpu_s - before) / _IDLE_S
            console.print(f"{_IDLE} idle associations: {100 * share:.1f} % of a core")


Figures = dict[tuple[str, int], list[float]]


def _show(rates: Figures, cpu_s: Figures, associations: Sequence[int], n: int) -> None:
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    table = Table(title=f"{n} CT images of 529 kB; images/s, each pass; load average {load}")
    table.add_column("receiver")
    for several in associations:
        table.add_column(f"{several} association{'s' if several > 1 else ''}")
        table.add_column("to Orthanc")
        table.add_column("to dcmtk")
        table.add_column(f"CPU s / {n}")
    for name in dict.fromkeys(name for name, _ in rates):
        row = [name]
        for several in associations:
            mine = rates[name, several]
            row.append(" / ".join(f"{rate:.0f}" for rate in mine))
            row += [
                f"{np.mean(mine) / np.mean(rates[other, several]):.2f}"
                for other in ("Orthanc", "dcmtk storescp")
            ]
            row.append(f"{np.mean(cpu_s[name, several]):.1f}")
        table.add_row(*row)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()

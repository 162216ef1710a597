"""What the node makes of malformed input: seeded damage to real files, commands and PDUs.

``python -m bench.garbage [--inputs 2000] [--seed 1] [--files ../shared/data/zoo]``

Each input is one connection: a correct C-STORE or STOW-RS of a real file, damaged at one layer, and
the connection closed for writing. Afterwards the node must answer C-ECHO, have logged or answered a
reason for each input that it refused, and hold exactly the bytes of those it answered with Success.
"""

import argparse
import logging
import random
import struct
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.pdus import (
    AE_TITLE,
    C_STORE,
    RELEASE,
    STORED,
    SUCCESS,
    association_request,
    command_set,
    data_pdus,
    data_value,
    echo,
    exchange,
    p_data,
    padded,
    reassembled,
    us,
)
from bench.stow import STOW_LAYERS, asked, request, serving
from dicom_node.files import read_dataset
from dicom_node.index import Index
from dicom_node.scp import DicomNode, NodeAddress
from dicom_node.store import Store
from domain.errors import RadcopilotError

LAYERS: Final = ("association", "pdu", "command", "data set", "stream", *STOW_LAYERS)
_LARGEST_FILE: Final = 700_000
_FOREIGN: Final = (
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x55" * 300,
    b"SSH-2.0-x\r\n",
    b"\x00" * 5000,
)


@dataclass(frozen=True, kw_only=True)
class Original:
    """A real file taken apart; its SOP Instance UID is replaced in every input."""

    name: str
    sop_class: str
    syntax: str
    uid: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one input, as its sender saw it, and what the node's log says."""

    layer: str
    uid: str
    data: bytes
    answers: tuple[str, ...]
    logged: int


@dataclass(kw_only=True)
class Report:
    """What a run found; empty lists are what is wanted."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    silent: list[str] = field(default_factory=list)
    unanswered_echoes: int = 0
    wrong: list[str] = field(default_factory=list)
    kept: int = 0
    set_aside: int = 0
    indexed: int = 0
    accepted: dict[str, bytes] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether the node passed."""
        return not (self.silent or self.wrong or self.unanswered_echoes)


class _Reasons(logging.Handler):
    """Counts the lines in which the node says why."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - how many, not which
        """Count."""
        self.lines += 1


def originals(files: Sequence[Path]) -> list[Original]:
    """Return the files that can be taken apart, small ones only."""
    found = []
    for path in files:
        content = path.read_bytes()
        if len(content) > _LARGEST_FILE or content[128:132] != b"DICM":
            continue
        try:
            header = read_dataset(path, with_pixels=False)
        except RadcopilotError:
            continue
        meta = header.file_meta
        if "TransferSyntaxUID" not in meta or not header.get("SOPInstanceUID"):
            continue
        start = _data_at(content)
        found.append(
            Original(
                name=path.name,
                sop_class=str(header.SOPClassUID),
                syntax=str(meta.TransferSyntaxUID),
                uid=str(header.SOPInstanceUID),
                data=content[start:],
            )
        )
    return found


def run(
    node: DicomNode,
    store: Store,
    folder: Path,
    sources: Sequence[Original],
    *,
    inputs: int,
    seed: int,
) -> Report:
    """Send the inputs and check the node and its store, which is at ``folder``."""
    with serving(store, folder) as web_port:
        report = _sent(node, web_port, sources, inputs, seed)
    store.settle()
    report.indexed = store.index.count()
    _inspect(folder, report.accepted, report)
    return report


def _sent(
    node: DicomNode, web_port: int, sources: Sequence[Original], inputs: int, seed: int
) -> Report:
    chance = random.Random(seed)  # noqa: S311 - damage, not a secret
    report, reasons = Report(), _Reasons()
    # STOW-RS has the UID in the object alone, where it must be seen to be replaced: not deflated
    plain = [each for each in sources if each.uid.encode() in each.data]
    logger = logging.getLogger("dicom_node")
    before = logger.level
    logger.addHandler(reasons)
    logger.setLevel(logging.INFO)
    try:
        for number in range(inputs):
            layer = LAYERS[number % len(LAYERS)]
            source = chance.choice(sources)
            if layer in STOW_LAYERS:
                source = chance.choice(plain)
                outcome = _stow(web_port, chance, source, layer, reasons)
            else:
                outcome = _one(node, chance, source, layer, reasons)
            said = outcome.answers[-1] if outcome.answers else "closed"
            report.outcomes[layer, said] += 1
            if STORED in outcome.answers:
                report.accepted[outcome.uid] = outcome.data
            if not said.endswith((SUCCESS, "released")) and not outcome.logged:
                report.silent.append(f"input {number}, {layer}: {outcome.answers}")
            report.unanswered_echoes += not echo(node.port)
    finally:
        logger.removeHandler(reasons)
        logger.setLevel(before)
    return report


def _fault(path: Path, sent: bytes | None, *, aside: bool) -> str:
    if path.suffix == ".part":
        return "half-written"
    if sent is None:
        return "kept without Success"
    content = path.read_bytes()
    if not content.endswith(sent) and content[_data_at(content) :] not in sent:
        return "not as sent"
    if not aside and read_dataset(path, with_pixels=False).get("SOPInstanceUID") != path.stem:
        return "under another name"
    return ""


def _data_at(content: bytes) -> int:
    """Return where the data set of a DICOM file begins (PS3.10 section 7.1)."""
    return 144 + int(struct.unpack_from("<L", content, 140)[0])


def _stow(
    port: int, chance: random.Random, source: Original, layer: str, reasons: _Reasons
) -> Outcome:
    uid, data = _renamed(source, chance)
    names = (source.sop_class, uid, source.syntax)
    sent, body = request(data, names, layer, chance, _damaged_anywhere)
    lines = reasons.lines
    answer = asked(port, sent)
    said = f"HTTP {answer.status}"
    kept = uid in answer.kept
    return Outcome(
        layer=layer,
        uid=uid,
        data=body if kept else b"",
        answers=(STORED, f"{said}, {SUCCESS}") if kept else (said,),
        logged=reasons.lines - lines + answer.names_reason,
    )


def _damaged_anywhere(content: bytes, chance: random.Random) -> bytes:
    return damaged(content, chance, head=chance.random() < 0.5)  # noqa: PLR2004 - as often as not


def _renamed(source: Original, chance: random.Random) -> tuple[str, bytes]:
    """Return a new UID of the same length, and the data set that has it."""
    digits = len(source.uid)
    uid = "1." + str(chance.randrange(10 ** (digits - 3), 10 ** (digits - 2)))
    return uid, source.data.replace(source.uid.encode(), uid.encode())


def _one(
    node: DicomNode, chance: random.Random, source: Original, layer: str, reasons: _Reasons
) -> Outcome:
    uid, data = _renamed(source, chance)
    association = association_request(source.sop_class, source.syntax)
    command = command_set(
        {
            0x0002: padded(source.sop_class),
            0x0100: us(C_STORE),
            0x0110: us(7),
            0x0700: us(0),
            0x0800: us(1),
            0x1000: padded(uid),
        }
    )
    if layer == "association":
        association = damaged(association, chance)
    elif layer == "command":
        command = damaged(command, chance)
    elif layer == "data set":
        data = _damaged_anywhere(data, chance)
    message = p_data(data_value(command, 3)) + b"".join(data_pdus(data))
    if layer == "pdu":
        message = damaged(message, chance)
    sent = association + message + RELEASE
    if layer == "stream":
        noise = chance.randbytes(chance.randrange(1, 4000))
        sent = chance.choice((*_FOREIGN, noise, damaged(sent, chance)))
    lines = reasons.lines
    answers = exchange(node.port, sent)
    data = b"" if STORED not in answers else reassembled(sent)
    return Outcome(layer=layer, uid=uid, data=data, answers=answers, logged=reasons.lines - lines)


def damaged(content: bytes, chance: random.Random, *, head: bool = True) -> bytes:
    """Return the bytes with one to four faults; with ``head``, among the first 400 bytes."""
    made = bytearray(content)
    for _ in range(chance.randrange(1, 5)):
        if not made:
            break
        place = chance.randrange(min(len(made), 400) if head else len(made))
        fault = chance.randrange(6)
        if fault == 0:
            made[place] ^= 1 << chance.randrange(8)
        elif fault == 1:
            made[place : place + 4] = chance.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"))
        elif fault == 2:  # noqa: PLR2004 - the third of six faults
            del made[place:]
        elif fault == 3:  # noqa: PLR2004
            del made[place : place + chance.randrange(1, 60)]
        elif fault == 4:  # noqa: PLR2004
            made[place:place] = made[place : place + chance.randrange(1, 60)]
        else:
            made[place:place] = chance.randbytes(chance.randrange(1, 60))
    return bytes(made)


def _inspect(folder: Path, accepted: dict[str, bytes], report: Report) -> None:
    """Compare what is on the disk with what was answered Success."""
    for path in folder.rglob("*"):
        if path.is_dir():
            continue
        aside = "quarantine" in path.parts
        report.set_aside += aside
        report.kept += not aside
        fault = _fault(path, accepted.get(path.stem), aside=aside)
        if fault:
            report.wrong.append(f"{fault}: {path.name}")
    missing = len(accepted) - report.kept - report.set_aside
    if missing:
        report.wrong.append(f"{missing} answered Success and not kept")
    if report.indexed != report.kept:
        report.wrong.append(f"{report.kept} kept and {report.indexed} indexed")


def main() -> None:
    """Print the table; exit with 1 where the node did not pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=Path, default=Path("../shared/data/zoo"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # pydicom's, of damaged headers
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    ours = logging.getLogger("dicom_node")
    ours.propagate = False  # its lines are counted here
    ours.addHandler(logging.NullHandler())
    sources = originals(sorted(arguments.files.rglob("*.dcm")))
    if not sources:
        raise SystemExit(f"no small DICOM file in {arguments.files}: give --files FOLDER")
    with tempfile.TemporaryDirectory() as workplace:
        folder = Path(workplace)
        store = Store(folder / "store", Index(f"sqlite:///{folder / 'index.db'}"))
        with DicomNode(NodeAddress(ae_title=AE_TITLE), store) as node:
            report = run(
                node,
                store,
                folder / "store",
                sources,
                inputs=arguments.inputs,
                seed=arguments.seed,
            )
        store.close()
    _show(report, arguments.inputs, arguments.seed)
    raise SystemExit(0 if report.sound else 1)


def _show(report: Report, inputs: int, seed: int) -> None:
    console = Console(width=110)
    table = Table(title=f"{inputs} malformed inputs, seed {seed}")
    answers = sorted({answer for _, answer in report.outcomes})
    table.add_column("damaged")
    for answer in answers:
        table.add_column(answer, justify="right")
    for layer in LAYERS:
        table.add_row(layer, *(str(report.outcomes[layer, answer]) for answer in answers))
    console.print(table)
    console.print(
        f"C-ECHO unanswered: {report.unanswered_echoes}; refused without a reason in the log: "
        f"{len(report.silent)}; wrong on the disk: {len(report.wrong)}; kept {report.kept}, "
        f"indexed {report.indexed}, in quarantine {report.set_aside}"
    )
    for line in (*report.silent, *report.wrong):
        console.print(line)


if __name__ == "__main__":
    main()

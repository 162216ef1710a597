"""What the node makes of malformed input: seeded damage to real files, commands and PDUs.

``python -m bench.garbage [--inputs 2000] [--seed 1] [--files ../shared/data/zoo]``

Each input is one connection: a correct C-STORE of a real file, damaged at one layer, and the
connection closed for writing. Afterwards the node must answer C-ECHO, have logged a reason for each
input that it refused, and hold exactly the bytes of those it answered with Success.
"""

import argparse
import logging
import random
import socket
import struct
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context
from rich.console import Console
from rich.table import Table

from bench.ingest import make_images
from dicom_node.files import read_dataset
from dicom_node.index import Index
from dicom_node.scp import DicomNode, NodeAddress
from dicom_node.store import Store
from domain.errors import RadcopilotError

AE_TITLE: Final = "RADCOPILOT"
LAYERS: Final = ("association", "pdu", "command", "data set", "stream")
SUCCESS: Final = "0x0000"
STORED: Final = "store 0x0000"
ECHOED: Final = "echo 0x0000"
_RELEASE: Final = b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00"
_C_STORE: Final = 0x0001
_C_ECHO: Final = 0x0030
_VERIFICATION: Final = "1.2.840.10008.1.1"
_FRAGMENT: Final = 16_000
_LARGEST_FILE: Final = 700_000
_ANSWER_TIMEOUT_S: Final = 20.0
_RELEASED: Final = 6
_ANSWERS: Final = {3: "rejected", 4: "", _RELEASED: "released", 7: "aborted"}
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
        start = 144 + struct.unpack_from("<L", content, 140)[0]
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
    chance = random.Random(seed)  # noqa: S311 - damage, not a secret
    report, reasons, accepted = Report(), _Reasons(), dict[str, bytes]()
    logger = logging.getLogger("dicom_node")
    before = logger.level
    logger.addHandler(reasons)
    logger.setLevel(logging.INFO)
    try:
        for number in range(inputs):
            layer = LAYERS[number % len(LAYERS)]
            outcome = _one(node, chance, chance.choice(sources), layer, reasons)
            said = outcome.answers[-1] if outcome.answers else "closed"
            report.outcomes[layer, said] += 1
            if STORED in outcome.answers:
                accepted[outcome.uid] = outcome.data
            if not said.endswith((SUCCESS, "released")) and not outcome.logged:
                report.silent.append(f"input {number}, {layer}: {outcome.answers}")
            report.unanswered_echoes += not echo(node.port)
    finally:
        logger.removeHandler(reasons)
        logger.setLevel(before)
    store.settle()
    report.indexed = store.index.count()
    _inspect(folder, accepted, report)
    return report


def echo(port: int) -> bool:
    """Tell whether the node answers C-ECHO."""
    command = _command(
        {0x0002: _padded(_VERIFICATION), 0x0100: _u16(_C_ECHO), 0x0800: _u16(0x0101)}
    )
    sent = _association(_VERIFICATION, "1.2.840.10008.1.2") + _pdu(_value(command, 3)) + _RELEASE
    return ECHOED in _exchange(port, sent)


def _fault(path: Path, sent: bytes | None, *, aside: bool) -> str:
    if path.suffix == ".part":
        return "half-written"
    if sent is None:
        return "kept without Success"
    if not path.read_bytes().endswith(sent):
        return "not as sent"
    if not aside and read_dataset(path, with_pixels=False).get("SOPInstanceUID") != path.stem:
        return "under another name"
    return ""


def _one(
    node: DicomNode, chance: random.Random, source: Original, layer: str, reasons: _Reasons
) -> Outcome:
    digits = len(source.uid)
    uid = "1." + str(chance.randrange(10 ** (digits - 3), 10 ** (digits - 2)))
    data = source.data.replace(source.uid.encode(), uid.encode())
    association = _association(source.sop_class, source.syntax)
    command = _command(
        {
            0x0002: _padded(source.sop_class),
            0x0100: _u16(_C_STORE),
            0x0110: _u16(7),
            0x0700: _u16(0),
            0x0800: _u16(1),
            0x1000: _padded(uid),
        }
    )
    if layer == "association":
        association = damaged(association, chance)
    elif layer == "command":
        command = damaged(command, chance)
    elif layer == "data set":
        data = damaged(data, chance, head=chance.random() < 0.5)  # noqa: PLR2004 - as often as not
    message = _pdu(_value(command, 3)) + b"".join(_data_pdus(data))
    if layer == "pdu":
        message = damaged(message, chance)
    sent = association + message + _RELEASE
    if layer == "stream":
        noise = chance.randbytes(chance.randrange(1, 4000))
        sent = chance.choice((*_FOREIGN, noise, damaged(sent, chance)))
    lines = reasons.lines
    answers = _exchange(node.port, sent)
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


def reassembled(sent: bytes) -> bytes:
    """Return the first data set in a stream of PDUs, as the standard reads it."""
    data = b""
    for kind, body in _pdus(sent):
        place = 0
        while kind == 4 and place + 6 <= len(body):  # noqa: PLR2004 - P-DATA-TF, and a PDV's head
            length, _, control = struct.unpack_from(">LBB", body, place)
            if not control & 1:
                data += body[place + 6 : place + 4 + length]
                if control & 2:
                    return data
            place += 4 + length
    return data


def _exchange(port: int, sent: bytes) -> tuple[str, ...]:
    """Send all, close for writing, and return what was answered."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_TIMEOUT_S) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        except OSError:  # refused while it was sent: the answer may still be there
            pass
        try:
            while part := connection.recv(65536):
                received += part
        except ConnectionError:
            pass
    answers = [(kind, _said(kind, body)) for kind, body in _pdus(received) if kind in _ANSWERS]
    told = tuple(said for kind, said in answers if kind != _RELEASED)
    return told or tuple(said for _, said in answers)  # a release comes after all else


def _said(kind: int, body: bytes) -> str:
    if kind != 4:  # noqa: PLR2004 - P-DATA-TF
        return _ANSWERS[kind]
    elements, place = dict[int, bytes](), 6
    while place + 8 <= len(body):
        _, element, length = struct.unpack_from("<HHL", body, place)
        elements[element] = body[place + 8 : place + 8 + length]
        place += 8 + length
    status = int.from_bytes(elements.get(0x0900, b""), "little")
    answered = int.from_bytes(elements.get(0x0100, b""), "little")
    name = {_C_STORE | 0x8000: "store", _C_ECHO | 0x8000: "echo"}.get(answered, "other")
    return f"{name} 0x{status:04X}"


def _pdus(stream: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + 6 <= len(stream):
        kind, length = struct.unpack_from(">BxL", stream, place)
        yield kind, stream[place + 6 : place + 6 + length]
        place += 6 + length


def _association(abstract_syntax: str, transfer_syntax: str) -> bytes:
    length = MaximumLengthNotification()
    uid = ImplementationClassUIDNotification()
    uid.implementation_class_uid = PYNETDICOM_IMPLEMENTATION_UID
    context = build_context(abstract_syntax, transfer_syntax)
    context.context_id = 1
    asked = A_ASSOCIATE()
    asked.application_context_name = "1.2.840.10008.3.1.1.1"
    asked.calling_ae_title, asked.called_ae_title = "GARBAGE", AE_TITLE
    asked.presentation_context_definition_list = [context]
    asked.user_information = [length, uid]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(asked)
    return bytes(pdu.encode())


def _command(elements: Mapping[int, bytes]) -> bytes:
    body = b"".join(
        struct.pack("<HHL", 0, element, len(value)) + value
        for element, value in sorted(elements.items())
    )
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def _value(fragment: bytes, control: int) -> bytes:
    return struct.pack(">LBB", len(fragment) + 2, 1, control) + fragment


def _pdu(value: bytes) -> bytes:
    return struct.pack(">BxL", 4, len(value)) + value


def _data_pdus(data: bytes) -> Iterator[bytes]:
    for start in range(0, max(len(data), 1), _FRAGMENT):
        last = start + _FRAGMENT >= len(data)
        yield _pdu(_value(data[start : start + _FRAGMENT], 2 if last else 0))


def _padded(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)


def _u16(number: int) -> bytes:
    return struct.pack("<H", number)


def main() -> None:
    """Print the table; exit with 1 where the node did not pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=Path, help="folder of real files; besides made ones")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # pydicom's, of damaged headers
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    ours = logging.getLogger("dicom_node")
    ours.propagate = False  # its lines are counted here
    ours.addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory() as workplace:
        folder = Path(workplace)
        files = make_images(folder / "images", 2)
        if arguments.files:
            files += sorted(arguments.files.rglob("*.dcm"))
        store = Store(folder / "store", Index(f"sqlite:///{folder / 'index.db'}"))
        with DicomNode(NodeAddress(ae_title=AE_TITLE), store) as node:
            report = run(
                node,
                store,
                folder / "store",
                originals(files),
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

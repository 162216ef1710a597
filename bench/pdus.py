"""DICOM PDUs made and read by hand, independent of the node that they test."""

import socket
import struct
from collections.abc import Iterator, Mapping
from typing import Final

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

AE_TITLE: Final = "RADCOPILOT"
C_STORE: Final = 0x0001
C_ECHO: Final = 0x0030
RELEASE: Final = b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00"
SUCCESS: Final = "0x0000"
STORED: Final = "store 0x0000"
ECHOED: Final = "echo 0x0000"
_VERIFICATION: Final = "1.2.840.10008.1.1"
_FRAGMENT: Final = 16_000
_ANSWER_TIMEOUT_S: Final = 20.0
_RELEASED: Final = 6
_ANSWERS: Final = {3: "rejected", 4: "", _RELEASED: "released", 7: "aborted"}


def echo(port: int) -> bool:
    """Tell whether the node answers C-ECHO."""
    command = command_set({0x0002: padded(_VERIFICATION), 0x0100: us(C_ECHO), 0x0800: us(0x0101)})
    sent = (
        association_request(_VERIFICATION, "1.2.840.10008.1.2")
        + p_data(data_value(command, 3))
        + RELEASE
    )
    return ECHOED in exchange(port, sent)


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


def exchange(port: int, sent: bytes) -> tuple[str, ...]:
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
    name = {C_STORE | 0x8000: "store", C_ECHO | 0x8000: "echo"}.get(answered, "other")
    return f"{name} 0x{status:04X}"


def _pdus(stream: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + 6 <= len(stream):
        kind, length = struct.unpack_from(">BxL", stream, place)
        yield kind, stream[place + 6 : place + 6 + length]
        place += 6 + length


def association_request(abstract_syntax: str, transfer_syntax: str) -> bytes:
    """Return the PDU of an association request with one context."""
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


def command_set(elements: Mapping[int, bytes]) -> bytes:
    """Return a command set with its group length."""
    body = b"".join(
        struct.pack("<HHL", 0, element, len(value)) + value
        for element, value in sorted(elements.items())
    )
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def data_value(fragment: bytes, control: int) -> bytes:
    """Return a presentation data value of context 1."""
    return struct.pack(">LBB", len(fragment) + 2, 1, control) + fragment


def p_data(value: bytes) -> bytes:
    """Return a P-DATA-TF PDU."""
    return struct.pack(">BxL", 4, len(value)) + value


def data_pdus(data: bytes) -> Iterator[bytes]:
    """Yield the PDUs of a data set."""
    for start in range(0, max(len(data), 1), _FRAGMENT):
        last = start + _FRAGMENT >= len(data)
        yield p_data(data_value(data[start : start + _FRAGMENT], 2 if last else 0))


def padded(uid: str) -> bytes:
    """Return a UID of even length."""
    return uid.encode() + b"\0" * (len(uid) % 2)


def us(number: int) -> bytes:
    """Return an unsigned short."""
    return struct.pack("<H", number)

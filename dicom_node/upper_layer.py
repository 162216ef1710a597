"""The DICOM upper layer as an acceptor (PS3.8): blocking reads, one thread an association.

pynetdicom decodes and negotiates associations; what follows, the stream of P-DATA, is read here,
since pynetdicom's acceptor polls in two threads and spends 3 ms of processor time on an image.
Nothing of a data set is decoded.
"""

import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor

ASSOCIATE_RQ: Final = 0x01
P_DATA: Final = 0x04
RELEASE_RQ: Final = 0x05
ABORT: Final = 0x07
RELEASE_RP: Final = b"\x06\x00\x00\x00\x00\x04\x00\x00\x00\x00"
APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
NO_DATA_SET: Final = 0x0101
LIMIT_EXCEEDED: Final = (2, 3, 2)  # transient, presentation related, local limit (PS3.8 table 9-21)
_LARGEST_RQ: Final = 1 << 20
_LARGEST_PDU: Final = 1 << 28
_HEADER: Final = struct.Struct(">BxL")
_PDV: Final = struct.Struct(">LBB")
_ELEMENT: Final = struct.Struct("<HHL")
_IS_COMMAND: Final = 1
_IS_LAST: Final = 2


class ProtocolError(Exception):
    """The peer sent what the upper layer does not allow here; the association is aborted."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One DIMSE message: its command elements by element number, and its data set as received."""

    context_id: int
    command: Mapping[int, bytes]
    data: bytes

    def number(self, element: int) -> int:
        """Return a US element of the command; 0 where it is absent."""
        return int.from_bytes(self.command.get(element, b"")[:2], "little")

    def text(self, element: int) -> str:
        """Return a UI element of the command without its padding."""
        return self.command.get(element, b"").rstrip(b"\0 ").decode("ascii", "replace")


@dataclass(kw_only=True)
class Acceptor:
    """One association, from the peer's request to its end."""

    connection: socket.socket
    supported: Sequence[PresentationContext]
    implementation_class_uid: str
    implementation_version: str
    transfer_syntaxes: dict[int, str] = field(default_factory=dict)
    calling_ae_title: str = ""
    called_ae_title: str = ""

    def negotiate(self) -> None:
        """Read the peer's request and accept it with the contexts that both sides know.

        Raises
        ------
        ProtocolError
            If the first PDU is no association request.
        """
        kind, body = self._read_pdu(_LARGEST_RQ)
        if kind != ASSOCIATE_RQ:
            raise ProtocolError(f"PDU type {kind} before an association request")
        request = A_ASSOCIATE_RQ()
        request.decode(_HEADER.pack(kind, len(body)) + body)
        asked = request.to_primitive()
        roles = {
            item.sop_class_uid: (item.scu_role, item.scp_role)
            for item in asked.user_information
            if isinstance(item, SCP_SCU_RoleSelectionNegotiation) and item.sop_class_uid
        }
        results, role_answers = negotiate_as_acceptor(
            asked.presentation_context_definition_list, list(self.supported), roles
        )
        self.calling_ae_title = str(asked.calling_ae_title).strip()
        self.called_ae_title = str(asked.called_ae_title).strip()
        self.transfer_syntaxes = {
            int(context.context_id or 0): str(context.transfer_syntax[0])
            for context in results
            if context.result == 0
        }
        answer = A_ASSOCIATE_AC()
        answer.from_primitive(self._acceptance(asked, results, role_answers))
        self.connection.sendall(answer.encode())

    def reject(self, result: int, source: int, reason: int) -> None:
        """Read the peer's request and refuse it (PS3.8 section 9.3.4)."""
        self._read_pdu(_LARGEST_RQ)
        self.connection.sendall(bytes((3, 0, 0, 0, 0, 4, 0, result, source, reason)))

    def messages(self) -> Iterator[Message]:
        """Yield complete messages until the peer releases or aborts.

        Raises
        ------
        ProtocolError
            On anything else; also where a connection ends in the middle of a PDU.
        """
        command, data = bytearray(), bytearray()
        elements: dict[int, bytes] = {}
        while True:
            kind, body = self._read_pdu(_LARGEST_PDU)
            if kind == RELEASE_RQ:
                self.connection.sendall(RELEASE_RP)
                return
            if kind == ABORT:
                return
            if kind != P_DATA:
                raise ProtocolError(f"PDU type {kind} on an established association")
            for context_id, control, fragment in _values(body):
                target = command if control & _IS_COMMAND else data
                target += fragment
                if not control & _IS_LAST:
                    continue
                if control & _IS_COMMAND:
                    elements = dict(_elements(command))
                    if _follows_data(elements):
                        continue
                yield Message(context_id=context_id, command=elements, data=bytes(data))
                command, data = bytearray(), bytearray()

    def answer(self, message: Message, status: int, elements: Mapping[int, bytes]) -> None:
        """Send the response of a message without a data set (PS3.7 annex E)."""
        content = dict(elements) | {
            0x0100: struct.pack("<H", message.number(0x0100) | 0x8000),
            0x0120: message.command.get(0x0110, b"\0\0"),
            0x0800: struct.pack("<H", NO_DATA_SET),
            0x0900: struct.pack("<H", status),
        }
        encoded = b"".join(
            _ELEMENT.pack(0, element, len(value)) + value
            for element, value in sorted(content.items())
        )
        encoded = _ELEMENT.pack(0, 0, 4) + struct.pack("<L", len(encoded)) + encoded
        value = _PDV.pack(len(encoded) + 2, message.context_id, _IS_COMMAND | _IS_LAST) + encoded
        self.connection.sendall(_HEADER.pack(P_DATA, len(value)) + value)

    def abort(self) -> None:
        """Tell the peer that we give up (PS3.8 section 9.3.8), if it still listens."""
        try:
            self.connection.sendall(b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00")
        except OSError:
            return

    def _acceptance(
        self,
        asked: A_ASSOCIATE,
        results: list[PresentationContext],
        roles: list[SCP_SCU_RoleSelectionNegotiation],
    ) -> A_ASSOCIATE:
        length = MaximumLengthNotification()
        length.maximum_length_received = 0
        uid = ImplementationClassUIDNotification()
        uid.implementation_class_uid = self.implementation_class_uid
        version = ImplementationVersionNameNotification()
        version.implementation_version_name = self.implementation_version
        answer = A_ASSOCIATE()
        answer.application_context_name = APPLICATION_CONTEXT
        answer.calling_ae_title = asked.calling_ae_title
        answer.called_ae_title = asked.called_ae_title
        answer.result = 0
        answer.result_source = 1
        answer.presentation_context_definition_results_list = results
        answer.user_information = [length, uid, version, *roles]
        return answer

    def _read_pdu(self, largest: int) -> tuple[int, bytearray]:
        kind, length = _HEADER.unpack(self._read(_HEADER.size))
        if length > largest:
            raise ProtocolError(f"a PDU of {length} bytes is larger than allowed here")
        return kind, self._read(length)

    def _read(self, count: int) -> bytearray:
        content = bytearray(count)
        view = memoryview(content)
        filled = 0
        while filled < count:
            read = self.connection.recv_into(view[filled:])
            if not read:
                raise ProtocolError("the peer closed the connection")
            filled += read
        return content


def padded_uid(uid: str) -> bytes:
    """Return a UID as a value of even length."""
    value = uid.encode("ascii")
    return value + b"\0" * (len(value) % 2)


def _values(body: bytearray) -> Iterator[tuple[int, int, memoryview]]:
    view = memoryview(body)
    place = 0
    while place < len(body):
        if place + _PDV.size > len(body):
            raise ProtocolError("a presentation data value is cut short")
        length, context_id, control = _PDV.unpack_from(view, place)
        stop = place + 4 + length
        if length < 2 or stop > len(body):  # noqa: PLR2004 - context id and control header
            raise ProtocolError(f"a presentation data value claims {length} bytes")
        yield context_id, control, view[place + _PDV.size : stop]
        place = stop


def _elements(command: bytearray) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + _ELEMENT.size <= len(command):
        group, element, length = _ELEMENT.unpack_from(command, place)
        place += _ELEMENT.size
        if group or place + length > len(command):
            raise ProtocolError("a command set is not what PS3.7 says")
        yield element, bytes(command[place : place + length])
        place += length


def _follows_data(elements: Mapping[int, bytes]) -> bool:
    return int.from_bytes(elements.get(0x0800, b"\x01\x01"), "little") != NO_DATA_SET

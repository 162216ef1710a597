"""The DICOM upper layer as an acceptor (PS3.8): blocking reads, one thread an association.

pynetdicom decodes and negotiates associations; what follows, the stream of P-DATA, is read here,
since pynetdicom's acceptor polls in two threads and spends 3 ms of processor time on an image.
Nothing of a data set is decoded.
"""

import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

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
LARGEST_PDU: Final = 1 << 24
LARGEST_INSTANCE: Final = 1 << 32
_ARTIM_S: Final = 5.0
_LARGEST_RQ: Final = 1 << 20
_LARGEST_COMMAND: Final = 1 << 16
_HEADER: Final = struct.Struct(">BxL")
_PDV: Final = struct.Struct(">LBB")
_ELEMENT: Final = struct.Struct("<HHL")
_IS_COMMAND: Final = 1
_IS_LAST: Final = 2


class ProtocolError(Exception):
    """The peer sent what the upper layer does not allow here; the association is aborted."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One DIMSE message: its command elements by element number, and its data set as received.

    Attributes
    ----------
    data
        None where the data set was larger than allowed: it was read and thrown away.
    sink
        What took the data set in place of ``data``, where it has one.
    """

    context_id: int
    command: Mapping[int, bytes]
    data: bytes | bytearray | None = b""
    sink: "Sink | None" = None

    def number(self, element: int) -> int:
        """Return a US element of the command; 0 where it is absent."""
        return int.from_bytes(self.command.get(element, b"")[:2], "little")

    def text(self, element: int) -> str:
        """Return a UI element of the command without its padding."""
        return self.command.get(element, b"").rstrip(b"\0 ").decode("ascii", "replace")


class Sink(Protocol):
    """Where a data set goes as it arrives."""

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes; whatever goes wrong waits until the message is complete."""

    def discard(self) -> None:
        """Forget it: the association broke off."""


SinkOf = Callable[[Message], Sink | None]


def _in_memory(_message: Message) -> None:
    return None


@dataclass(kw_only=True)
class Acceptor:
    """One association, from the peer's request to its end."""

    connection: socket.socket
    supported: Sequence[PresentationContext]
    implementation_class_uid: str
    implementation_version: str
    largest_pdu: int = LARGEST_PDU
    largest_instance: int = LARGEST_INSTANCE
    transfer_syntaxes: dict[int, str] = field(default_factory=dict)
    calling_ae_title: str = ""
    called_ae_title: str = ""
    application_context: str = ""
    refused: list[PresentationContext] = field(default_factory=list)
    aborted_by_peer: bool = False
    _asked: A_ASSOCIATE | None = None

    def receive_request(self) -> None:
        """Read the peer's request; its AE titles are known then.

        Raises
        ------
        ProtocolError
            If the first PDU is no association request, or cannot be decoded.
        """
        kind, body = self._read_pdu(_LARGEST_RQ)
        if kind != ASSOCIATE_RQ:
            raise ProtocolError(f"PDU type {kind} before an association request")
        request = A_ASSOCIATE_RQ()
        try:
            request.decode(_HEADER.pack(kind, len(body)) + body)
            asked = request.to_primitive()
            self.calling_ae_title = str(asked.calling_ae_title).strip()
            self.called_ae_title = str(asked.called_ae_title).strip()
            self.application_context = str(asked.application_context_name or "")
        except Exception as error:  # whatever pynetdicom meets in a peer's bytes
            raise ProtocolError(
                f"an association request that cannot be decoded ({type(error).__name__}: {error})"
            ) from error
        self._asked = asked

    def accept(self) -> None:
        """Accept the request with the contexts that both sides know; ``refused`` holds the rest.

        Raises
        ------
        ProtocolError
            If what was asked cannot be answered.
        """
        if self._asked is None:
            raise ProtocolError("nothing was asked yet")
        try:
            encoded = self._acceptance(self._asked)
        except Exception as error:  # whatever pynetdicom meets in a peer's bytes
            raise ProtocolError(
                f"contexts that cannot be negotiated ({type(error).__name__}: {error})"
            ) from error
        self.connection.sendall(encoded)

    def reject(self, result: int, source: int, reason: int) -> None:
        """Refuse the request (PS3.8 section 9.3.4) and leave it to the peer to hang up.

        A connection closed at once can overtake the answer in a peer that reads its events in
        turn, and then it knows no reason.
        """
        self.connection.sendall(bytes((3, 0, 0, 0, 0, 4, 0, result, source, reason)))
        self.connection.settimeout(_ARTIM_S)
        try:
            self.connection.recv(1)
        except OSError:
            return

    def messages(self, sink_of: SinkOf = _in_memory) -> Iterator[Message]:
        """Yield complete messages until the peer releases or aborts.

        ``sink_of`` says, of a message whose command alone is there, what takes its data set; None
        keeps it in memory.

        Raises
        ------
        ProtocolError
            On anything else; also where a connection ends in the middle of a PDU.
        """
        assembly = _Assembly(self.largest_instance, sink_of)
        try:
            yield from self._assembled(assembly)
        finally:
            assembly.discard()

    def _assembled(self, assembly: "_Assembly") -> Iterator[Message]:
        while True:
            kind, body = self._read_pdu(self.largest_pdu)
            if kind == RELEASE_RQ:
                self.connection.sendall(RELEASE_RP)
                return
            if kind == ABORT:
                self.aborted_by_peer = True
                return
            if kind != P_DATA:
                raise ProtocolError(f"PDU type {kind} on an established association")
            for value in _values(body):
                message = assembly.take(*value)
                if message is not None:
                    yield message

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

    def _acceptance(self, asked: A_ASSOCIATE) -> bytes:
        roles = {
            item.sop_class_uid: (item.scu_role, item.scp_role)
            for item in asked.user_information
            if isinstance(item, SCP_SCU_RoleSelectionNegotiation) and item.sop_class_uid
        }
        results, role_answers = negotiate_as_acceptor(
            asked.presentation_context_definition_list, list(self.supported), roles
        )
        self.transfer_syntaxes = {
            int(context.context_id or 0): str(context.transfer_syntax[0])
            for context in results
            if context.result == 0
        }
        self.refused = [
            context
            for context in asked.presentation_context_definition_list
            if context.context_id not in self.transfer_syntaxes
        ]
        length = MaximumLengthNotification()
        length.maximum_length_received = self.largest_pdu
        uid = ImplementationClassUIDNotification()
        uid.implementation_class_uid = self.implementation_class_uid
        version = ImplementationVersionNameNotification()
        version.implementation_version_name = self.implementation_version
        primitive = A_ASSOCIATE()
        primitive.application_context_name = APPLICATION_CONTEXT
        primitive.calling_ae_title = asked.calling_ae_title
        primitive.called_ae_title = asked.called_ae_title
        primitive.result = 0
        primitive.result_source = 1
        primitive.presentation_context_definition_results_list = results
        primitive.user_information = [length, uid, version, *role_answers]
        answer = A_ASSOCIATE_AC()
        answer.from_primitive(primitive)
        return bytes(answer.encode())

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


class _Assembly:
    """Fragments on their way to messages; of a data set too large nothing is kept."""

    def __init__(self, largest_instance: int, sink_of: SinkOf) -> None:
        self._largest = largest_instance
        self._sink_of = sink_of
        self._clear()

    def discard(self) -> None:
        """Forget what is not complete."""
        if self._sink is not None:
            self._sink.discard()

    def _clear(self) -> None:
        self._context: int | None = None
        self._command = bytearray()
        self._elements: dict[int, bytes] | None = None
        self._data: bytearray | None = bytearray()
        self._sink: Sink | None = None

    def take(self, context_id: int, control: int, fragment: memoryview) -> Message | None:
        """Add a fragment and return the message that it completes."""
        if self._context not in (None, context_id):
            raise ProtocolError(f"context {context_id} inside a message of {self._context}")
        self._context = context_id
        is_command = bool(control & _IS_COMMAND)
        if is_command != (self._elements is None):
            raise ProtocolError(
                "a command inside a data set" if is_command else "a data set before its command"
            )
        if is_command:
            self._command += fragment
            if len(self._command) > _LARGEST_COMMAND:
                raise ProtocolError(f"a command set of more than {_LARGEST_COMMAND} bytes")
        else:
            self._add(fragment)
        if not control & _IS_LAST:
            return None
        if is_command:
            self._elements = dict(_elements(self._command))
            if _follows_data(self._elements):
                alone = Message(context_id=context_id, command=self._elements)
                self._sink = self._sink_of(alone)
                return None
        message = Message(
            context_id=context_id,
            command=self._elements or {},
            data=self._data,
            sink=self._sink,
        )
        self._clear()
        return message

    def _add(self, fragment: memoryview) -> None:
        if self._sink is not None:
            self._sink.write(fragment)
        elif self._data is not None and len(self._data) + len(fragment) > self._largest:
            self._data = None
        elif self._data is not None:
            self._data += fragment


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

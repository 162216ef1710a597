"""Callers made by hand for ``bench.ingest``: one sends very many images, some send none."""

import secrets
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pydicom

from bench.pdus import (
    C_STORE,
    RELEASE,
    association_request,
    command_set,
    data_pdus,
    data_value,
    p_data,
    padded,
    us,
)

_TIMEOUT_S: Final = 60.0
_HEADER: Final = struct.Struct(">BxL")
_ACCEPTED: Final = 2
_P_DATA: Final = 4
_STATUS: Final = struct.pack("<HHL", 0, 0x0900, 2)


def store_many(port: int, image: Path, count: int) -> None:
    """Send an image so often on one association, each time under another UID.

    Raises
    ------
    RuntimeError
        If one is not answered with Success.
    """
    content = image.read_bytes()
    header = pydicom.dcmread(image, stop_before_pixels=True)
    data = content[144 + int(struct.unpack_from("<L", content, 140)[0]) :]
    uid, syntax = str(header.SOPInstanceUID), str(header.file_meta.TransferSyntaxUID)
    sop_class = str(header.SOPClassUID)
    with _associated(port, sop_class, syntax) as connection:
        for _ in range(count):
            fresh = f"2.25.{10 ** (len(uid) - 6) + secrets.randbelow(10 ** (len(uid) - 6))}"
            command = command_set(
                {
                    0x0002: padded(sop_class),
                    0x0100: us(C_STORE),
                    0x0110: us(7),
                    0x0700: us(0),
                    0x0800: us(1),
                    0x1000: padded(fresh),
                }
            )
            message = p_data(data_value(command, 3)) + b"".join(
                data_pdus(data.replace(padded(uid), padded(fresh)))
            )
            connection.sendall(message)
            kind, body = _read_pdu(connection)
            if kind != _P_DATA or _STATUS + us(0) not in body:
                raise RuntimeError("an image was not answered with Success")


@contextmanager
def idle_associations(port: int, count: int) -> Iterator[None]:
    """Hold associations open that say nothing."""
    verification = "1.2.840.10008.1.1"
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(_associated(port, verification, "1.2.840.10008.1.2"))
        yield


@contextmanager
def _associated(port: int, sop_class: str, syntax: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(association_request(sop_class, syntax))
        if _read_pdu(connection)[0] != _ACCEPTED:
            raise RuntimeError("the association was not accepted")
        yield connection
        connection.sendall(RELEASE)
        _read_pdu(connection)


def _read_pdu(connection: socket.socket) -> tuple[int, bytes]:
    kind, length = _HEADER.unpack(_read(connection, _HEADER.size))
    return kind, _read(connection, length)


def _read(connection: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        part = connection.recv(count - len(content))
        if not part:
            raise RuntimeError("the connection was closed")
        content += part
    return content

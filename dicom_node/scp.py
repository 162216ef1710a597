"""The DICOM node: verification, storage, and the answers to storage commitment.

Nothing is decoded while a peer waits: file meta and raw bytes are written aside, flushed, renamed,
and only then is Success said.
"""

import errno
import io
import logging
import socket
import struct
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)
from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID
from pynetdicom.dsutils import decode
from pynetdicom.presentation import (
    AllStoragePresentationContexts,
    PresentationContext,
    build_context,
)
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # names made at run time
    StorageCommitmentPushModel,
    Verification,
)

from dicom_node.commitment import CommitmentDesk
from dicom_node.seg_reader import LABELMAP_STORAGE
from dicom_node.store import Store
from dicom_node.upper_layer import (
    LIMIT_EXCEEDED,
    Acceptor,
    Message,
    ProtocolError,
    padded_uid,
)
from domain.errors import InputError, StorageError
from domain.uids import InstanceUID, checked_uid

log: Final = logging.getLogger(__name__)

SUCCESS: Final = 0x0000
OUT_OF_RESOURCES: Final = 0xA700
CANNOT_UNDERSTAND: Final = 0xC000
PROCESSING_FAILURE: Final = 0x0110
UNRECOGNISED_OPERATION: Final = 0x0211
COMMITMENT_RESULT: Final = frozenset({1, 2})
IMPLEMENTATION_VERSION: Final = "RADCOPILOT"
C_STORE_RQ: Final = 0x0001
C_ECHO_RQ: Final = 0x0030
N_EVENT_REPORT_RQ: Final = 0x0100
_JOIN_TIMEOUT_S: Final = 5.0

TRANSFER_SYNTAXES: Final[list[str | UID]] = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    *JPEGTransferSyntaxes,
    *JPEGLSTransferSyntaxes,
    *JPEG2000TransferSyntaxes,
    RLELossless,
]


@dataclass(frozen=True, kw_only=True)
class NodeAddress:
    """Where we listen; port 0 lets the system choose."""

    ae_title: str
    host: str = "127.0.0.1"
    port: int = 0
    idle_timeout_s: float = 60.0
    most_associations: int = 32


class DicomNode:
    """A running SCP; a context manager."""

    def __init__(
        self, address: NodeAddress, store: Store, commitments: CommitmentDesk | None = None
    ) -> None:
        self.address = address
        self._store = store
        self._commitments = commitments or CommitmentDesk()
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._contexts = _contexts()
        self.received = 0

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._listener.getsockname()[1]) if self._listener else self.address.port

    @property
    def commitments(self) -> CommitmentDesk:
        """Where answers to storage commitment requests arrive."""
        return self._commitments

    def start(self) -> Self:
        """Listen.

        Raises
        ------
        StorageError
            If the port is taken, naming it and the remedy.
        """
        family = socket.AF_INET6 if ":" in self.address.host else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.address.host, self.address.port))
            listener.listen()
        except OSError as error:
            listener.close()
            if error.errno in {errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL}:
                raise StorageError(
                    f"DICOM port {self.address.host}:{self.address.port} cannot be used "
                    f"({error.strerror}): stop what uses it, or set [node] port to another"
                ) from error
            raise
        self._listener = listener
        self._thread = threading.Thread(
            target=self._listen, args=(listener,), name="dicom-node", daemon=True
        )
        self._thread.start()
        log.info("node.listening ae_title=%s port=%d", self.address.ae_title, self.port)
        return self

    def stop(self) -> None:
        """Stop listening and end open associations."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        _shut(listener)
        with self._lock:
            running = list(self._open.items())
        for connection, _ in running:
            _shut(connection)
        for _, thread in running:
            thread.join(_JOIN_TIMEOUT_S)
        if self._thread is not None:
            self._thread.join(_JOIN_TIMEOUT_S)
        listener.close()

    def __enter__(self) -> Self:
        return self if self._listener else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # stopped
                return
            thread = threading.Thread(
                target=self._associate, args=(connection,), name="association", daemon=True
            )
            with self._lock:
                self._open[connection] = thread
            thread.start()

    def _associate(self, connection: socket.socket) -> None:
        acceptor = Acceptor(
            connection=connection,
            supported=self._contexts,
            implementation_class_uid=PYNETDICOM_IMPLEMENTATION_UID,
            implementation_version=IMPLEMENTATION_VERSION,
        )
        try:
            connection.settimeout(self.address.idle_timeout_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                too_many = len(self._open) > self.address.most_associations
            if too_many:
                acceptor.reject(*LIMIT_EXCEEDED)
                log.warning("association.rejected reason=limit of %d", len(self._open) - 1)
                return
            acceptor.negotiate()
            for message in acceptor.messages():
                self._serve(acceptor, message)
        except TimeoutError:
            log.info("association.idle ae_title=%s ended", acceptor.calling_ae_title)
            acceptor.abort()
        except (ProtocolError, OSError) as error:
            log.warning("association.broken ae_title=%s %s", acceptor.calling_ae_title, error)
            acceptor.abort()
        except Exception:  # one peer's oddity must not end the node
            log.exception("association.failed ae_title=%s", acceptor.calling_ae_title)
            acceptor.abort()
        finally:
            with self._lock:
                self._open.pop(connection, None)
            connection.close()

    def _serve(self, acceptor: Acceptor, message: Message) -> None:
        operation = message.number(0x0100)
        if operation == C_STORE_RQ:
            status = self._store_instance(acceptor, message)
            acceptor.answer(message, status, _named(message, 0x0002, 0x1000))
        elif operation == C_ECHO_RQ:
            acceptor.answer(message, SUCCESS, _named(message, 0x0002))
        elif operation == N_EVENT_REPORT_RQ:
            status = self._take_commitment(acceptor, message)
            acceptor.answer(message, status, _named(message, 0x0002, 0x1000, 0x1002))
        else:
            acceptor.answer(message, UNRECOGNISED_OPERATION, _named(message, 0x0002))

    def _store_instance(self, acceptor: Acceptor, message: Message) -> int:
        try:
            uid = InstanceUID(checked_uid(message.text(0x1000), "SOP Instance UID"))
            syntax = acceptor.transfer_syntaxes[message.context_id]
            meta = file_meta(message.text(0x0002), uid, syntax, acceptor.calling_ae_title)
            self._store.keep(uid, meta + message.data)
        except (InputError, KeyError):
            log.exception("store.refused reason=bad UID or context")
            return CANNOT_UNDERSTAND
        except StorageError:
            log.exception("store.failed")
            return OUT_OF_RESOURCES
        except Exception:  # the peer must get a status whatever happens here
            log.exception("store.failed")
            return CANNOT_UNDERSTAND
        with self._lock:
            self.received += 1
        return SUCCESS

    def _take_commitment(self, acceptor: Acceptor, message: Message) -> int:
        try:
            if message.number(0x1002) not in COMMITMENT_RESULT:
                return PROCESSING_FAILURE
            syntax = UID(acceptor.transfer_syntaxes[message.context_id])
            information = decode(
                io.BytesIO(message.data), syntax.is_implicit_VR, syntax.is_little_endian
            )
            self._commitments.answer(information)
        except Exception:  # the peer must get a status whatever happens here
            log.exception("commitment.failed")
            return PROCESSING_FAILURE
        return SUCCESS


def file_meta(sop_class: str, instance: str, syntax: str, source: str) -> bytes:
    """Return preamble and file meta information of a received object (PS3.10 section 7.1)."""
    title = source.encode("ascii", "replace")
    version = IMPLEMENTATION_VERSION.encode()
    short = (
        (0x0002, b"UI", padded_uid(sop_class)),
        (0x0003, b"UI", padded_uid(instance)),
        (0x0010, b"UI", padded_uid(syntax)),
        (0x0012, b"UI", padded_uid(PYNETDICOM_IMPLEMENTATION_UID)),
        (0x0013, b"SH", version + b" " * (len(version) % 2)),
        (0x0016, b"AE", title + b" " * (len(title) % 2)),
    )
    body = b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01" + b"".join(
        struct.pack("<HH2sH", 2, element, kind, len(value)) + value
        for element, kind, value in short
    )
    length = struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(body))
    return b"\0" * 128 + b"DICM" + length + body


def _named(message: Message, *elements: int) -> dict[int, bytes]:
    """Return the elements of a request that its response repeats."""
    return {each: message.command[each] for each in elements if each in message.command}


def _contexts() -> list[PresentationContext]:
    contexts = [build_context(Verification)]
    contexts += [
        build_context(str(context.abstract_syntax), TRANSFER_SYNTAXES)
        for context in AllStoragePresentationContexts
    ]
    contexts.append(build_context(LABELMAP_STORAGE, TRANSFER_SYNTAXES))
    commitment = build_context(StorageCommitmentPushModel)
    commitment.scu_role = commitment.scp_role = True
    contexts.append(commitment)
    return contexts


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # already closed by the peer
        return

"""The DICOM node: verification, storage, and the answers to storage commitment.

Nothing is decoded while a peer waits: file meta and raw bytes are written aside, flushed, renamed,
and only then is Success said.
"""

import errno
import io
import logging
import socket
import ssl
import threading
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Self

from pydicom.uid import UID
from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID
from pynetdicom.dsutils import decode

from dicom_node.commitment import CommitmentDesk
from dicom_node.door import Caller, Door, Rejection, too_many, unknown_application_context
from dicom_node.peeking import Announced
from dicom_node.presentation import (
    IMPLEMENTATION_VERSION,
    log_refused,
    offered_contexts,
)
from dicom_node.receiving import (
    CANNOT_UNDERSTAND,
    NOT_INDEXED,
    OUT_OF_RESOURCES,
    SUCCESS,
    Incoming,
    RefusedError,
)
from dicom_node.store import Store
from dicom_node.tls import Reloading, ServerTls
from dicom_node.upper_layer import (
    APPLICATION_CONTEXT,
    LARGEST_INSTANCE,
    LARGEST_PDU,
    Acceptor,
    Message,
    ProtocolError,
)
from domain.errors import IndexUnavailableError, NoRoomError, StorageError

log: Final = logging.getLogger(__name__)

PROCESSING_FAILURE: Final = 0x0110
UNRECOGNISED_OPERATION: Final = 0x0211
COMMITMENT_RESULT: Final = frozenset({1, 2})
C_STORE_RQ: Final = 0x0001
C_ECHO_RQ: Final = 0x0030
N_EVENT_REPORT_RQ: Final = 0x0100
_JOIN_TIMEOUT_S: Final = 5.0
_FLOOD: Final = 4  # beyond so many times the limit, connections are closed without a word


@dataclass(frozen=True, kw_only=True)
class NodeAddress:
    """Where we listen; port 0 lets the system choose."""

    ae_title: str
    host: str = "127.0.0.1"
    port: int = 0
    idle_timeout_s: float = 60.0
    most_associations: int = 32
    largest_pdu: int = LARGEST_PDU
    largest_instance: int = LARGEST_INSTANCE


class DicomNode:
    """A running SCP; a context manager."""

    def __init__(
        self,
        address: NodeAddress,
        store: Store,
        commitments: CommitmentDesk | None = None,
        *,
        door: Door | None = None,
        tls: ServerTls | None = None,
    ) -> None:
        self.address = address
        self._door = door or Door(ae_title=address.ae_title)
        self._tls = Reloading(tls) if tls else None
        self._store = store
        self._commitments = commitments or CommitmentDesk()
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._contexts = offered_contexts()
        self.received = 0
        self.rejected = 0

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
        for _, connection in running:
            _shut(connection)
        for thread, _ in running:
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
                connection, address = listener.accept()
            except OSError:  # stopped
                return
            thread = threading.Thread(
                target=self._associate,
                args=(connection, str(address[0])),
                name="association",
                daemon=True,
            )
            with self._lock:
                flooded = len(self._open) >= _FLOOD * self.address.most_associations
                self.rejected += flooded
                if not flooded:
                    self._open[thread] = connection
            if flooded:
                log.warning("association.dropped host=%s reason=too many connections", address[0])
                connection.close()
                continue
            thread.start()

    def _associate(self, connection: socket.socket, host: str) -> None:
        thread = threading.current_thread()
        try:
            connection.settimeout(self.address.idle_timeout_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secured = self._secured(connection, host)
            if secured is not None:
                self._converse(secured, host)
        except OSError as error:  # gone before anything was said
            log.warning("association.broken host=%s %s", host, error)
        finally:
            with self._lock:
                last = self._open.pop(thread, connection)
            last.close()

    def _secured(self, connection: socket.socket, host: str) -> socket.socket | None:
        """Return the connection as TLS where that is set; None where the peer cannot."""
        if self._tls is None:
            return connection
        # the handshake comes after the new socket is known, so that stopping can end it
        wrapped = self._tls.context().wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        with self._lock:
            self._open[threading.current_thread()] = wrapped
        try:
            wrapped.do_handshake()
        except (ssl.SSLError, OSError) as error:
            reason = getattr(error, "reason", None) or error
            log.warning("association.refused host=%s reason=TLS handshake: %s", host, reason)
            return None
        return wrapped

    def _converse(self, connection: socket.socket, host: str) -> None:
        acceptor = Acceptor(
            connection=connection,
            supported=self._contexts,
            implementation_class_uid=PYNETDICOM_IMPLEMENTATION_UID,
            implementation_version=IMPLEMENTATION_VERSION,
            largest_pdu=self.address.largest_pdu,
            largest_instance=self.address.largest_instance,
        )
        try:
            acceptor.receive_request()
            rejection = self._rejection(acceptor, host)
            if rejection is not None:
                with self._lock:
                    self.rejected += 1
                log.warning(
                    "association.rejected ae_title=%r host=%s reason=%s",
                    acceptor.calling_ae_title,
                    host,
                    rejection.says,
                )
                acceptor.reject(rejection.result, rejection.source, rejection.reason)
                return
            acceptor.accept()
            log_refused(acceptor, host)
            for message in acceptor.messages(partial(self._incoming, acceptor)):
                self._serve(acceptor, message)
            if acceptor.aborted_by_peer:
                log.info(
                    "association.aborted ae_title=%r host=%s by=peer",
                    acceptor.calling_ae_title,
                    host,
                )
        except TimeoutError:
            log.info("association.idle ae_title=%r host=%s ended", acceptor.calling_ae_title, host)
            acceptor.abort()
        except (ProtocolError, OSError) as error:
            log.warning(
                "association.broken ae_title=%r host=%s %s", acceptor.calling_ae_title, host, error
            )
            acceptor.abort()
        except Exception:  # one peer's oddity must not end the node
            log.exception("association.failed ae_title=%r host=%s", acceptor.calling_ae_title, host)
            acceptor.abort()

    def _rejection(self, acceptor: Acceptor, host: str) -> Rejection | None:
        with self._lock:
            open_now = len(self._open)
        if open_now > self.address.most_associations:
            return too_many(self.address.most_associations)
        if acceptor.application_context != APPLICATION_CONTEXT:
            return unknown_application_context(acceptor.application_context)
        return self._door.rejection(
            Caller(
                calling_ae_title=acceptor.calling_ae_title,
                called_ae_title=acceptor.called_ae_title,
                host=host,
            )
        )

    def _serve(self, acceptor: Acceptor, message: Message) -> None:
        operation = message.number(0x0100)
        if operation == C_STORE_RQ:
            status = self._store_instance(message)
            acceptor.answer(message, status, _named(message, 0x0002, 0x1000))
        elif operation == C_ECHO_RQ:
            acceptor.answer(message, SUCCESS, _named(message, 0x0002))
        elif operation == N_EVENT_REPORT_RQ:
            status = self._take_commitment(acceptor, message)
            acceptor.answer(message, status, _named(message, 0x0002, 0x1000, 0x1002))
        else:
            log.warning("operation.unknown command_field=0x%04X", operation)
            acceptor.answer(message, UNRECOGNISED_OPERATION, _named(message, 0x0002))

    def _store_instance(self, message: Message) -> int:
        try:
            self._keep(message)
        except RefusedError as refusal:
            log.warning("store.refused status=0x%04X reason=%s", refusal.status, refusal)
            return refusal.status
        except NoRoomError:  # said once by what measures the room
            return OUT_OF_RESOURCES
        except IndexUnavailableError:
            log.exception("store.failed")
            return NOT_INDEXED
        except StorageError:
            log.exception("store.failed")
            return OUT_OF_RESOURCES
        except Exception:  # the peer must get a status whatever happens here
            log.exception("store.failed")
            return CANNOT_UNDERSTAND
        with self._lock:
            self.received += 1
        return SUCCESS

    def _incoming(self, acceptor: Acceptor, message: Message) -> Incoming | None:
        if message.number(0x0100) != C_STORE_RQ:
            return None
        return Incoming(
            self._store.aside,
            Announced(
                sop_class=message.text(0x0002),
                instance=message.text(0x1000),
                syntax=acceptor.transfer_syntaxes.get(message.context_id, ""),
            ),
            source=acceptor.calling_ae_title,
            largest=self.address.largest_instance,
        )

    def _keep(self, message: Message) -> None:
        if not isinstance(message.sink, Incoming):
            raise RefusedError(CANNOT_UNDERSTAND, "a C-STORE without a data set")
        try:
            message.sink.keep(self._store)
        finally:
            message.sink.discard()

    def _take_commitment(self, acceptor: Acceptor, message: Message) -> int:
        try:
            if message.number(0x1002) not in COMMITMENT_RESULT:
                return PROCESSING_FAILURE
            syntax = UID(acceptor.transfer_syntaxes[message.context_id])
            information = decode(
                io.BytesIO(message.data or b""), syntax.is_implicit_VR, syntax.is_little_endian
            )
            self._commitments.answer(information)
        except Exception:  # the peer must get a status whatever happens here
            log.exception("commitment.failed")
            return PROCESSING_FAILURE
        return SUCCESS


def _named(message: Message, *elements: int) -> dict[int, bytes]:
    """Return the elements of a request that its response repeats."""
    return {each: message.command[each] for each in elements if each in message.command}


def _shut(connection: socket.socket) -> None:
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # TLS's own would wait for the peer
    except OSError:  # already closed by the peer
        return

"""The DICOM node: verification, storage, and the answers to storage commitment.

Nothing is decoded while a peer waits: file meta and raw bytes are written aside, flushed, renamed,
and only then is Success said. ``maximum_pdu_size=0`` (no limit) doubles the rate of pynetdicom.
"""

import errno
import logging
import threading
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import AllStoragePresentationContexts
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # names made at run time
    StorageCommitmentPushModel,
    Verification,
)
from pynetdicom.transport import AssociationSocket

from dicom_node.commitment import CommitmentDesk
from dicom_node.seg_reader import LABELMAP_STORAGE
from dicom_node.store import Store
from domain.errors import InputError, StorageError
from domain.uids import InstanceUID, checked_uid

log: Final = logging.getLogger(__name__)

SUCCESS: Final = 0x0000
OUT_OF_RESOURCES: Final = 0xA700
CANNOT_UNDERSTAND: Final = 0xC000
PROCESSING_FAILURE: Final = 0x0110
COMMITMENT_RESULT: Final = {1, 2}

TRANSFER_SYNTAXES: Final = [
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
        self._server: Any = None
        self._lock = threading.Lock()
        self.received = 0

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._server.server_address[1]) if self._server else self.address.port

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
        ae = AE(ae_title=self.address.ae_title)
        ae.maximum_pdu_size = 0
        ae.maximum_associations = self.address.most_associations
        ae.network_timeout = self.address.idle_timeout_s
        ae.add_supported_context(Verification)
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(str(context.abstract_syntax), TRANSFER_SYNTAXES)
        ae.add_supported_context(LABELMAP_STORAGE, TRANSFER_SYNTAXES)
        ae.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        handlers: list[Any] = [
            (evt.EVT_C_ECHO, lambda _: SUCCESS),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_N_EVENT_REPORT, self._on_commitment),
            (evt.EVT_REJECTED, _on_rejected),
            (evt.EVT_CONN_OPEN, _read_in_large_blocks),
        ]
        try:
            self._server = ae.start_server(
                (self.address.host, self.address.port), block=False, evt_handlers=handlers
            )
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL}:
                raise StorageError(
                    f"DICOM port {self.address.host}:{self.address.port} cannot be used "
                    f"({error.strerror}): stop what uses it, or set [node] port to another"
                ) from error
            raise
        log.info("node.listening ae_title=%s port=%d", self.address.ae_title, self.port)
        return self

    def stop(self) -> None:
        """Stop listening and end open associations."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def __enter__(self) -> Self:
        return self if self._server else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _on_store(self, event: evt.Event) -> int:
        try:
            assert isinstance(event.request, C_STORE)
            named = str(event.request.AffectedSOPInstanceUID)
            uid = InstanceUID(checked_uid(named, "SOP Instance UID"))
            self._store.keep(uid, event.encoded_dataset(include_meta=True))
        except InputError:
            log.exception("store.refused reason=bad UID")
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

    def _on_commitment(self, event: evt.Event) -> tuple[int, None]:
        try:
            if event.event_type not in COMMITMENT_RESULT:
                return PROCESSING_FAILURE, None
            self._commitments.answer(event.event_information)
        except Exception:  # the peer must get a status whatever happens here
            log.exception("commitment.failed")
            return PROCESSING_FAILURE, None
        return SUCCESS, None


def _read_in_large_blocks(event: evt.Event) -> None:
    """Let the connection read as much as there is, instead of pynetdicom's 4 kB at a time."""
    connection = event.assoc.dul.socket
    if connection is not None:
        connection.recv = partial(_received, connection)  # type: ignore[method-assign]


def _received(connection: AssociationSocket, count: int) -> bytearray:
    """Return ``count`` bytes, or fewer when the peer has closed the connection."""
    content = bytearray(count)
    view = memoryview(content)
    filled = 0
    while filled < count and connection.socket is not None:
        read = connection.socket.recv_into(view[filled:])
        if not read:
            break
        filled += read
    view.release()
    del content[filled:]
    return content


def _on_rejected(event: evt.Event) -> None:
    peer = event.assoc.requestor
    log.warning("association.rejected ae_title=%s address=%s", peer.ae_title, peer.address)

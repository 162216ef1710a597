"""What we ask of a peer: echo, store, commit, find, get and move."""

import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import UID, generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import EventHandlerType
from pynetdicom.presentation import build_role
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # names made at run time
    PatientRootQueryRetrieveInformationModelFind,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from dicom_node.commitment import CommitmentDesk, request_information
from dicom_node.files import headers
from dicom_node.presentation import TRANSFER_SYNTAXES
from dicom_node.queries import Level, identifier
from dicom_node.receiving import SUCCESS, Keep, Taking
from dicom_node.tls import ClientTls
from domain.errors import (
    InputError,
    NotOfferedError,
    PeerRefusedError,
    PeerUnreachableError,
    UnansweredError,
)
from domain.ports import PublishReceipt
from domain.uids import InstanceUID, SeriesUID, SopClassUID, StudyUID

log: Final = logging.getLogger(__name__)

ASKED: Final = (
    ("C-ECHO", Verification),
    ("C-FIND", StudyRootQueryRetrieveInformationModelFind),
    ("C-FIND", PatientRootQueryRetrieveInformationModelFind),
    ("C-GET", StudyRootQueryRetrieveInformationModelGet),
    ("C-MOVE", StudyRootQueryRetrieveInformationModelMove),
    ("N-ACTION, N-EVENT-REPORT", StorageCommitmentPushModel),
)
"""What we propose besides the classes of objects, each in the default transfer syntaxes."""

WARNINGS: Final = frozenset({0xB000, 0xB006, 0xB007})
"""Statuses of a peer that took an object all the same."""

_MOST_CONTEXTS: Final = 128
_CLASSES_A_CALL: Final = (_MOST_CONTEXTS - 1) // len(TRANSFER_SYNTAXES)
_CANCELLED: Final = 0xFE00
_MESSAGE_ID: Final = 1
_PENDING: Final = frozenset({0xFF00, 0xFF01})


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another DICOM node."""

    ae_title: str
    host: str
    port: int
    connect_timeout_s: float = 10.0
    answer_timeout_s: float = 60.0
    storage_commitment: bool = False
    commitment_timeout_s: float = 30.0
    tls: ClientTls | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.ae_title} at {self.host}:{self.port}"


class DicomPeer:
    """A peer we call; the ``Publisher`` port. No association stays open between calls."""

    def __init__(
        self, own_ae_title: str, peer: Peer, commitments: CommitmentDesk | None = None
    ) -> None:
        self._own_ae_title = own_ae_title
        self._peer = peer
        self._commitments = commitments

    def echo(self) -> None:
        """Verify the connection (C-ECHO).

        Raises
        ------
        PeerUnreachableError, PeerRefusedError
        """
        with self._associated([(str(Verification), ())]) as association:
            self._check("C-ECHO", association.send_c_echo())

    def store(self, files: Sequence[Path]) -> tuple[InstanceUID, ...]:
        """Send files as they are (C-STORE) and return their UIDs.

        Raises
        ------
        PeerUnreachableError, PeerRefusedError
            Naming the first object refused and the status; those before it were stored.
        """
        found = headers(files)
        proposals = list(
            dict.fromkeys(
                (str(header.SOPClassUID), (str(header.file_meta.TransferSyntaxUID),))
                for header in found
            )
        )
        if len(proposals) > _MOST_CONTEXTS:
            raise InputError(f"{len(proposals)} kinds of object in one call: send them in parts")
        stored: list[InstanceUID] = []
        with self._associated(proposals) as association:
            for path, header in zip(files, found, strict=True):
                try:
                    status = association.send_c_store(path)
                except (ValueError, RuntimeError) as error:
                    raise PeerRefusedError(
                        f"{self._peer.name} does not take {UID(header.SOPClassUID).name} in "
                        f"{header.file_meta.TransferSyntaxUID.name}: {error}"
                    ) from error
                self._check(f"C-STORE of {path.name}", status)
                stored.append(InstanceUID(str(header.SOPInstanceUID)))
        return tuple(stored)

    def publish(self, files: Sequence[Path]) -> PublishReceipt:
        """Store files, then ask the peer to commit to them where it offers that."""
        stored = self.store(files)
        if not self._peer.storage_commitment or self._commitments is None:
            return PublishReceipt(stored=stored)
        references = [
            (SopClassUID(str(header.SOPClassUID)), InstanceUID(str(header.SOPInstanceUID)))
            for header in headers(files)
        ]
        return PublishReceipt(stored=stored, committed=self.commit(references))

    def confirm(self, files: Sequence[Path]) -> tuple[InstanceUID, ...] | None:
        """Return what the peer keeps: by storage commitment where it offers that, else by C-FIND.

        C-FIND decides too where a request for commitment was taken and not answered in time. None
        where it offers neither.

        Raises
        ------
        PeerUnreachableError, PeerRefusedError
            If it lacks one of the files, naming it.
        """
        found = headers(files)
        unanswered: PeerRefusedError | None = None
        if self._peer.storage_commitment and self._commitments is not None:
            try:
                return self.commit(
                    [
                        (SopClassUID(str(each.SOPClassUID)), InstanceUID(str(each.SOPInstanceUID)))
                        for each in found
                    ]
                )
            except (NotOfferedError, UnansweredError) as error:
                log.warning("commitment.not_given peer=%s", self._peer.ae_title)
                unanswered = error
        kept: list[InstanceUID] = []
        for header in found:
            has_it = self.has(header)
            if has_it is None:
                if isinstance(unanswered, UnansweredError):
                    raise unanswered
                return None
            if not has_it:
                raise PeerRefusedError(
                    f"{self._peer.name} answered success and does not find {header.SOPInstanceUID} "
                    "now: look into its queue of failed imports"
                )
            kept.append(InstanceUID(str(header.SOPInstanceUID)))
        return tuple(kept)

    def has(self, header: Dataset) -> bool | None:
        """Tell whether the peer finds an instance (C-FIND); None where it answers no query of ours.

        Raises
        ------
        PeerUnreachableError, PeerRefusedError
        """
        names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
        wanted = {name: str(header[name].value) for name in names}
        model = StudyRootQueryRetrieveInformationModelFind
        try:
            with self._associated([(str(model), ())]) as association:
                answers = list(association.send_c_find(identifier(Level.IMAGE, wanted), model))
        except NotOfferedError:
            return None
        if answers[-1][0].get("Status") != SUCCESS:  # it does not answer us, which says nothing
            return None
        found = [each for _, each in answers if each is not None]
        return any(str(each.get("SOPInstanceUID")) == header.SOPInstanceUID for each in found)

    def find(
        self, level: Level, wanted: Mapping[str, str], most: int | None = None
    ) -> Iterator[Dataset]:
        """Yield what the peer finds (C-FIND), by keywords and their values; cancel after ``most``.

        The patient level is asked in the Patient Root model, the others in Study Root.

        Raises
        ------
        NotOfferedError, PeerUnreachableError, PeerRefusedError
        """
        model = StudyRootQueryRetrieveInformationModelFind
        if level is Level.PATIENT:
            model = PatientRootQueryRetrieveInformationModelFind
        query, yielded = identifier(level, wanted), 0
        with self._associated([(str(model), ())]) as association:
            for status, found in association.send_c_find(query, model, _MESSAGE_ID):
                if status.get("Status") not in _PENDING:
                    if status.get("Status") != _CANCELLED:
                        self._check("C-FIND", status)
                elif found is not None and (most is None or yielded < most):
                    yielded += 1
                    yield found
                    if yielded == most:
                        association.send_c_cancel(_MESSAGE_ID, query_model=model)

    def get(
        self,
        study: StudyUID,
        series: SeriesUID,
        sop_classes: Sequence[str],
        keep: Keep,
        instances: Sequence[InstanceUID] = (),
        *,
        syntaxes: Sequence[str] = TRANSFER_SYNTAXES,
    ) -> int:
        """Fetch a series, or some of its instances, on this association (C-GET); return how many.

        One context for each transfer syntax is proposed, so that nothing is transcoded; where only
        some ``syntaxes`` are, a peer that can will transcode to them. What arrives goes through
        ``keep`` as it is.

        Raises
        ------
        StorageError
            If it cannot be kept; what came before it is.
        NotOfferedError, PeerUnreachableError, PeerRefusedError
        """
        if len(sop_classes) > _CLASSES_A_CALL:
            raise InputError(
                f"{len(sop_classes)} SOP classes in one C-GET: at most {_CLASSES_A_CALL}"
            )
        query = Dataset()
        query.QueryRetrieveLevel = "IMAGE" if instances else "SERIES"
        query.StudyInstanceUID, query.SeriesInstanceUID = study, series
        if instances:
            query.SOPInstanceUID = list(instances)
        model = StudyRootQueryRetrieveInformationModelGet
        proposals: list[tuple[str, tuple[str, ...]]] = [(str(model), ())]
        proposals += [(each, (syntax,)) for each in sop_classes for syntax in syntaxes]
        taken = Taking(keep, self._peer.ae_title)
        with self._associated(proposals, taken, sop_classes) as association:
            for status, _ in association.send_c_get(query, model, _MESSAGE_ID):
                if taken.failure is not None:
                    association.abort()
                    raise taken.failure
                if status.get("Status") not in _PENDING:
                    self._check("C-GET", status)
        return taken.count

    def commit(
        self, references: Sequence[tuple[SopClassUID, InstanceUID]]
    ) -> tuple[InstanceUID, ...]:
        """Ask for storage commitment and wait for the answer: on this association, or on our node.

        Raises
        ------
        NotOfferedError
            If the peer has no storage commitment.
        UnansweredError
            If it did not answer in time.
        PeerRefusedError
            If it refuses, or cannot commit to an instance.
        """
        if self._commitments is None:
            raise InputError("storage commitment needs our own node running to receive the answer")
        transaction = str(generate_uid(prefix=None))
        answers = [(evt.EVT_N_EVENT_REPORT, self._commitments.on_report)]
        proposals = [(str(StorageCommitmentPushModel), ())]
        with self._associated(proposals, handlers=answers) as association:
            status, _ = association.send_n_action(
                request_information(transaction, references),
                1,
                StorageCommitmentPushModel,
                StorageCommitmentPushModelInstance,
            )
            self._check("storage commitment request", status)
            answer = self._commitments.wait_for(transaction, self._peer.commitment_timeout_s)
        if answer is None:
            raise UnansweredError(
                f"{self._peer.name} did not answer the storage commitment request in "
                f"{self._peer.commitment_timeout_s:g} s: check that it knows our host and port"
            )
        if answer.failed:
            uid, reason = answer.failed[0]
            raise PeerRefusedError(f"{self._peer.name} cannot commit to {uid} (0x{reason:04X})")
        return answer.committed

    def move(self, study: StudyUID, to_ae_title: str) -> int:
        """Ask the peer to send a study (C-MOVE) and return how many objects it sent.

        Raises
        ------
        PeerUnreachableError, PeerRefusedError
        """
        query = Dataset()
        query.QueryRetrieveLevel = "STUDY"
        query.StudyInstanceUID = study
        model = StudyRootQueryRetrieveInformationModelMove
        with self._associated([(str(model), ())]) as association:
            completed = 0
            for status, _ in association.send_c_move(query, to_ae_title, model):
                completed = int(status.get("NumberOfCompletedSuboperations") or completed)
                if status.get("Status") not in _PENDING:
                    self._check(f"C-MOVE to {to_ae_title}", status)
        return completed

    @contextmanager
    def _associated(
        self,
        proposals: Sequence[tuple[str, tuple[str, ...]]],
        taken: Taking | None = None,
        receives: Sequence[str] = (),
        handlers: Sequence[EventHandlerType] = (),
    ) -> Iterator[Association]:
        ae = AE(ae_title=self._own_ae_title)
        ae.maximum_pdu_size = 0
        ae.connection_timeout = self._peer.connect_timeout_s
        ae.acse_timeout = self._peer.answer_timeout_s
        ae.dimse_timeout = self._peer.answer_timeout_s
        for abstract_syntax, syntaxes in proposals:
            if syntaxes:
                ae.add_requested_context(abstract_syntax, list(syntaxes))
            else:
                ae.add_requested_context(abstract_syntax)
        tls = self._peer.tls
        association = ae.associate(
            self._peer.host,
            self._peer.port,
            ae_title=self._peer.ae_title,
            tls_args=(tls.context(), self._peer.host) if tls else None,
            ext_neg=[build_role(each, scp_role=True) for each in receives],
            evt_handlers=[*handlers, *([(evt.EVT_C_STORE, taken.take)] if taken else [])],
        )
        if association.is_rejected:
            raise PeerRefusedError(
                f"{self._peer.name} refuses associations from {self._own_ae_title}: register this "
                "AE title there"
            )
        if not association.is_established:
            if not association.rejected_contexts:
                raise PeerUnreachableError(self._why_unreachable())
            refused = UID(str(association.rejected_contexts[0].abstract_syntax)).name
            raise NotOfferedError(f"{self._peer.name} does not accept {refused}")
        ended = False
        try:
            yield association
            ended = True
        except Exception:  # between messages: the association is whole
            ended = True
            raise
        finally:
            if ended:
                association.release()
            else:  # interrupted amid an exchange
                association.abort()

    def _why_unreachable(self) -> str:
        """Return what a second connection finds out, since the first one's error is not kept."""
        name, tls = self._peer.name, self._peer.tls
        place = (self._peer.host, self._peer.port)
        try:
            connection = socket.create_connection(place, self._peer.connect_timeout_s)
        except OSError as error:
            return f"{name} does not answer ({error}): check host, port and firewall"
        with connection:
            if tls is None:
                return f"{name} took the connection and broke it off: does it expect TLS?"
            try:
                with tls.context().wrap_socket(connection, server_hostname=self._peer.host):
                    pass
            except OSError as error:  # SSLError among them
                return f"{name}: no TLS ({error}): check its certificate and our ca"
        return f"{name} broke off the TLS connection: does it trust our certificate?"

    def _check(self, what: str, status: Dataset) -> None:
        code = status.get("Status")
        if code is None:
            raise PeerUnreachableError(f"{self._peer.name} broke off during {what}")
        if code in WARNINGS:
            log.warning("peer.warned what=%s status=0x%04X", what, code)
        elif code != SUCCESS:
            said = status.get("ErrorComment") or "no comment"
            raise PeerRefusedError(f"{self._peer.name} answered {what} with 0x{code:04X}: {said}")

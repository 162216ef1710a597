"""Storage commitment: the PACS's promise to keep what we sent (PS3.4 annex J)."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset
from pynetdicom.events import Event

from domain.uids import InstanceUID, SopClassUID

log: Final = logging.getLogger(__name__)

_FORGET_AFTER: Final = 1000
_SUCCESS: Final = 0x0000
_CANNOT_UNDERSTAND: Final = 0x0110  # processing failure (PS3.7 annex C)


@dataclass(frozen=True, kw_only=True)
class CommitmentResult:
    """Which instances the peer has committed to, and which it could not, with its reason code."""

    transaction_uid: str
    committed: tuple[InstanceUID, ...]
    failed: tuple[tuple[InstanceUID, int], ...]


class CommitmentDesk:
    """Where requests wait for the answer that comes later, on this association or on another."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._answers: dict[str, CommitmentResult] = {}

    def answer(self, information: Dataset) -> None:
        """Take an N-EVENT-REPORT's information."""
        result = CommitmentResult(
            transaction_uid=str(information.TransactionUID),
            committed=tuple(
                InstanceUID(str(item.ReferencedSOPInstanceUID))
                for item in information.get("ReferencedSOPSequence") or ()
            ),
            failed=tuple(
                (InstanceUID(str(item.ReferencedSOPInstanceUID)), int(item.FailureReason))
                for item in information.get("FailedSOPSequence") or ()
            ),
        )
        with self._arrived:
            while len(self._answers) >= _FORGET_AFTER:
                self._answers.pop(next(iter(self._answers)))
            self._answers[result.transaction_uid] = result
            self._arrived.notify_all()

    def on_report(self, event: Event) -> tuple[int, None]:
        """Take an N-EVENT-REPORT that comes on an association of ours; return its status."""
        try:
            self.answer(event.event_information)
        except Exception:  # whatever a peer sends, it gets a status
            log.exception("commitment.unreadable")
            return _CANNOT_UNDERSTAND, None
        return _SUCCESS, None

    def wait_for(self, transaction_uid: str, timeout_s: float) -> CommitmentResult | None:
        """Return the answer to a request, or None when none came in time."""
        with self._arrived:
            self._arrived.wait_for(lambda: transaction_uid in self._answers, timeout_s)
            return self._answers.pop(transaction_uid, None)


def request_information(
    transaction_uid: str, references: Sequence[tuple[SopClassUID, InstanceUID]]
) -> Dataset:
    """Return the action information of an N-ACTION request."""
    information = Dataset()
    information.TransactionUID = transaction_uid
    information.ReferencedSOPSequence = []
    for sop_class, instance in references:
        item = Dataset()
        item.ReferencedSOPClassUID = sop_class
        item.ReferencedSOPInstanceUID = instance
        information.ReferencedSOPSequence.append(item)
    return information

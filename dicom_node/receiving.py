"""From a received object to the file that is kept: checked as it must be, refused with a status."""

import logging
from collections.abc import Callable
from typing import Any, Final

from pynetdicom.events import Event

from dicom_node.peeking import announced_rightly
from dicom_node.presentation import file_meta
from domain.errors import InputError, StorageError
from domain.uids import InstanceUID, checked_uid

log: Final = logging.getLogger(__name__)

Keep = Callable[[InstanceUID, bytes], bool]

SUCCESS: Final = 0x0000
OUT_OF_RESOURCES: Final = 0xA700
NOT_ITS_OBJECT: Final = 0xA900
CANNOT_UNDERSTAND: Final = 0xC000
NOT_INDEXED: Final = 0xC001


class RefusedError(Exception):
    """An object that is not taken, with the status its sender gets (PS3.4 table B.2-1)."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def received_file(
    data: bytes | bytearray, *, sop_class: str, instance: str, syntax: str, source: str
) -> tuple[InstanceUID, bytes]:
    """Return the UID of an object and its DICOM file.

    ``source`` is the AE title that sent it; the UIDs are those of the command.

    Raises
    ------
    RefusedError
        If a UID is none, or the data set cannot be read or is another object.
    """
    try:
        uid = InstanceUID(checked_uid(instance, "SOP Instance UID"))
        checked_uid(sop_class, "SOP Class UID")
        rightly = announced_rightly(data, sop_class, uid, syntax)
    except InputError as error:
        raise RefusedError(CANNOT_UNDERSTAND, str(error)) from error
    if not rightly:
        raise RefusedError(NOT_ITS_OBJECT, f"the data set is another than {uid}")
    return uid, file_meta(sop_class, uid, syntax, source) + data


class Taking:
    """What a C-GET brings, kept one by one; the first failure to keep ends it."""

    def __init__(self, keep: Keep, source: str) -> None:
        self._keep = keep
        self._source = source
        self.count = 0
        self.failure: StorageError | None = None

    def take(self, event: Event) -> int:
        """Keep one instance and return the status of its C-STORE."""
        request: Any = event.request  # a C_STORE, which the events of pynetdicom do not say
        try:
            uid, content = received_file(
                request.DataSet.getvalue(),
                sop_class=str(request.AffectedSOPClassUID),
                instance=str(request.AffectedSOPInstanceUID),
                syntax=str(event.context.transfer_syntax),
                source=self._source,
            )
            self._keep(uid, content)
        except RefusedError as refusal:
            log.warning("get.refused status=0x%04X reason=%s", refusal.status, refusal)
            return refusal.status
        except StorageError as error:
            self.failure = error
            return OUT_OF_RESOURCES
        except Exception:  # the peer must get a status whatever happens here
            log.exception("get.failed")
            return CANNOT_UNDERSTAND
        self.count += 1
        return SUCCESS

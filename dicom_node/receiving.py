"""From a received object to the file that is kept: checked as it must be, refused with a status."""

import logging
from collections.abc import Callable
from typing import Any, Final

from pynetdicom.events import Event

from dicom_node.files import Aside
from dicom_node.peeking import HEAD, Announced, announced_rightly
from dicom_node.presentation import file_meta
from dicom_node.store import Store
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
    announced = Announced(sop_class=sop_class, instance=instance, syntax=syntax)
    uid = _checked(announced)
    _compare(data[:HEAD], lambda: data, announced)
    return uid, file_meta(sop_class, uid, syntax, source) + data


def _checked(announced: Announced) -> InstanceUID:
    if not announced.syntax:
        raise RefusedError(CANNOT_UNDERSTAND, "a presentation context that was not accepted")
    try:
        checked_uid(announced.sop_class, "SOP Class UID")
        return InstanceUID(checked_uid(announced.instance, "SOP Instance UID"))
    except InputError as error:
        raise RefusedError(CANNOT_UNDERSTAND, str(error)) from error


def _compare(
    head: bytes | bytearray, whole: Callable[[], bytes | bytearray], announced: Announced
) -> None:
    try:
        rightly = announced_rightly(head, whole, announced)
    except InputError as error:
        raise RefusedError(CANNOT_UNDERSTAND, str(error)) from error
    if not rightly:
        raise RefusedError(NOT_ITS_OBJECT, f"the data set is another than {announced.instance}")


class Incoming:
    """An object on its way to the store: written aside as it arrives, judged when it is whole.

    Whatever stands against it is kept until its sender can be told: nothing is raised before.
    """

    def __init__(
        self, aside: Callable[[], Aside], announced: Announced, *, source: str, largest: int
    ) -> None:
        """``source`` is the AE title that sends it, ``largest`` a number of bytes."""
        self._announced = announced
        self._largest = largest
        self._count = 0
        self._head = bytearray()
        self._aside: Aside | None = None
        self._failure: RefusedError | StorageError | None = None
        try:
            uid = _checked(announced)
            meta = file_meta(announced.sop_class, uid, announced.syntax, source)
            self._meta_length = len(meta)
            self._aside = aside()
            self._aside.write(meta)
        except (RefusedError, StorageError) as error:
            self._fail(error)

    def write(self, fragment: memoryview) -> None:
        """Add what came of its data set."""
        if self._aside is None:
            return
        self._count += len(fragment)
        if self._count > self._largest:
            self._fail(RefusedError(OUT_OF_RESOURCES, f"larger than {self._largest} bytes"))
            return
        self._head += fragment[: HEAD - len(self._head)]
        try:
            self._aside.write(fragment)
        except StorageError as error:
            self._fail(error)

    def keep(self, store: Store) -> None:
        """Hand it to the store.

        Raises
        ------
        RefusedError
            If it is not what was announced, or too large.
        StorageError
            If it could not be written, or cannot be kept.
        """
        if self._aside is None:
            raise self._failure or StorageError("the object was given up")
        aside = self._aside
        _compare(self._head, lambda: aside.content()[self._meta_length :], self._announced)
        self._aside = None
        store.keep_aside(InstanceUID(self._announced.instance), aside)

    def discard(self) -> None:
        """Forget it; where it was handed to the store, nothing happens."""
        if self._aside is not None:
            self._aside.discard()
            self._aside = None

    def _fail(self, error: RefusedError | StorageError) -> None:
        self.discard()
        self._failure = error


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

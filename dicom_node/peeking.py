"""Whether a data set is the object it was announced as, read off its first bytes.

A search for the two UIDs, not a decoding: it costs microseconds. Only a data set in which they
are not found at once is read, and only as far as they would stand.
"""

import io
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pydicom.filereader import read_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from dicom_node.files import PARSE_ERRORS
from domain.errors import InputError

_GROUP: Final = 0x0008
_SOP_CLASS_UID: Final = 0x0016
_SOP_INSTANCE_UID: Final = 0x0018


@dataclass(frozen=True, kw_only=True)
class Announced:
    """What the command before a data set says of it."""

    sop_class: str
    instance: str
    syntax: str


HEAD: Final = 1 << 16
"""So many bytes of a data set hold the two UIDs, where it is none that was made to mislead."""


def announced_rightly(
    head: bytes | bytearray, whole: Callable[[], bytes | bytearray], wanted: Announced
) -> bool:
    """Tell whether a data set has the SOP Class and Instance UID of the command before it.

    ``head`` is its first ``HEAD`` bytes; ``whole`` gives all of them where those do not tell. A
    deflated data set is believed: inflating it is the indexer's business.

    Raises
    ------
    InputError
        If the bytes are no data set that far.
    """
    syntax = UID(wanted.syntax)
    if syntax == DeflatedExplicitVRLittleEndian:
        return True
    uids = {_SOP_CLASS_UID: wanted.sop_class, _SOP_INSTANCE_UID: wanted.instance}
    if all(_encoded(element, uid, syntax) in head for element, uid in uids.items()):
        return True
    found = _read(whole(), syntax)
    return all(found.get(element) == uid for element, uid in uids.items())


def _encoded(element: int, uid: str, syntax: UID) -> bytes:
    value = uid.encode("ascii")
    value += b"\0" * (len(value) % 2)
    if syntax.is_implicit_VR:
        return struct.pack("<HHL", _GROUP, element, len(value)) + value
    order = "<" if syntax.is_little_endian else ">"
    return struct.pack(f"{order}HH2sH", _GROUP, element, b"UI", len(value)) + value


def _read(data: bytes | bytearray, syntax: UID) -> dict[int, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd values are judged where they are used
            header = read_dataset(
                io.BytesIO(data),
                syntax.is_implicit_VR,
                syntax.is_little_endian,
                stop_when=lambda tag, _vr, _length: tag > (_GROUP << 16 | _SOP_INSTANCE_UID),
            )
            return {
                element: str(header[_GROUP, element].value).rstrip("\0 ")
                for element in (_SOP_CLASS_UID, _SOP_INSTANCE_UID)
                if (_GROUP, element) in header
            }
    except (*PARSE_ERRORS, OSError) as error:  # pydicom's word for a sequence that ends too early
        raise InputError(f"a data set that cannot be read ({type(error).__name__})") from error

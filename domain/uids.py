"""DICOM unique identifiers, told apart by role."""

import re
from typing import Final, NewType

from domain.errors import InputError

StudyUID = NewType("StudyUID", str)
SeriesUID = NewType("SeriesUID", str)
InstanceUID = NewType("InstanceUID", str)
SopClassUID = NewType("SopClassUID", str)
FrameOfReferenceUID = NewType("FrameOfReferenceUID", str)

_LONGEST: Final = 64
_SHAPE: Final = re.compile(r"[0-9]+(\.[0-9]+)*")


def checked_uid(uid: str, role: str) -> str:
    """Return ``uid`` when it is shaped like one (PS3.5 section 9.1).

    Leading zeros in a component are against the standard but seen in archives: they pass.

    Raises
    ------
    InputError
        If it is empty, longer than 64 characters, or holds anything but digits and dots. A UID
        becomes a file name here, so this is also what keeps a peer inside the store's folder.
        The value is not in the message, which is logged: a broken sender may put a name there.
    """
    if not uid:
        raise InputError(f"{role} is empty: the sending system must give every object a UID")
    if len(uid) > _LONGEST or not _SHAPE.fullmatch(uid):
        raise InputError(
            f"{role} of {len(uid)} characters is not a DICOM UID: digits and dots, at most "
            f"{_LONGEST}"
        )
    return uid

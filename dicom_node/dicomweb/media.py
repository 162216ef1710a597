"""Media types: what a client accepts, and what a stored object can be had as.

PS3.18 section 8.7.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicom_node.dicomweb.refusal import bad_request, not_acceptable

DICOM: Final = "application/dicom"
JSON: Final = "application/dicom+json"
OCTETS: Final = "application/octet-stream"
MULTIPART: Final = "multipart/related"
EXPLICIT: Final = str(ExplicitVRLittleEndian)
ANY: Final = "*"

_NATIVE: Final = frozenset(
    {
        str(ImplicitVRLittleEndian),
        str(ExplicitVRLittleEndian),
        str(ExplicitVRBigEndian),
        str(DeflatedExplicitVRLittleEndian),
    }
)
_FRAME_TYPES: Final = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.111": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}
_RANGES: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+')
_PARAMETER: Final = re.compile(r';\s*([^=;\s]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')


def frame_types() -> tuple[str, ...]:
    """Return the media types that frames are had in as they are stored."""
    return tuple(dict.fromkeys(_FRAME_TYPES.values()))


@dataclass(frozen=True, kw_only=True)
class MediaRange:
    """One alternative of an Accept header.

    Attributes
    ----------
    kind
        The media type, or that of the parts where it is multipart; ``*/*`` for anything.
    transfer_syntax
        As asked for; ``*`` for as stored; None when not said.
    """

    kind: str
    multipart: bool
    transfer_syntax: str | None
    quality: float

    def takes(self, kind: str) -> bool:
        """Tell whether a media type is among what is accepted."""
        family = kind.partition("/")[0]
        return self.kind in {"*/*", f"{family}/*", kind}


@dataclass(frozen=True, kw_only=True)
class Form:
    """How frames or objects leave: the type of a part, its transfer syntax, and whether decoded."""

    kind: str
    transfer_syntax: str
    multipart: bool = True
    decoded: bool = False

    @property
    def content_type(self) -> str:
        """The Content-Type of one part."""
        return f"{self.kind}; transfer-syntax={self.transfer_syntax}"


def accepted(header: str | None) -> tuple[MediaRange, ...]:
    """Return what an Accept header allows, what is liked best first; anything where it is empty.

    Raises
    ------
    RequestRefusedError
        If a quality is no number.
    """
    if not header or not header.strip():
        return (MediaRange(kind="*/*", multipart=False, transfer_syntax=None, quality=1.0),)
    ranges = [_range(part.strip()) for part in _RANGES.findall(header) if part.strip()]
    liked = [each for each in ranges if each.quality > 0]
    return tuple(sorted(liked, key=lambda each: -each.quality))


def is_native(syntax: str) -> bool:
    """Tell whether pixel data of this syntax are not encapsulated."""
    return syntax in _NATIVE


def frame_type(syntax: str) -> str:
    """Return the media type of a frame as it is stored."""
    return OCTETS if is_native(syntax) else _FRAME_TYPES.get(syntax, OCTETS)


def object_form(ranges: Sequence[MediaRange], stored: str, *, alone: bool) -> Form:
    """Return how an object of a stored syntax is sent: Explicit VR Little Endian unless asked for.

    ``alone`` allows ``application/dicom`` without multipart.

    Raises
    ------
    RequestRefusedError
        Naming what is to be had.
    """
    for each in ranges:
        if not each.takes(DICOM) or (not each.multipart and each.kind == DICOM and not alone):
            continue
        syntax = each.transfer_syntax or EXPLICIT
        multipart = each.multipart or each.kind != DICOM
        if syntax in {ANY, stored}:
            return Form(kind=DICOM, transfer_syntax=stored, multipart=multipart)
        if syntax == EXPLICIT:
            return Form(kind=DICOM, transfer_syntax=EXPLICIT, multipart=multipart, decoded=True)
    raise not_acceptable(
        f'an object is to be had as {MULTIPART}; type="{DICOM}" with transfer-syntax=* or '
        f"{stored} (as stored) or {EXPLICIT}"
    )


def frame_form(ranges: Sequence[MediaRange], stored: str) -> Form:
    """Return how a frame of a stored syntax is sent: as stored unless it is asked for decoded.

    Octets with a transfer syntax of ``*`` are anything as stored, as viewers mean it.

    Raises
    ------
    RequestRefusedError
        Naming what is to be had.
    """
    own = frame_type(stored)
    native = is_native(stored)
    decoded = Form(kind=OCTETS, transfer_syntax=EXPLICIT, decoded=not native)
    as_stored = decoded if native else Form(kind=own, transfer_syntax=stored)
    for each in ranges:
        form: Form | None = None
        if each.takes(own) or each.kind == OCTETS:
            if each.transfer_syntax in {ANY, as_stored.transfer_syntax}:
                form = as_stored
            elif each.transfer_syntax is None:
                form = as_stored if each.kind != OCTETS else decoded
            elif each.transfer_syntax == EXPLICIT and each.takes(OCTETS):
                form = decoded
        elif each.takes(OCTETS) and each.transfer_syntax in {None, EXPLICIT}:
            form = decoded
        if form is not None:
            return replace(form, multipart=each.multipart or "*" in each.kind)
    raise not_acceptable(
        f'a frame is to be had as {MULTIPART}; type="{OCTETS}" (decoded)'
        + ("" if native else f' or type="{own}"; transfer-syntax={stored} (as stored)')
    )


def chosen(ranges: Sequence[MediaRange], offers: Sequence[str], what: str) -> str:
    """Return the first of the offered types that is accepted.

    Raises
    ------
    RequestRefusedError
        Naming what is to be had.
    """
    for each in ranges:
        for offer in offers:
            if not each.multipart and each.takes(offer):
                return offer
    raise not_acceptable(f"{what} is to be had as {' or '.join(offers)}")


def _range(text: str) -> MediaRange:
    kind = text.partition(";")[0].strip().lower()
    parameters = {
        name.lower(): value.strip().strip('"') for name, value in _PARAMETER.findall(text)
    }
    multipart = kind == MULTIPART
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError as error:
        raise bad_request(f"Accept: q={parameters['q']!r} is no number") from error
    return MediaRange(
        kind=parameters.get("type", "*/*").lower() if multipart else kind,
        multipart=multipart,
        transfer_syntax=parameters.get("transfer-syntax"),
        quality=quality,
    )

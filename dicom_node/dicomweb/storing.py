"""STOW-RS (PS3.18 section 10.5): a multipart body to kept objects, and what is answered.

The body is complete before anything of it is kept: one that was cut short leaves nothing behind.
"""

import io
import json
import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_node.dicomweb.media import DICOM
from dicom_node.dicomweb.multipart import IncomingPart, Readable, parts_of
from dicom_node.dicomweb.pixels import pixels_behind
from dicom_node.dicomweb.refusal import RequestRefusedError
from dicom_node.files import PARSE_ERRORS, same_object
from dicom_node.receiving import (
    CANNOT_UNDERSTAND,
    NOT_ITS_OBJECT,
    OUT_OF_RESOURCES,
    RefusedError,
    received_file,
)
from dicom_node.store import Store
from domain.errors import InputError, NoRoomError, StorageError
from domain.uids import InstanceUID, StudyUID, checked_uid

log: Final = logging.getLogger(__name__)

SOURCE: Final = "STOW-RS"
_INDEX_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.02
_DIFFERS: Final = "another object is kept under its UID; this one went to quarantine"
_PREFIX_AT: Final = 128
_META_AT: Final = 132
_META_GROUP: Final = 2
_UNDEFINED: Final = 0xFFFFFFFF
_LAST_ITEM: Final = b"\xfe\xff\xdd\xe0"  # Sequence Delimitation, behind the last fragment
_REQUIRED: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one part; ``status`` is 0 where it is kept, now or before."""

    part: int
    status: int
    reason: str = ""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    series_instance_uid: str = ""
    study_instance_uid: str = ""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """The answer to a storing request."""

    status: HTTPStatus
    body: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a request may hold.

    Attributes
    ----------
    study
        The study its address names; None for any.
    largest_instance
        In bytes.
    """

    study: StudyUID | None
    largest_instance: int


def boundary_of(content_type: str) -> str:
    """Return the boundary of a multipart request of DICOM files.

    Raises
    ------
    RequestRefusedError
        If it is another type: naming the one that is taken.
    """
    kind, _, rest = content_type.partition(";")
    parameters = {
        name.strip().lower(): value.strip().strip('"')
        for name, _, value in (part.partition("=") for part in rest.split(";"))
    }
    if kind.strip().lower() != "multipart/related" or parameters.get("type", DICOM) != DICOM:
        raise RequestRefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"objects are taken as multipart/related; type={DICOM!r}, not as {content_type!r}",
        )
    return parameters.get("boundary", "")


def stored(store: Store, body: Readable, boundary: str, base_url: str, limits: Limits) -> Stored:
    """Keep every part that can be kept, and say what became of each.

    Raises
    ------
    RequestRefusedError
        If the body is not framed as it says; nothing is kept then.
    """
    parts = parts_of(body, boundary)
    outcomes = [_keep(store, body, part, limits) for part in parts]
    outcomes = _indexed(store, outcomes)
    for each in outcomes:
        if each.status:
            log.warning("stow.refused status=0x%04X reason=%s", each.status, each.reason)
    return Stored(
        status=_status(outcomes, is_low=store.room.is_low),
        body=_answer(outcomes, base_url),
        warnings=tuple(f"part {each.part}: {each.reason}" for each in outcomes if each.status),
    )


def _keep(store: Store, body: Readable, part: IncomingPart, limits: Limits) -> Outcome:
    head: dict[str, str] = {}
    try:
        content = _content(body, part, limits)
        head, data_at, syntax = _read(content)
        _check(head, syntax, limits)
        uid, whole = received_file(
            content[data_at:],
            sop_class=head["SOPClassUID"],
            instance=head["SOPInstanceUID"],
            syntax=syntax,
            source=SOURCE,
        )
        is_new = store.keep(uid, whole)
        known = is_new or same_object(store.path_of(uid).read_bytes(), whole)
    except RefusedError as refusal:
        return _outcome(part, head, refusal.status, str(refusal))
    except NoRoomError:
        return _outcome(part, head, OUT_OF_RESOURCES, "the disk is nearly full: send it later")
    except (StorageError, OSError):
        log.exception("stow.failed")
        return _outcome(part, head, OUT_OF_RESOURCES, "it could not be written: send it again")
    except Exception:  # the sender must hear of every part
        log.exception("stow.failed")
        return _outcome(part, head, CANNOT_UNDERSTAND, "it could not be taken")
    if not known:
        return _outcome(part, head, NOT_ITS_OBJECT, _DIFFERS)
    return _outcome(part, head, 0, "")


def _content(body: Readable, part: IncomingPart, limits: Limits) -> bytes:
    kind = part.content_type.partition(";")[0].strip().lower()
    if kind not in {"", DICOM}:
        raise RefusedError(CANNOT_UNDERSTAND, f"its type is {kind!r}, not {DICOM}")
    size = part.stop - part.start
    if size > limits.largest_instance:
        raise RefusedError(
            OUT_OF_RESOURCES, f"it has {size} bytes, more than {limits.largest_instance}"
        )
    return bytes(body[part.start : part.stop])


def _read(content: bytes) -> tuple[dict[str, str], int, str]:
    """Return the UIDs of a DICOM file, where its data set begins, and the transfer syntax."""
    if content[_PREFIX_AT:_META_AT] != b"DICM":
        raise RefusedError(CANNOT_UNDERSTAND, "it is no DICOM file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd values are judged where they are used
            stream = io.BytesIO(content)
            stream.seek(_META_AT)
            meta = read_dataset(
                stream,
                is_implicit_VR=False,
                is_little_endian=True,
                stop_when=lambda tag, _vr, _length: tag >> 16 != _META_GROUP,
            )
            data_at = stream.tell()
            syntax = str(meta.get("TransferSyntaxUID") or ImplicitVRLittleEndian)
            stream.seek(0)
            header = pydicom.dcmread(stream, stop_before_pixels=True)
            head = {name: str(header.get(name) or "") for name in _REQUIRED}
            if _is_cut_short(header, stream, len(content)):
                raise RefusedError(CANNOT_UNDERSTAND, "it is cut short")
    except (*PARSE_ERRORS, OSError) as error:  # pydicom's word for a sequence that ends too early
        raise RefusedError(
            CANNOT_UNDERSTAND, f"it is no sound DICOM file ({type(error).__name__})"
        ) from error
    return head, data_at, syntax


def _is_cut_short(header: FileDataset, stream: io.BytesIO, size: int) -> bool:
    """Tell whether the last value is shorter than it says; a deflated one would not inflate."""
    if header.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return False
    last: object = header.get_item(max(header.keys(), default=BaseTag(0)))
    if (
        isinstance(last, RawDataElement)
        and last.length != _UNDEFINED
        and len(last.value or b"") < last.length
    ):
        return True
    pixels = pixels_behind(header, stream, Path(), "")
    if pixels is None:
        return False
    if pixels.length is None:
        return stream.getvalue().rfind(_LAST_ITEM) < pixels.offset
    return pixels.offset + pixels.length > size


def _check(head: Mapping[str, str], syntax: str, limits: Limits) -> None:
    for name, value in (*head.items(), ("Transfer Syntax UID", syntax)):
        try:
            checked_uid(value, name)
        except InputError as error:
            raise RefusedError(CANNOT_UNDERSTAND, str(error)) from error
    if limits.study is not None and head["StudyInstanceUID"] != limits.study:
        raise RefusedError(
            NOT_ITS_OBJECT, f"it is of study {head['StudyInstanceUID']}, not of {limits.study}"
        )


def _outcome(part: IncomingPart, head: Mapping[str, str], status: int, reason: str) -> Outcome:
    return Outcome(
        part=part.number,
        status=status,
        reason=reason,
        sop_class_uid=head.get("SOPClassUID", ""),
        sop_instance_uid=head.get("SOPInstanceUID", ""),
        series_instance_uid=head.get("SeriesInstanceUID", ""),
        study_instance_uid=head.get("StudyInstanceUID", ""),
    )


def _indexed(store: Store, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Wait until what was kept can be found, and take back what the index had to set aside."""
    uids = [InstanceUID(each.sop_instance_uid) for each in outcomes if not each.status]
    deadline = time.monotonic() + _INDEX_TIMEOUT_S
    while time.monotonic() < deadline:
        uids_there = [uid for uid in uids if store.has(uid)]
        if store.index.holds_all(uids_there):
            break
        time.sleep(_POLL_S)
    lost = {uid for uid in uids if not store.has(uid)}
    return [
        replace(each, status=CANNOT_UNDERSTAND, reason="its header cannot be indexed")
        if each.sop_instance_uid in lost and not each.status
        else each
        for each in outcomes
    ]


def _status(outcomes: Sequence[Outcome], *, is_low: bool) -> HTTPStatus:
    failed = [each for each in outcomes if each.status]
    if not failed:
        return HTTPStatus.OK
    if len(failed) < len(outcomes):
        return HTTPStatus.ACCEPTED
    if all(each.status == OUT_OF_RESOURCES for each in failed):
        return HTTPStatus.INSUFFICIENT_STORAGE if is_low else HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.CONFLICT


def _answer(outcomes: Sequence[Outcome], base_url: str) -> str:
    """Return the data set of PS3.18 table 10.5.3-1: what is kept, what failed, what was nothing."""
    said: dict[str, Any] = {}
    studies = {each.study_instance_uid for each in outcomes if not each.status}
    if len(studies) == 1:
        said["00081190"] = {"vr": "UR", "Value": [f"{base_url}/studies/{studies.pop()}"]}
    failed = [each for each in outcomes if each.status]
    named = [_failed(each) for each in failed if each.sop_instance_uid]
    nameless = [_failed(each) for each in failed if not each.sop_instance_uid]
    kept = [_kept(each, base_url) for each in outcomes if not each.status]
    for tag, items in (("00081198", named), ("00081199", kept), ("0008119A", nameless)):
        if items:
            said[tag] = {"vr": "SQ", "Value": items}
    return json.dumps(said)


def _failed(outcome: Outcome) -> dict[str, Any]:
    item: dict[str, Any] = {"00081197": {"vr": "US", "Value": [outcome.status]}}
    if outcome.sop_instance_uid:
        item["00081150"] = {"vr": "UI", "Value": [outcome.sop_class_uid]}
        item["00081155"] = {"vr": "UI", "Value": [outcome.sop_instance_uid]}
    return item


def _kept(outcome: Outcome, base_url: str) -> dict[str, Any]:
    url = (
        f"{base_url}/studies/{outcome.study_instance_uid}/series/{outcome.series_instance_uid}"
        f"/instances/{outcome.sop_instance_uid}"
    )
    return {
        "00081150": {"vr": "UI", "Value": [outcome.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [outcome.sop_instance_uid]},
        "00081190": {"vr": "UR", "Value": [url]},
    }

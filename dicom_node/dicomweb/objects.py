"""Stored objects as they leave: whole, re-encoded, as metadata, or a single large value."""

import hashlib
import io
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEGExtended12Bit

from dicom_node.dicom_json import BINARY_VRS, elements_json, little_endian
from dicom_node.dicomweb.media import Form, is_native
from dicom_node.dicomweb.pixels import PIXEL_TAGS, open_pixels
from dicom_node.dicomweb.refusal import not_found
from dicom_node.equipment import software_version
from dicom_node.files import PARSE_ERRORS, read_dataset
from dicom_node.index_search import Kept
from dicom_node.pixels import stored_frames
from domain.errors import UnreadableFileError

_PIECE: Final = 1 << 20
_TAG_LENGTH: Final = 8
_LARGEST_BIG_ENDIAN_PIXEL: Final = 16
_TWELVE_BITS: Final = 12
_PIXEL_DATA: Final = 0x7FE00010


def instance_url(base_url: str, kept: Kept) -> str:
    """Return the address of an instance."""
    study, series, instance = (  # a header may hold anything
        quote(uid, safe="")
        for uid in (kept.study_instance_uid, kept.series_instance_uid, kept.sop_instance_uid)
    )
    return f"{base_url}/studies/{study}/series/{series}/instances/{instance}"


def entity_tag(kept: Sequence[Kept], form: str) -> str:
    """Return the ETag of some instances in one form.

    An instance never changes once it is kept: its UID and size stand for its bytes. Our version
    is in it too, since another one may write another form.
    """
    said = hashlib.sha256(f"{software_version()}\n{form}\n".encode())
    for each in kept:
        said.update(f"{each.sop_instance_uid} {_size(each.path)}\n".encode())
    return f'"{said.hexdigest()[:32]}"'


def file_pieces(path: Path) -> Iterator[bytes]:
    """Yield a file in pieces."""
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece


def object_pieces(kept: Kept, form: Form) -> Iterator[bytes]:
    """Yield an object in the form agreed on.

    Raises
    ------
    UnreadableFileError
        If it cannot be re-encoded.
    """
    if not form.decoded:
        yield from file_pieces(kept.path)
    else:
        yield explicit_little_endian(kept.path, kept.sop_instance_uid)


def explicit_little_endian(path: Path, name: str) -> bytes:
    """Return an object in Explicit VR Little Endian; the same UID, since nothing else changes.

    Colour that was compressed becomes RGB, as its Photometric Interpretation then says.

    Raises
    ------
    UnreadableFileError
        Naming what the decoder said.
    """
    dataset = read_dataset(path, with_pixels=True)
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd values are sent as they are
            if syntax == JPEGExtended12Bit and dataset.get("BitsStored") == _TWELVE_BITS:
                frames = stored_frames(dataset, name)  # by GDCM, which pydicom does not ask for it
                dataset["PixelData"] = DataElement(_PIXEL_DATA, "OW", frames.tobytes())
            elif syntax is not None and not is_native(syntax):
                dataset.decompress(generate_instance_uid=False)
            elif syntax == ExplicitVRBigEndian:
                dataset = _little_endian_copy(dataset, name)
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            buffer = io.BytesIO()
            dataset.save_as(buffer, implicit_vr=False, little_endian=True, force_encoding=True)
    except (*PARSE_ERRORS, RuntimeError, MemoryError) as error:
        said = "; ".join(line.strip() for line in str(error).splitlines())
        raise UnreadableFileError(
            f"{name} cannot be re-encoded ({said or type(error).__name__}): ask for it as stored, "
            "transfer-syntax=*"
        ) from error
    return buffer.getvalue()


def metadata(kept: Sequence[Kept], base_url: str) -> Iterator[str]:
    """Yield the pieces of a JSON array: each header, with addresses for what is long or pixels."""
    before = "["
    for each in kept:
        yield before + _metadata(each, base_url)
        before = ","
    yield "]"


def bulk_value(kept: Kept, path: str) -> bytes:
    """Return the bytes of a binary element by its path, ``TAG`` or ``TAG/ITEM/TAG``.

    Raises
    ------
    RequestRefusedError
        If there is no such element.
    """
    steps = path.split("/")
    dataset: Dataset = read_dataset(kept.path, with_pixels=False)
    for sequence, item in zip(steps[:-1:2], steps[1::2], strict=False):
        dataset = _item(dataset, sequence, item, kept)
    tag = _tag(steps[-1])
    if len(steps) % 2 == 0 or tag is None or tag not in dataset:
        raise not_found(f"instance {kept.sop_instance_uid} has no element {path}")
    element = dataset[tag]
    if element.VR not in BINARY_VRS and not isinstance(element.value, bytes):
        raise not_found(f"element {path} is no bulk data: its value is in the metadata")
    is_little = dataset.original_encoding[1] is not False
    return little_endian(bytes(element.value or b""), str(element.VR), is_little_endian=is_little)


def is_pixel_path(path: str) -> bool:
    """Tell whether a path of bulk data means the pixel data."""
    return _tag(path) in PIXEL_TAGS


def _metadata(kept: Kept, base_url: str) -> str:
    url = instance_url(base_url, kept)
    with open_pixels(kept.path, kept.sop_instance_uid) as pixels:
        header = read_dataset(kept.path, with_pixels=False) if pixels is None else pixels.header
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd values are said as they are
            said = elements_json(header, lambda path: f"{url}/bulkdata/{path}")
        said["00083002"] = json.dumps({"vr": "UI", "Value": [kept.transfer_syntax_uid]})
        if pixels is not None:
            tag = f"{pixels.tag:08X}"
            said[tag] = json.dumps({"vr": pixels.vr, "BulkDataURI": f"{url}/bulkdata/{tag}"})
    return "{" + ",".join(f'"{tag}":{said[tag]}' for tag in sorted(said)) + "}"


def _item(dataset: Dataset, tag: str, item: str, kept: Kept) -> Dataset:
    number = _tag(tag)
    element: Any = None if number is None else dataset.get(number)
    items = getattr(element, "value", None)
    if not isinstance(items, DicomSequence) or not item.isdecimal() or int(item) >= len(items):
        raise not_found(f"instance {kept.sop_instance_uid} has no item {tag}/{item}")
    found: Dataset = items[int(item)]
    return found


def _tag(text: str) -> BaseTag | None:
    try:
        return BaseTag(int(text, 16)) if len(text) == _TAG_LENGTH else None
    except ValueError:
        return None


def _little_endian_copy(dataset: FileDataset, name: str) -> FileDataset:
    """Turn the bytes of values that stay bytes; numbers turn when they are written."""
    bits = int(dataset.get("BitsAllocated") or 0)
    if bits > _LARGEST_BIG_ENDIAN_PIXEL:
        raise UnreadableFileError(f"{name} has big endian pixels of {bits} bits: not turned here")

    def turn(_dataset: Dataset, element: Any) -> None:  # noqa: ANN401 - an element of any VR
        if isinstance(element.value, bytes):
            element.value = little_endian(element.value, element.VR, is_little_endian=False)

    dataset.walk(turn)
    made = FileDataset(io.BytesIO(), {}, preamble=b"\0" * 128, file_meta=dataset.file_meta)
    for element in dataset:
        made.add(element)
    return made


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise UnreadableFileError(f"{path.name} cannot be opened: {error.strerror}") from error

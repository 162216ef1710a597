"""Data sets as the DICOM JSON model (PS3.18 annex F), without losing a digit.

A decimal string becomes a JSON number of the very digits of the file: through a binary double, a
position of 17 digits would come back as another one.
"""

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Any, Final

import numpy as np
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filewriter import correct_ambiguous_vr_element
from pydicom.tag import BaseTag
from pydicom.valuerep import PersonName

from dicom_node.files import PARSE_ERRORS

BINARY_VRS: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
UriOf = Callable[[str], str]
"""From the path of an element (``TAG`` or ``TAG/ITEM/TAG``, items from 0) to its address."""

_NUMBER: Final = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?")
_NUMBER_STRING_VRS: Final = frozenset({"DS", "IS"})
_INLINE_MOST: Final = 1024
_EXACT_IN_A_DOUBLE: Final = 2**53
_CHARACTER_SET: Final = 0x00080005
_UTF8: Final = '{"vr":"CS","Value":["ISO_IR 192"]}'
_WORD_BYTES: Final = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_FIRST_GROUP: Final = 0x0008
_PADDING: Final = 0xFFFCFFFC


def dataset_json(
    dataset: Dataset,
    uri_of: UriOf | None = None,
    *,
    tags: Iterable[int] | None = None,
    path: str = "",
) -> str:
    """Return a data set as a JSON object, in UTF-8 whatever its character set was.

    Parameters
    ----------
    uri_of
        Where a binary value of more than 1 KiB can be had; without it such a value is left out.
    tags
        Which elements; all but file meta information and group lengths when not given.
    """
    said = elements_json(dataset, uri_of, tags=tags, path=path)
    return "{" + ",".join(f'"{tag}":{element}' for tag, element in said.items()) + "}"


def elements_json(
    dataset: Dataset,
    uri_of: UriOf | None = None,
    *,
    tags: Iterable[int] | None = None,
    path: str = "",
) -> dict[str, str]:
    """Return the JSON of each element by its tag, in order; see :func:`dataset_json`."""
    wanted = sorted(dataset.keys() if tags is None else (BaseTag(tag) for tag in set(tags)))
    return {
        f"{tag:08X}": element_json(dataset, tag, uri_of, path)
        for tag in wanted
        if tag in dataset and tag.element and tag.group >= _FIRST_GROUP and tag != _PADDING
    }


def element_json(
    dataset: Dataset, tag: BaseTag, uri_of: UriOf | None = None, path: str = ""
) -> str:
    """Return one element of a data set as a JSON object."""
    if tag == _CHARACTER_SET:
        return _UTF8
    raw: object = dataset.get_item(tag)
    try:
        if isinstance(raw, RawDataElement) and _vr_of(raw) in _NUMBER_STRING_VRS:
            text = (raw.value or b"").decode("ascii", "replace")
            return _object(_vr_of(raw), _tokens(text.strip("\0 ").split("\\")))
        element = _unambiguous(dataset[tag], dataset)
        return _element(element, dataset, uri_of, f"{path}{tag:08X}")
    except PARSE_ERRORS:  # a value that is none of its VR: as it was written
        text = bytes(getattr(raw, "value", b"") or b"").decode("ascii", "replace").strip("\0 ")
        return _object(_vr_of(raw), [json.dumps(text)] if text else [])


def little_endian(value: bytes, vr: str, *, is_little_endian: bool) -> bytes:
    """Return the bytes of a binary value in little endian, as web services have them."""
    if is_little_endian or vr not in _WORD_BYTES:
        return value
    width = _WORD_BYTES[vr]
    return np.frombuffer(value, dtype=f">u{width}").astype(f"<u{width}").tobytes()


def number_token(text: str) -> str:
    """Return a decimal or integer string as a JSON number of the same digits.

    What is no number, or one that no double can hold, stays a string (PS3.18 table F.2.3-1).
    """
    match = _NUMBER.fullmatch(text.strip("\0 "))
    if match is None or not (match[2] or match[3]) or not math.isfinite(float(match[0])):
        return json.dumps(text.strip("\0 "))
    sign = "-" if match[1] == "-" else ""
    whole = match[2].lstrip("0") or "0"
    fraction = f".{match[3]}" if match[3] else ""
    exponent = f"E{match[4]}" if match[4] else ""
    return f"{sign}{whole}{fraction}{exponent}"


def _element(element: DataElement, dataset: Dataset, uri_of: UriOf | None, path: str) -> str:
    vr, value = str(element.VR), element.value
    if vr == "SQ":
        items = [
            dataset_json(item, uri_of, path=f"{path}/{number}/")
            for number, item in enumerate(value or ())
        ]
        return _object(vr, items)
    if vr in BINARY_VRS or isinstance(value, bytes):
        return _binary(vr, bytes(value or b""), dataset, uri_of, path)
    values = _values(value)
    if vr in _NUMBER_STRING_VRS:
        return _object(vr, _tokens([str(each) for each in values]))
    return _object(vr, [_value(vr, each) for each in values])


def _values(value: Any) -> Sequence[Any]:  # noqa: ANN401 - a DICOM value of any VR
    if value is None or value == "":
        return ()
    if isinstance(value, (str, int, float, PersonName)):
        return (value,)
    return tuple(value)


def _value(vr: str, value: Any) -> str:  # noqa: ANN401 - a DICOM value of any VR
    if value is None or value == "":
        return "null"
    if vr == "PN":
        name = value if isinstance(value, PersonName) else PersonName(str(value))
        groups = {
            "Alphabetic": name.alphabetic,
            "Ideographic": name.ideographic,
            "Phonetic": name.phonetic,
        }
        return json.dumps({key: text for key, text in groups.items() if text})
    if vr == "AT":
        return f'"{int(value):08X}"'
    if isinstance(value, int):
        return str(int(value)) if abs(value) <= _EXACT_IN_A_DOUBLE else f'"{int(value)}"'
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else f'"{_spelled(value)}"'
    return json.dumps(str(value))


def _spelled(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _tokens(texts: Sequence[str]) -> list[str]:
    if not any(text.strip("\0 ") for text in texts):
        return []
    return [number_token(text) if text.strip("\0 ") else "null" for text in texts]


def _binary(vr: str, value: bytes, dataset: Dataset, uri_of: UriOf | None, path: str) -> str:
    if not value:
        return _object(vr, [])
    if len(value) > _INLINE_MOST:
        if uri_of is None:
            return _object(vr, [])
        return f'{{"vr":"{vr}","BulkDataURI":{json.dumps(uri_of(path))}}}'
    is_little = dataset.original_encoding[1] is not False
    coded = base64.b64encode(little_endian(value, vr, is_little_endian=is_little)).decode()
    return f'{{"vr":"{vr}","InlineBinary":"{coded}"}}'


def _object(vr: str, values: Sequence[str]) -> str:
    if not values:
        return f'{{"vr":"{vr}"}}'
    return f'{{"vr":"{vr}","Value":[{",".join(values)}]}}'


def _vr_of(raw: object) -> str:
    if not isinstance(raw, (DataElement, RawDataElement)):
        return "UN"
    if raw.VR:
        return str(raw.VR)
    try:
        return dictionary_VR(raw.tag)
    except KeyError:
        return "UN"


def _unambiguous(element: DataElement, dataset: Dataset) -> DataElement:
    """Settle a VR that implicit encoding leaves open, as US or SS, by the rest of the data set."""
    if " or " not in str(element.VR):
        return element
    is_little = dataset.original_encoding[1] is not False
    settled = correct_ambiguous_vr_element(copy(element), dataset, is_little)
    vr, value = str(settled.VR), settled.value
    if " or " in vr:
        vr = vr.split(" or ", maxsplit=1)[0]
    if vr in {"US", "SS"} and isinstance(value, bytes):
        kind = ("<" if is_little else ">") + ("u2" if vr == "US" else "i2")
        value = np.frombuffer(value, kind).tolist()
    return DataElement(element.tag, vr, value)

"""Arrays on the wire: a JSON header, then bytes; for slices to the page, masks there and back.

Four bytes of length (little-endian), the header padded with blanks so that the bytes after it
start at a multiple of eight, and the bytes.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError

MEDIA_TYPE: Final = "application/octet-stream"
_LENGTH: Final = 4
_ALIGNED: Final = 8
_FAST: Final = 1
_LARGEST_MASK: Final = 2**31
_AXES: Final = 3


def packet(header: Mapping[str, Any], content: bytes) -> bytes:
    """Return header and content as one body."""
    text = json.dumps(header).encode()
    text += b" " * (-(_LENGTH + len(text)) % _ALIGNED)
    return len(text).to_bytes(_LENGTH, "little") + text + content


def unpacked(body: bytes) -> tuple[dict[str, Any], bytes]:
    """Return header and content of a body.

    Raises
    ------
    InputError
        If it is none.
    """
    length = int.from_bytes(body[:_LENGTH], "little")
    try:
        header = json.loads(body[_LENGTH : _LENGTH + length])
    except ValueError as error:
        raise InputError("the body has no JSON header: send a packet as masks are got") from error
    if not isinstance(header, dict):
        raise InputError("the body's header is no JSON object: send a packet as masks are got")
    return header, body[_LENGTH + length :]


def pixels_packet(values: NDArray[Any]) -> bytes:
    """Return one slice: ``kind`` is int16, uint16, float32 or rgb, rows x columns in C order."""
    if values.ndim == _AXES:
        kind, sent = "rgb", np.ascontiguousarray(values, dtype=np.uint8)
    elif values.dtype in {np.dtype(np.int16), np.dtype(np.int8)}:
        kind, sent = "int16", values.astype("<i2")
    elif values.dtype in {np.dtype(np.uint8), np.dtype(np.uint16)}:
        kind, sent = "uint16", values.astype("<u2")
    else:
        kind, sent = "float32", values.astype("<f4")
    header = {"kind": kind, "rows": sent.shape[0], "columns": sent.shape[1]}
    return packet(header, sent.tobytes())


def mask_packet(voxels: NDArray[np.bool_], **more: object) -> bytes:
    """Return a mask as its bounding box.

    ``shape`` is that of the volume, ``origin`` and ``size`` are the box, all (slice, row, column);
    the bytes are its voxels in C order, eight to a byte, the first in the highest bit, in zlib's
    format.
    """
    origin, size = [0, 0, 0], [0, 0, 0]
    content = b""
    if voxels.any():
        for axis in range(_AXES):
            others = tuple(each for each in range(_AXES) if each != axis)
            there = np.flatnonzero(voxels.any(axis=others))
            origin[axis], size[axis] = int(there[0]), int(there[-1] - there[0] + 1)
        box = tuple(slice(at, at + n) for at, n in zip(origin, size, strict=True))
        content = zlib.compress(np.packbits(voxels[box]).tobytes(), _FAST)
    header = {"shape": list(voxels.shape), "origin": origin, "size": size, **more}
    return packet(header, content)


def mask_of(body: bytes, shape: tuple[int, int, int]) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    """Return the voxels of a mask packet on a volume of this shape, and the packet's header.

    Raises
    ------
    InputError
        If it is not of this shape, or its box does not lie inside.
    """
    header, content = unpacked(body)
    if header.get("shape") != list(shape):
        raise InputError(f"a mask of shape {header.get('shape')} does not fit a volume of {shape}")
    origin, size = _indices(header, "origin"), _indices(header, "size")
    if any(at + n > length for at, n, length in zip(origin, size, shape, strict=True)):
        raise InputError(f"box of {size} at {origin} reaches outside a volume of {shape}")
    count = size[0] * size[1] * size[2]
    voxels = np.zeros(shape, dtype=np.bool_)
    if count:
        packed = np.frombuffer(_inflated(content, -(-count // 8)), dtype=np.uint8)
        box = tuple(slice(at, at + n) for at, n in zip(origin, size, strict=True))
        voxels[box] = np.unpackbits(packed, count=count).reshape(size).astype(np.bool_)
    return voxels, header


def _indices(header: Mapping[str, Any], name: str) -> tuple[int, int, int]:
    given = header.get(name)
    whole = isinstance(given, list) and len(given) == _AXES
    if not whole or any(type(each) is not int or each < 0 for each in given or ()):
        raise InputError(f"the mask's {name} {given!r} is not three whole numbers from 0")
    assert isinstance(given, list)
    return given[0], given[1], given[2]


def _inflated(content: bytes, length: int) -> bytes:
    if length > _LARGEST_MASK:
        raise InputError(f"a mask of {length} bytes is larger than {_LARGEST_MASK}")
    worker = zlib.decompressobj()
    try:
        found = worker.decompress(content, length)
    except zlib.error as error:
        raise InputError("the mask's bytes are damaged: they are in zlib's format") from error
    if len(found) != length:
        raise InputError(f"the mask has {len(found)} bytes, its box needs {length}")
    return found

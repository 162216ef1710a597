"""Arrays on the wire: what goes out comes back, and what does not fit is refused."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from copilot.api.packet import mask_of, mask_packet, packet, pixels_packet, unpacked
from domain.errors import InputError

shapes = st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 17))


@given(shapes.flatmap(lambda shape: arrays(np.bool_, shape)))
def test_a_mask_comes_back_as_it_was(voxels):
    back, header = mask_of(mask_packet(voxels, segment=3), voxels.shape)
    assert np.array_equal(back, voxels)
    assert header["segment"] == 3
    _, content = unpacked(mask_packet(voxels))
    size = np.prod(header["size"])
    assert len(zlib.decompress(content)) == -(-size // 8) if size else content == b""


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [(np.int16, "int16"), (np.uint8, "uint16"), (np.int32, "float32"), (np.float32, "float32")],
)
def test_values_come_back_as_they_were(dtype, kind):
    values = np.array([[0, 7, 100], [3, 4, 127]], dtype=dtype)
    header, content = unpacked(pixels_packet(values))
    assert header == {"kind": kind, "rows": 2, "columns": 3}
    sent = {"int16": "<i2", "uint16": "<u2", "float32": "<f4"}[kind]
    assert np.array_equal(np.frombuffer(content, sent).reshape(2, 3), values)


def test_the_bytes_begin_where_typed_arrays_can():
    for text in ("", "a", "ab", "äöü"):
        body = packet({"text": text}, b"\1\2")
        assert (4 + int.from_bytes(body[:4], "little")) % 8 == 0
        assert unpacked(body) == ({"text": text}, b"\1\2")


@pytest.mark.parametrize(
    ("header", "content", "reason"),
    [
        ({"shape": [2, 3, 4], "origin": [0, 0, 0], "size": [1, 1, 5]}, b"", "reaches outside"),
        ({"shape": [2, 3, 5], "origin": [0, 0, 0], "size": [1, 1, 1]}, b"", "does not fit"),
        ({"shape": [2, 3, 4], "origin": [0, 0, -1], "size": [1, 1, 1]}, b"", "whole numbers"),
        ({"shape": [2, 3, 4], "origin": [0, 0, 0], "size": [1, 1, True]}, b"", "whole numbers"),
        ({"shape": [2, 3, 4], "origin": [0, 0, 0], "size": [1, 1, 1]}, b"xx", "damaged"),
        (
            {"shape": [2, 3, 4], "origin": [0, 0, 0], "size": [2, 3, 4]},
            zlib.compress(b"1"),
            "needs",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(header, content, reason):
    with pytest.raises(InputError, match=reason):
        mask_of(packet(header, content), (2, 3, 4))


@pytest.mark.parametrize("body", [b"", b"\xff\xff\xff\xff{", b"\2\0\0\0[]", b"\2\0\0\0\xff\xfe"])
def test_a_body_that_is_no_packet_is_refused(body):
    with pytest.raises(InputError, match="header"):
        unpacked(body)

"""Reading a torch checkpoint without torch."""

import hashlib
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from domain.errors import DigestMismatchError, UnreadableFileError
from segmentation.litemedsam.checkpoint import read_checkpoint


def _text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def _numbers(values) -> bytes:
    return b"(" + b"".join(b"J" + struct.pack("<i", each) for each in values) + b"t"


def _tensor(key: str, count: int, shape, strides, *, offset: int = 0, builder: bytes) -> bytes:
    storage = b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text(key) + _text("cpu")
    storage += b"J" + struct.pack("<i", count) + b"tQ"
    rest = b"J" + struct.pack("<i", offset) + _numbers(shape) + _numbers(strides)
    return builder + b"(" + storage + rest + b"\x89ccollections\nOrderedDict\n)RtR"


REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def _checkpoint(path: Path, entries: dict[str, bytes], storages: dict[str, bytes]) -> Path:
    body = b"".join(_text(name) + value for name, value in entries.items())
    pickled = b"\x80\x02ccollections\nOrderedDict\n)R(" + body + b"u."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", pickled)
        for key, raw in storages.items():
            archive.writestr(f"net/data/{key}", raw)
    return path


VALUES = np.arange(6, dtype=np.float32)


def test_tensors_come_back_with_shape_strides_and_offset(tmp_path):
    path = _checkpoint(
        tmp_path / "net.pth",
        {
            "plain": _tensor("0", 6, (2, 3), (3, 1), builder=REBUILD),
            "turned": _tensor("0", 6, (3, 2), (1, 3), builder=REBUILD),
            "tail": _tensor("0", 6, (2,), (1,), offset=4, builder=REBUILD),
        },
        {"0": VALUES.tobytes()},
    )
    tensors = read_checkpoint(path, expected_sha256=None)
    assert np.array_equal(tensors["plain"], VALUES.reshape(2, 3))
    assert np.array_equal(tensors["turned"], VALUES.reshape(2, 3).T)
    assert np.array_equal(tensors["tail"], [4, 5])


def test_the_pinned_digest_is_checked_before_anything_is_read(tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(DigestMismatchError, match="install the weights again"):
        read_checkpoint(path, expected_sha256="0" * 64)


@pytest.mark.parametrize(
    "evil", [b"cos\nsystem\n", b"cbuiltins\neval\n", b"ctorch\nload\n", b"cnumpy\nload\n"]
)
def test_a_checkpoint_that_asks_for_code_is_refused(tmp_path, evil):
    path = _checkpoint(
        tmp_path / "net.pth",
        {"weight": _tensor("0", 6, (6,), (1,), builder=evil)},
        {"0": VALUES.tobytes()},
    )
    with pytest.raises(UnreadableFileError, match="not a tensor"):
        read_checkpoint(path, expected_sha256=None)


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.95])
def test_a_truncated_file_is_named(tmp_path, kept):
    path = _checkpoint(
        tmp_path / "net.pth",
        {"weight": _tensor("0", 6, (6,), (1,), builder=REBUILD)},
        {"0": VALUES.tobytes()},
    )
    whole = path.read_bytes()
    digest = hashlib.sha256(whole).hexdigest()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(DigestMismatchError):
        read_checkpoint(path, expected_sha256=digest)
    with pytest.raises(UnreadableFileError, match=r"net\.pth"):
        read_checkpoint(path, expected_sha256=None)


def test_a_storage_of_the_wrong_length_is_named(tmp_path):
    path = _checkpoint(
        tmp_path / "net.pth",
        {"weight": _tensor("0", 6, (6,), (1,), builder=REBUILD)},
        {"0": VALUES.tobytes()[:-4]},
    )
    with pytest.raises(UnreadableFileError, match="20 bytes, expected 24"):
        read_checkpoint(path, expected_sha256=None)


def test_a_tensor_beyond_its_storage_is_refused(tmp_path):
    path = _checkpoint(
        tmp_path / "net.pth",
        {"weight": _tensor("0", 6, (7,), (1,), builder=REBUILD)},
        {"0": VALUES.tobytes()},
    )
    with pytest.raises(UnreadableFileError, match="reaches element 6"):
        read_checkpoint(path, expected_sha256=None)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UnreadableFileError, match=r"absent\.pth"):
        read_checkpoint(tmp_path / "absent.pth")

"""Read a torch checkpoint without torch.

The file is a zip archive: one pickle that names tensors, and one raw file for each storage. The
pickle may hold tensors, ordered dictionaries and plain values; whatever else it asks for is
refused, so that a checkpoint cannot run code here.
"""

import hashlib
import io
import math
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import DigestMismatchError, UnreadableFileError

LITE_MEDSAM_SHA256: Final = "79d8c9dca6db4d69d3f905579e5250af05e859fff9c1f543e89a513c3028ce76"

_CHUNK_BYTES: Final = 1 << 20
_STORAGE_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}
_PERSISTENT_FIELDS: Final = 5


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, in lower-case hexadecimal.

    Raises
    ------
    UnreadableFileError
        If it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise UnreadableFileError(
            f"{path.name} cannot be read ({error.strerror}): install the weights again"
        ) from error
    return digest.hexdigest()


def read_checkpoint(
    path: Path, expected_sha256: str | None = LITE_MEDSAM_SHA256
) -> dict[str, NDArray[Any]]:
    """Return the tensors of a torch zip checkpoint by name.

    Parameters
    ----------
    expected_sha256
        Pinned digest of the whole file; None for a checkpoint of the operator's own.

    Raises
    ------
    DigestMismatchError
        If the file is not the pinned one: truncated, replaced or tampered with.
    UnreadableFileError
        If it is no torch checkpoint, or asks for anything but tensors.
    """
    if expected_sha256 is not None:
        found = file_sha256(path)
        if found != expected_sha256:
            raise DigestMismatchError(
                f"{path.name} has sha256 {found}, expected {expected_sha256}: "
                "delete it and install the weights again"
            )
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_tensors(archive, path.name)
    except (zipfile.BadZipFile, OSError, KeyError, EOFError, ValueError, IndexError) as error:
        raise UnreadableFileError(
            f"{path.name} is not a whole torch checkpoint ({error}): install the weights again"
        ) from error
    except (pickle.UnpicklingError, TypeError, AttributeError) as error:
        raise UnreadableFileError(
            f"{path.name} holds more than tensors ({error}): use a plain state dictionary"
        ) from error


def _read_tensors(archive: zipfile.ZipFile, name: str) -> dict[str, NDArray[Any]]:
    entry = next((each for each in archive.namelist() if each.endswith("/data.pkl")), None)
    if entry is None:
        raise UnreadableFileError(f"{name} has no data.pkl: it is not a torch checkpoint")
    reader = _TensorUnpickler(archive, entry.removesuffix("data.pkl"))
    state = reader.load()
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    if not isinstance(state, dict) or not state:
        raise UnreadableFileError(f"{name} holds no dictionary of tensors")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, np.ndarray):
            raise UnreadableFileError(f"{name} holds {key!r}, which is not a named tensor")
    return dict(state)


@dataclass(frozen=True, kw_only=True)
class _StorageType:
    dtype: np.dtype[Any]


class _TensorUnpickler(pickle.Unpickler):
    """Knows four names: ordered dictionary, tensor, parameter and storage types."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(folder + "data.pkl")))
        self._archive = archive
        self._folder = folder

    def find_class(self, module_name: str, global_name: str, /) -> Any:  # noqa: ANN401 - pickle's
        if (module_name, global_name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module_name, global_name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuilt_tensor
        if module_name == "torch" and global_name in _STORAGE_DTYPES:
            return _StorageType(dtype=_STORAGE_DTYPES[global_name])
        raise UnreadableFileError(
            f"the checkpoint asks for {module_name}.{global_name}, which is not a tensor: "
            "do not use a file from this source"
        )

    def persistent_load(self, pid: Any) -> NDArray[Any]:  # noqa: ANN401 - pickle's
        if (
            not isinstance(pid, tuple)
            or len(pid) != _PERSISTENT_FIELDS
            or pid[0] != "storage"
            or not isinstance(pid[1], _StorageType)
        ):
            raise UnreadableFileError("the checkpoint refers to something that is not a storage")
        _, storage_type, key, _, count = pid
        raw = self._archive.read(f"{self._folder}data/{key}")
        if len(raw) != count * storage_type.dtype.itemsize:
            raise UnreadableFileError(
                f"storage {key} has {len(raw)} bytes, expected "
                f"{count * storage_type.dtype.itemsize}: install the weights again"
            )
        return np.frombuffer(raw, dtype=storage_type.dtype)


def _rebuilt_tensor(
    storage: NDArray[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> NDArray[Any]:
    """Return a contiguous copy of a view into a storage; ``strides`` count elements."""
    if len(shape) != len(strides) or min((offset, *shape, *strides), default=0) < 0:
        raise UnreadableFileError(f"tensor of shape {shape} and strides {strides} makes no sense")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= storage.size:
        raise UnreadableFileError(
            f"tensor of shape {shape} reaches element {last} of a storage of {storage.size}"
        )
    item = storage.dtype.itemsize
    view = np.lib.stride_tricks.as_strided(
        storage[offset:], shape, [step * item for step in strides], writeable=False
    )
    return np.array(view, order="C")

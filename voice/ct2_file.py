"""CTranslate2's ``model.bin`` read without CTranslate2: its weights as numpy arrays.

The file (version 6) is: binary version; name of the model's spec and its revision; the number of
variables, and for each its name, rank, dimensions, data type and bytes; then aliases, each a name
that stands for a variable's. Text is a 16-bit length and as many bytes, the last of which is zero.
Source: ``ctranslate2/specs/model_spec.py``, ``ModelSpec._serialize``.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import ModelMissingError

_OLDEST: Final = 4
_TYPES: Final[Mapping[int, type[np.generic]]] = {
    0: np.float32,
    1: np.int8,
    2: np.int16,
    3: np.int32,
    4: np.float16,
}


def read_ct2_file(path: Path) -> dict[str, NDArray[np.generic]]:
    """Return every variable of a converted model by its name, aliases among them.

    Raises
    ------
    ModelMissingError
        If the file is not there, was cut short or is of a kind that is not known.
    """
    try:
        with path.open("rb") as file:
            return _variables(file)
    except (OSError, struct.error, ValueError, KeyError) as error:
        raise ModelMissingError(
            f"{path} is no whole CTranslate2 model ({error}): run: radcopilot models install "
            "default"
        ) from error


def _variables(file: BinaryIO) -> dict[str, NDArray[np.generic]]:
    version = _number(file, "<I")
    if version < _OLDEST:
        raise ValueError(f"binary version {version} is older than {_OLDEST}")
    _text(file)
    _number(file, "<I")
    variables: dict[str, NDArray[np.generic]] = {}
    for _ in range(_number(file, "<I")):
        name = _text(file)
        rank = _number(file, "<B")
        shape = tuple(_number(file, "<I") for _ in range(rank))
        kind = np.dtype(_TYPES[_number(file, "<B")])
        size = _number(file, "<I")
        variables[name] = np.frombuffer(_exactly(file, size), kind).reshape(shape)
    for _ in range(_number(file, "<I")):
        alias = _text(file)
        variables[alias] = variables[_text(file)]
    return variables


def _number(file: BinaryIO, form: str) -> int:
    (value,) = struct.unpack(form, file.read(struct.calcsize(form)))
    return int(value)


def _text(file: BinaryIO) -> str:
    return _exactly(file, _number(file, "<H")).rstrip(b"\0").decode()


def _exactly(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) != size:
        raise ValueError(f"it ends {size - len(content)} bytes early")
    return content

"""What a network made of slices, kept in memory and, where prepared ahead, on disk.

Both are bounded in bytes; what was used longest ago goes first. Nothing is remembered of volumes
without UIDs once they are closed.
"""

import hashlib
import os
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.ports import seen_name
from segmentation.slicewise.slices import Embedding

_MIB: Final = 2**20
DEFAULT_MEMORY_BYTES: Final = 256 * _MIB
DEFAULT_ANSWER_BYTES: Final = 128 * _MIB
_SUFFIX: Final = ".npz"

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Values by key up to a number of bytes, the longest unused dropped first; thread-safe."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._used_bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> Value | None:
        """Return what is kept under a key, which then counts as used last."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Hashable, value: Value, size_bytes: int) -> None:
        """Keep a value; one larger than all the room is not kept."""
        with self._lock:
            self._drop(key)
            self._kept[key] = (value, size_bytes)
            self._used_bytes += size_bytes
            while self._used_bytes > self._limit_bytes:
                self._drop(next(iter(self._kept)))

    def forget(self, series: Hashable) -> None:
        """Drop all of one series: keys are tuples that start with it."""
        with self._lock:
            for key in [key for key in self._kept if isinstance(key, tuple) and key[0] == series]:
                self._drop(key)

    def _drop(self, key: Hashable) -> None:
        if key in self._kept:
            self._used_bytes -= self._kept.pop(key)[1]


class EmbeddingFolder:
    """Embeddings on disk, one file each, named by a digest of their key, a folder for each series.

    They are made of patients' images: the folder is readable by its owner only.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Embedding | None:
        """Return what was kept under a key; a damaged file is removed and counts as absent."""
        path = self._path(key)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                features = stored["features"]
                rows, columns = (int(length) for length in stored["image_shape"])
            os.utime(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            with suppress(OSError):
                path.unlink(missing_ok=True)
            return None
        return Embedding(features=features, image_shape=(rows, columns))

    def has(self, key: Hashable) -> bool:
        """Tell whether something is kept under a key."""
        return self._path(key).is_file()

    def put(self, key: Hashable, embedding: Embedding) -> None:
        """Keep an embedding, whole or not at all, and drop the longest unused above the limit.

        A full disk loses the embedding and nothing else.
        """
        with self._lock, suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._path(key)
            path.parent.mkdir(exist_ok=True, mode=0o700)
            part = path.with_suffix(".part")
            try:
                with part.open("wb") as file:
                    np.savez(file, features=embedding.features, image_shape=embedding.image_shape)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            self._shrink()

    def _shrink(self) -> None:
        files = [(path.stat(), path) for path in self._folder.rglob(f"*{_SUFFIX}")]
        used_bytes = sum(stat.st_size for stat, _ in files)
        for stat, path in sorted(files, key=lambda each: each[0].st_mtime_ns):
            if used_bytes <= self._limit_bytes:
                break
            path.unlink(missing_ok=True)
            used_bytes -= stat.st_size

    def _path(self, key: Hashable) -> Path:
        series = key[0] if isinstance(key, tuple) else key
        name = hashlib.sha256(repr(key).encode()).hexdigest() + _SUFFIX
        return self._folder / seen_name(series) / name


class EmbeddingCache:
    """Embeddings by (series, slice, window, crop, network): in memory, then on disk.

    Parameters
    ----------
    memory_bytes
        Room in memory.
    folder
        Where embeddings made ahead are kept; None keeps them in memory only.
    """

    def __init__(
        self, memory_bytes: int = DEFAULT_MEMORY_BYTES, folder: EmbeddingFolder | None = None
    ) -> None:
        self._memory: Recent[Embedding] = Recent(memory_bytes)
        self._folder = folder

    def __len__(self) -> int:
        return len(self._memory)

    def get(self, key: Hashable, make: Callable[[], Embedding]) -> Embedding:
        """Return the embedding kept under ``key``, else make it and keep it in memory."""
        found = self._kept(key)
        if found is None:
            found = make()
        self._memory.put(key, found, found.features.nbytes)
        return found

    def get_each(
        self,
        keys: Sequence[Hashable],
        make: Callable[[Sequence[int]], Sequence[Embedding]],
        *,
        on_disk: bool,
    ) -> tuple[Embedding, ...]:
        """Return the embedding kept under each key; those that are missing are made together.

        Parameters
        ----------
        make
            Given the places of the missing keys.
        on_disk
            Whether new ones are kept in the folder too, where there is one.
        """
        found = {place: self._kept(key) for place, key in enumerate(keys)}
        missing = [place for place, embedding in found.items() if embedding is None]
        if missing:
            for place, made in zip(missing, make(missing), strict=True):
                found[place] = made
                if on_disk and self._folder is not None:
                    self._folder.put(keys[place], made)
        embeddings = tuple(each for each in found.values() if each is not None)
        for key, embedding in zip(keys, embeddings, strict=True):
            self._memory.put(key, embedding, embedding.features.nbytes)
        return embeddings

    def _kept(self, key: Hashable) -> Embedding | None:
        found = self._memory.get(key)
        if found is None and self._folder is not None:
            found = self._folder.get(key)
        return found

    def prepare(self, key: Hashable, make: Callable[[], Embedding]) -> bool:
        """Make the embedding ahead, to the folder where there is one; tell whether it was new."""
        if self._folder is not None:
            if self._folder.has(key):
                return False
            self._folder.put(key, self._memory.get(key) or make())
            return True
        if self._memory.get(key) is not None:
            return False
        made = make()
        self._memory.put(key, made, made.features.nbytes)
        return True

    def forget(self, series: Hashable) -> None:
        """Drop everything of one series from memory."""
        self._memory.forget(series)


Answer = NDArray[np.float16]
"""Logits (hints, rows, columns) of a crop, at half precision."""

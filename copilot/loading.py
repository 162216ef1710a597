"""Volumes of series, the last ones kept in memory: one command on a series follows another."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from dicom_node.volumes import load_series
from domain.errors import RadcopilotError
from domain.ports import Progress, no_progress
from domain.volume import Volume

_MOST_BYTES: Final = 768 * 2**20
_Key = tuple[tuple[Path, int, int], ...]


class Volumes:
    """Loads the volume of a series' files; one whose files did not change is not read twice.

    Parameters
    ----------
    most_bytes
        The voxels kept, at most; a volume larger than that is not kept.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[_Key, Volume] = OrderedDict()
        self._turn = threading.Lock()
        self._loading: dict[_Key, threading.Lock] = {}
        self._ahead = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loading-ahead")

    def load(self, paths: Sequence[Path], progress: Progress = no_progress) -> Volume:
        """Return the volume of one series, as ``load_series`` does.

        Two that ask for the same files at once wait for one reading. Its voxels are for reading
        alone.

        Raises
        ------
        UnreadableFileError
            If a file cannot be read or decoded.
        GeometryError
            If the frames make no regular volume.
        InputError
            If the files are of several series, or lack UIDs.
        """
        key = _key(paths)
        if key is None:  # load_series names what is wrong with the files
            return load_series(paths, progress)
        with self._turn:
            mine = self._loading.setdefault(key, threading.Lock())
        try:
            with mine:
                volume = self._found(key)
                if volume is None:
                    volume = load_series(paths, progress)
                    volume.voxels.setflags(write=False)
                    self._keep(key, volume)
                return volume
        finally:
            with self._turn:
                self._loading.pop(key, None)

    def ahead(self, paths: Sequence[Path]) -> None:
        """Load a volume in the background: a command on it may follow."""
        self._ahead.submit(self._try, tuple(paths))

    def close(self, *, wait: bool = False) -> None:
        """Load nothing more ahead; ``wait`` for what is to be loaded, or forget it."""
        self._ahead.shutdown(wait=wait, cancel_futures=not wait)

    def _try(self, paths: tuple[Path, ...]) -> None:
        try:
            self.load(paths)
        except RadcopilotError:  # the command will say why
            return

    def _found(self, key: _Key) -> Volume | None:
        with self._turn:
            volume = self._kept.get(key)
            if volume is not None:
                self._kept.move_to_end(key)
            return volume

    def _keep(self, key: _Key, volume: Volume) -> None:
        if volume.voxels.nbytes > self._most_bytes:
            return
        with self._turn:
            self._kept[key] = volume
            while sum(each.voxels.nbytes for each in self._kept.values()) > self._most_bytes:
                self._kept.popitem(last=False)


def _key(paths: Sequence[Path]) -> _Key | None:
    """Return what tells these files from others and from themselves changed."""
    try:
        stats = [path.stat() for path in paths]
    except OSError:
        return None
    return tuple(
        (path, each.st_mtime_ns, each.st_size) for path, each in zip(paths, stats, strict=True)
    )

"""Series laid out for looking at; the last ones are kept, since a page asks slice by slice."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

from dicom_node.slices import SeriesSlices, open_slices
from domain.errors import InputError
from domain.ports import Archive
from domain.uids import SeriesUID

_MOST_OPEN: Final = 6


class Lightbox:
    """Lays out stored series; one that grew is laid out anew."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._open: OrderedDict[tuple[Path, ...], SeriesSlices] = OrderedDict()
        self._turn = threading.Lock()

    def of(self, series: SeriesUID) -> SeriesSlices:
        """Return a stored series.

        Raises
        ------
        InputError
            If it is not stored here.
        UnreadableFileError
            If a file of it cannot be read, or it holds no image.
        """
        paths = self.files(series)
        with self._turn:
            found = self._open.pop(paths, None) or open_slices(paths)
            self._open[paths] = found
            while len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
        return found

    def files(self, series: SeriesUID) -> tuple[Path, ...]:
        """Return the files of a stored series.

        Raises
        ------
        InputError
            If it is not stored here.
        """
        paths = self._archive.instance_paths(series)
        if not paths:
            raise InputError(f"series {series} is not stored here: send it to this node first")
        return paths

"""Room on the disk: asked before each object is taken, so that it is refused before the disk fills.

A full disk fails everything at once: results, the index, the audit trail. What is left below the
watermark is theirs.
"""

import logging
import shutil
import threading
from pathlib import Path
from typing import Final

from domain.errors import NoRoomError

log: Final = logging.getLogger(__name__)

_BYTES_PER_GB: Final = 1e9


class Room:
    """The disk under a folder, with how much of it must stay free; may be asked from any thread.

    Attributes
    ----------
    refused
        Objects that were refused.
    shortages
        How often that began.
    """

    def __init__(self, folder: Path, least_free_bytes: int = 0) -> None:
        self._folder = folder
        self.least_free_bytes = least_free_bytes
        self._lock = threading.Lock()
        self._is_refusing = False
        self.refused = 0
        self.shortages = 0

    @property
    def free_bytes(self) -> int:
        """What is free now."""
        return shutil.disk_usage(_existing(self._folder)).free

    @property
    def is_low(self) -> bool:
        """Whether less is free than must stay."""
        return self.free_bytes < self.least_free_bytes

    def check(self, size: int) -> None:
        """Refuse an object of so many bytes that would leave too little.

        Raises
        ------
        NoRoomError
            Naming what is free, what must stay, and the remedy.
        """
        free = self.free_bytes
        is_short = free - size < self.least_free_bytes
        with self._lock:
            self.refused += is_short
            turned, self._is_refusing = is_short != self._is_refusing, is_short
            self.shortages += turned and is_short
        if turned and is_short:
            log.error(
                "room.low free_gb=%.2f least_free_gb=%.2f objects=refused",
                free / _BYTES_PER_GB,
                self.least_free_bytes / _BYTES_PER_GB,
            )
        elif turned:
            log.info("room.again free_gb=%.2f objects=taken", free / _BYTES_PER_GB)
        if is_short:
            raise NoRoomError(
                f"{free / _BYTES_PER_GB:.2f} GB are free in {self._folder}, and "
                f"{self.least_free_bytes / _BYTES_PER_GB:g} must stay free: make room (radcopilot "
                "studies tidy), or see [retention]"
            )


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder

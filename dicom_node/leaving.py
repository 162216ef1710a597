"""Files on their way out of the store: set aside, then gone, or put back.

The rows of the index decide. A file that is set aside and still has its row is one whose removal
was cut off before it was settled: it goes back. One without a row is gone already, and is deleted.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from domain.errors import InputError, StorageError
from domain.uids import InstanceUID

log: Final = logging.getLogger(__name__)

PathOf = Callable[[InstanceUID], Path]


class Leaving:
    """A folder beside the instances; one removal at a time, over all processes of this machine."""

    def __init__(self, folder: Path, path_of: PathOf) -> None:
        self._folder = folder
        self._path_of = path_of

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold off every other removal; a process that dies lets go.

        Raises
        ------
        StorageError
            If another removal or a backup is going on.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StorageError(
                    "another removal, or a backup of the studies, is going on: try again when it "
                    "is done"
                ) from error
            yield
        finally:
            os.close(descriptor)

    def set_aside(self, uids: Sequence[InstanceUID], last_arrival_s: float) -> int:
        """Move the files of instances out of their places, all or none; return their bytes.

        Raises
        ------
        InputError
            If one of them was sent again after ``last_arrival_s``; all are back then.
        StorageError
            If none of the files is here: they are on another machine, or their disk is not.
        """
        if not any(self._path_of(uid).exists() for uid in uids):
            raise StorageError(
                f"none of {len(uids)} files is in {self._path_of(uids[0]).parent.parent}: remove "
                "the study on the machine that holds it, with its disk mounted"
            )
        size = 0
        for uid in uids:
            try:
                self._path_of(uid).rename(self._aside(uid))
            except FileNotFoundError:  # without its file, it leaves the index all the same
                continue
            found = self._aside(uid).stat()
            size += found.st_size
            if found.st_mtime > last_arrival_s:
                self.put_back(uids)
                raise InputError("the study is being sent again: it stays")
        return size

    def put_back(self, uids: Sequence[InstanceUID]) -> None:
        """Move files back to their places."""
        for uid in uids:
            aside, place = self._aside(uid), self._path_of(uid)
            if not aside.exists():
                continue
            came_again = place.exists()
            aside.replace(place)  # the first of a UID stays
            if came_again:
                os.utime(place)

    def delete(self, uids: Sequence[InstanceUID]) -> tuple[Path, ...]:
        """Delete what was set aside; return the places that hold a file again, sent meanwhile."""
        for uid in uids:
            self._aside(uid).unlink(missing_ok=True)
        places = (self._path_of(uid) for uid in uids)
        return tuple(place for place in places if place.exists())

    def recover(self, known: Callable[[], Collection[str]]) -> None:
        """Settle what a removal that was cut off left here; ``known`` lists the files with rows."""
        if not self._folder.is_dir():
            return
        try:
            with self.alone():
                left = [InstanceUID(path.stem) for path in self._folder.glob("*.dcm")]
                with_row = known() if left else ()
                back = [uid for uid in left if str(self._path_of(uid)) in with_row]
                self.put_back(back)
                self.delete([uid for uid in left if uid not in set(back)])
        except StorageError:  # another process is at it now
            return
        if left:
            log.warning("removal.cut_off back=%d deleted=%d", len(back), len(left) - len(back))

    def _aside(self, uid: InstanceUID) -> Path:
        return self._folder / f"{uid}.dcm"

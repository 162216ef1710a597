"""A series is read once for the commands that follow one another on it."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from copilot.loading import Volumes
from domain.errors import UnreadableFileError
from tests.phantoms import ct, ellipsoid, grid, series

SLICES = 6


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, ...]:
    on = grid(shape=(SLICES, 32, 32), spacing_mm=(2.0, 1.0, 1.0))
    return series(tmp_path / "ct", ct(on, ellipsoid(on, (4.0, 6.0, 6.0)), hu=50.0))


class Readings:
    """Counts how often a series is begun to be read."""

    def __init__(self) -> None:
        self.begun = 0

    def __call__(self, fraction: float, stage: str) -> None:
        assert stage == "reading images"
        self.begun += fraction == 0.0


def test_a_series_is_read_once(files: tuple[Path, ...]) -> None:
    volumes, readings = Volumes(), Readings()
    first = volumes.load(files, readings)
    assert volumes.load(files, readings) is first
    assert readings.begun == 1


def test_nobody_can_change_what_the_next_command_gets(files: tuple[Path, ...]) -> None:
    volume = Volumes().load(files)
    with pytest.raises(ValueError, match="read-only"):
        volume.voxels[0, 0, 0] = 7


def test_files_that_changed_are_read_again(files: tuple[Path, ...]) -> None:
    volumes = Volumes()
    first = volumes.load(files)
    os.utime(files[2], ns=(1, 1))
    again = volumes.load(files)
    assert again is not first
    assert np.array_equal(again.voxels, first.voxels)
    assert volumes.load(files[:-1]).grid.shape[0] == SLICES - 1


def test_two_at_once_wait_for_one_reading(files: tuple[Path, ...]) -> None:
    volumes, readings = Volumes(), Readings()
    got = []
    threads = [
        threading.Thread(target=lambda: got.append(volumes.load(files, readings))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(volume) for volume in got}) == 1
    assert readings.begun == 1


def test_what_is_kept_is_bounded(files: tuple[Path, ...], tmp_path: Path) -> None:
    on = grid(shape=(SLICES, 32, 32), spacing_mm=(2.0, 1.0, 1.0))
    others = series(tmp_path / "other", ct(on, ellipsoid(on, (4.0, 6.0, 6.0)), hu=50.0))
    one = Volumes().load(files).voxels.nbytes
    room_for_one = Volumes(most_bytes=one)
    first = room_for_one.load(files)
    room_for_one.load(others)
    assert room_for_one.load(files) is not first
    no_room, readings = Volumes(most_bytes=one - 1), Readings()
    no_room.load(files, readings)
    no_room.load(files, readings)
    assert readings.begun == 2


def test_what_is_loaded_ahead_is_there_and_what_cannot_be_is_said_later(
    files: tuple[Path, ...], tmp_path: Path
) -> None:
    volumes, readings = Volumes(), Readings()
    missing = tmp_path / "gone.dcm"
    volumes.ahead([missing])
    volumes.ahead(files)
    volumes.close(wait=True)
    volumes.load(files, readings)
    assert readings.begun == 0
    with pytest.raises(UnreadableFileError, match=r"gone\.dcm"):
        volumes.load([missing])

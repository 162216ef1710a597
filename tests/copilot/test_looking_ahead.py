"""Series are looked at as they arrive; the radiologist's command goes first."""

import threading
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from copilot.looking_ahead import LookingAhead
from domain.errors import InputError
from domain.uids import SeriesUID
from tests.contracts.segmenters import EllipsoidSegmenter, bright_ball

ONE, OTHER, BAD = SeriesUID("1.2.1"), SeriesUID("1.2.2"), SeriesUID("1.2.99")
LONG_S = 20.0


class Looker(EllipsoidSegmenter):
    """Looks at four slices of each volume, each when it is let."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.started = threading.Event()
        self.let = threading.Event()
        self.let.set()

    def look_ahead(self, volume, progress):  # noqa: ARG002 - the port's
        for index in range(4):
            progress(index / 4, f"slice {index}")
            self.started.set()
            self.let.wait(LONG_S)
            self.seen.append(index)
        return 4


class Files:
    """An archive where each series is one file."""

    def instance_paths(self, series):
        return (Path(f"{series}.dcm"),)

    def series_of(self, study):  # noqa: ARG002 - the port's
        return ()


def _image(series, **more):
    header = Dataset()
    header.SeriesInstanceUID = series
    header.Rows = 4
    for name, value in more.items():
        setattr(header, name, value)
    return header


def _wait_until(condition):
    done = threading.Event()
    for _ in range(int(LONG_S / 0.01)):
        if condition():
            return
        done.wait(0.01)
    pytest.fail("it never came to that")


@pytest.fixture
def ahead():
    engine = Looker()
    loaded: list[str] = []

    def load(files):
        loaded.append(files[0].stem)
        if files[0].stem == BAD:
            raise InputError("this series cannot be read")
        return bright_ball()[0]

    looking = LookingAhead(engine, load, quiet_s=0.01)
    looking.start(Files())
    yield looking, engine, loaded
    engine.let.set()
    looking.close()


def test_each_series_that_arrived_is_looked_at_once_however_many_images_it_has(ahead):
    looking, engine, loaded = ahead
    with looking.stood_aside():
        for _ in range(30):
            looking.arrived(_image(ONE), Path())
        looking.arrived(_image(OTHER), Path())
    _wait_until(lambda: looking.is_idle)
    assert sorted(loaded) == [ONE, OTHER]
    assert engine.seen == [0, 1, 2, 3, 0, 1, 2, 3]


def test_objects_without_pixels_and_our_own_are_not_looked_at(ahead):
    looking, _, loaded = ahead
    report = _image(ONE)
    del report.Rows
    looking.arrived(report, Path())
    assert looking.is_idle
    assert not loaded


def test_while_a_command_runs_nothing_is_looked_at(ahead):
    looking, engine, _ = ahead
    engine.let.clear()
    looking.arrived(_image(ONE), Path())
    assert engine.started.wait(LONG_S)
    with looking.stood_aside():
        engine.let.set()
        _wait_until(lambda: engine.seen == [0])
        engine.started.clear()
        assert not engine.started.wait(0.1)
        assert not looking.is_idle
    _wait_until(lambda: looking.is_idle)
    assert engine.seen == [0, 1, 2, 3]


def test_a_series_can_be_given_up_while_waiting_and_while_being_looked_at(ahead):
    looking, engine, loaded = ahead
    engine.let.clear()
    looking.arrived(_image(ONE), Path())
    assert engine.started.wait(LONG_S)
    looking.arrived(_image(OTHER), Path())
    looking.cancel(OTHER)
    looking.cancel(ONE)
    engine.let.set()
    _wait_until(lambda: looking.is_idle)
    assert loaded == [ONE]
    assert engine.seen == [0]


def test_a_series_that_cannot_be_read_does_not_stop_the_next(ahead):
    looking, engine, loaded = ahead
    looking.arrived(_image(BAD), Path())
    _wait_until(lambda: looking.is_idle)
    looking.arrived(_image(ONE), Path())
    _wait_until(lambda: looking.is_idle)
    assert loaded == [BAD, ONE]
    assert engine.seen == [0, 1, 2, 3]


def test_closing_ends_the_work_in_hand():
    engine = Looker()
    engine.let.clear()
    looking = LookingAhead(engine, lambda _: bright_ball()[0], quiet_s=0.0)
    looking.start(Files())
    looking.arrived(_image(ONE), Path())
    assert engine.started.wait(LONG_S)
    engine.let.set()
    looking.close()
    assert len(engine.seen) <= 4


def test_an_engine_that_cannot_look_ahead_is_never_asked():
    looking = LookingAhead(EllipsoidSegmenter(), lambda _: bright_ball()[0], quiet_s=0.0)
    looking.arrived(_image(ONE), Path())
    assert looking.is_idle

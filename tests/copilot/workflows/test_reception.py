"""From arriving images to a complete study: judged once for what is there, opened by what comes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import create_engine

from copilot.system import SystemClock
from copilot.workflows.book import Book, Origin
from copilot.workflows.durable import Durable, Workflow
from copilot.workflows.reception import (
    FETCHES,
    PRIORS,
    RECEIVE,
    STUDIES,
    Arrived,
    Asking,
    Reception,
)
from dicom_node.completeness import QuietPeriods, State
from dicom_node.equipment import MANUFACTURER
from domain.errors import PeerUnreachableError

STUDY = "1.2.3"
QUIET_S = 0.3


class Shelf:
    """Series as they are put here."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, tuple[str, ...]]] = {}
        self.last_s: dict[str, float] = {}

    def put(self, series: str, count: int, study: str = STUDY) -> None:
        """Hold so many instances of a series."""
        uids = tuple(f"{series}.{number}" for number in range(1, count + 1))
        self.held.setdefault(study, {})[series] = uids
        self.last_s[series] = time.time()

    def series(self, study):
        """Return the series of a study."""
        found = self.held.get(study, {})
        return {uid: Arrived(modality="CT", instances=several) for uid, several in found.items()}

    def last_arrival_s(self, series):
        """Return when it last grew."""
        return self.last_s[series]

    def counts(self):
        """Return all counts."""
        return {
            study: {uid: len(several) for uid, several in found.items()}
            for study, found in self.held.items()
        }


class Site:
    """A reception over a database of its own; what it lets begin is noted."""

    def __init__(self, folder, asking: Asking | None = None, priors=None) -> None:
        self.shelf = Shelf()
        self.folder = folder
        self.asking = asking or Asking()
        self.begun: list[tuple[str, ...]] = []
        self.priors = priors
        self.book = Book(create_engine(f"sqlite:///{folder / 'site.db'}"), SystemClock())

    @contextmanager
    def open(self) -> Iterator[Reception]:
        """Receive while within."""
        durable = Durable(f"sqlite:///{self.folder}/work.db")
        made = Reception(
            shelf=self.shelf,
            book=self.book,
            durable=durable,
            periods=QuietPeriods(default_s=QUIET_S),
            asking=self.asking,
            complete=lambda _study, series: self.begun.append(tuple(sorted(series))),
            priors=self.priors,
        )
        durable.start(
            [
                Workflow(name=RECEIVE, run=made.receive, queue=STUDIES),
                Workflow(name=PRIORS, run=made.fetch_priors, queue=FETCHES),
            ]
        )
        try:
            made.start()
            yield made
        finally:
            made.close()
            durable.close()

    def arrives(self, reception: Reception, series: str, count: int, **more: str) -> None:
        """Put a series here, and tell."""
        self.shelf.put(series, count)
        header = Dataset()
        header.StudyInstanceUID, header.Modality = STUDY, "CT"
        for keyword, value in more.items():
            setattr(header, keyword, value)
        reception.arrived(header, self.folder)

    @property
    def state(self) -> State | None:
        """Of the study."""
        entry = self.book.get(STUDY)
        return entry.state if entry else None


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def until(is_so, seconds=15.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.05)
    return False


def test_a_study_is_judged_once_it_is_quiet(site):
    with site.open() as reception:
        site.arrives(reception, "1.2.3.1", 3)
        assert site.state is None
        assert until(lambda: site.begun)
        assert site.begun == [("1.2.3.1",)]
        assert site.state is State.COMPLETE
        assert "by quiet alone" in site.book.get(STUDY).says


def test_re_sent_images_begin_nothing(site):
    with site.open() as reception:
        site.arrives(reception, "1.2.3.1", 3)
        assert until(lambda: site.begun)
        site.arrives(reception, "1.2.3.1", 3)
        time.sleep(QUIET_S + 2.0)
        assert len(site.begun) == 1


def test_late_images_open_it_again(site):
    with site.open() as reception:
        site.arrives(reception, "1.2.3.1", 3)
        assert until(lambda: site.begun)
        site.arrives(reception, "1.2.3.1", 4)
        assert until(lambda: len(site.begun) == 2)
        assert site.book.get(STUDY).counts == {"1.2.3.1": 4}


def test_our_own_objects_begin_nothing(site):
    with site.open() as reception:
        site.arrives(reception, "1.2.3.1", 1, Manufacturer=MANUFACTURER)
        time.sleep(QUIET_S + 1.5)
        assert site.begun == []
        assert site.state is None


def test_what_came_while_nobody_watched_is_found_at_the_start(site):
    with site.open():
        pass
    site.shelf.put("1.2.3.1", 2)
    with site.open():
        assert until(lambda: site.begun == [("1.2.3.1",)])
    with site.open():
        time.sleep(QUIET_S + 1.5)
    assert len(site.begun) == 1, "and not a second time"


def test_what_was_here_before_the_book_begins_nothing_until_it_grows(site):
    site.shelf.put("1.2.3.1", 2)
    site.shelf.put("1.2.3.2", 5)
    with site.open() as reception:
        time.sleep(QUIET_S + 1.5)
        assert site.begun == []
        site.arrives(reception, "1.2.3.1", 3)
        assert until(lambda: site.begun)
    assert site.begun == [("1.2.3.1",)], "the series that did not grow is left alone"


def test_a_fetched_study_begins_nothing(site):
    with site.open() as reception:
        site.book.note(STUDY, Origin.FETCHED)
        site.arrives(reception, "1.2.3.1", 3)
        site.book.settle(STUDY, {"1.2.3.1": 3})
        time.sleep(QUIET_S + 1.5)
        assert [each for each in site.begun if each] == []


def test_an_archive_that_counts_more_is_waited_for(tmp_path):
    asked = []

    def counted(study):
        asked.append(study)
        return {"1.2.3.1": 5}

    site = Site(tmp_path, Asking(counted=counted, pause_s=0.3, most=4))
    with site.open() as reception:
        site.arrives(reception, "1.2.3.1", 3)
        assert until(lambda: len(asked) == 4)
        assert site.state is State.INCOMPLETE
        assert "2 missing in 1 series" in site.book.get(STUDY).says
        assert site.begun == []
        site.arrives(reception, "1.2.3.1", 5)
        assert until(lambda: site.begun)
        assert site.state is State.COMPLETE


def test_what_is_missing_is_fetched(tmp_path):
    def fetch(_study):
        site.arrives(site.reception, "1.2.3.1", 5)

    site = Site(tmp_path, Asking(counted=lambda _study: {"1.2.3.1": 5}, fetch=fetch, most=2))
    with site.open() as site.reception:
        site.arrives(site.reception, "1.2.3.1", 3)
        assert until(lambda: site.begun)
        assert site.book.get(STUDY).counts == {"1.2.3.1": 5}


def test_an_archive_that_is_away_is_asked_a_few_times_and_then_quiet_decides(tmp_path):
    asked = []

    def counted(study):
        asked.append(study)
        raise PeerUnreachableError("PACS does not answer")

    site = Site(tmp_path, Asking(counted=counted, pause_s=0.2, most=3))
    with site.open() as reception:
        site.arrives(reception, "1.2.3.1", 3)
        assert until(lambda: site.begun)
        assert len(asked) == 3
        assert "by quiet alone" in site.book.get(STUDY).says


def test_priors_are_fetched_once_for_a_new_study(tmp_path):
    fetched = []
    site = Site(tmp_path, priors=fetched.append)
    with site.open() as reception:
        site.arrives(reception, "1.2.3.1", 3)
        assert until(lambda: fetched)
        site.arrives(reception, "1.2.3.1", 4)
        assert until(lambda: len(site.begun) == 2)
    assert fetched == [STUDY]

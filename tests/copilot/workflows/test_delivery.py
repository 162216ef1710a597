"""The outbox and its workflow: retried by kind of failure, never two, and dead letters kept."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from copilot.audit import SqlAuditLog
from copilot.concepts import load_concepts
from copilot.results import Results, State, result_of
from copilot.system import SystemClock
from copilot.workflows.delivery import Courier, Outbox
from copilot.workflows.delivery import State as Delivered
from copilot.workflows.packing import Packer
from domain.errors import InputError, PeerRefusedError, PeerUnreachableError
from domain.ports import PublishReceipt
from domain.uids import InstanceUID, SeriesUID, StudyUID

RESULT = "a" * 32


class Archive:
    """A destination that fails as it is told to, in order, and then does not."""

    def __init__(self, *failures: Exception, confirms: bool = True, loses: int = 0) -> None:
        self._failures = list(failures)
        self._confirms = confirms
        self._loses = loses
        self.stored: list[str] = []

    def store(self, files: Sequence[Path]) -> tuple[InstanceUID, ...]:
        """Take files, or fail."""
        if self._failures:
            raise self._failures.pop(0)
        self.stored += [path.name for path in files]
        return tuple(InstanceUID(f"1.2.{n}") for n, _ in enumerate(files, start=1))

    def confirm(self, files: Sequence[Path]) -> tuple[InstanceUID, ...] | None:
        """Say what is kept, or that nothing can be said."""
        if self._loses:
            self._loses -= 1
            raise PeerRefusedError("ARCHIVE does not find 1.2.1")
        kept = tuple(InstanceUID(f"1.2.{n}") for n, _ in enumerate(files, start=1))
        return kept if self._confirms else None

    def publish(self, files: Sequence[Path]) -> PublishReceipt:
        """Store and confirm."""
        return PublishReceipt(stored=self.store(files), committed=self.confirm(files))


class Nothing:
    """An archive without images."""

    def instance_paths(self, _series: SeriesUID) -> tuple[Path, ...]:
        """Return no files."""
        return ()

    def series_of(self, _study: StudyUID) -> tuple[SeriesUID, ...]:
        """Return no series."""
        return ()


class Site:
    """Results, outbox and courier over one database; steps are done at once."""

    def __init__(self, folder: Path, **destinations: Archive) -> None:
        engine = create_engine(f"sqlite:///{folder / 'site.db'}")
        audit = SqlAuditLog(engine, SystemClock())
        self.results = Results(engine, audit, folder / "results")
        document = {"masks": [{"segment": 1}], "command": {"action": "segment"}}
        result = result_of(RESULT, SystemClock().now(), "1.2.3", document)
        self.results.add(result, "tester")
        self.results.move(RESULT, State.ACCEPTED, frozenset({State.WAITING}), "tester")
        self.outbox = Outbox(engine, SystemClock())
        self.audit = audit
        self.pauses: list[float] = []
        self.results.folder(RESULT).mkdir(parents=True)
        packer = Packer(
            results=self.results, archive=Nothing(), concepts=load_concepts(), destinations={}
        )
        self.courier = Courier(
            outbox=self.outbox,
            results=self.results,
            publishers=destinations,
            audit=audit,
            packer=packer,
        )

    def deliver(self, destination: str = "ARCHIVE") -> str:
        """Try until it is over, the pauses noted and not waited."""
        while True:
            planned: list[float] = []
            outcome = self.courier.deliver(
                RESULT,
                destination,
                lambda run, _name: run(),
                lambda _delivery, pause_s, planned=planned: planned.append(pause_s),
            )
            if not planned:
                return outcome
            self.pauses += planned


@pytest.fixture
def site(tmp_path):
    def made(**destinations):
        return Site(tmp_path, **destinations)

    return made


def test_what_is_delivered_is_confirmed_and_the_result_is_sent(site):
    archive = Archive()
    here = site(ARCHIVE=archive)
    here.outbox.put(RESULT, "ARCHIVE")
    assert here.deliver() == "committed"
    assert archive.stored == ["seg.dcm", "sr.dcm"]
    assert here.results.get(RESULT).state is State.SENT


def test_a_destination_that_is_away_is_tried_again_with_growing_pauses(site):
    away = PeerUnreachableError("ARCHIVE does not answer")
    here = site(ARCHIVE=Archive(*[away] * 11))
    here.outbox.put(RESULT, "ARCHIVE")
    assert here.deliver() == "committed"
    assert here.pauses == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_a_destination_that_refuses_three_times_is_a_dead_letter_with_its_words(site):
    no = PeerRefusedError("ARCHIVE answered 0xA900: wrong SOP class")
    here = site(ARCHIVE=Archive(*[no] * 3))
    here.outbox.put(RESULT, "ARCHIVE")
    assert here.deliver() == "failed"
    (dead,) = here.outbox.all([Delivered.FAILED])
    assert dead.says == "ARCHIVE answered 0xA900: wrong SOP class"
    assert here.results.get(RESULT).state is State.ACCEPTED
    again = here.outbox.again(RESULT, "ARCHIVE")
    assert again.workflow_id != dead.workflow_id
    assert here.deliver() == "committed"


def test_a_destination_that_lost_it_is_asked_again_before_it_is_a_failure(site):
    here = site(ARCHIVE=Archive(loses=2))
    here.outbox.put(RESULT, "ARCHIVE")
    assert here.deliver() == "committed"


def test_a_destination_that_offers_no_way_to_confirm_is_said_to(site):
    here = site(ARCHIVE=Archive(confirms=False))
    here.outbox.put(RESULT, "ARCHIVE")
    assert here.deliver() == "unconfirmed"
    assert "no storage commitment and answers no query" in here.outbox.of(RESULT)[0].says


def test_a_result_is_sent_when_every_destination_has_it(site):
    here = site(ARCHIVE=Archive(), READER=Archive())
    for name in ("ARCHIVE", "READER"):
        here.outbox.put(RESULT, name)
    here.deliver("ARCHIVE")
    assert here.results.get(RESULT).state is State.ACCEPTED
    here.deliver("READER")
    assert here.results.get(RESULT).state is State.SENT


def test_a_destination_that_was_taken_out_of_the_settings_is_a_dead_letter(site):
    here = site()
    here.outbox.put(RESULT, "ARCHIVE")
    assert here.deliver() == "failed"
    assert "no destination is called 'ARCHIVE' any more" in here.outbox.of(RESULT)[0].says


def test_what_was_cancelled_stays_so_whatever_comes_back(site):
    here = site(ARCHIVE=Archive())
    here.outbox.put(RESULT, "ARCHIVE")
    here.outbox.stop(RESULT, "ARCHIVE")
    assert here.deliver() == "cancelled"
    assert here.outbox.of(RESULT)[0].state is Delivered.CANCELLED
    with pytest.raises(InputError, match="only an open one"):
        here.outbox.stop(RESULT, "ARCHIVE")


def test_a_delivery_is_put_once(site):
    here = site(ARCHIVE=Archive())
    one, other = (here.outbox.put(RESULT, "ARCHIVE") for _ in range(2))
    assert one.workflow_id == other.workflow_id
    assert len(here.outbox.all()) == 1
    here.deliver()
    assert here.outbox.put(RESULT, "ARCHIVE").state is Delivered.COMMITTED


def test_a_failure_is_in_the_audit_trail(site):
    here = site(ARCHIVE=Archive(*[PeerRefusedError("no")] * 3))
    here.outbox.put(RESULT, "ARCHIVE")
    before = here.audit.verify()
    here.deliver()
    assert here.audit.verify() == before + 1

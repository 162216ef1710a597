"""What may go: never what is unconfirmed, kept or arriving; what goes is written down."""

import json
import os
import time

import psycopg
import pydicom
import pytest
from sqlalchemy import select, update

from copilot.audit import SqlAuditLog, acts
from copilot.cli.main import run
from copilot.housekeeping import Housekeeping, Turns
from copilot.keeping.keeper import Keeper
from copilot.keeping.policy import Limits
from copilot.results import Result, State, commands
from copilot.settings import Settings, load_settings
from copilot.system import SystemClock
from copilot.wiring.house import House
from copilot.workflows.book import Origin
from copilot.workflows.delivery import State as Delivered
from copilot.workplace import Workplace
from domain.errors import InputError, NoRoomError
from domain.ports import seen_name
from domain.uids import InstanceUID, StudyUID
from tests.phantoms import ct, ellipsoid, grid, series

OLD_S = 40 * 86_400


class Site:
    """A site with a study of long ago."""

    def __init__(self, folder, database="", **retention):
        settings = load_settings().model_dump()
        settings["storage"] |= {"folder": str(folder / "site"), "database": database}
        settings["retention"] |= retention
        self.folder = folder
        self.home = House(Settings.model_validate(settings))
        self.workplace = Workplace(self.home)
        self.keeping = Housekeeping(self.home, self.workplace)
        self.keeper = self.keeping.keeper

    def study(self, name="old", age_s=OLD_S):
        on = grid()
        files = series(self.folder / name, ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))
        for path in files:
            uid = InstanceUID(str(pydicom.dcmread(path).SOPInstanceUID))
            self.home.store.keep(uid, path.read_bytes())
            os.utime(self.home.store.path_of(uid), (time.time() - age_s,) * 2)
        self.home.store.settle()
        header = pydicom.dcmread(files[0])
        return StudyUID(str(header.StudyInstanceUID)), str(header.SeriesInstanceUID)

    def result(self, series_uid, state, identity="ab" * 16, **deliveries):
        document = {"command": {"action": "segment"}, "masks": [{}], "text": "t", "files": {}}
        at = "2020-01-02T00:00:00+00:00"
        self.home.results.add(
            Result(
                id=identity,
                at=at,
                series_instance_uid=series_uid,
                state=state,
                document=document,
            ),
            "a reader",
        )
        for destination, delivered in deliveries.items():
            self.home.outbox.put(identity, destination)
            self.home.outbox.note((identity, destination), delivered, "")

    def reasons(self, study):
        return self.keeper.of(study).reasons


@pytest.fixture
def make(tmp_path):
    made = []

    def site(**retention):
        made.append(Site(tmp_path, **retention))
        return made[-1]

    yield site
    for each in made:
        each.home.store.close()
        each.home.close()


def test_what_nobody_made_anything_of_may_go_and_is_gone(make):
    site = make()
    study, series_uid = site.study()
    other, _ = site.study("other")
    seen = site.home.seen_folder / "litemedsam" / seen_name(series_uid)
    seen.mkdir(parents=True)
    (seen / "slice.npz").write_bytes(b"what an engine saw")
    assert site.keeper.of(study).may_go
    removed = site.keeper.remove(study, "an administrator", "asked for")
    assert removed.instances == 8
    assert [each.study_instance_uid for each in site.keeper.all()] == [other]
    assert not seen.exists()
    with site.home.database.begin() as connection:
        row = connection.execute(select(acts).where(acts.c.act == "study.removed")).one()
    assert (row.actor, row.subject) == (
        "an administrator",
        f"{study} instances=8 bytes={removed.size_bytes} (asked for)",
    )
    assert site.home.audit.verify() == 1
    assert site.keeper.removed_ever() == 1
    with pytest.raises(InputError, match="not stored here"):
        site.keeper.remove(study, "an administrator", "asked for")


@pytest.mark.parametrize(
    ("state", "deliveries", "reason"),
    [
        (State.RUNNING, {}, "is being made"),
        (State.WAITING, {}, "waits for a decision: accept or reject it"),
        (State.ACCEPTED, {}, "accepted and was sent nowhere: send or reject it"),
        (State.ACCEPTED, {"PACS": Delivered.QUEUED}, "is on its way to PACS"),
        (State.ACCEPTED, {"PACS": Delivered.SENT}, "is on its way to PACS"),
        (State.ACCEPTED, {"PACS": Delivered.FAILED}, "did not reach PACS (delivery failed)"),
        (State.ACCEPTED, {"PACS": Delivered.CANCELLED}, "did not reach PACS (delivery cancelled)"),
        (
            State.ACCEPTED,
            {"PACS": Delivered.COMMITTED, "CLOUD": Delivered.QUEUED},
            "is on its way to CLOUD",
        ),
        (State.SENT, {"PACS": Delivered.UNCONFIRMED}, "offers no way to confirm it"),
        (State.REJECTED, {"PACS": Delivered.SENT}, "is on its way to PACS"),
    ],
)
def test_what_is_unconfirmed_stays_and_says_why(make, state, deliveries, reason):
    site = make(days=30.0)
    study, series_uid = site.study()
    site.result(series_uid, state, **deliveries)
    assert [reason in each for each in site.reasons(study)] == [True]
    with pytest.raises(InputError, match="stays: result abababab"):
        site.keeper.remove(study, "an administrator", "asked for")
    assert site.keeper.tidy().removed == ()
    assert site.keeper.of(study).instances == 8
    assert site.keeper.removed_ever() == 0


@pytest.mark.parametrize(
    ("state", "deliveries"),
    [
        (State.ANSWERED, {}),
        (State.FAILED, {}),
        (State.REJECTED, {}),
        (State.REPLACED, {"PACS": Delivered.CANCELLED}),
        (State.SENT, {"PACS": Delivered.COMMITTED}),
    ],
)
def test_what_is_decided_and_confirmed_may_go_and_its_result_stays(make, state, deliveries):
    site = make(days=30.0)
    study, series_uid = site.study()
    site.result(series_uid, state, **deliveries)
    [gone] = site.keeper.tidy().removed
    assert gone.standing.study_instance_uid == study
    assert gone.why == "not used for 40 days, more than 30"
    assert site.home.results.get("ab" * 16).state is state


def test_a_site_may_believe_destinations_that_confirm_nothing(make):
    site = make(days=30.0, believe_unconfirmed=True)
    study, series_uid = site.study()
    site.result(series_uid, State.SENT, PACS=Delivered.UNCONFIRMED)
    assert site.keeper.of(study).may_go


class Interrupted(SqlAuditLog):
    """A trail in whose transaction a result has come since the study was looked at."""

    series_uid = ""

    def record_in(self, connection, **said):
        document = json.dumps({"masks": [{}]})
        row = {"id": "cd" * 16, "at": "2020-01-02", "series_instance_uid": self.series_uid}
        connection.execute(commands.insert().values(**row, state="waiting", document=document))
        super().record_in(connection, **said)


def test_a_result_that_comes_amid_the_removal_stops_it(make, tmp_path):
    site = make()
    study, site_series = site.study()
    trail = Interrupted(site.home.database, SystemClock())
    trail.series_uid = site_series
    keeper = Keeper(
        store=site.home.store,
        book=site.workplace.book,
        engine=site.home.database,
        audit=trail,
        clock=SystemClock(),
        periods=site.home.quiet_periods,
        limits=Limits(),
        believes_unconfirmed=False,
        seen=tmp_path,
    )
    with pytest.raises(InputError, match="result cdcdcdcd waits for a decision"):
        keeper.remove(study, "an administrator", "asked for")
    assert site.keeper.of(study).instances == 8
    assert site.keeper.removed_ever() == 0


def test_what_arrives_or_is_being_fetched_stays(make):
    site = make(days=30.0)
    study, _ = site.study(age_s=1)
    assert "arriving" in site.reasons(study)[0]
    fetched, _ = site.study("fetched", age_s=600)
    assert site.keeper.of(fetched).may_go
    site.workplace.book.note(fetched, Origin.FETCHED)
    assert "being fetched" in site.reasons(fetched)[0]


def test_what_a_person_keeps_stays_until_it_is_released(make):
    site = make(days=30.0)
    study, _ = site.study()
    site.keeping.holds.keep(study, "Dr. A")
    with pytest.raises(InputError, match=r"kept by Dr\. A already"):
        site.keeping.holds.keep(study, "Dr. B")
    assert site.reasons(study)[0].startswith("kept by Dr. A since 20")
    assert site.keeper.tidy().removed == ()
    site.keeping.holds.release(study, "Dr. B")
    assert len(site.keeper.tidy().removed) == 1
    with pytest.raises(InputError, match="is not kept"):
        site.keeping.holds.release(study, "Dr. B")
    assert site.home.audit.verify() == 3


def test_a_command_given_lately_is_use(make):
    site = make(days=30.0)
    study, series_uid = site.study()
    site.result(series_uid, State.ANSWERED)
    with site.home.database.begin() as connection:
        connection.execute(update(commands).values(at=SystemClock().now().isoformat()))
    assert site.keeper.of(study).may_go
    assert site.keeper.tidy().removed == ()


def test_what_was_used_since_it_was_chosen_stays(make):
    site = make(days=30.0)
    study, _ = site.study()
    chosen = site.keeper.of(study)
    with pytest.raises(InputError, match="used meanwhile"):
        site.keeper.remove(study, "radcopilot", "old", unused_since_s=chosen.last_used_s - 1)
    site.keeper.remove(study, "radcopilot", "old", unused_since_s=chosen.last_used_s)
    assert site.keeper.all() == ()


def test_nothing_goes_by_itself_unless_the_site_says_so(make):
    site = make()
    site.study()
    assert site.keeper.tidy().removed == ()
    assert site.keeper.would().removed == ()


def test_retention_runs_in_turn_and_as_soon_as_an_object_was_refused_for_room(make):
    site = make(days=30.0, every_s=3600.0)
    turns = Turns(site.keeper, site.home)
    turns.look()
    study, _ = site.study()
    turns.look()
    assert site.keeper.of(study).may_go  # it is not its turn yet
    site.home.room.least_free_bytes = 2**62
    with pytest.raises(NoRoomError):
        site.home.store.keep(InstanceUID("1.2.3"), b"one more")
    turns.look()
    assert site.keeper.all() == ()


def test_on_postgresql_too_what_waits_stays_and_what_is_decided_goes(tmp_path, postgres):
    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE keeping")
    site = Site(tmp_path, postgres.rsplit("/", 1)[0] + "/keeping", days=30.0)
    study, site_series = site.study()
    site.result(site_series, State.WAITING)
    site.keeping.holds.keep(study, "Dr. A")
    assert len(site.reasons(study)) == 2
    assert site.keeper.tidy().removed == ()
    site.keeping.holds.release(study, "Dr. A")
    site.home.results.move("ab" * 16, State.REJECTED, frozenset({State.WAITING}), "a reader")
    assert len(site.keeper.tidy().removed) == 1
    assert site.keeper.all() == ()
    assert not list((tmp_path / "site" / "instances").rglob("*.dcm"))
    assert site.home.audit.verify() == 5
    site.home.store.close()
    site.home.close()


def test_the_command_line_lists_keeps_refuses_and_deletes(make, tmp_path, capsys):
    site = make()
    study, series_uid = site.study()
    site.result(series_uid, State.WAITING)
    config = tmp_path / "site.toml"
    config.write_text(
        f'[storage]\nfolder = "{tmp_path / "site"}"\n[retention]\ndays = 30\n', encoding="utf-8"
    )

    def told(*arguments):
        status = run(["studies", *arguments, "--config", str(config)])
        said = capsys.readouterr()
        return status, said.out, said.err

    [listed] = json.loads(told("list", "--json")[1])
    assert listed["study_instance_uid"] == study
    assert listed["instances"] == 8
    assert listed["size_bytes"] == site.home.store.index.totals()[1]
    assert not listed["may_go"]
    assert "waits for a decision" in listed["stays"][0]
    status, out, err = told("delete", study)
    assert (status, out) == (2, "")
    assert "waits for a decision: accept or reject it" in err
    dry = json.loads(told("tidy", "--dry-run", "--json")[1])
    assert dry == {"dry_run": True, "removed": [], "failed": [], "short": ""}
    site.home.results.move("ab" * 16, State.REJECTED, frozenset({State.WAITING}), "a reader")
    assert told("keep", study)[0] == 0
    assert "kept by" in told("show", study)[1]
    assert told("delete", study)[0] == 2
    assert told("release", study)[0] == 0
    dry = json.loads(told("tidy", "--dry-run", "--json")[1])
    assert [each["study_instance_uid"] for each in dry["removed"]] == [study]
    assert json.loads(told("show", study, "--json")[1])["may_go"]
    [gone] = json.loads(told("delete", study, "--json")[1])
    assert gone["instances"] == 8
    assert told("list", "--json")[1] == "[]\n"
    assert told("show", study)[0] == 2
    assert run(["audit", "verify", "--config", str(config)]) == 0


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (Delivered.QUEUED, "version 2 of its report is on its way to RIS: wait"),
        (Delivered.FAILED, None),
        (Delivered.COMMITTED, None),
        (Delivered.CANCELLED, None),
    ],
)
def test_a_study_stays_while_its_report_is_on_its_way(make, state, said):
    site = make()
    study, _ = site.study()
    sent = site.home.dispatches.put(study, 2)
    site.home.outbox.put(sent.id, "RIS")
    site.home.outbox.note((sent.id, "RIS"), state, "")
    reasons = site.reasons(study)
    assert [each.startswith(said or "") for each in reasons] == ([True] if said else [])

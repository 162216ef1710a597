"""Dispatches of reports to a real listener: each once, never an old one after a new one."""

import json
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from copilot.audit import SqlAuditLog
from copilot.mllp import Listener
from copilot.settings import Settings, load_settings
from copilot.system import SystemClock
from copilot.wiring.house import House
from copilot.workflows.delivery import Outbox, State
from copilot.workflows.reports_out import Destination, Dispatches, ReportCourier
from domain.errors import InputError
from domain.report import ReportStatus
from reporting.exports.enclosed import Envelope
from tests.hl7_listener import Hl7Listener
from tests.reporting.exports.reports import one_finding, one_report, report_of
from tests.waiting import until

REPORT = "1.2.3"
KEPT = {
    1: one_report(status=ReportStatus.SIGNED),
    2: one_report(status=ReportStatus.AMENDED, version=2),
}


def kept(report_id, version):
    assert report_id == REPORT
    if version not in KEPT:
        raise InputError(f"there is no version {version}")
    return KEPT[version]


class Site:
    """Outbox and courier over one database; what is queued is tried when the test says so."""

    def __init__(self, folder: Path, port: int, **named: object) -> None:
        engine = create_engine(f"sqlite:///{folder / 'site.db'}")
        self.audit = SqlAuditLog(engine, SystemClock())
        self.outbox = Outbox(engine, SystemClock())
        self.dispatches = Dispatches(engine, SystemClock())
        self.queued: list[tuple[str, float]] = []
        listener = Listener(name="RIS", host="127.0.0.1", port=port, answer_timeout_s=0.3)
        self.courier = ReportCourier(
            outbox=self.outbox,
            dispatches=self.dispatches,
            report_of=named.get("report_of", kept),
            destinations={"RIS": Destination(listener=listener, envelope=Envelope())},
            audit=self.audit,
            later=lambda delivery, pause_s: self.queued.append((delivery.workflow_id, pause_s)),
        )

    def deliver(self, version: int = 1):
        return self.courier.deliver(REPORT, version, "RIS", "tester")

    def tried(self, delivery):
        return self.courier.run(delivery.result_id, "RIS", lambda run, _name: run())

    def acts(self):
        return [each["act"] for each in reversed(self.audit.last(50))]


@pytest.fixture
def site(tmp_path):
    def made(port, **named):
        return Site(tmp_path, port, **named)

    return made


def test_a_signed_version_goes_once_and_its_acknowledgment_is_kept(site):
    with Hl7Listener() as ris:
        here = site(ris.port)
        delivery = here.deliver()
        assert here.tried(delivery) == "committed"
        again = here.deliver()
    assert (again.state, again.says) == (State.COMMITTED, "AA")
    assert len(here.queued) == 1
    assert len(ris.messages) == 1
    assert "|F|" in ris.messages[0]
    assert here.acts() == ["report.queued", "report.delivered", "report.queued"]


def test_an_amended_version_goes_as_a_correction(site):
    with Hl7Listener() as ris:
        here = site(ris.port)
        for version in (1, 2):
            assert here.tried(here.deliver(version)) == "committed"
    statuses = [
        {line.split("|")[11] for line in each.split("\r") if line.startswith("OBX|")}
        for each in ris.messages
    ]
    assert statuses == [{"F"}, {"C"}]
    assert len(set(ris.control_ids())) == 2


def test_a_listener_that_is_killed_and_comes_back_gets_the_same_message(site):
    first = Hl7Listener("cut")
    here = site(first.port)
    delivery = here.deliver()
    assert here.tried(delivery) == "again"
    first.close()
    assert here.tried(delivery) == "again"
    assert [pause_s for _, pause_s in here.queued] == [0.0, 2.0, 4.0]
    with Hl7Listener(port=first.port) as second:
        assert here.tried(delivery) == "committed"
    assert first.control_ids() == second.control_ids()
    assert first.messages == second.messages
    assert len({identity for identity, _ in here.queued}) == 3


def test_one_that_refuses_three_times_is_a_dead_letter_that_can_be_sent_again(site):
    with Hl7Listener("AE", "AR", "AE") as ris:
        here = site(ris.port)
        delivery = here.deliver()
        assert [here.tried(delivery) for _ in range(3)] == ["again", "again", "failed"]
        (dead,) = here.outbox.all([State.FAILED])
        assert "refused the message: AE no such order" in dead.says
        assert "delivery.failed" in here.acts()
        assert here.tried(here.deliver()) == "committed"


def test_an_earlier_version_that_has_not_gone_never_goes_after_a_later_one(site):
    with Hl7Listener("hang") as ris:
        here = site(ris.port)
        first = here.deliver(1)
        assert here.tried(first) == "again"
        second = here.deliver(2)
        assert here.tried(first) == "cancelled"
        assert here.tried(second) == "committed"
        here.outbox.again(first.result_id, "RIS")
        assert here.tried(first) == "cancelled"
        with pytest.raises(InputError, match=r"version 2 of report 1\.2\.3 was queued"):
            here.deliver(1)
    assert [each.count("|C|") > 0 for each in ris.messages] == [False, True]


def test_what_nobody_could_file_or_send_is_refused_at_once(site):
    nameless = report_of((one_finding(),), status=ReportStatus.SIGNED)
    nameless = nameless.__class__(
        **{**vars(nameless), "context": nameless.context.__class__(modality="CT")}
    )
    with Hl7Listener() as ris:
        here = site(ris.port, report_of=lambda _id, _version: nameless)
        with pytest.raises(InputError, match="names no Patient ID"):
            here.deliver()
        with pytest.raises(InputError, match=r"'PACS' of reports in the settings .*RIS"):
            here.courier.deliver(REPORT, 1, "PACS", "tester")
    assert here.queued == []
    assert ris.messages == []


def test_an_unsigned_one_has_one_time_for_all_tries(site):
    with Hl7Listener("cut", "AA") as ris:
        here = site(ris.port, report_of=lambda _id, _version: one_report())
        delivery = here.deliver()
        assert [here.tried(delivery), here.tried(delivery)] == ["again", "committed"]
    assert ris.messages[0] == ris.messages[1]
    assert ris.messages[0].split("|")[6]
    assert "DRAFT" in ris.messages[0]


@pytest.fixture
def configured(tmp_path):
    def made(port):
        config = tmp_path / "site.toml"
        config.write_text(
            f'[storage]\nfolder = "{tmp_path / "site"}"\n[[report_destinations]]\nname = "RIS"\n'
            f'host = "127.0.0.1"\nport = {port}\nreceiving_application = "RIS"\n',
            encoding="utf-8",
        )
        return config

    return made


def test_the_server_sends_it_and_jobs_tell_of_it(configured, radcopilot):
    first = Hl7Listener("cut")
    config = configured(first.port)
    home = House(load_settings(config))
    home.report_of = kept
    home.durable.start(home.deliveries())
    try:
        delivery = home.report_courier.deliver(REPORT, 1, "RIS", "tester")
        assert until(lambda: home.outbox.get(delivery.result_id, "RIS").attempts)
        first.close()
        with Hl7Listener(port=first.port) as second:
            assert until(lambda: home.outbox.get(delivery.result_id, "RIS").is_done)
    finally:
        home.durable.close()
        home.close()
    assert second.messages == first.messages
    assert "|RIS|" in second.messages[0]
    [job] = json.loads(radcopilot("jobs", "list", "--json", "--config", config).stdout)
    assert (job["report"], job["version"], job["peer"], job["state"]) == (
        REPORT,
        1,
        "RIS",
        "committed",
    )
    said = radcopilot("jobs", "list", "--config", config).stdout
    assert f"report {REPORT} version 1 to RIS: committed" in said


def test_a_dead_letter_is_taken_up_again_from_the_command_line(configured, radcopilot):
    with Hl7Listener("AE", "AE", "AE") as ris:
        config = configured(ris.port)
        home = House(load_settings(config))
        home.report_of = kept
        home.durable.start(home.deliveries())
        try:
            delivery = home.report_courier.deliver(REPORT, 1, "RIS", "tester")
            state = lambda: home.outbox.get(delivery.result_id, "RIS").state  # noqa: E731
            assert until(lambda: state() is State.FAILED)
            said = radcopilot("jobs", "retry", REPORT, "--config", config)
            assert f"report {REPORT} version 1 to RIS: queued, round 2" in said.stdout, said.stderr
            assert until(lambda: state() is State.COMMITTED)
        finally:
            home.durable.close()
            home.close()
    assert len(set(ris.control_ids())) == 1
    assert len(ris.messages) == 4


def test_names_of_destinations_are_told_apart():
    settings = load_settings().model_dump()
    destination = {"name": "RIS", "host": "ris", "port": 2575}
    settings["report_destinations"] = [destination, destination]
    with pytest.raises(ValueError, match="has a name twice"):
        Settings.model_validate(settings)

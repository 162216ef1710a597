"""Peers are asked in the background: a monitor gets the last answer, at once."""

import time

import pytest

from copilot.demo.orthanc import free_port
from copilot.peers import PeerWatch, watch
from copilot.settings import Settings, load_settings
from copilot.system import SystemClock
from copilot.wiring.house import House
from domain.errors import PeerUnreachableError
from tests.conftest import AE_TITLE
from tests.waiting import until


def home_with(tmp_path, *peers):
    settings = load_settings().model_dump()
    settings["storage"]["folder"] = str(tmp_path / "site")
    settings["peers"] = peers
    return House(Settings.model_validate(settings))


def test_a_peer_that_answers_and_one_that_does_not(tmp_path, node):
    gone = free_port()
    home = home_with(
        tmp_path,
        {"ae_title": AE_TITLE, "host": "127.0.0.1", "port": node.port},
        {"ae_title": "GONE", "host": "127.0.0.1", "port": gone, "connect_timeout_s": 1},
    )
    peers = watch(home, SystemClock())
    assert {name: each.up for name, each in peers.reports().items()} == {
        AE_TITLE: None,
        "GONE": None,
    }
    with peers.working():
        until(lambda: all(each.up is not None for each in peers.reports().values()))
    up, down = peers.reports()[AE_TITLE], peers.reports()["GONE"]
    assert up.up
    assert up.answered_at == up.asked_at != ""
    assert up.says == f"answers at 127.0.0.1:{node.port}"
    assert not down.up
    assert down.answered_at == ""
    assert "GONE" in down.says
    assert str(gone) in down.says


def test_the_last_answer_is_remembered_and_each_change_is_logged(caplog):
    answers = ["answers", "answers", PeerUnreachableError("PACS is away: start it"), "answers"]

    def ask():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    peers = PeerWatch({"PACS": ask}, SystemClock(), 60.0)
    with caplog.at_level("INFO"):
        first = peers.ask("PACS")
        peers.ask("PACS")
        away = peers.ask("PACS")
        back = peers.ask("PACS")
    assert (first.up, away.up, back.up) == (True, False, True)
    assert away.says == "PACS is away: start it"
    assert away.answered_at >= first.answered_at != ""
    said = [record.getMessage() for record in caplog.records]
    assert said == ["peer.up peer=PACS", "peer.down peer=PACS", "peer.up peer=PACS"]


def test_one_that_hangs_delays_neither_the_others_nor_the_monitor_nor_the_end():
    def hang():
        time.sleep(20)
        return "late"

    peers = PeerWatch({"SLOW": hang, "QUICK": lambda: "answers"}, SystemClock(), 60.0)
    began = time.monotonic()
    with peers.working():
        until(lambda: peers.reports()["QUICK"].up)
        assert peers.reports()["SLOW"].up is None
    assert time.monotonic() - began < 10


def test_an_interval_of_0_asks_nobody():
    def never():
        pytest.fail("it was asked")

    peers = PeerWatch({"PACS": never}, SystemClock(), 0.0)
    with peers.working():
        time.sleep(0.1)
    assert peers.reports()["PACS"].up is None

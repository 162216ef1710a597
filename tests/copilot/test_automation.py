"""Rules at work: a study arrives, is outlined by itself, and leaves where the site lets it."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pydicom
import pytest
from fastapi.testclient import TestClient

from copilot.cli.main import run
from copilot.demo.orthanc import KnownModality, Orthanc, is_installed
from copilot.results import Result, State
from copilot.serving import application
from copilot.settings import Settings, load_settings
from copilot.site_rules.rules import SiteRule
from copilot.system import SystemClock
from copilot.wiring.house import House
from copilot.workflows.automation import held_back
from dicom_node.scu import DicomPeer, Peer
from domain.errors import SettingsError
from domain.uids import InstanceUID, SeriesUID
from tests.clients import elsewhere, here
from tests.conftest import missing
from tests.phantoms import UIDS, series
from tests.segmentation.chests import chest_with
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette")

QUIET_S = 0.4
LUNGS = {
    "name": "lungs of chests",
    "when": [
        {"tag": "Modality", "is": "CT"},
        {"tag": "Instances", "at_least": 20, "unit": "1"},
    ],
    "command": "segment both lungs",
    "run": "automatic",
}


def site(folder: Path, *rules: dict, peers: tuple[dict, ...] = ()) -> House:
    defaults = load_settings().model_dump()
    defaults["storage"]["folder"] = str(folder / "site")
    defaults["node"]["port"] = 0
    defaults["segmentation"]["look_ahead"] = False
    defaults["completeness"] |= {"quiet_s": QUIET_S, "quiet_s_by_modality": {}}
    defaults["rules"] = list(rules)
    defaults["peers"] = list(peers)
    return House(Settings.model_validate(defaults))


def made_by(kind: str, *, is_proposal: bool = False) -> dict:
    return {
        "made_by": {"algorithm_type": kind, "engine": "default"},
        "is_proposal": is_proposal,
    }


def site_rule(**values) -> SiteRule:
    return SiteRule(name="lungs of chests", when=(), command="segment both lungs", **values)


@pytest.fixture(scope="module")
def chest(tmp_path_factory) -> tuple[Path, ...]:
    """A small chest of 30 slices."""
    volume = chest_with(spacing_mm=(5.0, 3.0, 3.0))
    return series(tmp_path_factory.mktemp("chest"), volume)


def send(home: House, files: tuple[Path, ...]) -> str:
    for path in files:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        home.store.keep(InstanceUID(str(header.SOPInstanceUID)), path.read_bytes())
    return str(header.StudyInstanceUID)


@pytest.fixture
def running() -> Iterator[Callable[[House], TestClient]]:
    opened: list[tuple[TestClient, House]] = []

    def begin(home: House) -> TestClient:
        client = here(application(home))
        client.__enter__()
        opened.append((client, home))
        return client

    yield begin
    for client, home in opened:
        client.__exit__(None, None, None)
        home.store.close()
        home.close()


def test_a_study_that_arrives_is_outlined_once_and_waits_for_a_yes(tmp_path, chest, running):
    home = site(tmp_path, LUNGS)
    client = running(home)
    study = send(home, chest)
    assert until(lambda: [each["state"] for each in _results(client)] == ["waiting"])
    (made,) = _results(client)
    assert {mask["side"] for mask in made["masks"]} == {"left", "right"}
    assert made["rule"] == "lungs of chests"
    send(home, chest)
    time.sleep(QUIET_S + 2)
    assert len(_results(client)) == 1
    (kept,) = client.get("/api/studies").json()
    assert kept["study_instance_uid"] == study
    assert kept["arrival"]["state"] == "complete"
    home.audit.verify()


def test_images_that_come_late_replace_what_was_made_of_fewer(tmp_path, chest, running):
    home = site(tmp_path, LUNGS)
    client = running(home)
    send(home, chest[:-2])
    assert until(lambda: [each["state"] for each in _results(client)] == ["waiting"])
    send(home, chest)
    assert until(lambda: sorted(each["state"] for each in _results(client)) == DONE)
    older, newer = sorted(_results(client), key=lambda each: each["state"])
    assert older["replaced_by"] == newer["id"]
    assert (older["images"], newer["images"]) == (28, 30)


DONE = ["replaced", "waiting"]


def test_a_rule_that_does_not_apply_does_nothing(tmp_path, chest, running):
    few = LUNGS | {"when": [{"tag": "Modality", "is": "MR"}]}
    home = site(tmp_path, few)
    client = running(home)
    send(home, chest)
    assert until(lambda: _arrived(client))
    assert _results(client) == []


def test_what_a_rule_may_push_back_reaches_the_archive_without_a_person(tmp_path, chest, running):
    if not is_installed():
        missing("Orthanc is not installed")
    known = KnownModality(ae_title="RADCOPILOT", host="127.0.0.1", port=1)
    with Orthanc(tmp_path / "orthanc", (known,)) as archive:
        peer = {"ae_title": "ORTHANC", "host": "127.0.0.1", "port": archive.dicom_port}
        pushed = LUNGS | {"engine": "default", "push_back": ["ORTHANC"], "push_warned": True}
        home = site(tmp_path, pushed, peers=(peer,))
        client = running(home)
        send(home, chest)
        assert until(lambda: [each["state"] for each in _results(client)] == ["sent"])
        there = httpx.get(f"{archive.url}/instances").json()
        tags = [
            httpx.get(f"{archive.url}/instances/{each}/simplified-tags").json() for each in there
        ]
    (seg,) = [each for each in tags if each["Modality"] == "SEG"]
    assert {each["SegmentAlgorithmType"] for each in seg["SegmentSequence"]} == {"AUTOMATIC"}
    (report,) = [each for each in tags if each["Modality"] == "SR"]
    assert report["VerificationFlag"] == "UNVERIFIED"
    acts = [entry for entry in _acts(home) if entry[1] == "result.accepted"]
    assert [actor for actor, _ in acts] == ["rule lungs of chests"]


def test_an_answer_without_a_mask_goes_nowhere(tmp_path, chest, running):
    """A phantom of a chest has no spleen."""
    peer = {"ae_title": "PACS", "host": "127.0.0.1", "port": 1}
    spleen = LUNGS | {"engine": "default", "push_back": ["PACS"], "command": "segment the spleen"}
    home = site(tmp_path, spleen, peers=(peer,))
    client = running(home)
    send(home, chest)
    assert until(lambda: [each["state"] for each in _results(client)] == ["answered"])
    time.sleep(1)
    assert client.get("/api/deliveries").json() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"masks": []}, "it has no mask"),
        ({"refusals": ["the spleen is not there"]}, "it has warnings"),
        ({"warnings": ["thick slices"]}, "it has warnings"),
        ({"masks": [made_by("SEMIAUTOMATIC")]}, "its masks are SEMIAUTOMATIC"),
        ({"masks": [made_by("AUTOMATIC", is_proposal=True)]}, "default only proposes it"),
    ],
)
def test_why_a_result_is_held_back(change, reason):
    whole = {"masks": [made_by("AUTOMATIC")], "warnings": [], "refusals": []}
    rule = site_rule(push_back=("PACS",))
    assert held_back(whole | change, rule) == reason
    answered_for = held_back(whole | change, replace(rule, push_warned=True))
    assert answered_for == (reason if "mask" in reason else "")


def test_an_order_that_a_kill_left_without_its_workflow_is_carried_out(tmp_path, chest, running):
    home = site(tmp_path, LUNGS)
    series_uid = str(pydicom.dcmread(chest[0], stop_before_pixels=True).SeriesInstanceUID)
    send(home, chest)
    document = {"text": LUNGS["command"], "command": {"action": "segment"}, "masks": []}
    home.results.add(
        Result(
            id="c" * 32,
            at=SystemClock().now().isoformat(),
            series_instance_uid=series_uid,
            state=State.RUNNING,
            document=document | {"rule": LUNGS["name"], "images": 29, "engine": None},
        ),
        "rule lungs of chests",
    )
    client = running(home)
    assert until(lambda: [each["state"] for each in _results(client)] == ["waiting"])
    assert len(_results(client)[0]["masks"]) == 2


def test_on_demand_rules_wait_to_be_asked(tmp_path, chest, running, radcopilot):
    home = site(tmp_path, LUNGS | {"run": "on demand"})
    client = running(home)
    study = send(home, chest)
    assert until(lambda: _arrived(client))
    assert _results(client) == []
    assert client.post(f"/api/studies/{study}/rules").status_code == 202
    assert until(lambda: [each["state"] for each in _results(client)] == ["waiting"])
    refused = client.post("/api/studies/1.2.3/rules")
    assert refused.status_code == 422
    assert "is not stored here" in refused.json()["detail"]


def test_a_failed_result_of_a_rule_is_a_dead_letter_that_runs_again(
    tmp_path, chest, running, capsys
):
    home = site(tmp_path, LUNGS)
    client = running(home)
    send(home, (*chest[:10], *chest[11:]))
    assert until(lambda: [each["state"] for each in _results(client)] == ["failed"])
    (dead,) = _results(client)
    assert "10.00 mm apart" in dead["error"]
    config = tmp_path / "site.toml"
    config.write_text(f'[storage]\nfolder = "{home.settings.storage.root}"\n')
    assert run(["jobs", "list", "--config", str(config)]) == 0
    listed = capsys.readouterr().out
    assert "'segment both lungs' by rule 'lungs of chests': failed" in listed
    assert run(["jobs", "retry", dead["id"][:8], "--config", str(config)]) == 0
    again = f"analyse-1-{dead['id']}-2"
    assert until(lambda: home.durable.status(again) == "SUCCESS")
    (still,) = _results(client)
    assert still["state"] == "failed"
    assert still["round"] == 2


def test_rules_are_tried_on_a_folder_and_on_a_stored_study(tmp_path, chest, capsys):
    config = tmp_path / "site.toml"
    config.write_text(
        f"""
[storage]
folder = "{tmp_path / "site"}"
[[rules]]
name = "thin chests"
when = [{{ tag = "Modality", is = "CT" }}, {{ tag = "SliceThickness", at_most = 3, unit = "mm" }}]
command = "segment both lungs"
run = "automatic"
"""
    )
    assert run(["rules", "list", "--config", str(config)]) == 0
    assert "thin chests (automatic): 'segment both lungs'" in capsys.readouterr().out
    folder = chest[0].parent
    assert run(["rules", "test", str(folder), "--config", str(config)]) == 0
    said = capsys.readouterr().out
    assert "thin chests: not: SliceThickness is 5 mm, not at most 3 mm" in said
    home = House(load_settings(config))
    study = send(home, chest)
    home.store.close()
    assert run(["rules", "test", study, "--json", "--config", str(config)]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["instances"] == 30
    assert found["rules"][0]["applies"] is False
    assert run(["rules", "test", "1.2.3", "--config", str(config)]) == 2
    assert "is not stored here" in capsys.readouterr().err


def test_a_worker_says_what_it_needs(tmp_path, capsys):
    config = tmp_path / "site.toml"
    config.write_text(f'[storage]\nfolder = "{tmp_path / "site"}"\n')
    assert run(["worker", "--config", str(config)]) == 2
    assert "workers share a PostgreSQL database" in capsys.readouterr().err


def test_a_rule_that_cannot_be_meant_stops_the_start(tmp_path):
    home = site(tmp_path, LUNGS | {"command": "make it nice"})
    with pytest.raises(SettingsError, match="rule 'lungs of chests': 'make it nice' outlines"):
        application(home)
    home.store.close()


def test_callers_of_other_machines_show_the_token(tmp_path, running):
    token = tmp_path / "token"
    token.write_text("a long random line\n")
    home = site(tmp_path)
    settings = home.settings.model_dump(by_alias=True)
    settings["web"]["token_file"] = str(token)
    home = House(Settings.model_validate(settings))
    application_ = application(home)
    with elsewhere(application_) as other:
        assert other.get("/health").status_code == 200
        assert other.get("/api/studies").status_code == 401
        assert other.get("/dicom-web/studies").status_code == 401
        shown = {"Authorization": "Bearer a long random line"}
        assert other.get("/api/studies", headers=shown).status_code == 200
        assert other.get("/api/studies", headers={"Authorization": "Bearer x"}).status_code == 401
    home.store.close()


def test_without_a_token_orders_of_workers_are_for_this_machine_alone(tmp_path):
    home = site(tmp_path)
    with elsewhere(application(home)) as other:
        assert other.get("/api/orders/abc").status_code == 401
    home.store.close()


@pytest.fixture
def archive(tmp_path) -> Iterator[Orthanc]:
    if not is_installed():
        missing("Orthanc is not installed")
    known = KnownModality(ae_title="RADCOPILOT", host="127.0.0.1", port=1)
    with Orthanc(tmp_path / "orthanc", (known,)) as running_:
        yield running_


def dated(folder: Path, files: tuple[Path, ...], date: str) -> list[Path]:
    """Write a series again as a study of another day."""
    folder.mkdir()
    study, of_series = UIDS.new_uid(), UIDS.new_uid()
    for path in files:
        image = pydicom.dcmread(path)
        image.StudyInstanceUID, image.SeriesInstanceUID, image.StudyDate = study, of_series, date
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = UIDS.new_uid()
        image.save_as(folder / path.name)
    return sorted(folder.iterdir())


def with_priors(home: House, **values: object) -> House:
    priors = home.settings.priors.model_copy(update=values)
    return House(home.settings.model_copy(update={"priors": priors}))


@pytest.mark.parametrize("way", ["DIMSE", "DICOMweb"])
def test_the_priors_of_a_study_that_arrives_are_fetched_and_begin_nothing(
    tmp_path, chest, running, archive, way
):
    here = {"host": "127.0.0.1", "port": archive.dicom_port}
    peer = {"ae_title": "ORTHANC"}
    peer |= here if way == "DIMSE" else {"stow_url": archive.dicomweb_url}
    pacs = DicomPeer("RADCOPILOT", Peer(ae_title="ORTHANC", **here))
    pacs.store(chest)
    prior = dated(tmp_path / "prior", chest, "20190301")
    pacs.store(prior)
    home = with_priors(site(tmp_path, LUNGS, peers=(peer,)), on_arrival_from="ORTHANC")
    client = running(home)
    send(home, chest)
    assert until(lambda: len(client.get("/api/studies").json()) == 2)
    uid = str(pydicom.dcmread(prior[0], stop_before_pixels=True).SeriesInstanceUID)
    assert until(lambda: len(home.store.instance_paths(SeriesUID(uid))) == len(prior))
    assert until(lambda: [each["state"] for each in _results(client)] == ["waiting"])
    time.sleep(QUIET_S + 1.5)
    assert len(_results(client)) == 1, "the prior was not outlined"


def test_an_order_fetches_the_patients_newest_studies(tmp_path, chest, running, archive):
    here = {"host": "127.0.0.1", "port": archive.dicom_port}
    DicomPeer("RADCOPILOT", Peer(ae_title="ORTHANC", **here)).store(chest)
    home = with_priors(site(tmp_path, peers=({"ae_title": "ORTHANC", **here},)), years=100)
    client = running(home)
    order = {"patient_id": "PHANTOM", "peer": "ORTHANC"}
    assert client.post("/api/prefetches", json=order).status_code == 202
    assert until(lambda: len(client.get("/api/studies").json()) == 1)
    assert until(lambda: home.store.index.count() == len(chest))
    unknown = client.post("/api/prefetches", json=order | {"peer": "NOBODY"})
    assert unknown.status_code == 422
    assert "no peer 'NOBODY'" in unknown.json()["detail"]


def _results(client: TestClient) -> list[dict]:
    return client.get("/api/commands").json()


def _arrived(client: TestClient) -> bool:
    listed = client.get("/api/studies").json()
    return any((each["arrival"] or {}).get("state") == "complete" for each in listed)


def _acts(home: House) -> list[tuple[str, str]]:
    with home.database.begin() as connection:
        rows = connection.exec_driver_sql("SELECT actor, act FROM audit ORDER BY number")
        return [(actor, act) for actor, act in rows]

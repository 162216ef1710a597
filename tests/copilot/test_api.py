"""The web API over a real store, and a real archive behind the yes."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from fastapi.testclient import TestClient

from copilot.api.packet import mask_of
from copilot.demo.orthanc import KnownModality, Orthanc, is_installed
from copilot.evaluation.images import read_reference, read_volume
from copilot.finetuning import accepted_cases
from copilot.hints import Hints
from copilot.results import Result, State
from copilot.serving import application
from copilot.settings import Settings, load_settings
from copilot.system import RandomUids, SystemClock
from copilot.wiring.house import House
from copilot.workflows.durable import Workflow, step
from copilot.workflows.orders import COMMAND, Order
from domain.prompt import Box
from domain.uids import SeriesUID
from tests.chest import stored_chest
from tests.clients import here
from tests.conftest import missing
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette")


@pytest.fixture
def home(tmp_path) -> Iterator[House]:
    defaults = load_settings().model_dump()
    defaults["storage"]["folder"] = str(tmp_path / "site")
    defaults["node"]["port"] = 0
    if is_installed():
        ours = KnownModality(ae_title="RADCOPILOT", host="127.0.0.1", port=1)
        archive = Orthanc(tmp_path / "orthanc", (ours,))
        defaults["peers"] = [
            {"ae_title": "ORTHANC", "host": "127.0.0.1", "port": archive.dicom_port}
        ]
    made = House(Settings.model_validate(defaults))
    made.archive = archive if is_installed() else None
    yield made
    made.store.close()


@pytest.fixture
def client(home) -> Iterator[TestClient]:
    with here(application(home)) as made:
        yield made


@pytest.fixture
def stored(home, tmp_path):
    return stored_chest(home.store, tmp_path)


def test_health_and_the_openapi_page(client):
    health = client.get("/health").json()
    assert health["instances"] == 0
    assert set(health["models"]) == {"whisper-base", "litemedsam"}
    assert client.get("/docs").status_code == 200
    assert "/api/commands" in client.get("/openapi.json").json()["paths"]


def test_studies_are_listed(client, stored):
    [study] = client.get("/api/studies").json()
    assert study["series"][0]["instances"] == 12


def test_a_command_waits_for_a_yes_and_nothing_leaves_before(client, home, stored):
    made = client.post("/api/commands", json=stored)
    assert made.status_code == 201, made.text
    result = made.json()
    assert result["state"] == "waiting"
    assert result["masks"][0]["volume_ml"] > 1
    refused = client.post(f"/api/commands/{result['id']}/send")
    assert refused.status_code == 422
    assert "nothing leaves before it is accepted" in refused.json()["detail"]
    assert client.get(f"/api/commands/{result['id']}/seg.dcm").content[128:132] == b"DICM"
    assert "DRAFT" in client.get(f"/api/commands/{result['id']}/draft.html").text
    assert client.get(f"/api/commands/{result['id']}/../../etc").status_code == 404
    assert client.get(f"/api/commands/{result['id']}/other.txt").status_code == 404
    rejected = client.post(f"/api/commands/{result['id']}/reject").json()
    assert rejected["state"] == "rejected"
    assert client.post(f"/api/commands/{result['id']}/accept").status_code == 422
    assert [each["state"] for each in client.get("/api/commands").json()] == ["rejected"]
    acts = [each["act"] for each in home.audit.last(10)]
    assert acts == ["result.rejected", "study.viewed", "command.segment"]
    assert home.audit.verify() == 3


def test_an_accepted_result_reaches_the_archive_once(client, home, stored):
    if home.archive is None:
        missing("Orthanc is not installed")
    with home.archive:
        result = client.post("/api/commands", json=stored).json()
        client.post(f"/api/commands/{result['id']}/accept")
        sent = client.post(f"/api/commands/{result['id']}/send").json()
        assert sent["state"] == "sent", sent["peers"]
        assert sent["peers"][0]["state"] == "committed"
        assert sent["peers"][0]["says"] == "2 objects confirmed"
        assert client.post(f"/api/commands/{result['id']}/send").status_code == 422


def test_an_archive_that_does_not_know_us_takes_it_and_confirms_nothing(
    client, home, stored, tmp_path
):
    if home.archive is None:
        missing("Orthanc is not installed")
    stranger = Orthanc(tmp_path / "stranger")
    stranger.dicom_port = home.archive.dicom_port
    with stranger:
        result = client.post("/api/commands", json=stored).json()
        client.post(f"/api/commands/{result['id']}/accept")
        sent = client.post(f"/api/commands/{result['id']}/send").json()
    assert sent["state"] == "sent"
    assert sent["peers"][0]["state"] == "unconfirmed"


def test_what_an_archive_that_is_off_should_have_reaches_it_when_it_is_on_again(
    client, home, stored
):
    if home.archive is None:
        missing("Orthanc is not installed")
    result = client.post("/api/commands", json=stored).json()
    client.post(f"/api/commands/{result['id']}/accept")
    waiting = client.post(f"/api/commands/{result['id']}/send").json()
    assert waiting["state"] == "accepted"
    assert waiting["peers"][0]["state"] == "queued"
    assert "does not answer" in waiting["peers"][0]["says"]
    with home.archive:
        assert until(lambda: delivery(client, result)["state"] == "committed")
    assert client.get(f"/api/commands/{result['id']}").json()["state"] == "sent"


def test_a_delivery_is_cancelled_and_begun_again(client, home, stored):
    if home.archive is None:
        missing("Orthanc is not installed")
    result = client.post("/api/commands", json=stored).json()
    client.post(f"/api/commands/{result['id']}/accept")
    client.post(f"/api/commands/{result['id']}/send")
    path = f"/api/deliveries/{result['id']}/ORTHANC"
    assert client.post(f"{path}/retry").status_code == 422
    assert client.post(f"{path}/cancel").json()["state"] == "cancelled"
    assert client.post(f"{path}/cancel").status_code == 422
    with home.archive:
        assert client.post(f"{path}/retry").json()["state"] == "queued"
        assert until(lambda: delivery(client, result)["state"] == "committed")


def delivery(client, result):
    (found,) = client.get(f"/api/deliveries/{result['id']}").json()
    return found


@pytest.mark.parametrize(
    "change",
    [{"series_instance_uid": "1.2.3"}, {"slices": [4, 99]}, {"engine": "magic"}, {"txt": "x"}],
)
def test_bad_bodies_are_refused_by_name(client, stored, change):
    answer = client.post("/api/commands", json=stored | change)
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_a_command_that_came_to_nothing_is_kept_with_its_reason(client, stored):
    answer = client.post("/api/commands", json=stored | {"slices": [4, 99]})
    (kept,) = client.get("/api/commands").json()
    assert kept["state"] == "failed"
    assert kept["error"] == answer.json()["detail"]
    assert client.post(f"/api/commands/{kept['id']}/accept").status_code == 422


def test_a_command_that_a_kill_cut_off_is_carried_out_at_the_next_start(home, stored):
    """What a killed process leaves: the row, and a workflow that was begun."""
    series = SeriesUID(stored["series_instance_uid"])
    at = SystemClock().now().isoformat()
    document = {"text": stored["text"], "command": {"action": "segment"}, "masks": []}
    began = Result(
        id="b" * 32, at=at, series_instance_uid=series, state=State.RUNNING, document=document
    )
    home.results.add(began, "tester")
    box = stored["boxes"][0]
    rows, columns = (box["row_start"], box["row_stop"]), (box["column_start"], box["column_stop"])
    order = Order(
        identity=began.id,
        series=series,
        sentence=stored["text"],
        hints=Hints(
            boxes=(Box.on_slice(box["slice"], rows, columns),), slice_range=tuple(stored["slices"])
        ),
        engine=None,
        agent=None,
    )
    held = threading.Event()

    def command(_order):
        step(lambda: held.wait(60), "carry out")

    home.durable.start([Workflow(name=COMMAND, run=command, queue="commands")])
    home.durable.begin(COMMAND, began.id, order)
    home.durable.close()
    with here(application(home)) as client:
        held.set()
        assert until(lambda: client.get(f"/api/commands/{began.id}").json()["state"] == "waiting")


def test_a_command_cut_off_before_it_began_is_to_be_given_again(home, stored):
    """What a process leaves that is killed between the row and the workflow."""
    began = Result(
        id="b" * 32,
        at=SystemClock().now().isoformat(),
        series_instance_uid=stored["series_instance_uid"],
        state=State.RUNNING,
        document={"text": stored["text"], "command": {"action": "segment"}, "masks": []},
    )
    home.results.add(began, "tester")
    with here(application(home)) as client:
        assert until(lambda: client.get(f"/api/commands/{began.id}").json()["state"] == "failed")
        assert "give the command again" in client.get(f"/api/commands/{began.id}").json()["error"]


def test_a_monitor_reads_counts_and_states_and_nothing_of_a_patient(client, stored):
    client.post("/api/commands", json=stored)
    text = client.get("/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(lines["radcopilot_stored_instances"]) == 12
    assert float(lines['radcopilot_results{state="waiting"}']) == 1
    assert float(lines['radcopilot_deliveries{state="failed"}']) == 0
    assert float(lines["radcopilot_disk_free_bytes"]) > 0
    assert "PHANTOM" not in text


def test_a_recording_is_heard(client, models_folder, pytestconfig):
    path = pytestconfig.rootpath / "copilot/demo/recordings/measure_this_lesion.wav"
    answer = client.post("/api/transcriptions", files={"recording": path.read_bytes()})
    assert answer.status_code == 200, answer.text
    assert answer.json()["command"]["action"] == "measure"
    wrong = client.post("/api/transcriptions", files={"recording": b"no sound"})
    assert wrong.status_code == 422


def test_an_earlier_result_is_corrected_and_a_line_is_taken(client, stored):
    lined = {key: value for key, value in stored.items() if key != "boxes"}
    lined["lines"] = [{"slice": 5, "start": [31.5, 21.0], "stop": [31.5, 42.0]}]
    first = client.post("/api/commands", json=lined)
    assert first.status_code == 201, first.text
    voxels = first.json()["masks"][0]["voxels"]
    correction = {
        "series_instance_uid": stored["series_instance_uid"],
        "text": "segment the lung lesion",
        "mask": {"result": first.json()["id"]},
        "boxes": [stored["boxes"][0] | {"positive": False}],
    }
    second = client.post("/api/commands", json=correction)
    assert second.status_code == 201, second.text
    assert 0 < second.json()["masks"][0]["voxels"] < voxels
    nobody = client.post("/api/commands", json=correction | {"mask": {"result": "0" * 32}})
    assert nobody.status_code == 422
    assert "no result" in nobody.json()["detail"]


def test_what_was_accepted_becomes_cases_for_an_adapter_and_what_was_not_does_not(
    client, home, stored
):
    made = [client.post("/api/commands", json=stored).json() for _ in range(2)]
    client.post(f"/api/commands/{made[0]['id']}/accept")
    (case,) = accepted_cases(home.results.accepted(), home.results.root, home.store)
    assert case.name.startswith(made[0]["id"][:8])
    assert case.concept == "lung lesion"
    volume = read_volume(case)
    assert read_reference(case, volume.grid).mask.voxel_count == made[0]["masks"][0]["voxels"]


class HeldUids(RandomUids):
    """Makes a result wait amid its measuring, where the first UID is needed, until it is let go."""

    def __init__(self) -> None:
        super().__init__("")
        self.is_measured = threading.Event()
        self.let = threading.Event()

    def new_uid(self) -> str:
        self.is_measured.set()
        assert self.let.wait(20)
        return super().new_uid()


def test_the_outline_is_seen_before_it_is_measured_and_is_the_results_own(home, stored):
    home.uids = HeldUids()
    with here(application(home)) as client:
        began = client.post("/api/commands", json={**stored, "wait": False}).json()
        glimpsed = client.get(f"/api/commands/{began['id']}/glimpses/0")
        assert glimpsed.status_code == 200
        assert home.uids.is_measured.wait(20)
        assert client.get(f"/api/commands/{began['id']}").json()["state"] == "running"
        assert client.post(f"/api/commands/{began['id']}/accept").status_code == 422
        home.uids.let.set()
        until(lambda: client.get(f"/api/commands/{began['id']}").json()["state"] == "waiting")
        early, _ = mask_of(glimpsed.content, (12, 64, 64))
        made = client.get(f"/api/commands/{began['id']}/masks/1")
        own, _ = mask_of(made.content, (12, 64, 64))
        assert own.any()
        assert np.array_equal(early, own)
        for number in (0, 1, -1):
            over = client.get(f"/api/commands/{began['id']}/glimpses/{number}")
            assert (over.status_code, over.content) == (204, b"")
        assert client.get("/api/commands/1.2.3/glimpses/0").status_code == 422


def test_a_series_on_the_screen_is_read_before_a_command_comes(home, client, stored):
    series_uid = SeriesUID(stored["series_instance_uid"])
    answer = client.post(f"/api/series/{series_uid}/ready")
    assert answer.status_code == 202
    home.volumes.close(wait=True)
    read: list[float] = []
    home.volumes.load(home.store.instance_paths(series_uid), lambda done, _stage: read.append(done))
    assert read == []
    assert client.post("/api/series/1.2.3/ready").status_code == 422

"""A server that looks after itself: studies come, are used, stay as long as they must, and go."""

import json

import httpx
import pydicom
import pytest

from copilot.demo.orthanc import free_port
from dicom_node.dicomweb.multipart import OutgoingPart, written
from domain.errors import PeerRefusedError
from tests.phantoms import ct, ellipsoid, grid, series
from tests.server import running_server
from tests.waiting import until

BOX = {"slice": 6, "row_start": 22, "column_start": 22, "row_stop": 42, "column_stop": 42}
SHORT = """
[completeness]
quiet_s = 2.0
[retention]
days = 0.00006
least_days = 0.0
every_s = 1.0
"""


def study(folder):
    on = grid(shape=(12, 64, 64), spacing_mm=(2.0, 1.0, 1.0))
    return series(folder, ct(on, ellipsoid(on, (8.0, 9.0, 10.0)), hu=50.0, background=-850.0))


def uids_of(files):
    header = pydicom.dcmread(files[0])
    return str(header.StudyInstanceUID), str(header.SeriesInstanceUID)


def stow(server, files):
    parts = (
        OutgoingPart(content_type="application/dicom", location="", content=[path.read_bytes()])
        for path in files
    )
    return httpx.post(
        f"{server.url}/dicom-web/studies",
        content=b"".join(written(parts, "part")),
        headers={"content-type": 'multipart/related; type="application/dicom"; boundary=part'},
        timeout=60,
        trust_env=False,
    )


@pytest.mark.usefixtures("models_folder")
def test_a_study_stays_while_a_result_waits_and_goes_when_it_was_decided(tmp_path, radcopilot):
    with running_server(tmp_path, SHORT) as server:
        used, forgotten = study(tmp_path / "used"), study(tmp_path / "forgotten")
        server.peer.store(used)
        uid, series_uid = uids_of(used)
        body = {
            "series_instance_uid": series_uid,
            "text": "segment the lung lesion",
            "boxes": [BOX],
            "slices": [3, 10],
        }
        made = httpx.post(
            f"{server.url}/api/commands", json=body, timeout=120, trust_env=False
        ).json()
        assert made["state"] == "waiting"
        server.peer.store(forgotten)

        def listed():
            return [each["study_instance_uid"] for each in server.get("/api/studies").json()]

        def removed():
            return server.metrics()["radcopilot_removed_studies_total"]

        assert until(lambda: removed() == 1)
        assert listed() == [uid]  # the one that nobody used is gone
        refused = radcopilot("studies", "delete", uid, "--config", server.config)
        assert refused.returncode == 2
        assert f"study {uid} stays: result {made['id'][:8]} waits for a decision" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        [shown] = json.loads(
            radcopilot("studies", "list", "--json", "--config", server.config).stdout
        )
        assert not shown["may_go"]
        httpx.post(f"{server.url}/api/commands/{made['id']}/reject", timeout=30, trust_env=False)
        assert until(lambda: listed() == [])
        metrics = server.metrics()
        assert metrics["radcopilot_removed_studies_total"] == 2
        assert metrics["radcopilot_stored_studies"] == metrics["radcopilot_stored_bytes"] == 0
        assert not list((server.folder / "instances").rglob("*.dcm"))
        assert server.get(f"/api/commands/{made['id']}").json()["state"] == "rejected"
        server.peer.store(forgotten)  # it may come again
        assert until(lambda: listed() == [uids_of(forgotten)[0]], 10)
    verified = radcopilot("audit", "verify", "--config", server.config)
    assert verified.returncode == 0, verified.stderr


def test_studies_are_deleted_beside_a_running_server(tmp_path, radcopilot):
    with running_server(tmp_path, "[completeness]\nquiet_s = 15.0\n") as server:
        files = study(tmp_path / "study")
        server.peer.store(files)
        uid, _ = uids_of(files)

        def deleted(*more):
            return radcopilot("studies", "delete", uid, "--config", server.config, *more)

        assert "arriving" in deleted().stderr
        kept = radcopilot("studies", "keep", uid, "--config", server.config)
        assert kept.returncode == 0, kept.stderr
        assert until(lambda: "arriving" not in deleted().stderr)
        assert "kept by" in deleted().stderr
        radcopilot("studies", "release", uid, "--config", server.config)
        gone = deleted("--json")
        assert gone.returncode == 0, gone.stderr
        assert json.loads(gone.stdout)[0]["instances"] == 12
        assert server.get("/api/studies").json() == []
        assert server.get(f"/dicom-web/studies/{uid}").status_code == 404
        assert server.get("/health").json()["instances"] == 0
        assert stow(server, files).status_code == 200
        assert len(server.get("/api/studies").json()) == 1


def test_a_disk_that_is_nearly_full_is_said_everywhere_and_nothing_is_taken(tmp_path, radcopilot):
    away = free_port()
    tables = f"""
[retention]
least_free_gb = 1000000
[[peers]]
ae_title = "PACS"
host = "127.0.0.1"
port = {away}
connect_timeout_s = 1.0
"""
    with running_server(tmp_path, tables) as server:
        files = study(tmp_path / "study")
        with pytest.raises(PeerRefusedError, match="0xA700"):
            server.peer.store(files)
        assert stow(server, files).status_code == 507
        assert not list((server.folder / "instances").rglob("*.dcm"))
        assert until(lambda: server.get("/health").json()["peers"]["PACS"]["up"] is False, 20)
        health = server.get("/health").json()
        assert health["status"] == "degraded"
        assert health["disk"]["takes_objects"] is False
        assert health["disk"]["refused_objects"] >= 2
        assert any("nearly full" in each for each in health["wrong"])
        assert any(f"127.0.0.1:{away}" in each for each in health["wrong"])
        metrics = server.metrics()
        assert metrics["radcopilot_disk_low"] == 1
        assert metrics["radcopilot_refused_for_room_total"] >= 2
        assert metrics['radcopilot_peer_up{peer="PACS"}'] == 0
        assert metrics['radcopilot_queued_work{queue="deliveries"}'] == 0
        checked = radcopilot("check", "--json", "--config", server.config)
        assert checked.returncode == 1
        rows = {row["check"]: row for row in json.loads(checked.stdout)}
        assert not rows["storage"]["ok"]
        assert not rows["peer PACS"]["ok"]
        assert rows["DICOM port"]["ok"]
        assert rows["web port"]["ok"]
        assert rows["database"]["ok"]
    log = server.log.read_text()
    assert log.count("room.low") == 1
    assert "peer.down peer=PACS" in log
    assert "Traceback" not in log

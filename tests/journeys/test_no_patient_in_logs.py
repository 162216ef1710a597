"""Whatever is sent, asked and broken, no patient comes into the log, /health or /metrics."""

import sqlite3
import time
from contextlib import closing

import httpx
import pydicom
import pytest
from pynetdicom import _config

from copilot.demo.orthanc import free_port
from domain.errors import PeerError
from tests.journeys.test_keeping import BOX, stow
from tests.phantoms import ct, ellipsoid, grid, series
from tests.server import running_server
from tests.waiting import until

MARKERS = ("MARKERNAME", "LEAKED", "MARKER77", "19010203", "MARKERDOCTOR", "MARKERTEXT")
UNTRUE = b"MARKERNAME^LEAKED"


@pytest.fixture
def files(tmp_path):
    """A study whose every text is a marker."""
    on = grid(shape=(12, 64, 64), spacing_mm=(2.0, 1.0, 1.0))
    ball = ellipsoid(on, (8.0, 9.0, 10.0))
    made = series(tmp_path / "study", ct(on, ball, hu=50.0, background=-850.0))
    for path in made:
        header = pydicom.dcmread(path)
        header.PatientName = "MARKERNAME^LEAKED"
        header.PatientID = header.AccessionNumber = header.StudyID = "MARKER77"
        header.PatientBirthDate = "19010203"
        header.ReferringPhysicianName = header.OperatorsName = "MARKERDOCTOR"
        header.StudyDescription = header.SeriesDescription = "MARKERTEXT"
        header.PatientComments = header.ImageComments = "MARKERTEXT"
        header.save_as(path)
    return made


def odd(files, folder, **values):
    """A copy of a study with values that are none, written as they are."""
    folder.mkdir()
    suffix = str(len(list(folder.parent.iterdir())))
    made = []
    for path in files:
        header = pydicom.dcmread(path)
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            header[name].value = f"{header[name].value}.{suffix}"[-64:].lstrip(".")
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        for name, value in values.items():
            header[name] = pydicom.dataelem.DataElement(
                header[name].tag, "UN", value, already_converted=True
            )
            header[name].VR = "LO"
        header.save_as(folder / path.name)
        made.append(folder / path.name)
    return tuple(made)


def post(server, path, **body):
    return httpx.post(f"{server.url}{path}", json=body, timeout=120, trust_env=False)


def send_objects(server, files, tmp_path):
    """Refused and odd ones; return the UID of a series with values that are none."""
    content, uid = files[0].read_bytes(), str(pydicom.dcmread(files[0]).SOPInstanceUID)
    another = uid[:-1] + ("1" if uid[-1] != "1" else "2")  # in the file meta information alone
    (tmp_path / "another.dcm").write_bytes(content.replace(uid.encode(), another.encode(), 1))
    _config.STORE_SEND_CHUNKED_DATASET = True  # the file as it is
    with pytest.raises(PeerError, match="0xA900"):
        server.peer.store((tmp_path / "another.dcm",))
    _config.STORE_SEND_CHUNKED_DATASET = False
    broken = odd(files, tmp_path / "odd", PixelSpacing=UNTRUE, ImagePositionPatient=UNTRUE)
    server.peer.store(broken)
    renamed = pydicom.dcmread(files[0])
    renamed.PatientComments = "MARKERTEXT, another object under a known UID"
    renamed.save_as(tmp_path / "renamed.dcm")
    server.peer.store((tmp_path / "renamed.dcm",))
    whole = files[1].read_bytes()
    for number, content in enumerate(
        (
            whole[:700],
            whole.replace(str(pydicom.dcmread(files[1]).StudyInstanceUID).encode(), UNTRUE, 1),
            UNTRUE,
        )
    ):
        part = tmp_path / f"part{number}.dcm"
        part.write_bytes(content)
        assert stow(server, (part,)).status_code in (202, 400, 409), number
    assert stow(server, files).status_code == 200
    return str(pydicom.dcmread(broken[0]).SeriesInstanceUID)


def ask(server):
    for query in ("PatientName=MARKERNAME*", "StudyDate=MARKER77", "MARKERTEXT=1"):
        server.get(f"/dicom-web/studies?{query}")
    server.get("/dicom-web/studies/MARKER77")
    post(server, "/api/prefetches", patient_id="MARKER77", peer="PACS")


def command(server, uid, odd_uid):
    """Commands that work, are not understood, and fail; and a delivery that fails."""
    text = "segment the lung lesion"
    pointed = {"series_instance_uid": uid, "text": text, "boxes": [BOX], "slices": [3, 10]}
    made = post(server, "/api/commands", **pointed).json()
    assert made["state"] == "waiting", made
    post(server, "/api/commands", series_instance_uid=uid, text="tell MARKERNAME to come")
    failed = post(server, "/api/commands", **{**pointed, "series_instance_uid": odd_uid})
    assert failed.status_code >= 400, failed.text

    # a delivery that fails
    post(server, f"/api/commands/{made['id']}/accept")
    sent = post(server, f"/api/commands/{made['id']}/send").json()
    assert sent["peers"][0]["attempts"] > 0


def break_the_index(server, files, tmp_path):
    """Let it fail amid an arrival."""
    path = server.folder / "radcopilot.db"
    with closing(sqlite3.connect(path, timeout=30)) as database, database:
        database.execute("ALTER TABLE instances RENAME TO gone")
    late = odd(files[:2], tmp_path / "late")
    server.peer.store(late[:1])
    time.sleep(2)
    with pytest.raises(PeerError):
        server.peer.store(late[1:])
    with closing(sqlite3.connect(path, timeout=30)) as database, database:
        database.execute("ALTER TABLE gone RENAME TO instances")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("models_folder")
def test_no_patient_comes_into_log_health_or_metrics(tmp_path, files):
    away = free_port()
    tables = f"""
[completeness]
quiet_s = 1.0
[[peers]]
ae_title = "PACS"
host = "127.0.0.1"
port = {away}
connect_timeout_s = 1.0
[[rules]]
name = "lungs"
when = [{{ tag = "Modality", is = "CT" }}]
command = "segment both lungs"
run = "automatic"
"""
    with running_server(tmp_path, tables) as server:
        server.peer.store(files)
        uid = str(pydicom.dcmread(files[0]).SeriesInstanceUID)
        odd_uid = send_objects(server, files, tmp_path)
        ask(server)
        command(server, uid, odd_uid)
        break_the_index(server, files, tmp_path)
        until(lambda: server.get("/health").json()["peers"]["PACS"]["up"] is False)
        said = {
            "health": server.get("/health").text,
            "metrics": server.get("/metrics").text,
        }
    said["log"] = server.log.read_text(encoding="utf-8", errors="replace")
    for happened in (
        "store.refused",
        "stow.refused",
        "instance.differs",
        "index.failed",
        "delivery.failed",
        "peer.down",
    ):
        assert happened in said["log"], said["log"]
    for place, text in said.items():
        found = [marker for marker in MARKERS if marker.casefold() in text.casefold()]
        lines = [line for line in text.splitlines() if any(each in line for each in found)]
        assert not found, f"{place}: {lines[:5]}"

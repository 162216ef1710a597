"""DICOMweb over a real store: what was stored is found, read and shown as it was sent."""

import io
from collections.abc import Iterator

import numpy as np
import pydicom
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from copilot.serving import application
from copilot.settings import Settings, load_settings
from copilot.wiring.house import House
from domain.uids import InstanceUID
from tests.clients import here
from tests.phantoms import ct, ellipsoid, grid, series

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette")
STOW = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=xx'}


@pytest.fixture
def files(tmp_path):
    on = grid(shape=(4, 32, 24))
    return series(tmp_path / "images", ct(on, ellipsoid(on, (3, 6, 5))))


@pytest.fixture
def home(tmp_path) -> Iterator[House]:
    defaults = load_settings().model_dump()
    defaults["storage"]["folder"] = str(tmp_path / "site")
    defaults["node"]["port"] = 0
    made = House(Settings.model_validate(defaults))
    yield made
    made.store.close()
    made.close()


@pytest.fixture
def client(home, files) -> Iterator[TestClient]:
    for path in files[:3]:
        home.store.keep(InstanceUID(str(pydicom.dcmread(path).SOPInstanceUID)), path.read_bytes())
    home.store.settle()
    with here(application(home)) as made:
        yield made


@pytest.fixture
def place(files):
    first = pydicom.dcmread(files[1])  # through the ball
    study, of = f"/dicom-web/studies/{first.StudyInstanceUID}", first.SeriesInstanceUID
    return first, f"{study}/series/{of}/instances/{first.SOPInstanceUID}"


def body(content):
    return b"--xx\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--xx--\r\n"


def test_a_study_is_found_by_a_wildcard_and_nothing_by_another(client):
    (found,) = client.get("/dicom-web/studies?PatientID=PHAN*").json()
    assert found["00100020"]["Value"] == ["PHANTOM"]
    assert client.get("/dicom-web/studies?PatientID=OTHER").status_code == 204
    refused = client.get("/dicom-web/studies?Nonsense=1")
    assert refused.status_code == 400
    assert "Nonsense" in refused.json()["detail"]


def test_instances_are_counted_and_limited(client, place):
    of_series = place[1].rsplit("/", 1)[0]
    assert len(client.get(of_series).json()) == 3
    assert len(client.get(f"{of_series}?limit=2&offset=2").json()) == 1


def test_metadata_keeps_every_position(client, place):
    first, path = place
    (found,) = client.get(f"{path}/metadata").json()
    assert found["00200032"]["Value"] == [float(each) for each in first.ImagePositionPatient]
    assert "BulkDataURI" in found["7FE00010"]


def test_a_frame_is_the_pixels_that_were_sent(client, place):
    first, path = place
    accept = {"Accept": "multipart/related; type=application/octet-stream"}
    answer = client.get(f"{path}/frames/1", headers=accept)
    assert answer.status_code == 200
    assert first.pixel_array.astype("<i2").tobytes() in answer.content


def test_an_instance_comes_back_as_it_was_stored_and_unchanged_is_said(client, place, files):
    accept = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    answer = client.get(place[1], headers=accept)
    assert files[1].read_bytes() in answer.content
    again = client.get(place[1], headers=accept | {"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_what_is_rendered_is_a_picture_of_its_size(client, place):
    answer = client.get(f"{place[1]}/rendered", headers={"Accept": "image/png"})
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.size == (24, 32)
    assert len(np.unique(np.asarray(picture))) > 1


def test_what_is_stored_over_the_web_is_there_and_garbage_is_not(client, home, files):
    assert client.post(
        "/dicom-web/studies", content=body(files[3].read_bytes()), headers=STOW
    ).is_success
    refused = client.post("/dicom-web/studies", content=body(b"garbage"), headers=STOW)
    assert refused.status_code == 409
    assert refused.json()["0008119A"]["Value"]
    home.store.settle()
    assert home.store.index.count() == 4

"""Comparing on the server: a stored study beside its prior, by the web API."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pydicom
import pytest
from fastapi.testclient import TestClient

from copilot.comparing.standing import comparison_of
from copilot.serving import application
from copilot.settings import Settings, load_settings
from copilot.wiring import House
from dicom_node.series_writer import SeriesIdentity, write_series
from domain.uids import InstanceUID, SeriesUID
from tests.bodies import Nodule, Patient, Pose
from tests.clients import here
from tests.phantoms import UIDS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette")

SPACING_MM = (2.5, 1.6, 1.6)
GROWS = Nodule(centre=(50.0, -10.0, 20.0), volume_ml=0.9)
STAYS = Nodule(centre=(-55.0, 5.0, -12.0), volume_ml=0.7)
MOVED = Pose(turn_deg=(1.0, 2.0, 4.0), shift_mm=(14.0, -22.0, 231.0))
THEN = Patient(seed=6, nodules=(GROWS, STAYS)).seen(spacing_mm=SPACING_MM)
NOW = Patient(seed=6, nodules=(replace(GROWS, volume_ml=1.8), STAYS)).seen(
    MOVED, spacing_mm=SPACING_MM
)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A house with its server."""

    home: House
    client: TestClient

    def store(self, folder, volume, day, **more) -> str:
        """Store a volume as a study of the day, and return its series."""
        told = {"patient_id": "RC-1", "study_instance_uid": UIDS.new_uid()} | more
        change = told.pop("change", {})
        identity = SeriesIdentity(
            patient_name="PHANTOM^TEST",
            series_instance_uid=UIDS.new_uid(),
            frame_of_reference_uid=UIDS.new_uid(),
            study_date=day,
            study_description="phantom",
            series_description=told.pop("series_description", "phantom"),
            **told,
        )
        for path in write_series(volume, identity, UIDS, folder):
            dataset = pydicom.dcmread(path)
            for keyword, value in change.items():
                setattr(dataset, keyword, value)
            dataset.save_as(path)
            self.home.store.keep(InstanceUID(str(dataset.SOPInstanceUID)), path.read_bytes())
        self.home.store.settle()
        return identity.series_instance_uid

    def say(self, series, text, **more):
        body = {"series_instance_uid": series, "text": text, **more}
        return self.client.post("/api/commands", json=body)

    def outlined(self, series, volume, nodule, pose=None, accept=True):
        """Outline a nodule by a click, and accept it."""
        at = click(volume, nodule, pose)
        made = self.say(series, "segment the lung nodule", points=[at])
        assert made.status_code == 201, made.text
        assert made.json()["state"] == "waiting", made.json()
        if accept:
            self.client.post(f"/api/commands/{made.json()['id']}/accept")
        return made.json()


def click(volume, nodule, pose=None):
    place = (pose or Pose()).placed(np.array(nodule.centre))
    index, row, column = (round(float(each)) for each in volume.grid.to_index(place))
    return {"slice": index, "row": row, "column": column}


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    defaults = load_settings().model_dump()
    defaults["storage"]["folder"] = str(tmp_path / "site")
    defaults["node"]["port"] = 0
    defaults["segmentation"]["look_ahead"] = False
    home = House(Settings.model_validate(defaults))
    with here(application(home)) as client:
        yield Site(home=home, client=client)
    home.store.close()


def test_what_was_accepted_is_compared_with_the_stored_prior_as_it_is(site, tmp_path):
    then = site.store(tmp_path / "then", THEN, "20230101")
    now = site.store(tmp_path / "now", NOW, "20230720")
    grown = site.outlined(now, NOW, GROWS, MOVED)
    same = site.outlined(now, NOW, STAYS, MOVED)
    answer = site.say(now, "compare with the prior")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["state"] == "answered"
    assert made["masks"] == []
    assert made["prior"]["series_instance_uid"] == then
    assert "newest earlier CT" in made["prior"]["says"]
    larger, stable = made["comparison"]["lesions"]
    assert larger["verdict"] == "larger"
    assert stable["verdict"] == "stable"
    for lesion, result in ((larger, grown), (stable, same)):
        (mask,) = result["masks"]
        assert lesion["current"]["volume_ml"] == pytest.approx(mask["volume_ml"], rel=1e-9)
        assert lesion["current"]["tracking_uid"] == mask["tracking_uid"]
        assert lesion["prior"]["tracking_uid"] == mask["tracking_uid"]
    shortest, longest = larger["doubling_time"]["interval_95_days"]
    assert shortest < 200 < longest
    standing = comparison_of(site.home.results.of_series(SeriesUID(now)))
    assert standing is not None
    assert standing.id == made["id"]
    prior_seg = pydicom.dcmread(made["files"]["prior_seg"])
    assert prior_seg.StudyDate == "20230101"

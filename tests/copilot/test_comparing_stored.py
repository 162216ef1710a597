"""Comparing on the server: a stored study beside its prior, by the web API."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from fastapi.testclient import TestClient

from copilot.comparing.standing import comparison_of
from copilot.results import State
from copilot.serving import application
from copilot.settings import Settings, load_settings
from copilot.wiring.house import House
from dicom_node.series_writer import SeriesIdentity, write_series
from domain.uids import InstanceUID, SeriesUID
from tests.bodies import Nodule, Patient, Pose
from tests.clients import here
from tests.phantoms import UIDS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette")

SPACING_MM = (3.0, 2.0, 2.0)
GROWS = Nodule(centre=(50.0, -10.0, 20.0), volume_ml=0.9)
STAYS = Nodule(centre=(-55.0, 5.0, -12.0), volume_ml=0.7)
MOVED = Pose(turn_deg=(1.0, 2.0, 4.0), shift_mm=(14.0, -22.0, 231.0))
THEN = Patient(seed=6, nodules=(GROWS, STAYS)).seen(spacing_mm=SPACING_MM)
NOW = Patient(seed=6, nodules=(replace(GROWS, volume_ml=1.8), STAYS)).seen(
    MOVED, spacing_mm=SPACING_MM
)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A house with its server, and a patient of the test's own."""

    home: House
    client: TestClient
    patient: str

    def store(self, folder, volume, day, **more) -> str:
        """Store a volume as a study of the day, and return its series."""
        told = {"patient_id": self.patient, "study_instance_uid": UIDS.new_uid()} | more
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


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Site]:
    defaults = load_settings().model_dump()
    defaults["storage"]["folder"] = str(tmp_path_factory.mktemp("house") / "site")
    defaults["node"]["port"] = 0
    defaults["segmentation"]["look_ahead"] = False
    home = House(Settings.model_validate(defaults))
    with here(application(home)) as client:
        yield Site(home=home, client=client, patient="RC-0")
    home.store.close()


@pytest.fixture
def site(served, request) -> Site:
    return replace(served, patient=f"RC-{abs(hash(request.node.name))}")


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
    told = report_of(site, now)
    assert larger["sentence"] in told
    assert stable["sentence"] in told
    site.client.post(f"/api/commands/{grown['id']}/reject")
    assert larger["sentence"] not in report_of(site, now), "what was compared is not accepted"


def report_of(site, series):
    """Return every text of the report of a series' study."""
    (study,) = [
        each["study_instance_uid"]
        for each in site.client.get("/api/studies").json()
        if series in [every["series_instance_uid"] for every in each["series"]]
    ]
    report = site.client.get(f"/api/studies/{study}/report").json()
    return [each["text"] for part in report["sections"] for each in part["fields"]]


def compared(site, series, **more):
    answer = site.say(series, "compare with the prior", **more)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_where_no_prior_is_stored_the_answer_says_so_and_another_patients_is_never_taken(
    site, tmp_path
):
    now = site.store(tmp_path / "now", NOW, "20230720")
    others = {
        "another": {"patient_id": "RC-X"},
        "later": {},
        "same-day": {},
        "birth": {"change": {"PatientBirthDate": "19600101"}},
        "modality": {"change": {"Modality": "PT"}},
        "scout": {"change": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}},
    }
    days = {"later": "20240101", "same-day": "20230720"}
    for name, more in others.items():
        site.store(tmp_path / name, THEN, days.get(name, "20230101"), **more)
    for path in site.home.store.instance_paths(SeriesUID(now)):
        dataset = pydicom.dcmread(path)
        dataset.PatientBirthDate = "19700101"
        dataset.save_as(path)
    made = compared(site, now)
    assert made["state"] == "answered"
    assert made["masks"] == []
    assert "comparison" not in made
    assert "no earlier CT of this patient is stored here" in made["refusals"][0]
    assert "RC-" not in made["refusals"][0]


def test_another_patients_study_beside_is_refused_without_naming_anybody(site, tmp_path):
    now = site.store(tmp_path / "now", NOW, "20230720")
    other = site.store(tmp_path / "other", THEN, "20230101", patient_id="RC-X")
    answer = site.say(now, "compare with the prior", context={"prior": other})
    assert answer.status_code == 422
    assert "another patient (Patient IDs differ)" in answer.json()["detail"]
    (kept,) = site.home.results.of_series(SeriesUID(now))
    assert kept.state is State.FAILED
    assert "RC-" not in str(kept)


def test_what_the_page_has_beside_goes_before_the_newest(site, tmp_path):
    older = site.store(tmp_path / "older", THEN, "20220101")
    site.store(tmp_path / "newer", THEN, "20230101")
    now = site.store(tmp_path / "now", NOW, "20230720")
    made = compared(site, now, context={"prior": older}, points=[click(NOW, GROWS, MOVED)])
    assert made["prior"]["series_instance_uid"] == older
    assert made["comparison"]["days_between"] == 565
    assert made["state"] == "waiting"
    assert len(made["masks"]) == 1
    assert made["compared"] == []
    (change,) = made["comparison"]["lesions"]
    assert change["verdict"] == "larger"
    of_series = site.home.results.of_series(SeriesUID(now))
    assert comparison_of(of_series) is None
    site.client.post(f"/api/commands/{made['id']}/accept")
    standing = comparison_of(site.home.results.of_series(SeriesUID(now)))
    assert standing is not None
    assert standing.id == made["id"]
    acts = {each["act"] for each in site.home.audit.last(20) if each["subject"] == made["id"]}
    assert acts == {"command.compare", "result.accepted"}


def test_a_click_with_a_prior_measures_and_compares(site, tmp_path):
    then = site.store(tmp_path / "then", THEN, "20230101")
    now = site.store(tmp_path / "now", NOW, "20230720")
    points = [click(NOW, STAYS, MOVED)]
    made = site.say(now, "measure this", prior=then, points=points).json()
    (change,) = made["comparison"]["lesions"]
    assert change["verdict"] == "stable"
    plain = site.say(now, "measure this", context={"prior": then}, points=points).json()
    assert "comparison" not in plain  # a prior that merely stands beside compares nothing


def test_series_of_one_earlier_day_that_fit_alike_are_asked_about(site, tmp_path):
    study = UIDS.new_uid()
    fitting = {
        site.store(tmp_path / name, THEN, "20230101", study_instance_uid=study)
        for name in ("one", "two")
    }
    site.store(tmp_path / "old", THEN, "20200101")
    site.store(
        tmp_path / "thick",
        Patient(seed=6, nodules=(GROWS, STAYS)).seen(spacing_mm=(8.0, 2.0, 2.0)),
        "20230101",
        study_instance_uid=study,
    )
    now = site.store(tmp_path / "now", NOW, "20230720")
    asked = compared(site, now)
    assert asked["state"] == "answered"
    assert "Which series of 2023-01-01 is the prior?" in asked["refusals"][0]
    offered = {each["series_instance_uid"] for each in asked["prior_choices"]}
    assert offered == fitting
    assert len({each["says"] for each in asked["prior_choices"]}) == 2


def test_a_newer_study_of_another_body_part_is_passed_over(site, tmp_path):
    chest = {"change": {"BodyPartExamined": "CHEST"}}
    then = site.store(tmp_path / "then", THEN, "20220101", **chest)
    site.store(tmp_path / "head", THEN, "20230101", change={"BodyPartExamined": "HEAD"})
    now = site.store(tmp_path / "now", NOW, "20230720", **chest)
    made = compared(site, now)
    assert made["prior"]["series_instance_uid"] == then
    assert "same body part" in made["prior"]["says"]
    assert "newer ones of another body part passed over" in made["prior"]["says"]


def test_a_prior_that_does_not_lie_on_the_study_is_refused_with_its_numbers(site, tmp_path):
    solid = replace(THEN, voxels=np.where(THEN.voxels > -900, 40, -1000).astype(np.int16))
    solid.voxels[:, ::7] = 300
    site.store(tmp_path / "then", solid, "20230101")
    now = site.store(tmp_path / "now", NOW, "20230720")
    site.outlined(now, NOW, GROWS, MOVED)
    made = compared(site, now)
    assert made["state"] == "answered"
    assert made["comparison"]["lesions"] == []
    assert made["refusals"] == [made["comparison"]["refusal"]]
    assert "0." in made["refusals"][0]
    assert made["comparison"]["alignment"]["accepted"] is False
    assert comparison_of(site.home.results.of_series(SeriesUID(now))) is None


def test_nothing_outlined_is_said_in_words_of_the_page(site, tmp_path):
    site.store(tmp_path / "then", THEN, "20230101")
    now = site.store(tmp_path / "now", NOW, "20230720")
    made = compared(site, now)
    assert "nothing is marked or outlined on this study" in made["refusals"][0]
    assert "--" not in made["refusals"][0]


def test_what_was_accepted_on_the_prior_is_compared_as_it_was_reported(site, tmp_path):
    then = site.store(tmp_path / "then", THEN, "20230101")
    now = site.store(tmp_path / "now", NOW, "20230720")
    earlier = site.outlined(then, THEN, GROWS)
    site.outlined(then, THEN, STAYS, accept=False)
    for name in ("seg", "sr"):  # the archive sent both back
        path = earlier["files"][name]
        dataset = pydicom.dcmread(path)
        site.home.store.keep(InstanceUID(str(dataset.SOPInstanceUID)), Path(path).read_bytes())
    site.home.store.settle()
    made = compared(site, now)
    (change,) = made["comparison"]["lesions"]
    assert change["verdict"] == "larger"
    assert change["prior"]["origin"] == "as reported"
    assert change["prior"]["volume_ml"] == pytest.approx(earlier["masks"][0]["volume_ml"])
    assert change["current"]["origin"] == "measured again with the same engine"
    uid = earlier["masks"][0]["tracking_uid"]
    assert change["prior"]["tracking_uid"] == change["current"]["tracking_uid"] == uid
    assert made["state"] == "waiting"
    assert made["masks"][0]["tracking_uid"] == uid


def test_a_comparison_falls_with_an_outline_that_it_compared(site, tmp_path):
    site.store(tmp_path / "then", THEN, "20230101")
    now = site.store(tmp_path / "now", NOW, "20230720")
    first = site.outlined(now, NOW, GROWS, MOVED, accept=False)
    made = compared(site, now)
    series = SeriesUID(now)
    assert any("finding 1 still waits for a yes" in each for each in made["comparison"]["notes"])
    assert comparison_of(site.home.results.of_series(series)) is None
    site.client.post(f"/api/commands/{first['id']}/accept")
    standing = comparison_of(site.home.results.of_series(series))
    assert standing is not None
    assert standing.id == made["id"]
    site.client.post(f"/api/commands/{first['id']}/reject")
    assert comparison_of(site.home.results.of_series(series)) is None

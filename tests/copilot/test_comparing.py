"""A study beside its prior, from files to verdicts: what grew, stayed, came, went, is not seen."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pydicom
import pytest

from copilot.cli.priors import prior_of
from copilot.comparing.comparer import Comparer
from copilot.comparing.printing import printed_comparison
from copilot.hints import Hints
from copilot.settings import load_settings
from copilot.wiring.house import House
from dicom_node.files import dicom_files, one_series
from domain.command import CompareCommand
from domain.comparison import Verdict
from domain.errors import InputError
from domain.ports import no_progress
from domain.prompt import Box, Point
from tests.bodies import Nodule, Patient, Pose, studied

GROWS = Nodule(centre=(50.0, -10.0, 20.0), volume_ml=0.9)
STAYS = Nodule(centre=(-55.0, 5.0, -12.0), volume_ml=0.7)
GOES = Nodule(centre=(48.0, 15.0, -35.0), volume_ml=0.6)
COMES = Nodule(centre=(-50.0, -20.0, 30.0), volume_ml=0.5)
MOVED = Pose(turn_deg=(1.0, 2.0, 4.0), shift_mm=(14.0, -22.0, 231.0))


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """One patient 200 days apart, on another table and slightly turned."""
    folder = tmp_path_factory.mktemp("studies")
    then = Patient(seed=6, nodules=(GROWS, STAYS, GOES))
    now = Patient(seed=6, nodules=(replace(GROWS, volume_ml=1.8), STAYS, COMES))
    prior = then.seen(spacing_mm=(2.5, 1.2, 1.2))
    current = now.seen(MOVED, spacing_mm=(2.5, 1.2, 1.2))
    studied(folder / "prior", prior, "20230101")
    studied(folder / "current", current, "20230720")
    return folder, current, prior


@pytest.fixture(scope="module")
def comparer():
    home = House(load_settings())
    return Comparer(analyst=home.analyst, concepts=home.concepts, uids=home.uids)


def click(volume, nodule, pose=None):
    place = (pose or Pose()).placed(np.array(nodule.centre))
    index, row, column = (round(float(each)) for each in volume.grid.to_index(place))
    return Point(slice_index=index, row=row, column=column)


def compared(comparer, folder, points=(), prior_points=(), boxes=()):
    prior = prior_of(folder / "prior", None, (), ())
    return comparer.run(
        one_series(dicom_files(folder / "current"), None),
        replace(prior, hints=Hints(points=tuple(prior_points))),
        CompareCommand(),
        hints=Hints(points=tuple(points), boxes=tuple(boxes)),
        progress=no_progress,
    )


@pytest.fixture(scope="module")
def result(comparer, studies):
    folder, current, _ = studies
    clicks = [click(current, each, MOVED) for each in (GROWS, STAYS, COMES, GOES)]
    return compared(comparer, folder, clicks)


def test_each_lesion_gets_its_verdict(result):
    verdicts = [change.verdict for change in result.comparison.changes]
    assert verdicts == [Verdict.LARGER, Verdict.STABLE, Verdict.NEW, Verdict.RESOLVED]
    assert result.comparison.refusal is None
    assert result.comparison.days == 200


def test_growth_has_a_doubling_time_whose_interval_holds_the_truth(result):
    grown = result.comparison.changes[0]
    assert grown.percent == pytest.approx(100.0, abs=15.0)
    assert grown.doubling.shortest_days < 200.0 < grown.doubling.longest_days
    assert result.comparison.changes[1].doubling.longest_days is None


def test_a_new_lesion_says_that_the_prior_shows_its_place(result):
    new = result.comparison.changes[2]
    assert "which shows its place" in new.reasons[0]
    assert "structure" in new.reasons[-1]


def test_one_lesion_has_one_tracking_uid_in_both_reports(result):
    def tracked(analysis):
        return {m.finding.tracking_id: m.finding.tracking_uid for m in analysis.marked}

    now, then = tracked(result.current), tracked(result.prior)
    assert now["Finding 1"] == then["Finding 1"]
    assert now["Finding 2"] == then["Finding 2"]
    assert set(now) == {"Finding 1", "Finding 2", "Finding 3"}
    assert set(then) == {"Finding 1", "Finding 2", "Prior finding 1"}
    assert len({*now.values(), *then.values()}) == 4
    assert str(result.prior.report.StudyInstanceUID) != str(result.current.report.StudyInstanceUID)


def test_the_draft_says_both_dates_and_both_values(result):
    assert "Compared with the study of 2023-01-01" in result.current.markdown
    line = next(
        each for each in result.current.markdown.splitlines() if "Finding 1: larger" in each
    )
    assert "on 2023-01-01" in line
    assert "on 2023-07-20" in line
    assert "doubling time" in line
    assert "No prior study" not in result.current.markdown


def test_a_new_lesion_makes_recist_progressive_with_its_reason(result):
    assessment = result.comparison.recist
    assert assessment.response.value == "PD"
    assert any(line.startswith("new: Finding 3") for line in assessment.reasons)


def test_boxes_do_as_clicks_do(comparer, studies):
    folder, current, _ = studies
    at = click(current, GROWS, MOVED)
    half = 8
    box = Box.on_slice(
        at.slice_index, (at.row - half, at.row + half), (at.column - half, at.column + half)
    )
    (change,) = compared(comparer, folder, boxes=[box]).comparison.changes
    assert change.verdict is Verdict.LARGER
    assert change.percent == pytest.approx(100.0, abs=20.0)


def test_a_lesion_below_the_priors_images_is_neither_new_nor_gone(comparer, studies, tmp_path):
    folder, current, _ = studies
    files = sorted((folder / "prior").iterdir())
    (tmp_path / "prior").mkdir()
    for file in files[30:]:
        shutil.copy(file, tmp_path / "prior")
    shutil.copytree(folder / "current", tmp_path / "current")
    lower = replace(GOES, centre=STAYS.centre)
    found = compared(comparer, tmp_path, [click(current, lower, MOVED)])
    (change,) = found.comparison.changes
    assert change.verdict is Verdict.OUT_OF_FIELD
    assert "outside the images of the prior" in change.reasons[0]


def test_our_earlier_report_is_taken_with_its_tracking_uid(comparer, studies, result, tmp_path):
    folder, current, _ = studies
    shutil.copytree(folder / "prior", tmp_path / "prior")
    shutil.copytree(folder / "current", tmp_path / "current")
    result.prior.write(tmp_path / "prior")
    found = compared(comparer, tmp_path, [click(current, GROWS, MOVED)])
    by_label = {change.prior.label: change for change in found.comparison.changes}
    grown = by_label["Finding 1"]
    assert grown.verdict is Verdict.LARGER
    assert grown.prior.reported_by.startswith("radcopilot")
    earlier = {m.finding.tracking_id: m.finding.tracking_uid for m in result.prior.marked}
    assert grown.prior.tracking_uid == grown.current.tracking_uid == earlier["Finding 1"]
    assert by_label["Finding 2"].verdict is Verdict.STABLE  # sought on the current study
    assert by_label["Prior finding 1"].verdict is Verdict.RESOLVED
    assert "as reported, radcopilot" in found.current.markdown


def test_another_patients_prior_is_refused_without_naming_anybody(comparer, studies, tmp_path):
    folder, current, prior = studies
    shutil.copytree(folder / "current", tmp_path / "current")
    studied(tmp_path / "prior", prior, "20230101", patient="RC-2")
    with pytest.raises(InputError, match=r"another patient \(Patient IDs differ\)") as refused:
        compared(comparer, tmp_path, [click(current, GROWS, MOVED)])
    assert "RC-" not in str(refused.value)


def test_studies_of_one_day_have_no_doubling_time(comparer, studies, tmp_path):
    folder, current, prior = studies
    shutil.copytree(folder / "current", tmp_path / "current")
    studied(tmp_path / "prior", prior, "20230720")
    found = compared(comparer, tmp_path, [click(current, GROWS, MOVED)]).comparison
    assert found.changes[0].verdict is Verdict.LARGER
    assert found.changes[0].doubling is None
    assert any("of one day" in note for note in found.notes)


def test_nothing_marked_is_asked_for(comparer, studies):
    folder, *_ = studies
    found = compared(comparer, folder)
    assert "nothing is marked" in found.comparison.refusal
    assert found.comparison.alignment.quality.is_good


def test_what_is_printed_is_json(result):
    document = json.loads(json.dumps(printed_comparison(result.comparison)))
    assert document["days_between"] == 200
    assert document["alignment"]["accepted"] is True
    assert [each["verdict"] for each in document["lesions"]] == [
        "larger",
        "stable",
        "new",
        "resolved",
    ]
    interval = document["lesions"][0]["doubling_time"]["interval_95_days"]
    assert interval[0] < 200 < interval[1]


def test_the_chest_pair_on_the_command_line(radcopilot, shared_data, tmp_path):
    folder = shared_data / "ct_chest_pair"
    run = radcopilot(
        "ask",
        folder / "t1_dicom",
        "compare with the prior",
        "--prior",
        folder / "t0_dicom",
        *("--point", "13,349,148", "--point", "21,264,391", "--point", "25,374,384"),
        *("--point", "32,355,224", "--prior-point", "27,343,119"),
        *("--export", "text", "--export", "hl7"),
        "--output",
        "out",
        "--json",
    )
    assert run.returncode == 0, run.stderr
    comparison = json.loads(run.stdout)["comparison"]
    verdicts = [each["verdict"] for each in comparison["lesions"]]
    assert verdicts == ["larger", "stable", "new", "stable", "resolved"]
    shortest, longest = comparison["lesions"][0]["doubling_time"]["interval_95_days"]
    assert shortest < 231.1 < longest
    now, then = (pydicom.dcmread(tmp_path / "out" / name) for name in ("sr.dcm", "prior/sr.dcm"))
    assert now.StudyDate == "20230725"
    assert then.StudyDate == "20230110"
    text = (tmp_path / "out" / "report.txt").read_text()
    assert all(each["sentence"] in text for each in comparison["lesions"])
    for name, dataset in (("report.hl7", now), ("prior/report.hl7", then)):
        message = (tmp_path / "out" / name).read_text()
        assert f"^{dataset.StudyInstanceUID}^ISO" in message
        assert f"|{dataset.StudyDate}|" in message


def test_a_prior_that_does_not_fit_is_refused_on_the_command_line(radcopilot, shared_data):
    run = radcopilot(
        "ask",
        shared_data / "ct_lung1" / "dicom",
        "compare with the prior",
        "--prior",
        shared_data / "ct_multiorgan" / "dicom",
        "--point",
        "32,355,224",
    )
    assert run.returncode == 2
    assert "another patient" in run.stderr


def test_two_segmentations_are_compared_and_nothing_is_looked_for(
    radcopilot, studies, result, tmp_path
):
    folder, *_ = studies
    result.current.write(tmp_path / "now")
    result.prior.write(tmp_path / "then")
    run = radcopilot(
        "compare",
        tmp_path / "then" / "seg.dcm",
        tmp_path / "now" / "seg.dcm",
        "--prior-source",
        folder / "prior",
        "--source",
        folder / "current",
        "--json",
    )
    assert run.returncode == 0, run.stderr
    lesions = {
        (each["current"] or each["prior"])["label"]: each
        for each in json.loads(run.stdout)["lesions"]
    }
    assert lesions["Finding 1"]["verdict"] == "larger"
    assert lesions["Finding 2"]["verdict"] == "stable"
    for alone in ("Finding 3", "Prior finding 1"):
        assert lesions[alone]["verdict"] == "not compared"
        assert "SEG has it" in lesions[alone]["reasons"][0]


def test_a_prior_needs_something_to_compare(radcopilot, studies):
    folder, *_ = studies
    for arguments, words in (
        (("bone window please", "--prior", folder / "prior"), "a prior is of no use"),
        (("compare with the prior", "--prior-point", "1,2,3"), "need --prior"),
        (("compare with the prior",), "nothing to compare with"),
        (("compare with the prior", "--prior", folder / "prior"), "nothing is marked"),
    ):
        run = radcopilot("ask", folder / "current", *arguments)
        assert run.returncode == 2
        assert words in run.stderr

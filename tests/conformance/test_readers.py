"""Others read our measurement report: volume, site, side and tracking UID are what we wrote."""

import json
import subprocess

import highdicom as hd
import pytest

from domain.codes import VOLUME
from tests.two_sides import two_sides


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

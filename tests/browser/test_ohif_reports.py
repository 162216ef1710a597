"""What OHIF's own release reads of our measurement report, opened beside its images.

It lists every comment, and of the numbers those with coordinates: diameters by their ends, and the
volume by its point. Site and side are in its tree, and on its list in words.
"""

from collections.abc import Iterator
from typing import Any

import pydicom
import pytest
from playwright.sync_api import Page

from copilot.ohif import INSTALLED
from domain.codes import LONG_AXIS, VOLUME
from reporting.wording import number
from tests.browser.conftest import watched_page
from tests.browser.test_ohif import STARTS
from tests.conftest import missing
from tests.two_sides import TwoSides, two_sides

IS_THERE = """() => window.services.displaySetService.getActiveDisplaySets()
    .some(({ Modality }) => Modality === 'SR')"""
READ = """async () => {
    const { displaySetService } = window.services;
    const report = displaySetService.getActiveDisplaySets()
        .find(({ Modality }) => Modality === 'SR');
    if (!report.isLoaded) await report.load();
    const list = (each) => (each === undefined ? [] : Array.isArray(each) ? each : [each]);
    const named = (item) => list(item.ConceptNameCodeSequence)[0]?.CodeValue;
    const value = (item) => list(item.ConceptCodeSequence)[0]?.CodeMeaning;
    const inside = (item, code) => list(item.ContentSequence)
        .filter((each) => named(each) === code);
    const groups = inside(report.instance, '126010').flatMap((each) => inside(each, '125007'));
    return {
        handler: report.SOPClassHandlerId,
        listed: report.measurements.map((each) => ({
            uid: each.TrackingUniqueIdentifier,
            name: each.TrackingIdentifier,
            labels: each.labels.map(({ label, value }) => [label, value]),
        })),
        tree: groups.map((group) => {
            const [site] = inside(group, '363698007');
            const [volume] = inside(group, '118565006');
            const [measured] = list(volume.MeasuredValueSequence);
            return {
                uid: inside(group, '112040')[0].UID,
                site: value(site),
                side: value(inside(site, '272741003')[0]),
                volume: Number(measured.NumericValue),
                unit: list(measured.MeasurementUnitsCodeSequence)[0].CodeValue,
            };
        }),
    };
}"""


@pytest.fixture(scope="module")
def made(station, models_folder, tmp_path_factory) -> TwoSides:
    """A study with its SEG and SR, sent as an archive would."""
    if not (models_folder / INSTALLED).is_dir():
        missing("OHIF is not installed (radcopilot ohif install)")
    folder = tmp_path_factory.mktemp("two-sides")
    first = two_sides(folder)
    for path in first.images:
        header = pydicom.dcmread(path)
        header.PatientID = "OHIF-SR"
        header.WindowCenter, header.WindowWidth = -400, 1500
        header.save_as(path)
    study = two_sides(folder, first.images)
    station.store(study.images)
    station.store((study.seg, study.sr))
    return study


@pytest.fixture(scope="module")
def page(made, browser, station) -> Iterator[Page]:
    study = made.report.StudyInstanceUID
    with watched_page(browser, station) as opened:
        opened.goto(f"/ohif/copilot?StudyInstanceUIDs={study}", wait_until="commit")
        opened.get_by_test_id("copilot").wait_for(timeout=STARTS)
        opened.wait_for_function(IS_THERE, timeout=STARTS)
        yield opened


@pytest.fixture(scope="module")
def read(page) -> dict[str, Any]:
    return page.evaluate(READ)


def test_its_content_tree_has_volume_site_side_and_tracking_uid_of_both(read, made):
    assert [(each["uid"], each["site"], each["side"].lower()) for each in read["tree"]] == [
        (each.tracking_uid, each.site.meaning, each.side) for each in made.findings
    ]
    assert [each["side"] for each in read["tree"]] == ["Left", "Right"]
    assert {each["unit"] for each in read["tree"]} == {"ml"}
    assert [each["volume"] for each in read["tree"]] == pytest.approx(made.volumes_ml(), rel=1e-6)


def test_its_own_reader_of_measurement_reports_takes_it(read, made):
    assert read["handler"].endswith("dicom-sr-3d")
    assert [(each["uid"], each["name"]) for each in read["listed"]] == [
        (each.tracking_uid, each.tracking_id) for each in made.findings
    ]


def test_it_lists_the_side_in_words_and_volume_and_diameters_as_numbers(read, made):
    for listed, finding in zip(read["listed"], made.findings, strict=True):
        labels = dict(listed["labels"])
        said = listed["labels"][0][0]
        volume = number(finding.measurement(VOLUME))
        assert said.startswith(f"In words: {finding.side.capitalize()} lung lesion (Finding ")
        assert f"volume {volume}" in said
        assert labels["Long axis"] == f"{finding.measurement(LONG_AXIS).value:.2f} mm"
        assert labels["Volume"] == f"{finding.measurement(VOLUME).value:.2f} ml"

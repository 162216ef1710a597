import io
import re
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from domain.codes import LONG_AXIS, MILLILITRE, VOLUME
from domain.concepts import Window
from domain.errors import InputError, PromptError
from domain.measurement import Measurement
from domain.report import StudyContext
from reporting.draft import DraftRenderer, draft_report
from reporting.findings import Tracking, located, measured
from reporting.pictures import View, outline_png
from reporting.wording import number
from tests.phantoms import UIDS, ct, ellipsoid, grid, segment

CONTEXT = StudyContext(
    patient_name="PHANTOM^<b>TEST</b>",
    patient_id="PHANTOM",
    study_date="2020-01-02",
    study_description="phantom",
    modality="CT",
    technique="CT, many images.",
)


@pytest.fixture(scope="module")
def renderer():
    templates = resources.files("configs") / "templates"
    return DraftRenderer(
        (templates / "draft.md.j2").read_text(), (templates / "draft.html.j2").read_text()
    )


@pytest.fixture
def finding():
    on = grid()
    mask = ellipsoid(on, (6.0, 8.0, 5.0))
    tracking = Tracking(tracking_id="Finding 1", tracking_uid=UIDS.new_uid(), segment_number=1)
    return located(
        measured(ct(on, mask), segment(mask, side="left"), None, tracking), UIDS.new_uid()
    )


def test_every_number_of_a_statement_comes_from_a_measurement(finding):
    draft = draft_report(CONTEXT, [finding])
    for statement in (*draft.findings, *draft.impression):
        text = statement.text.replace("Finding 1", "")
        image = statement.finding.measurement(LONG_AXIS).slice_index + 1
        text = text.replace(f"(image {image})", "")
        written = re.findall(r"-?\d+(?:\.\d+)?", text)
        allowed = re.findall(
            r"-?\d+(?:\.\d+)?", " ".join(number(each) for each in statement.measurements)
        )
        assert written
        assert set(written) <= set(allowed)


def test_every_finding_carries_its_slice_and_mask(finding, renderer):
    draft = draft_report(CONTEXT, [finding])
    for text in (renderer.markdown(draft), renderer.html(draft)):
        assert f"image {finding.evidence.key_slice_index + 1} (slice index" in text.lower()
        assert finding.evidence.segmentation_instance_uid in text


def test_draft_is_said_on_top_and_on_every_printed_page(finding, renderer):
    draft = draft_report(CONTEXT, [finding])
    markdown = renderer.markdown(draft).strip().splitlines()
    assert "DRAFT" in markdown[0]
    assert "DRAFT" in markdown[-1]
    html = renderer.html(draft)
    assert re.search(r"\.draft \{ position: fixed", html)  # fixed boxes repeat on each page
    assert '<div class="draft" role="note">DRAFT' in html


def test_html_is_escaped(finding, renderer):
    html = renderer.html(draft_report(CONTEXT, [finding]))
    assert "<b>TEST" not in html
    assert "&lt;b&gt;TEST" in html


def test_a_draft_says_what_was_not_found_and_never_nothing(renderer):
    draft = draft_report(CONTEXT, [], ["pleural effusion: not found (searched 8 slices)"])
    assert "pleural effusion: not found" in renderer.markdown(draft)
    with pytest.raises(InputError):
        draft_report(CONTEXT, [])


def test_numbers_have_the_digits_they_are_worth(finding):
    volume = finding.measurement(VOLUME)
    assert re.fullmatch(r"\d\.\d\d mL \(±0\.\d\d\)", number(volume))


def test_a_picture_shows_outline_sides_and_scale():
    on = grid(shape=(4, 64, 64))
    mask = ellipsoid(on, (9.0, 12.0, 9.0))
    view = View(slice_index=1, window=Window(center=-300, width=1200), caption=("Finding 1",))
    plain = Image.open(io.BytesIO(outline_png(ct(on, mask), mask, view)))
    pixels = np.asarray(plain.convert("RGB")).astype(int)
    cyan = (pixels == (0, 229, 255)).all(axis=2)
    assert cyan.any()
    rows, columns = np.nonzero(cyan)
    zoom = pixels.shape[0] / 64
    assert np.ptp(rows) / zoom == pytest.approx(2 * 12.0, abs=2.0)
    assert np.ptp(columns) / zoom == pytest.approx(2 * 9.0, abs=2.0)
    with pytest.raises(PromptError, match="slice 9 does not exist"):
        outline_png(ct(on, mask), mask, View(slice_index=9))


def test_a_picture_says_draft_until_a_person_has_signed():
    on = grid(shape=(4, 64, 64))
    mask = ellipsoid(on, (9.0, 12.0, 9.0))
    shown = [
        np.asarray(
            Image.open(
                io.BytesIO(outline_png(ct(on, mask), mask, View(slice_index=1, is_draft=is_draft)))
            )
        )
        for is_draft in (True, False)
    ]
    orange = [(each == (255, 170, 60)).all(axis=2).any() for each in shown]
    assert orange == [True, False]


def millilitres(value, uncertainty):
    return Measurement(concept=VOLUME, value=value, unit=MILLILITRE, uncertainty=uncertainty)


def test_an_uncertainty_is_written_in_the_digits_of_its_value_and_never_as_nothing():
    assert number(millilitres(1.3612, 0.0982)) == "1.36 mL (±0.10)"
    assert number(millilitres(1043.1, 0.004)) == "1043.1 mL (±0.1)"
    assert number(millilitres(0.0523, 0.03)) == "0.052 mL (±0.030)"
    assert number(millilitres(1.3612, None)) == "1.36 mL"


@given(st.floats(1e-3, 5e3), st.floats(0.0, 1.0))
def test_no_wording_makes_an_interval_narrower(value, share):
    measurement = millilitres(value, value * share)
    written = float(re.search(r"±([\d.]+)", number(measurement)).group(1))
    assert written >= measurement.uncertainty * (1 - 1e-6) - 1e-9

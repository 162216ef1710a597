"""What is said of signals beside a mask: where to look, and never how likely it is right."""

import json
from dataclasses import replace
from importlib import resources

import pytest

from copilot.concepts import load_concepts
from copilot.doubt import NOT_CALIBRATED, doubts, in_words, printed_confidence, worded
from copilot.reviewer import RuleReviewer
from domain.prompt import Box, Prompt
from domain.report import StudyContext
from domain.segment import Confidence, ExpectedAgreement
from reporting.draft import DraftRenderer, draft_report
from reporting.findings import Tracking, measured
from tests.phantoms import UIDS, ct, ellipsoid, grid, segment

GOOD = Confidence(main_slice=4, agreement=0.93, jitter_stability=0.96)
POOR = Confidence(main_slice=4, agreement=0.41, jitter_stability=0.72, weak_slices=(2, 5, 6, 7))


@pytest.mark.parametrize(
    ("indices", "words"),
    [
        ((12,), "image 13 (slice index 12)"),
        ((12, 13, 14), "images 13 to 15 (slice indices 12 to 14)"),
        ((0, 2, 3, 9), "images 1, 3 to 4, 10 (slice indices 0, 2 to 3, 9)"),
    ],
)
def test_images_count_from_one_and_indices_from_zero(indices, words):
    assert in_words(indices) == words


def test_nothing_is_said_against_what_holds():
    assert doubts(GOOD) == ()
    assert worded(GOOD) == f"no signal speaks against the outline; {NOT_CALIBRATED}"


def test_each_poor_signal_is_named_with_where_to_look():
    unstable, otherwise, weak = doubts(POOR)
    assert unstable == (
        "the outline is unstable under small changes of the box (Dice 0.72 on image 5 "
        "(slice index 4))"
    )
    assert "second method" in otherwise
    assert "0.41" in otherwise
    assert "images 3, 6 to 8 (slice indices 2, 5 to 7): look there" in weak


def test_missing_signals_say_nothing():
    assert doubts(Confidence(main_slice=None)) == ()


def test_a_window_that_matters_is_said():
    (said,) = doubts(replace(GOOD, window_stability=0.6))
    assert "changes of the window" in said


def test_a_signal_of_the_whole_mask_names_no_image():
    (said,) = doubts(Confidence(main_slice=None, agreement=0.4))
    assert said == "a second method outlines it otherwise (Dice 0.40)"


@pytest.mark.parametrize("confidence", [GOOD, POOR])
def test_it_is_never_called_a_probability(confidence):
    expected = ExpectedAgreement(dice=0.93, lowest_dice=0.7, cases=12, patients=3)
    for each in (confidence, replace(confidence, expected=expected)):
        assert "probab" not in worded(each)
        assert "%" not in worded(each)


def test_what_was_measured_stands_with_its_cases():
    expected = ExpectedAgreement(dice=0.934, lowest_dice=0.7, cases=12, patients=3)
    said = worded(replace(GOOD, expected=expected))
    assert "12 things in 3 patients" in said
    assert "0.93 on average, 0.70 at worst" in said


def test_it_is_printed_as_plain_json_with_indices_from_zero():
    expected = ExpectedAgreement(dice=0.934, lowest_dice=0.7, cases=12, patients=3)
    printed = json.loads(json.dumps(printed_confidence(replace(POOR, expected=expected))))
    assert printed["agreement"] == 0.41
    assert printed["jitter_stability"] == 0.72
    assert printed["window_stability"] is None
    assert printed["weak_slices"] == [2, 5, 6, 7]
    assert printed["calibrated"] == {
        "expected_dice": 0.934,
        "lowest_dice": 0.7,
        "cases": 12,
        "patients": 3,
    }
    assert printed_confidence(GOOD)["calibrated"] is None
    assert printed_confidence(None) is None


@pytest.fixture(scope="module")
def renderer():
    templates = resources.files("configs").joinpath("templates")
    return DraftRenderer(
        templates.joinpath("draft.md.j2").read_text(encoding="utf-8"),
        templates.joinpath("draft.html.j2").read_text(encoding="utf-8"),
    )


def made(confidence):
    mask = ellipsoid(grid(), (5.0, 6.0, 6.0))
    return ct(mask.grid, mask), replace(segment(mask), confidence=confidence)


@pytest.mark.parametrize("confidence", [GOOD, POOR, None])
def test_the_reviewer_warns_of_poor_signals_and_keeps_the_mask(confidence):
    volume, answer = made(confidence)
    prompt = Prompt(boxes=(Box.on_slice(4, (5, 19), (4, 16)),))
    looked_at = RuleReviewer(load_concepts()).reviewed(volume, prompt, answer)
    assert (looked_at.mask.voxels == answer.mask.voxels).all()
    assert looked_at.confidence == confidence
    warned = [each for each in looked_at.warnings if "unstable" in each or "second" in each]
    assert len(warned) == (2 if confidence is POOR else 0)


@pytest.mark.parametrize("confidence", [GOOD, POOR])
def test_the_draft_speaks_of_signals_only_when_they_are_poor(confidence, renderer):
    volume, answer = made(confidence)
    prompt = Prompt(boxes=(Box.on_slice(4, (5, 19), (4, 16)),))
    looked_at = RuleReviewer(load_concepts()).reviewed(volume, prompt, answer)
    tracking = Tracking(tracking_id="Finding 1", tracking_uid=UIDS.new_uid(), segment_number=1)
    finding = measured(volume, looked_at, None, tracking)
    draft = draft_report(StudyContext(modality="CT"), [finding])
    said = renderer.markdown(draft)
    assert ("unstable under small changes of the box" in said) == (confidence is POOR)
    assert ("images 3, 6 to 8" in said) == (confidence is POOR)
    assert "calibrated" not in said

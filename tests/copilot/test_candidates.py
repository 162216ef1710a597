"""Asked for nodules by name alone, the copilot lists places to click on, and claims no more."""

import json
from dataclasses import replace

import pytest

from copilot.candidates import Listed, listed, unheeded
from domain.candidate import Candidate
from domain.command import SegmentCommand, Which
from domain.ports import Progress, no_progress
from domain.prompt import Box, Point, Prompt
from domain.volume import Volume
from tests.phantoms import series
from tests.segmentation.chests import Ball, Tube, chest_with

BALLS = (
    Ball(centre_mm=(71.0, 78.0, 58.0), radius_mm=7.0),
    Ball(centre_mm=(92.0, 98.0, 176.0), radius_mm=8.0),
)
VESSEL = Tube(start_mm=(60.0, 82.0, 132.0), stop_mm=(30.0, 60.0, 190.0), radius_mm=3.0)
RIGHT = Candidate(
    centre=Point(slice_index=11, row=40, column=50),
    box=Box(
        slice_start=10, slice_stop=13, row_start=35, row_stop=46, column_start=45, column_stop=56
    ),
    diameter_mm=8.2,
    volume_ml=0.29,
    score=0.6,
    side="right",
)
LEFT = replace(RIGHT, side="left", score=0.5)
UNKNOWN = replace(RIGHT, side=None, score=0.4)


class ThreeCandidates:
    """A finder with a known answer."""

    def supports(self, volume: Volume, concept: str) -> str | None:  # noqa: ARG002 - the port's
        return None if concept == "lung nodule" else f"not for the {concept}: draw a box"

    def find(self, volume: Volume, progress: Progress) -> tuple[Candidate, ...]:  # noqa: ARG002 - the port's
        return (RIGHT, LEFT, UNKNOWN)


def _listed(**prompt) -> Listed | str:
    wanted = Prompt(**{"concept": "lung nodule"} | prompt)
    return listed((ThreeCandidates(),), chest_with(), wanted, no_progress)


def test_a_side_keeps_those_of_that_side_and_those_of_no_known_side():
    found = _listed(side="left")
    assert isinstance(found, Listed)
    assert found.candidates == (LEFT, UNKNOWN)
    assert "not findings" in found.notes[0]


def test_a_slice_range_keeps_those_that_reach_into_it():
    found = _listed(slice_range=(12, 20))
    assert isinstance(found, Listed)
    assert len(found.candidates) == 3
    none = _listed(slice_range=(13, 20))
    assert isinstance(none, Listed)
    assert none.candidates == ()
    assert "does not rule one out" in none.notes[0]
    assert "slices 13 to 19" in none.notes[0]


def test_other_concepts_and_hints_are_not_answered_with_candidates():
    assert _listed(concept="liver") == "not for the liver: draw a box"
    assert isinstance(_listed(points=(Point(slice_index=0, row=0, column=0),)), str)


def test_a_lobe_or_a_size_that_is_not_heeded_is_said():
    command = SegmentCommand(concept=("lung nodule",), location="upper lobe", which=Which.LARGEST)
    note = unheeded(command)
    assert note is not None
    assert "'upper lobe' and 'largest'" in note
    assert unheeded(SegmentCommand(concept=("lung nodule",))) is None


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return series(folder / "chest", chest_with(BALLS, (VESSEL,)))[0].parent


@pytest.mark.parametrize("sentence", ["find the lung nodules", "segment the lung nodules"])
def test_ask_lists_candidates_and_makes_no_object_of_them(radcopilot, study, sentence):
    run = radcopilot("ask", study, sentence, "--output", "out", "--json")
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    assert document["masks"] == []
    assert document["measurements"] == []
    assert document["files"] == {}
    assert [each["number"] for each in document["candidates"]] == [1, 2]
    assert {each["side"] for each in document["candidates"]} == {"left", "right"}
    assert any("not findings" in warning for warning in document["warnings"])
    first = document["candidates"][0]
    assert set(first) == {
        "number", "slice", "row", "column", "box", "slices", "side", "diameter_mm", "volume_ml",
        "score",
    }  # fmt: skip


def test_a_candidate_is_measured_once_it_is_clicked(radcopilot, study):
    run = radcopilot("ask", study, "list the nodules", "--output", "out")
    assert run.returncode == 0, run.stderr
    line = next(each for each in run.stdout.splitlines() if each.startswith("1. "))
    point = line.rpartition("--point ")[2]
    clicked = radcopilot(
        "ask", study, "segment the lung nodule", "--point", point, "--output", "out", "--json"
    )
    assert clicked.returncode == 0, clicked.stderr
    document = json.loads(clicked.stdout)
    [mask] = document["masks"]
    assert mask["made_by"]["engine"] == "half-maximum"
    assert mask["is_proposal"]
    assert any(mask["volume_ml"] == pytest.approx(ball.volume_ml, rel=0.15) for ball in BALLS)
    assert document["candidates"] == []


def test_none_found_rules_nothing_out_and_enters_no_draft(radcopilot, tmp_path):
    folder = series(tmp_path / "empty", chest_with((), (VESSEL,)))[0].parent
    run = radcopilot("ask", folder, "find the lung nodules", "--output", "out", "--json")
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    assert document["candidates"] == []
    assert document["absent"] == []
    assert document["files"] == {}
    assert any("does not rule one out" in warning for warning in document["warnings"])

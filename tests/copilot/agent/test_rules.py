"""The agent without a model: plausibility decides, and other words and grey levels are tried."""

import pytest

from copilot.agent.record import Records
from domain.ports import no_progress
from domain.prompt import Box, Prompt
from reporting.volumetry import volume_ml
from tests.copilot.agent.abdomens import (
    LEFT_COLUMN,
    abdomen,
    agent,
    only_record,
    words_engine,
)


def calls_of(folder):
    record = Records(folder / "agent").get(only_record(folder))
    return [
        (call["name"], call["arguments"])
        for turn in record.turns
        for each in turn["rounds"]
        for call in each["reply"]["calls"]
    ]


def test_the_left_one_is_chosen_by_where_it_lies(tmp_path):
    found = agent(tmp_path).work(
        words_engine(), abdomen(), Prompt(concept="kidney", side="left"), no_progress
    )
    (segment,) = found.segments
    columns = segment.mask.voxels.any(axis=(0, 1)).nonzero()[0]
    assert segment.side == "left"
    assert abs(columns.mean() - LEFT_COLUMN) < 1
    assert segment.concept == "kidney"
    assert segment.is_proposal
    assert volume_ml(segment.mask) == pytest.approx(65.4, rel=0.05)


def test_both_sides_are_proposed_when_no_side_was_asked_for(tmp_path):
    found = agent(tmp_path).work(words_engine(), abdomen(), Prompt(concept="kidney"), no_progress)
    assert len(found.segments) == 2


def test_that_only_the_other_side_was_found_is_absence(tmp_path):
    found = agent(tmp_path).work(
        words_engine(), abdomen(left=False), Prompt(concept="kidney", side="left"), no_progress
    )
    assert found.segments == ()
    assert "other side" in found.absence
    assert '"kidney" on all slices' in found.absence


def test_other_words_are_tried_where_the_first_find_nothing(tmp_path):
    engine = words_engine(unknown=("kidney",))
    found = agent(tmp_path).work(
        engine, abdomen(), Prompt(concept="kidney", side="right"), no_progress
    )
    (segment,) = found.segments
    assert segment.concept == "kidney"
    assert 'found by the words "renal parenchyma"' in segment.warnings


def test_what_is_implausible_is_looked_for_again_and_then_said_to_be_doubtful(tmp_path):
    tiny = abdomen(right=False, radius_mm=8.0)
    found = agent(tmp_path).work(words_engine(), tiny, Prompt(concept="kidney"), no_progress)
    names = [name for name, _ in calls_of(tmp_path)]
    assert names == ["segment", "measure", "segment", "segment", *["measure"] * 2, "propose"]
    assert "least doubtful" in found.notes[0]
    assert len(found.segments) == 1


def test_one_thing_found_by_two_words_is_proposed_once(tmp_path):
    found = agent(tmp_path).work(
        words_engine(unknown=("spleen",)),
        abdomen(right=False),
        Prompt(concept="lung lesion"),
        no_progress,
    )
    assert len(found.segments) == 1


def test_absence_names_what_was_searched_and_with_which_grey_levels(tmp_path):
    found = agent(tmp_path).work(
        words_engine(), abdomen(left=False, right=False), Prompt(concept="kidney"), no_progress
    )
    assert found.segments == ()
    assert '"kidney" on all slices; "renal parenchyma" on all slices' in found.absence
    assert "grey levels -80 to 160" in found.absence


def test_the_record_stands_in_the_provenance(tmp_path):
    found = agent(tmp_path).work(
        words_engine(), abdomen(right=False), Prompt(concept="kidney"), no_progress
    )
    (segment,) = found.segments
    assert segment.provenance.directed_by == f"rules 1, record {only_record(tmp_path)}"


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        (Prompt(concept="kidney"), True),
        (Prompt(concept="kidney", side="left"), True),
        (Prompt(), False),
        (Prompt(concept="kidney", boxes=(Box.on_slice(11, (30, 60), (80, 100)),)), False),
    ],
)
def test_by_default_it_works_where_words_alone_are_given(tmp_path, prompt, wanted):
    assert agent(tmp_path).wants(words_engine(), abdomen(), prompt) is wanted

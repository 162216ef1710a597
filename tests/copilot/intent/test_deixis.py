"""Words that point, and what they mean by what a page knows."""

import pytest

from copilot.concepts import load_concepts
from copilot.intent.deixis import Context, Meant
from copilot.intent.grammar import SpokenGrammar
from copilot.intent.rules import load_rules
from copilot.understanding import meant, understood
from domain.command import (
    DeleteCommand,
    MeasureCommand,
    OtherSideCommand,
    QuestionCommand,
    ResizeCommand,
    SameOnPriorCommand,
    SegmentCommand,
    Side,
    as_json,
)
from domain.errors import InputError
from domain.uids import SeriesUID

GRAMMAR = SpokenGrammar(load_concepts())
PRIOR = SeriesUID("1.2.3.4")
TWO = ("Lung lesion", "Right kidney")


def said(sentence: str, **known: object) -> Meant:
    return meant(GRAMMAR, sentence, Context(**known))  # type: ignore[arg-type]


def asked(sentence: str, **known: object) -> QuestionCommand:
    command = said(sentence, **known).command
    assert isinstance(command, QuestionCommand), command
    return command


@pytest.mark.parametrize(
    ("sentence", "command"),
    [
        ("the other kidney", {"action": "other_side", "concept": "kidney", "measures": []}),
        ("and now the other side", {"action": "other_side", "measures": []}),
        ("how big is the other lung",
         {"action": "other_side", "concept": "lung", "measures": ["volume"]}),
        ("do the same on the prior", {"action": "same_on_prior"}),
        ("make it smaller", {"action": "resize", "larger": False}),
        ("make it two millimetres larger", {"action": "resize", "larger": True, "step_mm": 2}),
        ("shrink the second lesion by 3 mm",
         {"action": "resize", "larger": False, "step_mm": 3, "ordinal": 2}),
    ],
)  # fmt: skip
def test_a_sentence_that_points_is_read_as_such(sentence, command):
    assert as_json(GRAMMAR.parse(sentence)) == command


def test_every_example_means_the_intent_it_is_shown_for():
    actions = {
        "enlarge": "resize", "shrink": "resize", "measure_finding": "measure",
        "measure_selection": "measure", "measure_as": "segment", "send_all": "send",
    }  # fmt: skip
    examples = load_rules().examples
    assert len(examples) > 20
    for intent, sentences in examples.items():
        for sentence in sentences:
            command = GRAMMAR.parse(sentence)
            assert command is not None, sentence
            assert command.action == actions.get(intent, intent), sentence


@pytest.mark.parametrize(
    "sentence", ["the other kidney", "the other side", "segment it on the other side"]
)
def test_the_other_side_is_the_last_command_with_its_side_exchanged(sentence):
    found = said(sentence, last="Segment the left kidney and give me its volume")
    assert found.sentence == "segment the right kidney and give me its volume"
    assert found.command == understood(GRAMMAR, found.sentence)
    assert isinstance(found.command, SegmentCommand)
    assert found.command.side is Side.RIGHT


def test_measuring_the_other_one_measures_it_though_the_first_was_only_outlined():
    found = said("measure the other kidney", last="segment the right kidney")
    assert as_json(found.command) == {
        "action": "segment", "concept": "kidney", "side": "left", "measures": ["volume"],
    }  # fmt: skip
    assert found.command == understood(GRAMMAR, found.sentence)


@pytest.mark.parametrize(
    "last",
    [None, "segment the kidneys", "segment the kidney", "segment the left lung",
     "segment the left kidney and the spleen", "measure this"],
)  # fmt: skip
def test_the_other_kidney_is_asked_back_where_no_one_kidney_was_named(last):
    question = asked("the other kidney", last=last)
    assert question.choices == ("segment the left kidney", "segment the right kidney")


@pytest.mark.parametrize(
    "sentence", ["the other side", "the other kidney", "same on the prior", "make it smaller"]
)
def test_alone_a_sentence_that_points_is_a_question(sentence):
    assert isinstance(understood(GRAMMAR, sentence), QuestionCommand)


def test_the_same_on_the_prior_is_the_last_command_on_its_series():
    found = said("same on the prior", last="segment the left kidney", prior=PRIOR)
    assert found.series == PRIOR
    assert found.sentence == "segment the left kidney"
    assert asked("same on the prior", last="segment the left kidney").choices == ("open the prior",)
    assert "outlined" in asked("same on the prior", prior=PRIOR).text


def test_measure_this_is_what_was_just_drawn():
    for known in ({"drawn_s": 3.0}, {"drawn_s": 3.0, "findings": TWO, "selected": 2}):
        command = said("measure this", **known).command
        assert isinstance(command, MeasureCommand)
        assert command.target == "selection"


def test_measure_this_is_the_selected_finding_where_nothing_is_drawn():
    command = said("measure this lesion", findings=TWO, selected=2).command
    assert isinstance(command, MeasureCommand)
    assert (command.target, command.ordinal) == ("finding", 2)
    only = said("measure this", findings=TWO[:1]).command
    assert isinstance(only, MeasureCommand)
    assert only.ordinal == 1


def test_an_old_mark_and_a_selected_finding_are_asked_about_and_the_answers_are_clear():
    known = {"drawn_s": 90.0, "findings": TWO, "selected": 2}
    question = asked("measure this", **known)
    assert "Right kidney" in question.text
    drawn, finding = (said(each, **known).command for each in question.choices)
    assert isinstance(drawn, MeasureCommand)
    assert drawn.target == "drawn"
    assert isinstance(finding, MeasureCommand)
    assert (finding.target, finding.ordinal) == ("finding", 2)


@pytest.mark.parametrize(
    "sentence", ["delete it", "make it smaller", "make it 2 mm larger", "measure this"]
)
def test_with_two_findings_and_none_selected_the_numbers_are_asked_for(sentence):
    question = asked(sentence, findings=TWO)
    assert "finding 1 (Lung lesion)" in question.text
    for number, choice in enumerate(question.choices, start=1):
        command = said(choice, findings=TWO).command
        assert isinstance(command, DeleteCommand | ResizeCommand | MeasureCommand)
        assert command.ordinal == number
        by_number = said(sentence, findings=TWO, selected=number).command
        assert as_json(command) == as_json(by_number)


def test_a_finding_that_is_not_there_is_said_to_be_missing():
    assert "there are 2" in asked("delete the third one", findings=TWO).text
    assert "No finding" in asked("make it larger").text


def test_a_step_is_one_to_five_millimetres():
    assert "1 to 5" in asked("make it 40 mm larger", findings=TWO, selected=1).text
    with pytest.raises(InputError, match="1 to 5"):
        ResizeCommand(larger=True, step_mm=6)


def test_what_does_not_point_means_what_it_meant():
    sentence = "segment the left kidney"
    assert said(sentence, findings=TWO, selected=1, drawn_s=2.0).command == GRAMMAR.parse(sentence)
    assert not isinstance(GRAMMAR.parse(sentence), OtherSideCommand | SameOnPriorCommand)

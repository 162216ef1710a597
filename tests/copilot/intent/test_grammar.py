"""Sentences and the commands they mean, as a radiologist would say them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot.concepts import load_concepts
from copilot.intent.grammar import SpokenGrammar
from copilot.intent.meaning import MEANINGS
from copilot.intent.numbers import words_of
from copilot.intent.rules import load_rules
from domain.command import GotoCommand, QuestionCommand, SegmentCommand, Side, as_json
from domain.ports import Grammar

GRAMMAR = SpokenGrammar(load_concepts())


def seg(concept: str | list[str], side: str | None = None, *measures: str, **more: str) -> Any:
    command: dict[str, Any] = {"action": "segment", "concept": concept, "measures": list(measures)}
    return command | ({"side": side} if side else {}) | more


def show(concept: str, **more: str) -> Any:
    return {"action": "show", "concept": concept} | more


def measure(*measures: str, **more: str) -> Any:
    return {"action": "measure", "target": "selection", "measures": list(measures)} | more


def act(action: str, **more: Any) -> Any:
    return {"action": action} | more


SENTENCES: list[tuple[str, Any]] = [
    ("segment the right lung", seg("lung", "right")),
    ("Could you please segment the spleen for me?", seg("spleen")),
    ("outline the left adrenal nodule", seg("adrenal nodule", "left")),
    ("contour the renal mass on the right", seg("renal mass", "right")),
    ("contour the renal mass on the right side", seg("renal mass", "right")),
    ("delineate the tumour in the left kidney", seg("renal tumor", "left")),
    ("mark the lesion in the liver", seg("liver lesion")),
    ("highlight the kidneys", seg("kidney", "both")),
    ("segment the left and the right kidney", seg("kidney", "both")),
    ("segment the liver, the spleen and the pancreas", seg(["liver", "spleen", "pancreas"])),
    ("segment the 12 mm nodule in the right upper lobe",
     seg("lung nodule", "right", location="upper lobe")),
    ("segment the right middle lobe mass", seg("lung mass", "right", location="middle lobe")),
    ("segment the largest lung nodules", seg("lung nodule", which="largest")),
    ("segment the enhancing brain tumour", seg("brain tumor")),
    ("segment the left sided subdural haematoma", seg("subdural hematoma", "left")),
    ("segment the left ventricle", seg("left ventricle")),
    ("segment the haemorrhage and tell me its volume",
     seg("intracranial hemorrhage", None, "volume")),
    ("segment the left kidney and give me its volume and mean density",
     seg("kidney", "left", "volume", "density")),
    ("what is the volume of the liver", seg("liver", None, "volume")),
    ("what's the volume of the left lung?", seg("lung", "left", "volume")),
    ("liver volume please", seg("liver", None, "volume")),
    ("calculate the spleen volume", seg("spleen", None, "volume")),
    ("how big is the spleen", seg("spleen", None, "volume")),
    ("how dense is the adrenal nodule", seg("adrenal nodule", None, "density")),
    ("what is the size of the right kidney", seg("kidney", "right", "volume")),
    ("measure the liver lesion", seg("liver lesion", None, "diameter", "volume")),
    ("long axis of the largest liver metastasis",
     seg("liver metastasis", None, "diameter", which="largest")),
    ("mean hounsfield units of the renal cyst", seg("renal cyst", None, "density")),
    ("volume and diameter of the lung mass", seg("lung mass", None, "volume", "diameter")),
    ("show me the pancreas and measure its volume", seg("pancreas", None, "volume")),
    ("measure this", measure("diameter", "volume")),
    ("how big is this?", measure("diameter", "volume")),
    ("measure the diameter of this lesion", measure("diameter")),
    ("what is the volume of the selected lesion", measure("volume")),
    ("measure this lung nodule", measure("diameter", "volume", concept="lung nodule")),
    ("what is the density of this", measure("density")),
    ("show the right lower lobe nodule", show("lung nodule", side="right", location="lower lobe")),
    ("where is the smallest liver lesion", show("liver lesion", which="smallest")),
    ("take me to the left adrenal gland", show("adrenal gland", side="left")),
    ("go to slice forty two", act("goto", slice=42)),
    ("slice 7", act("goto", slice=7)),
    ("jump to image number one hundred and seven", act("goto", slice=107)),
    ("go to the twenty-first slice", act("goto", slice=21)),
    ("show slice four two", act("goto", slice=42)),
    ("next", act("next")),
    ("go to the next nodule please", act("next")),
    ("previous finding", act("previous")),
    ("go back to the previous lesion", act("previous")),
    ("accept that", act("accept")),
    ("looks good", act("accept")),
    ("that's right", act("accept")),
    ("that is wrong", act("reject")),
    ("reject this segmentation", act("reject")),
    ("undo that", act("undo")),
    ("scratch that", act("undo")),
    ("redo the last step", act("redo")),
    ("never mind", act("cancel")),
    ("stop", act("cancel")),
    ("help", act("help")),
    ("what are my options", act("help")),
    ("delete the third finding", act("delete", ordinal=3)),
    ("remove lesion number four", act("delete", ordinal=4)),
    ("delete the 2nd lesion", act("delete", ordinal=2)),
    ("delete this", act("delete")),
    ("open the prior", act("open_prior")),
    ("pull up last year's CT", act("open_prior")),
    ("show me the previous chest CT", act("open_prior")),
    ("open the scan from last year", act("open_prior")),
    ("compare with the prior", act("compare")),
    ("what has changed since the last study", act("compare")),
    ("compare this with the CT from 2023", act("compare")),
    ("write the report", act("draft_report")),
    ("draft the impression", act("draft_report", section="impression")),
    ("read the findings back to me", act("read_back", section="findings")),
    ("read it back", act("read_back")),
    ("push the segmentation to PACS", act("send", what="segmentation")),
    ("send the report", act("send", what="report")),
    ("send everything to the archive", act("send", what="all")),
    ("send the segmentation and the report to PACS", act("send", what="all")),
    ("dictate: No pleural effusion.", act("dictate", text="No pleural effusion.")),
    ("Add to the findings: stable 4 mm nodule.",
     act("dictate", text="stable 4 mm nodule.", section="findings")),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "meant"), SENTENCES, ids=[each[0] for each in SENTENCES])
def test_a_sentence_means_its_command(sentence: str, meant: Any) -> None:
    command = GRAMMAR.parse(sentence)
    assert command is not None
    assert as_json(command) == meant


@pytest.mark.parametrize("preset", ["lung", "bone", "brain", "mediastinum", "abdomen", "liver",
                                    "subdural", "stroke", "auto"])  # fmt: skip
@pytest.mark.parametrize("frame", ["{} window", "set the window to {}", "switch to the {} window",
                                   "window {} please", "show {} windows"])  # fmt: skip
def test_every_preset_in_every_frame(frame: str, preset: str) -> None:
    command = GRAMMAR.parse(frame.format(preset))
    assert command is not None
    assert as_json(command) == {"action": "window", "preset": preset}


@pytest.mark.parametrize(
    "sentence",
    ["zoom in", "scroll down", "rotate the image to the left", "there is no pleural effusion",
     "next slice", "do not delete the second lesion", "don't send the report", "never accept that",
     "segment nothing at all without asking", "print this page", "", "..."],
)  # fmt: skip
def test_what_is_no_command_is_none(sentence: str) -> None:
    assert GRAMMAR.parse(sentence) is None


@pytest.mark.parametrize(
    ("sentence", "named"),
    [
        ("segment the left kidney on the right", ("left", "right")),
        ("segment the left or right kidney", ("left", "right")),
        ("show the left lung nodule on the right side", ("left", "right")),
        ("segment the left kidney and the right lung", ("left", "right")),
        ("go to slice forty or fifty", ("40", "50")),
        ("segment the flux capacitor", ("flux capacitor",)),
        ("what is the volume of the flux capacitor", ("flux capacitor",)),
        ("sign the report", ("Signing",)),
        ("the left kidney", ("left kidney",)),
    ],
)
def test_what_leaves_two_readings_or_none_is_asked(sentence: str, named: tuple[str, ...]) -> None:
    command = GRAMMAR.parse(sentence)
    assert isinstance(command, QuestionCommand)
    for each in named:
        assert each in command.text
    assert command.choices


def test_an_unknown_thing_is_answered_with_known_ones() -> None:
    command = GRAMMAR.parse("segment the splean")
    assert isinstance(command, QuestionCommand)
    assert "segment the spleen" in command.choices


POLITE = ("please {}", "{} please", "could you {}", "um {}", "okay {} now", "can you please {}",
          "I would like you to {}", "{} for me, thanks")  # fmt: skip


@given(st.sampled_from([each for each in SENTENCES if each[1]["action"] in ("segment", "show")
                        and each[0][0].islower() and "what" not in each[0] and "how" not in each[0]
                        and "where" not in each[0]]),
       st.sampled_from(POLITE))  # fmt: skip
def test_courtesy_changes_nothing(said: tuple[str, Any], frame: str) -> None:
    command = GRAMMAR.parse(frame.format(said[0].rstrip("?")))
    assert command is not None
    assert as_json(command) == said[1]


@given(st.integers(1, 999))
def test_every_slice_number_in_words_and_digits(number: int) -> None:
    for spoken in (str(number), words_of(number)):
        assert GRAMMAR.parse(f"go to slice {spoken}") == GotoCommand(slice=number)


@given(st.sampled_from(["kidney", "lung", "adrenal nodule", "renal mass", "pleural effusion"]),
       st.sampled_from([Side.LEFT, Side.RIGHT]),
       st.sampled_from(["segment the {s} {c}", "segment the {c} on the {s}",
                        "outline {c} on the {s} side", "mark the {s} sided {c}"]))  # fmt: skip
def test_a_side_stays_itself(concept: str, side: Side, frame: str) -> None:
    command = GRAMMAR.parse(frame.format(s=side, c=concept))
    assert command == SegmentCommand(concept=(concept,), side=side)


def test_every_wording_of_the_table_is_understood() -> None:
    for wording, concept in load_concepts().wordings():
        assert GRAMMAR.parse(f"segment the {wording}") == SegmentCommand(concept=(concept.phrase,))


def test_every_intent_has_a_meaning() -> None:
    assert {rule.intent for rule in load_rules().rules} == set(MEANINGS)


def test_it_is_a_grammar() -> None:
    grammar: Grammar = GRAMMAR
    assert grammar.parse("undo") is not None

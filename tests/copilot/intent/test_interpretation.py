import pytest

from copilot.concepts import load_concepts
from copilot.intent.grammar import SpokenGrammar
from copilot.intent.interpretation import interpret
from domain.command import (
    Command,
    DeleteCommand,
    QuestionCommand,
    SegmentCommand,
    SendCommand,
    Side,
)
from domain.speech import Transcript

GRAMMAR = SpokenGrammar(load_concepts())


def meant(text: str, *rivals: str, confidence: float | None = 0.95) -> Command:
    transcript = Transcript(
        text=text, raw_text=text, engine="scripted", rivals=rivals, confidence=confidence
    )
    return interpret(transcript, GRAMMAR)


def test_a_clear_sentence_is_its_command() -> None:
    command = meant("Segment the left kidney.")
    assert command == SegmentCommand(concept=("kidney",), side=Side.LEFT)


@pytest.mark.parametrize(
    ("text", "rival"),
    [
        ("segment the left kidney", "segment the right kidney"),
        ("delete the second lesion", "delete the seventh lesion"),
        ("go to slice 13", "go to slice 30"),
        ("accept that", "reject that"),
    ],
)
def test_rivals_of_another_meaning_are_named_and_asked(text: str, rival: str) -> None:
    command = meant(text, rival)
    assert isinstance(command, QuestionCommand)
    assert command.choices == (text, rival)
    assert text in command.text
    assert rival in command.text


def test_rivals_that_mean_the_same_are_no_question() -> None:
    command = meant("segment the left kidney", "outline the left kidney", "flux capacitor")
    assert command == SegmentCommand(concept=("kidney",), side=Side.LEFT)


def test_deleting_and_sending_want_to_be_heard_clearly() -> None:
    assert meant("delete the second lesion") == DeleteCommand(ordinal=2)
    assert meant("send everything to PACS", confidence=None) == SendCommand()
    for text in ("delete the second lesion", "send everything to PACS"):
        command = meant(text, confidence=0.4)
        assert isinstance(command, QuestionCommand)
        assert command.choices == (text, "cancel")


def test_what_is_not_understood_is_repeated_with_the_nearest_sentences() -> None:
    command = meant("Siegmund the left kitten knee")
    assert isinstance(command, QuestionCommand)
    assert "Siegmund the left kitten knee" in command.text
    assert "segment the left kidney" in command.choices

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot.concepts import load_concepts
from copilot.intent.grammar import SpokenGrammar
from copilot.intent.network import Network
from copilot.intent.patterns import read_pattern
from domain.command import QuestionCommand
from voice.phonetics import distance, sounds_of

GRAMMAR = SpokenGrammar(load_concepts())


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        ("Show the right lawyer load module.", "show the right lower lobe nodule"),
        ("Push the sandmentation to packs", "push the segmentation to packs"),
        ("bread back the impression", "read back the impression"),
        ("load the chest seating on the previous study", "load the chest ct of the previous study"),
        ("go to slice for the two", "go to slice 42"),
        ("I'll find the urinary bladder", "find the urinary bladder"),
    ],
)
def test_misheard_sentences_are_found_by_sound(heard: str, said: str) -> None:
    assert said in GRAMMAR.nearest([heard], 8)


@pytest.mark.parametrize(
    ("heard", "rivals"),
    [
        ("segment the left kidney", ("segment the left kidney", "segment the right kidney")),
        ("delete the second lesion", ("delete the second lesion", "delete the third lesion")),
        ("go to slice thirteen", ("go to slice 13", "go to slice 30")),
        ("undo", ("undo", "redo")),
    ],
)
def test_sides_ordinals_and_numbers_come_with_their_rivals(
    heard: str, rivals: tuple[str, ...]
) -> None:
    near = GRAMMAR.nearest([heard], 28)
    assert set(rivals) <= set(near)


def test_every_proposal_is_a_sentence_of_the_grammar() -> None:
    for sentence in GRAMMAR.nearest(["segment the leaver lesion", "show me that renal menu"], 28):
        command = GRAMMAR.parse(sentence)
        assert command is not None
        assert not isinstance(command, QuestionCommand)


def test_no_more_than_asked_for() -> None:
    assert len(GRAMMAR.nearest(["segment the liver"], 5)) == 5
    assert GRAMMAR.nearest([], 5) == ()


SMALL = Network(
    read_pattern("(show|hide) [the] (left|right) (lung|liver|kidney) [please]"), sounds_of
)
ALL = [
    " ".join(word for word in (verb, article, side, organ, courtesy) if word)
    for verb in ("show", "hide")
    for article in ("", "the")
    for side in ("left", "right")
    for organ in ("lung", "liver", "kidney")
    for courtesy in ("", "please")
]


@given(st.sampled_from(ALL), st.text("abkrlstuEO", max_size=4), st.integers(0, 20))
def test_the_search_finds_what_comparing_with_every_sentence_finds(
    sentence: str, noise: str, place: int
) -> None:
    sounds = sounds_of(sentence)
    heard = sounds[:place] + noise + sounds[place:]
    cost, found = SMALL.nearest(heard, 4)[0]
    costs = np.array([distance(heard, sounds_of_words(each)) for each in ALL])
    assert cost == pytest.approx(costs.min(), abs=1e-3)
    assert distance(heard, sounds_of_words(found)) == pytest.approx(costs.min(), abs=1e-3)


def sounds_of_words(sentence: str) -> str:
    return "".join(sounds_of(word) for word in sentence.split())

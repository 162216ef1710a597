"""When a recording is read again, and what is believed of the second reading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from copilot.concepts import load_concepts
from copilot.intent.grammar import SpokenGrammar
from domain.command import Command
from domain.speech import Hypothesis, Transcript, Word
from voice.lexicon import load_lexicon
from voice.ranking import once, transcript_of, written

_UNLIKE = -60.0


@dataclass
class Recording:
    """What an engine hears of a recording: freely, in given words, and how probable each text."""

    free: str
    bound: str
    scores: Mapping[str, float]
    read_in: list[frozenset[str] | None] = field(default_factory=list)

    def hypotheses(self, words: frozenset[str] | None = None) -> tuple[Hypothesis, ...]:
        self.read_in.append(words)
        text = self.free if words is None else self.bound
        return (Hypothesis(text=text, log_probability=-0.5),)

    def log_probabilities(self, texts: Sequence[str]) -> list[float]:
        return [self.scores.get(text, _UNLIKE) for text in texts]

    def words(self, text: str) -> tuple[Word, ...]:  # noqa: ARG002 - times are not asked for
        return ()


@dataclass
class Proposing:
    """The grammar, with one sentence as the only one that sounds like anything."""

    grammar: SpokenGrammar
    sentence: str

    @property
    def words(self) -> frozenset[str]:
        return self.grammar.words

    def parse(self, text: str) -> Command | None:
        return self.grammar.parse(text)

    def nearest(self, texts: Sequence[str], limit: int) -> tuple[str, ...]:
        return (self.sentence,) if texts and limit else ()


@pytest.fixture(scope="module")
def grammar() -> SpokenGrammar:
    return SpokenGrammar(load_concepts())


def heard(recording: Recording, grammar: SpokenGrammar) -> Transcript:
    return transcript_of(recording, grammar, load_lexicon(), "test")


def unclear(score: float) -> Recording:
    """A sentence that only the second reading finds, and how well it explains the sound."""
    return Recording(
        free="And went weft kitty.",
        bound="segment the left kidney.",
        scores={"And went weft kitty.": -6.0, written("segment the left kidney"): score},
    )


def test_what_is_unclear_is_read_again_in_the_grammars_words(grammar: SpokenGrammar) -> None:
    recording = unclear(-7.0)
    transcript = heard(recording, grammar)
    assert transcript.text.lower() == "segment the left kidney"
    assert transcript.confidence is not None
    assert transcript.confidence > 0
    assert recording.read_in == [None, grammar.words]


def test_a_second_reading_that_explains_the_sound_badly_is_no_command(
    grammar: SpokenGrammar,
) -> None:
    assert heard(unclear(-7.0), grammar).confidence != 0
    assert heard(unclear(-14.0), grammar).confidence == 0


@pytest.mark.parametrize(("said", "is_taken"), [("this is good", False), ("undo that", True)])
def test_a_yes_has_to_be_heard_clearly(grammar: SpokenGrammar, said: str, is_taken: bool) -> None:
    free = "The picture is how good paper."
    words = len(said.split()) + 2
    recording = Recording(
        free=free, bound=free, scores={free: -10.0, written(said): -10.0 - 1.2 * words}
    )
    proposed = Proposing(grammar, said)
    transcript = transcript_of(recording, proposed, load_lexicon(), "test")
    assert (transcript.text.lower() == said) == is_taken


def test_what_is_clear_is_read_once(grammar: SpokenGrammar) -> None:
    said = written("segment the liver")
    recording = Recording(free=said, bound="segment the spleen.", scores={said: -1.0})
    assert heard(recording, grammar).text.lower() == "segment the liver"
    assert recording.read_in == [None]


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ("Confirm Confirm", "Confirm"),
        ("Stop. Stop. Stop.", "Stop."),
        ("go back. Go back", "go back."),
        ("go to slice 2", "go to slice 2"),
        ("next next one", "next next one"),
        ("", ""),
    ],
)
def test_what_an_engine_repeats_was_said_once(read: str, said: str) -> None:
    assert once(read) == said


def test_the_grammars_words_are_single_and_lower_case(grammar: SpokenGrammar) -> None:
    assert {"segment", "kidney", "left", "pacs", "undo"} <= grammar.words
    assert all(word == word.lower() and " " not in word for word in grammar.words)

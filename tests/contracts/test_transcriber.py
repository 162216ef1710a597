"""One behaviour for every transcriber: both Whisper engines and the scripted fake."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from copilot.concepts import load_concepts
from copilot.intent.grammar import SpokenGrammar
from domain.command import Measure, SegmentCommand, Side
from domain.errors import AudioError
from domain.ports import Transcriber
from domain.speech import Utterance
from tests.contracts.transcribers import ScriptedTranscriber, WatchedTranscriber
from voice.audio import read_utterance
from voice.lexicon import load_lexicon
from voice.whisper_ct2 import WhisperCt2

SPOKEN = "flite-rms_16.wav"
SENTENCE = "give me the volume of the right kidney"
MEANT = SegmentCommand(concept=("kidney",), side=Side.RIGHT, measures=(Measure.VOLUME,))


@pytest.fixture(scope="module")
def grammar() -> SpokenGrammar:
    return SpokenGrammar(load_concepts())


@pytest.fixture(scope="module", params=["scripted", "watched", "whisper-ct2", "openai-whisper"])
def transcriber(request: pytest.FixtureRequest) -> Transcriber:
    if request.param == "scripted":
        return ScriptedTranscriber(SENTENCE)
    if request.param == "watched":
        watched = WatchedTranscriber(ScriptedTranscriber(SENTENCE))
        watched.open.set()
        return watched
    if request.param == "openai-whisper" and importlib.util.find_spec("whisper") is None:
        pytest.skip("openai-whisper is not installed (pip install 'radcopilot[openai-whisper]')")
    folder: Path = request.getfixturevalue("models_folder") / "whisper-base"
    if request.param == "whisper-ct2":
        return WhisperCt2(folder, load_lexicon(), 2)
    from voice.whisper_torch import WhisperTorch  # noqa: PLC0415 - an extra

    return WhisperTorch(folder, load_lexicon(), 2)


@pytest.fixture(scope="module")
def utterance(shared_data: Path) -> Utterance:
    return read_utterance(shared_data / "speech" / "commands" / SPOKEN)


def test_a_spoken_command_is_understood(
    transcriber: Transcriber, grammar: SpokenGrammar, utterance: Utterance
) -> None:
    transcript = transcriber.transcribe(utterance, grammar)
    assert grammar.parse(transcript.text) == MEANT
    assert transcript.engine
    assert transcript.confidence is not None
    assert 0 < transcript.confidence <= 1


def test_without_a_grammar_it_reads_freely(transcriber: Transcriber, utterance: Utterance) -> None:
    transcript = transcriber.transcribe(utterance)
    assert "right kidney" in transcript.text.lower()
    assert transcript.raw_text
    assert not transcript.rivals


def test_words_follow_one_another_within_the_recording(
    transcriber: Transcriber, grammar: SpokenGrammar, utterance: Utterance
) -> None:
    words = transcriber.transcribe(utterance, grammar).words
    assert [word.text.lower().strip(".") for word in words] == SENTENCE.split()
    assert all(0 <= word.start_s <= word.end_s <= utterance.duration_s + 0.05 for word in words)
    assert [word.start_s for word in words] == sorted(word.start_s for word in words)
    assert all(0 < word.probability <= 1 for word in words)


def test_the_same_sound_is_heard_alike_twice_and_left_as_it_is(
    transcriber: Transcriber, grammar: SpokenGrammar, utterance: Utterance
) -> None:
    before = utterance.samples.copy()
    first = transcriber.transcribe(utterance, grammar)
    assert transcriber.transcribe(utterance, grammar).text == first.text
    np.testing.assert_array_equal(utterance.samples, before)


@pytest.mark.parametrize("level", [0.0, 1e-3])
def test_silence_and_hiss_are_no_speech(transcriber: Transcriber, level: float) -> None:
    hiss = np.random.default_rng(1).normal(0, 1, 32_000).astype(np.float32) * np.float32(level)
    with pytest.raises(AudioError, match="no speech"):
        transcriber.transcribe(Utterance(samples=hiss))

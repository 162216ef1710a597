"""The default engine on shared recordings: most are right, and no side or number is wrong."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.voice import outcome
from copilot.concepts import load_concepts
from copilot.intent.grammar import SpokenGrammar
from copilot.intent.interpretation import interpret
from domain.command import QuestionCommand, as_json
from domain.errors import ModelMissingError
from domain.speech import Utterance
from voice.audio import read_utterance
from voice.features import LEAST_FRAMES, MOST_FRAMES, log_mel
from voice.lexicon import load_lexicon
from voice.whisper_ct2 import WhisperCt2

EACH = 3


@pytest.fixture(scope="module")
def grammar() -> SpokenGrammar:
    return SpokenGrammar(load_concepts())


@pytest.fixture(scope="module")
def engine(models_folder: Path) -> WhisperCt2:
    return WhisperCt2(models_folder / "whisper-base", load_lexicon(), 2)


def test_a_third_of_the_shared_commands(
    engine: WhisperCt2, grammar: SpokenGrammar, shared_data: Path
) -> None:
    folder = shared_data / "speech" / "commands"
    entries = json.loads((folder / "commands.json").read_text(encoding="utf-8"))
    results: Counter[str] = Counter()
    chosen = [entry for place, entry in enumerate(entries) if (place + place // 30) % EACH == 0]
    assert len(chosen) == len(entries) // EACH
    for entry in chosen:
        transcript = engine.transcribe(read_utterance(folder / entry["file"]), grammar)
        results[outcome(entry["command"], as_json(interpret(transcript, grammar)))] += 1
    assert results["dangerous"] == 0, results
    assert results["wrong"] <= 1, results
    assert results["right"] >= 0.85 * len(chosen), results


@pytest.mark.parametrize("name", ["cards_001.wav", "cards_005.wav", "jfk.flac"])
def test_speech_that_is_no_command_is_asked_back(
    engine: WhisperCt2, grammar: SpokenGrammar, shared_data: Path, name: str
) -> None:
    transcript = engine.transcribe(read_utterance(shared_data / "speech" / name), grammar)
    assert isinstance(interpret(transcript, grammar), QuestionCommand)


def test_a_human_reading_is_read_freely(engine: WhisperCt2, shared_data: Path) -> None:
    transcript = engine.transcribe(read_utterance(shared_data / "speech" / "jfk.flac"))
    assert "ask not what your country can do for you" in transcript.text.lower()


def test_long_dictation_is_read_in_pieces(engine: WhisperCt2, shared_data: Path) -> None:
    once = read_utterance(shared_data / "speech" / "jfk.flac")
    long = Utterance(samples=np.tile(once.samples, 4))
    transcript = engine.transcribe(long)
    assert transcript.text.lower().count("fellow americans") >= 3
    assert transcript.words[-1].end_s > 3 * once.duration_s


def test_a_telephone_recording_works(
    engine: WhisperCt2, grammar: SpokenGrammar, shared_data: Path
) -> None:
    whole = read_utterance(shared_data / "speech" / "commands" / "flite-rms_16.wav")
    spectrum = np.fft.rfft(whole.samples)
    spectrum[spectrum.size // 2 :] = 0
    narrow = Utterance(samples=np.fft.irfft(spectrum, whole.samples.size).astype(np.float32))
    transcript = engine.transcribe(narrow, grammar)
    assert grammar.parse(transcript.text) == grammar.parse("give me the volume of the right kidney")


def test_missing_weights_say_what_to_run(tmp_path: Path, shared_data: Path) -> None:
    engine = WhisperCt2(tmp_path, load_lexicon(), 1)
    utterance = read_utterance(shared_data / "speech" / "commands" / "flite-rms_16.wav")
    with pytest.raises(ModelMissingError, match="run: radcopilot models install default"):
        engine.transcribe(utterance)


@pytest.mark.parametrize(("seconds", "frames"), [(1, LEAST_FRAMES), (9, 950), (40, MOST_FRAMES)])
def test_only_what_was_said_is_encoded(seconds: int, frames: int) -> None:
    mel, spoken = log_mel(np.zeros(seconds * 16_000, np.float32))
    assert mel.shape == (80, frames)
    assert spoken == min(100 * seconds, frames)

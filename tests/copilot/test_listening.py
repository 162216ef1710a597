"""Stations share one speech engine, and are heard while they speak."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from copilot.concepts import load_concepts
from copilot.intent.grammar import SpokenGrammar
from copilot.listening import Failed, FinalText, Listener, PartialText, Stopped
from copilot.saying import Limits, Mode, Order
from domain.errors import AudioError, BusyError, MessageError, ModelMissingError
from tests.contracts.transcribers import ScriptedTranscriber, WatchedTranscriber
from tests.waiting import until
from voice.audio import read_utterance
from voice.lexicon import load_lexicon
from voice.whisper_ct2 import WhisperCt2

SENTENCE = "give me the volume of the right kidney"
FRAME = 3200
DICTATE = Order(mode=Mode.DICTATE)


def quiet(seconds):
    return bytes(int(seconds * 16_000) * 2)


@pytest.fixture(scope="module")
def grammar():
    return SpokenGrammar(load_concepts())


@pytest.fixture(scope="module")
def spoken(shared_data):
    samples = read_utterance(shared_data / "speech" / "commands" / "flite-rms_16.wav").samples
    samples = samples[: np.flatnonzero(np.abs(samples) > 0.02)[-1] + 800]
    return (samples * 32767).astype("<i2").tobytes()


@pytest.fixture
def engine():
    return WatchedTranscriber(ScriptedTranscriber(SENTENCE))


class Microphone:
    """A station, and what it was told."""

    def __init__(self, listener, tell=None):
        self.told = []
        self.station = listener.station(tell or self.told.append)

    def say(self, sound):
        for start in range(0, len(sound), FRAME):
            self.station.hear(sound[start : start + FRAME])

    def says(self, sound, order=None):
        self.station.start(order or Order())
        self.say(sound)

    def finals(self):
        return [each for each in self.told if isinstance(each, FinalText)]

    def failures(self):
        return [each.error for each in self.told if isinstance(each, Failed)]


@contextmanager
def listening(engine, grammar, **limits) -> Iterator[Listener]:
    with Listener(lambda: engine, grammar, Limits(**limits)) as listener:
        yield listener
        if isinstance(engine, WatchedTranscriber):
            engine.open.set()


def test_what_was_read_in_a_pause_is_the_text_when_the_key_is_let_go(engine, grammar, spoken):
    engine.open.set()
    with listening(engine, grammar) as listener:
        one = Microphone(listener)
        one.says(spoken + quiet(0.6))
        assert until(lambda: any(told.text == SENTENCE for told in one.told))
        assert until(lambda: engine.asked[-1][1])
        assert until(lambda: len(one.told) == len(engine.asked))
        one.say(quiet(0.5))
        read = len(engine.asked)
        one.station.stop()
        (final,) = one.finals()
        assert len(engine.asked) == read
    assert final.heard["command"]["side"] == "right"
    assert final.heard["text"] == SENTENCE
    assert final.release_to_text_s < 0.5


def test_what_is_said_after_a_pause_belongs_to_the_command(engine, grammar, spoken):
    engine.open.set()
    with listening(engine, grammar) as listener:
        one = Microphone(listener)
        one.says(spoken + quiet(0.6))
        assert until(lambda: engine.asked and engine.asked[-1][1])
        one.say(spoken)
        one.station.stop()
        assert until(one.finals)
    assert one.finals()[0].heard["duration_s"] == pytest.approx(
        2 * len(spoken) / 32_000 + 0.6, abs=0.001
    )
    assert len(one.finals()) == 1


def test_a_key_let_go_while_the_pause_is_being_read_is_not_read_twice(engine, grammar, spoken):
    with listening(engine, grammar, partial_every_s=60) as listener:
        one = Microphone(listener)
        one.says(spoken + quiet(0.6))
        assert until(lambda: engine.asked)
        one.station.stop()
        assert not one.told
        engine.open.set()
        assert until(one.finals)
        assert [complete for _, complete in engine.asked] == [True]


def test_what_has_ended_is_read_before_what_is_still_said(engine, grammar, spoken):
    with listening(engine, grammar) as listener:
        first, second, third = (Microphone(listener) for _ in range(3))
        first.says(spoken)
        assert until(lambda: engine.asked)
        second.says(spoken)
        third.says(spoken)
        third.station.stop()
        engine.open.set()
        assert until(third.finals)
        assert until(lambda: second.told)
        complete = [complete for _, complete in engine.asked]
        assert complete[:3] == [False, True, False]
        assert all(isinstance(told, PartialText) for told in first.told + second.told)


def test_a_station_with_two_commands_waits_for_another_with_its_first(engine, grammar, spoken):
    order = []
    with listening(engine, grammar, partial_every_s=60) as listener:
        busy, other = (
            Microphone(listener, lambda _, name=name: order.append(name))
            for name in ("busy", "other")
        )
        for one in (busy, busy, busy, other):
            one.says(spoken)
            one.station.stop()
            assert until(lambda: engine.asked)
        engine.open.set()
        assert until(lambda: len(order) == 4)
    assert order == ["busy", "other", "busy", "busy"]


def test_a_cancelled_utterance_is_not_told(engine, grammar, spoken):
    with listening(engine, grammar) as listener:
        one = Microphone(listener)
        one.says(spoken)
        one.station.stop()
        one.says(spoken)
        one.station.cancel()
        one.say(spoken)
        engine.open.set()
        one.says(quiet(0.5))
        one.station.stop()
        assert until(lambda: one.told)
        assert [type(error) for error in one.failures()] == [AudioError]
        assert "hold the key while speaking" in str(one.failures()[0])
        assert not one.finals()


def test_a_station_that_left_makes_room_and_is_told_nothing(engine, grammar, spoken):
    with listening(engine, grammar, stations=1) as listener:
        one = Microphone(listener)
        one.says(spoken)
        one.station.stop()
        with pytest.raises(BusyError, match="1 stations are listened to"):
            Microphone(listener)
        one.station.leave()
        other = Microphone(listener)
        engine.open.set()
        other.says(spoken)
        other.station.stop()
        assert until(other.finals)
        assert not one.told


def test_more_commands_than_may_wait_are_refused_by_name(engine, grammar, spoken):
    with listening(engine, grammar, waiting=2) as listener:
        one = Microphone(listener)
        for _ in range(2):
            one.says(spoken)
            one.station.stop()
        with pytest.raises(BusyError, match="2 utterances of this station are not read yet"):
            one.station.start(Order())
        engine.open.set()
        assert until(lambda: len(one.finals()) == 2)


def test_a_command_of_a_minute_is_refused_and_the_next_is_heard(engine, grammar, spoken):
    engine.open.set()
    with listening(engine, grammar, longest_s=4) as listener:
        one = Microphone(listener)
        with pytest.raises(AudioError, match="4 s were recorded"):
            one.says(spoken + spoken)
        one.say(spoken)
        one.station.stop()
        assert not one.finals()
        one.says(spoken)
        one.station.stop()
        assert until(one.finals)


def test_long_dictation_is_told_in_pieces(engine, grammar, spoken):
    engine.open.set()
    with listening(engine, grammar, longest_s=8, piece_s=2.5) as listener:
        one = Microphone(listener)
        one.says(spoken + quiet(0.5) + spoken + quiet(0.5), DICTATE)
        one.station.stop()
        assert until(lambda: isinstance(one.told[-1], Stopped))
        assert [final.goes_on for final in one.finals()] == [True, True]
        assert one.finals()[0].heard["command"] == {"action": "dictate", "text": SENTENCE}
        assert not any(complete for _, complete in engine.asked)


def test_dictation_without_a_pause_is_cut_at_the_longest(engine, grammar, spoken):
    engine.open.set()
    with listening(engine, grammar, longest_s=2) as listener:
        one = Microphone(listener)
        one.says(spoken, DICTATE)
        one.station.stop()
        assert until(lambda: len(one.finals()) == 2)
        durations_s = [final.heard["duration_s"] for final in one.finals()]
    assert durations_s == [2.0, pytest.approx(len(spoken) / 32_000 - 2, abs=0.001)]


def test_with_free_hands_silence_ends_a_command_and_the_next_begins(engine, grammar, spoken):
    engine.open.set()
    with listening(engine, grammar) as listener:
        one = Microphone(listener)
        one.says(quiet(3) + spoken + quiet(1.2), Order(hands_free=True))
        assert until(one.finals)
        one.say(quiet(5) + spoken + quiet(1.2))
        assert until(lambda: len(one.finals()) == 2)
        one.station.stop()
        assert until(lambda: isinstance(one.told[-1], Stopped))
        assert all(each.heard["duration_s"] < len(spoken) / 32_000 + 2 for each in one.finals())
        assert all(each.goes_on for each in one.finals())


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda station: station.hear(quiet(0.1)), "frames came before start"),
        (lambda station: station.stop(), "stop came before start"),
        (lambda station: [station.start(Order()), station.start(Order())], "send stop first"),
        (lambda station: [station.start(Order()), station.hear(quiet(3))], "96000 bytes is too"),
    ],
)
def test_messages_at_the_wrong_moment_are_named(engine, grammar, act, says):
    with listening(engine, grammar) as listener, pytest.raises(MessageError, match=says):
        act(Microphone(listener).station)


def test_odd_bytes_are_refused_and_the_utterance_goes_on(engine, grammar, spoken):
    engine.open.set()
    with listening(engine, grammar) as listener:
        one = Microphone(listener)
        one.says(spoken)
        with pytest.raises(AudioError, match="no whole 16-bit samples"):
            one.station.hear(b"\0\0\0")
        one.station.stop()
        assert until(one.finals)
        assert one.finals()[0].heard["duration_s"] == pytest.approx(len(spoken) / 32_000, abs=0.001)


def test_a_missing_engine_is_told_with_the_remedy(tmp_path, grammar, spoken):
    with listening(WhisperCt2(tmp_path, load_lexicon(), 1), grammar) as listener:
        one = Microphone(listener)
        one.says(spoken)
        one.station.stop()
        assert until(one.failures)
        assert isinstance(one.failures()[0], ModelMissingError)


def test_the_text_begun_while_held_is_that_of_the_whole_recording(
    models_folder, grammar, spoken, shared_data
):
    engine = WhisperCt2(models_folder / "whisper-base", load_lexicon(), 2)
    watched = WatchedTranscriber(engine)
    watched.open.set()
    whole = read_utterance(shared_data / "speech" / "commands" / "flite-rms_16.wav")
    with listening(watched, grammar) as listener:
        one = Microphone(listener)
        one.says(spoken + quiet(0.4))
        assert until(lambda: any(complete for _, complete in watched.asked))
        one.station.stop()
        assert until(one.finals)
        assert sum(complete for _, complete in watched.asked) == 1
    assert one.finals()[0].heard["text"] == engine.transcribe(whole, grammar).text


def test_a_frame_is_of_any_size(engine, grammar, spoken):
    engine.open.set()
    with listening(engine, grammar) as listener:
        one = Microphone(listener)
        one.station.start(Order())
        sizes = np.random.default_rng(3).integers(1, 1500, 2000)
        place = 0
        for size in sizes:
            one.station.hear(spoken[place : place + 2 * size])
            place += 2 * size
        one.station.stop()
        assert until(one.finals)
    assert one.finals()[0].heard["duration_s"] == pytest.approx(len(spoken) / 32_000, abs=0.001)

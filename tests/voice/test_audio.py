import wave
from pathlib import Path

import numpy as np
import pytest

from domain.errors import AudioError
from domain.speech import Utterance
from voice.activity import speech_of
from voice.audio import read_utterance, utterance_of_pcm16


def write_wav(
    path: Path, *, rate: int = 16_000, channels: int = 1, depth: int = 2, seconds: float = 1.0
) -> None:
    times = np.arange(int(rate * seconds)) / rate
    tone = 0.5 * np.sin(2 * np.pi * 440 * times)
    full = 2 ** (8 * depth - 1) - 1
    whole = np.repeat((tone * full).astype(np.int64)[:, None], channels, axis=1)
    if depth == 1:
        frames = (whole + 128).astype(np.uint8).tobytes()
    else:
        frames = b"".join(
            int(value).to_bytes(depth, "little", signed=True) for value in whole.ravel()
        )
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(depth)
        file.setframerate(rate)
        file.writeframes(frames)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_channel_count_becomes_16_khz_mono(
    tmp_path: Path, rate: int, channels: int
) -> None:
    path = tmp_path / "tone.wav"
    write_wav(path, rate=rate, channels=channels)
    utterance = read_utterance(path)
    assert utterance.duration_s == pytest.approx(1, abs=0.02)
    spectrum = np.abs(np.fft.rfft(utterance.samples))
    assert spectrum.argmax() / utterance.duration_s == pytest.approx(440, abs=3)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_any_depth_keeps_the_level(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "tone.wav"
    write_wav(path, depth=depth)
    assert np.abs(read_utterance(path).samples).max() == pytest.approx(0.5, abs=0.02)


def test_flac_is_read(shared_data: Path) -> None:
    assert read_utterance(shared_data / "speech" / "jfk.flac").duration_s == pytest.approx(
        11, abs=1
    )


def test_garbage_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(AudioError, match=r"notes\.wav is not a recording: give a WAV"):
        read_utterance(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"gone\.wav: there is no such file"):
        read_utterance(tmp_path / "gone.wav")


def test_microphone_frames_of_another_rate_are_resampled() -> None:
    times = np.arange(48_000) / 48_000
    frames = (np.sin(2 * np.pi * 440 * times) * 16_000).astype("<i2").tobytes()
    utterance = utterance_of_pcm16(frames, 48_000)
    assert utterance.duration_s == pytest.approx(1, abs=0.01)
    assert np.abs(utterance.samples).max() == pytest.approx(16_000 / 32_768, abs=0.02)


@pytest.mark.parametrize(("frames", "rate"), [(b"abc", 16_000), (b"", 16_000), (b"ab", 0)])
def test_broken_frames_are_refused(frames: bytes, rate: int) -> None:
    with pytest.raises(AudioError):
        utterance_of_pcm16(frames, rate)


def test_silence_round_speech_is_cut_away(shared_data: Path) -> None:
    spoken = read_utterance(shared_data / "speech" / "commands" / "flite-rms_16.wav")
    quiet = np.zeros(3 * 16_000, np.float32)
    padded = Utterance(samples=np.concatenate((quiet, spoken.samples, quiet)))
    assert speech_of(padded).duration_s == pytest.approx(spoken.duration_s, abs=0.7)


def test_a_faint_voice_is_still_heard(shared_data: Path) -> None:
    spoken = read_utterance(shared_data / "speech" / "commands" / "flite-rms_16.wav")
    faint = Utterance(samples=spoken.samples * np.float32(0.01))
    assert speech_of(faint).duration_s == pytest.approx(spoken.duration_s, abs=0.7)


def test_silence_is_named() -> None:
    with pytest.raises(AudioError, match=r"no speech in quiet\.wav: 1\.0 s were recorded"):
        speech_of(Utterance(samples=np.zeros(16_000, np.float32)), "quiet.wav")

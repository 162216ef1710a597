"""A recording to text and command, as the command line and the web API both answer it."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from copilot.intent.interpretation import interpret
from domain.command import Command, as_json
from domain.ports import Grammar, Transcriber
from domain.speech import Transcript, Utterance
from voice.audio import read_utterance


def heard(recording: Path, transcriber: Transcriber, grammar: Grammar) -> dict[str, Any]:
    """Return text, words, the command meant, and timings, as plain JSON values.

    Raises
    ------
    AudioError
        If the file is no recording, or holds no speech.
    ModelMissingError
        If the speech engine's weights are not installed.
    """
    start = time.perf_counter()
    utterance = read_utterance(recording)
    read = time.perf_counter()
    transcript = transcriber.transcribe(utterance, grammar)
    recognised = time.perf_counter()
    timings_s = {"read": round(read - start, 3), "recognise": round(recognised - read, 3)}
    return document(transcript, interpret(transcript, grammar), utterance, timings_s)


def document(
    transcript: Transcript, command: Command, utterance: Utterance, timings_s: Mapping[str, float]
) -> dict[str, Any]:
    """Return what was heard, and the command it means, as plain JSON values."""
    return {
        "text": transcript.text,
        "raw_text": transcript.raw_text,
        "command": as_json(command),
        "words": [
            {
                "text": word.text,
                "start_s": word.start_s,
                "end_s": word.end_s,
                "probability": word.probability,
            }
            for word in transcript.words
        ],
        "rivals": list(transcript.rivals),
        "repairs": list(transcript.repairs),
        "confidence": transcript.confidence,
        "engine": transcript.engine,
        "duration_s": round(utterance.duration_s, 3),
        "timings_s": dict(timings_s),
    }

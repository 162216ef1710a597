"""Stations that share one speech engine: how long each waits for the text, and none is lost.

``python -m bench.stations [--stations 10] [--seconds 300]``: a real server, and so many stations on
its ``/api/voice``. Each second another one begins to say a sentence of ``bench/spoken.toml``, its
sound sent as fast as it is spoken; the wait is from "stop" to the final text.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

from bench.held import let_go
from bench.serving import serving
from bench.spoken import speak
from bench.voice import outcome
from copilot.concepts import load_concepts
from copilot.intent.grammar import SpokenGrammar
from domain.command import as_json
from voice.audio import read_utterance

_HERE: Final = "127.0.0.1"
_ANSWER_S: Final = 120.0
_LEAST_SENTENCES: Final = 40
_FRAME: Final = 1600
_FRAME_S: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """What is said, as little-endian 16-bit samples, and the command it means."""

    text: str
    sound: bytes
    command: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of one sentence; ``lost`` names the error where no text came."""

    said: str
    text: str = ""
    result: str
    waited_s: float
    partials: int
    lost: str = ""


def spoken_sentences(kind: str, folder: Path, most: int) -> list[Sentence]:
    """Return the first sentences of a kind, each in every voice."""
    grammar = SpokenGrammar(load_concepts())
    said = []
    for each in islice(speak(kind, folder), most):
        meant = grammar.parse(each.text)
        assert meant is not None
        samples = let_go(read_utterance(each.path)).samples
        sound = (samples * 32767).astype("<i2").tobytes()
        said.append(Sentence(text=each.text, sound=sound, command=as_json(meant)))
    return said


class Speaker:
    """One station: a socket, and a voice that says one sentence at a time."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._lock = threading.Lock()

    def say(self, sentence: Sentence) -> Answer:
        """Say a sentence at the speed of speech, and wait for its text."""
        with self._lock:
            self._socket.send(json.dumps({"type": "start", "mode": "command"}))
            began = time.monotonic()
            for number, start in enumerate(range(0, len(sentence.sound), _FRAME), start=1):
                self._socket.send(sentence.sound[start : start + _FRAME])
                time.sleep(max(0.0, began + number * _FRAME_S - time.monotonic()))
            self._socket.send(json.dumps({"type": "stop"}))
            return self._answer(sentence, time.monotonic())

    def _answer(self, sentence: Sentence, stopped: float) -> Answer:
        partials = 0
        while True:
            try:
                got = json.loads(self._socket.recv(_ANSWER_S))
            except TimeoutError:
                return Answer(
                    said=sentence.text,
                    result="lost",
                    waited_s=_ANSWER_S,
                    partials=partials,
                    lost="no answer",
                )
            waited_s = time.monotonic() - stopped
            if got["type"] == "partial":
                partials += 1
            elif got["type"] == "final":
                result = outcome(sentence.command, got["command"])
                return Answer(
                    said=sentence.text,
                    text=got["text"],
                    result=result,
                    waited_s=waited_s,
                    partials=partials,
                )
            else:
                lost = f"{got['error']}: {got['detail']}"
                return Answer(
                    said=sentence.text,
                    result="lost",
                    waited_s=waited_s,
                    partials=partials,
                    lost=lost,
                )


def main() -> None:
    """Print waits, what was understood, CPU seconds and load; fail if a command was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=300)
    arguments = parser.parse_args()
    answers, used_s = measured(arguments.stations, arguments.seconds)
    show(answers, used_s)
    if any(each.lost for each in answers):
        raise SystemExit("commands were lost")


def measured(stations: int, seconds: int) -> tuple[list[Answer], float]:
    """Return what came of each sentence, and the CPU seconds the server used."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sentences = spoken_sentences("held_back", folder, max(_LEAST_SENTENCES, seconds))
        with serving(folder) as server, ExitStack() as sockets:
            url = f"ws://{_HERE}:{server.web_port}/api/voice"
            speakers = [
                Speaker(sockets.enter_context(connect(url, proxy=None))) for _ in range(stations)
            ]
            speakers[0].say(sentences[0])  # reads the weights
            before_s = cpu_s_of(server.pid)
            answers = said_each_second(speakers, sentences, seconds)
            return answers, cpu_s_of(server.pid) - before_s


def said_each_second(
    speakers: list[Speaker], sentences: list[Sentence], seconds: int
) -> list[Answer]:
    """Let one station after the other begin to speak, one each second."""
    began = time.monotonic()
    coming: list[Future[Answer]] = []
    with ThreadPoolExecutor(max_workers=4 * len(speakers)) as pool:
        for second in range(seconds):
            time.sleep(max(0.0, began + second - time.monotonic()))
            speaker = speakers[second % len(speakers)]
            sentence = sentences[second * 7 % len(sentences)]
            coming.append(pool.submit(speaker.say, sentence))
        return [each.result() for each in coming]


def cpu_s_of(process: int) -> float:
    """Return the CPU seconds a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(answers: list[Answer], used_s: float) -> None:
    """Print the figures."""
    waits_s = sorted(each.waited_s for each in answers)
    results = Counter(each.result for each in answers)
    shown = ", ".join(f"{name} {count}" for name, count in sorted(results.items()))
    print(f"{len(answers)} commands: {shown}")
    print(
        f"from stop to text: median {statistics.median(waits_s):.2f} s, 95 % within "
        f"{waits_s[int(0.95 * (len(waits_s) - 1))]:.2f} s, longest {waits_s[-1]:.2f} s"
    )
    print(
        f"{used_s / len(answers):.2f} CPU s each, {sum(each.partials for each in answers)} partial "
        f"texts, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    for each in answers:
        if each.result != "right":
            print(f"{each.result:9} {each.said!r} -> {each.text or each.lost!r}")


if __name__ == "__main__":
    main()

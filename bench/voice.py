"""How well spoken commands are understood.

``python -m bench.voice --folder FOLDER``: recordings, and a ``commands.json``, a list of {file,
text, command}; a recording whose command is null is no command and should be asked back.
``python -m bench.voice --own held_back [--noise 15]``: sentences of our own in synthetic voices,
here in pink noise of 15 dB; ``--own tune`` are those that thresholds were chosen on.
``--compare 30`` recognises 30 of them in every way that is installed, side by side.
``--held 20`` says 20 of them to a listener in real time: what is left to do at the key's release.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import held
from bench.recognisers import Said, compared, ways
from bench.spoken import speak, with_pink_noise
from copilot.concepts import load_concepts
from copilot.intent.grammar import SpokenGrammar
from copilot.intent.interpretation import interpret
from copilot.settings import load_settings
from domain.command import Command, as_json
from domain.speech import Utterance
from voice.audio import read_utterance
from voice.lexicon import load_lexicon
from voice.whisper_ct2 import WhisperCt2

DANGEROUS_KEYS = ("side", "slice", "ordinal")


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A file, what is said in it, and the command meant; None where it is no command."""

    path: Path
    text: str
    command: dict[str, Any] | None


def outcome(meant: dict[str, Any] | None, got: dict[str, Any]) -> str:
    """Return right, asked, wrong, or dangerous: a wrong side or number that was not asked back."""
    if got["action"] == "question":
        return "asked" if meant is not None else "right"
    if meant is None:
        return "wrong"
    wanted = {key: value for key, value in meant.items() if value is not None}
    if got == wanted:
        return "right"
    if any(got.get(key) != wanted.get(key) for key in DANGEROUS_KEYS):
        return "dangerous"
    return "wrong"


def in_folder(folder: Path) -> Iterator[Recording]:
    """Yield what a ``commands.json`` lists."""
    for entry in json.loads((folder / "commands.json").read_text(encoding="utf-8")):
        yield Recording(path=folder / entry["file"], text=entry["text"], command=entry["command"])


def of_our_own(kind: str, folder: Path, grammar: SpokenGrammar) -> Iterator[Recording]:
    """Yield sentences of a kind, and chatter, spoken into a folder."""
    for each in speak(kind, folder):
        meant = grammar.parse(each.text)
        if meant is None:
            raise SystemExit(f"bench/spoken.toml: {each.text!r} is no command")
        yield Recording(path=each.path, text=each.text, command=as_json(meant))
    for each in speak("chatter", folder):
        yield Recording(path=each.path, text=each.text, command=None)


def main() -> None:
    """Print one line for each recording that is not right, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--folder", type=Path)
    what.add_argument("--own", choices=("tune", "held_back"))
    parser.add_argument("--noise", type=float, help="ratio of speech to pink noise, in dB")
    parser.add_argument("--held", type=int, default=0, help="say so many in real time")
    parser.add_argument("--compare", type=int, default=0, help="so many, in every way there is")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    grammar = SpokenGrammar(load_concepts())
    grammar.nearest(["segment the liver"], 1)
    engine = WhisperCt2(
        load_settings().storage.models / "whisper-base", load_lexicon(), arguments.threads
    )
    with tempfile.TemporaryDirectory() as spoken:
        if arguments.folder:
            recordings = list(in_folder(arguments.folder))
        else:
            recordings = list(of_our_own(arguments.own, Path(spoken), grammar))
        if arguments.held:
            commands = [each.path for each in recordings if each.command]
            chosen = held.nearest_length(commands, arguments.held)
            sys.stdout.write(f"{held.shown(held.measured(chosen, engine, grammar))}\n")
            return
        if arguments.compare:
            _compare(recordings, grammar, arguments)
            return
        _measure(recordings, engine, grammar, arguments.noise)


def _compare(
    recordings: list[Recording], grammar: SpokenGrammar, arguments: argparse.Namespace
) -> None:
    commands = [each for each in recordings if each.command]
    step = max(1, len(commands) // arguments.compare)
    said = [
        Said(
            utterance=_sound(each, number, arguments.noise),
            text=each.text,
            outcome=partial(_outcome_of, each.command),
        )
        for number, each in enumerate(commands[::step][: arguments.compare])
    ]
    folder = load_settings().storage.models / "whisper-base"
    table = compared(said, ways(folder, grammar, arguments.threads))
    table.title = f"{len(said)} commands, load {os.getloadavg()[0]:.1f}"
    Console().print(table)


def _outcome_of(meant: dict[str, Any] | None, command: Command | None) -> str:
    return "asked" if command is None else outcome(meant, as_json(command))


def _sound(recording: Recording, number: int, noise_db: float | None) -> Utterance:
    utterance = read_utterance(recording.path)
    return utterance if noise_db is None else with_pink_noise(utterance, noise_db, number)


def _measure(
    recordings: list[Recording], engine: WhisperCt2, grammar: SpokenGrammar, noise_db: float | None
) -> None:
    counts: Counter[str] = Counter()
    chatter: Counter[str] = Counter()
    cpu_s = sound_s = 0.0
    for number, each in enumerate(recordings):
        utterance = _sound(each, number, noise_db)
        begun = time.process_time()
        got = as_json(interpret(engine.transcribe(utterance, grammar), grammar))
        cpu_s += time.process_time() - begun
        sound_s += utterance.duration_s
        result = outcome(each.command, got)
        (counts if each.command else chatter)[result] += 1
        if result != "right":
            sys.stdout.write(f"{result:9} {each.path.name}: {each.text!r} -> {got}\n")
    total = max(1, len(recordings))
    shown = ", ".join(f"{name} {counts[name]}" for name in ("right", "asked", "wrong", "dangerous"))
    share = 100 * counts["right"] / max(1, counts.total())
    sys.stdout.write(
        f"{counts.total()} commands: {shown} ({share:.1f} % right)\n"
        f"{chatter.total()} that are none: {chatter['wrong']} acted upon\n"
        f"{cpu_s / total:.2f} CPU s each, {cpu_s / max(sound_s, 1e-9):.2f} for a second of sound, "
        f"load {os.getloadavg()[0]:.1f}\n"
    )


if __name__ == "__main__":
    main()

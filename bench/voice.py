"""How well spoken commands are understood: ``python -m bench.voice --folder FOLDER``.

The folder holds recordings and a ``commands.json``: a list of {file, text, command}; a recording
whose command is null is no command and should be asked back.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from copilot.concepts import load_concepts
from copilot.intent.grammar import SpokenGrammar
from copilot.intent.interpretation import interpret
from copilot.settings import load_settings
from domain.command import as_json
from voice.audio import read_utterance
from voice.lexicon import load_lexicon
from voice.whisper_ct2 import WhisperCt2

DANGEROUS_KEYS = ("side", "slice", "ordinal")


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


def main() -> None:
    """Print one line for each recording that is not right, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    grammar = SpokenGrammar(load_concepts())
    grammar.nearest(["segment the liver"], 1)
    engine = WhisperCt2(
        load_settings().storage.models / "whisper-base", load_lexicon(), arguments.threads
    )
    counts: Counter[str] = Counter()
    entries = json.loads((arguments.folder / "commands.json").read_text(encoding="utf-8"))
    start = time.process_time()
    for entry in entries:
        utterance = read_utterance(arguments.folder / entry["file"])
        transcript = engine.transcribe(utterance, grammar)
        got = as_json(interpret(transcript, grammar))
        result = outcome(entry["command"], got)
        counts[result] += 1
        if result != "right":
            sys.stdout.write(f"{result:9} {entry['file']}: {entry['text']!r} -> {got}\n")
    seconds = (time.process_time() - start) / max(1, len(entries))
    shown = ", ".join(f"{name} {counts[name]}" for name in ("right", "asked", "wrong", "dangerous"))
    sys.stdout.write(f"{len(entries)} recordings: {shown}; {seconds:.2f} CPU s each\n")


if __name__ == "__main__":
    main()

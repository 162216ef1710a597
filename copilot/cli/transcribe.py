"""``radcopilot transcribe``: what a recording says, and what it asks for."""

import json
from pathlib import Path
from typing import Annotated

import typer

from copilot.cli.console import emit, house, say
from copilot.hearing import heard


def transcribe(
    recording: Annotated[Path, typer.Argument(help="WAV or FLAC, any rate.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings of the site.")] = None,
) -> None:
    """Recognise speech and show the command it means."""
    home = house(config)
    document = heard(recording, home.transcriber, home.grammar)
    if as_json:
        emit(document)
        return
    say(f"heard:   {document['text']}")
    say(f"command: {json.dumps(document['command'], ensure_ascii=False)}")

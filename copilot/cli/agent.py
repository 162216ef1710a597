"""``radcopilot agent``: what the agent did, and the same again without a model."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from copilot.agent.record import Record
from copilot.cli.console import emit, house, progress_bar, say
from copilot.wiring.house import House
from dicom_node.files import dicom_files, one_series
from dicom_node.volumes import load_series
from domain.errors import InputError, RadcopilotError
from domain.uids import SeriesUID

app = typer.Typer(no_args_is_help=True, help="What the agent did.")
Config = Annotated[Path | None, typer.Option(help="Settings of the site.")]
Identity = Annotated[str, typer.Argument(help="Of radcopilot agent list.")]


class ReplayDiffersError(RadcopilotError):
    """The same calls gave something else: engine, weights or images are others."""


@app.command("list")
def list_records(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: Config = None,
) -> None:
    """Show what was recorded, the newest last."""
    records = house(config).agent_records
    rows = [_row(records.get(identity)) for identity in records.ids()]
    if as_json:
        emit(rows)
        return
    for row in rows:
        say(f"{row['id']}  {row['concept']}: {row['ending']}, by {row['mind']}")


@app.command()
def show(
    identity: Identity,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: Config = None,
) -> None:
    """Show every call of one piece of work, and what it gave."""
    record = house(config).agent_records.get(identity)
    if as_json:
        emit({"about": dict(record.about), "turns": list(record.turns), "ending": record.ending})
        return
    for turn in record.turns:
        say(f"{turn['mind']}:")
        for each in turn["rounds"]:
            for call, told in zip(each["reply"]["calls"], each["told"], strict=True):
                say(f"  {call['name']} {call['arguments']}")
                say(f"    {told['text']}")
        if turn["stopped"]:
            say(f"  stopped: {turn['stopped']}")
    say(json.dumps(record.ending, ensure_ascii=False))


@app.command()
def replay(
    identity: Identity,
    *,
    source: Annotated[
        Path | None, typer.Option(help="Folder of the images, where they were moved.")
    ] = None,
    config: Config = None,
) -> None:
    """Do again what was recorded, asking no model, and say whether all came out the same."""
    home = house(config)
    record = home.agent_records.get(identity)
    files = _files(home, record, source)
    _, segmenter = home.analyst.engine(record.about["engine"]["name"])
    with progress_bar() as progress:
        found = home.agent.replay(record, segmenter, load_series(files, progress), progress)
    if found:
        raise ReplayDiffersError(f"record {identity} does not come out the same: {found[0]}")
    rounds = sum(len(turn["rounds"]) for turn in record.turns)
    say(f"the same: {rounds} rounds, {record.ending['kind']}")


def _files(home: House, record: Record, source: Path | None) -> tuple[Path, ...]:
    series = record.about["images"]["series_instance_uid"]
    if source is not None:
        return tuple(one_series(dicom_files(source), SeriesUID(series) if series else None))
    files = tuple(Path(each) for each in record.about["files"])
    if files and all(path.is_file() for path in files):
        return files
    stored = home.store.instance_paths(SeriesUID(series)) if series else ()
    if not stored:
        raise InputError(
            f"the images of record {record.id} (series {series}) are not where they were: give "
            "their folder with --source"
        )
    return stored


def _row(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "at": record.about["at"],
        "concept": record.about["goal"]["concept"],
        "ending": record.ending["kind"],
        "mind": record.turns[-1]["mind"],
        "rounds": sum(len(turn["rounds"]) for turn in record.turns),
    }

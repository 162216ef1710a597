"""``radcopilot evaluate``: an engine on cases with reference masks, before it is used."""

from pathlib import Path
from typing import Annotated

import typer

from copilot.cli.console import complain, emit, house, progress_bar, say
from copilot.evaluation.cases import load_cases
from copilot.evaluation.records import printed_result, printed_summary, write_csv
from copilot.evaluation.summary import summarised
from copilot.evaluation.table import table_lines
from copilot.evaluation.trial import Hands, Status, evaluated
from domain.errors import InputError


def evaluate(
    cases: Annotated[Path, typer.Argument(help="TOML file with a [[case]] for each image.")],
    *,
    engine: Annotated[str | None, typer.Option(help="Engine; the settings' when left out.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for cases.csv and cases.png.")] = Path(
        "evaluation"
    ),
    jitters: Annotated[
        int, typer.Option(min=0, help="Ask this often, the gesture moved by up to 10 %.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of jitters and intervals.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings of the site.")] = None,
) -> None:
    """Compare an engine with reference masks: Dice, surface Dice, HD95, volume, time."""
    home = house(config)
    entries = load_cases(cases)
    name, segmenter = home.analyst.engine(engine)
    if output.exists() and not output.is_dir():
        raise InputError(f"--output {output} is a file: give a folder")
    with progress_bar() as progress:
        results = evaluated(
            entries, segmenter, home.concepts, Hands(jitters=jitters, seed=seed), progress
        )
    from copilot.evaluation.chart import write_chart  # noqa: PLC0415 - matplotlib is slow to load

    summary = summarised(results, seed)
    files = {
        "csv": write_csv(results, output / "cases.csv"),
        "chart": write_chart(results, name, output / "cases.png"),
    }
    version = segmenter.capabilities.version
    if as_json:
        emit(
            {
                "engine": {"name": name, "version": version},
                "jitters": jitters,
                "seed": seed,
                "cases": [printed_result(result) for result in results],
                "summary": printed_summary(summary),
                "files": {kind: str(path) for kind, path in files.items()},
            }
        )
    else:
        asked = f", {jitters} jitters, seed {seed}" if jitters else ""
        say(f"engine {name} {version}{asked}")
        for line in table_lines(results, summary):
            say(line)
        for kind, path in files.items():
            say(f"{kind}: {path}")
    failed = [result.name for result in results if result.status is Status.FAILED]
    if failed:
        complain(
            f"{len(failed)} of {len(results)} cases failed ({', '.join(failed)}): "
            "mend what their reasons name and evaluate again"
        )
        raise typer.Exit(1)

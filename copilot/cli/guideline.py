"""``radcopilot guideline``: what a published rule says of a case, or what it lacks."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from copilot.cli.console import emit, say
from copilot.comparing.reading_back import ReadBack, read_back
from domain.errors import InputError
from reporting.guidelines.fleischner import Case, Density, Risk, ruled
from reporting.guidelines.lung_rads import lung_rads_inputs

app = typer.Typer(no_args_is_help=True, help="Published rules, each with its edition.")


@app.command()
def fleischner(
    *,
    density: Annotated[Density | None, typer.Option(help="How it looks on thin slices.")] = None,
    diameter: Annotated[
        float | None, typer.Option(help="Mean of long and short axis, in mm.")
    ] = None,
    volume: Annotated[float | None, typer.Option(help="In mm³, of a solid nodule.")] = None,
    multiple: Annotated[bool | None, typer.Option("--multiple/--single")] = None,
    risk: Annotated[Risk | None, typer.Option(help="The patient's risk of cancer.")] = None,
    age: Annotated[int | None, typer.Option(help="In years.")] = None,
    excluded: Annotated[
        bool | None,
        typer.Option(
            "--excluded/--not-excluded",
            help="Screening, a known cancer or immunosuppression: it is not for them.",
        ),
    ] = None,
    slices: Annotated[float | None, typer.Option(help="Distance of slices, in mm.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Incidental lung nodules by the Fleischner Society's guideline of 2017."""
    found = ruled(
        Case(
            density=density,
            diameter_mm=diameter,
            volume_mm3=volume,
            is_multiple=multiple,
            risk=risk,
            age_years=age,
            is_excluded=excluded,
            slice_spacing_mm=slices,
        )
    )
    if as_json:
        emit(asdict(found))
        return
    say(f"{found.category}: {found.says}")
    say(f"  - {found.line}; {found.edition}")
    for caution in found.cautions:
        say(f"Note: {caution}")


@app.command("lung-rads")
def lung_rads(
    file: Annotated[Path, typer.Argument(help="What 'radcopilot ask --prior --json' printed.")],
    *,
    lesion: Annotated[int, typer.Option(help="Which of its lesions, from 1.")] = 1,
    density: Annotated[Density | None, typer.Option(help="How it looks on thin slices.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what a reader enters into Lung-RADS v2022; the category is the ACR's table's to give."""
    found = _comparison_in(file)
    if not 1 <= lesion <= len(found.changes):
        raise InputError(f"{file} holds {len(found.changes)} lesions: --lesion {lesion} is none")
    inputs = lung_rads_inputs(found.changes[lesion - 1], density, found.days)
    if as_json:
        emit(asdict(inputs))
        return
    growth = {True: "growing", False: "not growing", None: "growth not known"}
    say(f"{inputs.density.value}, mean diameter {inputs.mean_diameter_mm:.1f} mm")
    say(f"{'new' if inputs.is_new else 'seen before'}, {growth[inputs.is_growing]}")
    say(f"  - {inputs.line}; {inputs.edition}")


def _comparison_in(file: Path) -> ReadBack:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return read_back(document["comparison"])
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): give a file") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file} holds no comparison: give what 'radcopilot ask --prior --json' printed"
        ) from error


@app.callback()
def guideline() -> None:
    """Keep the name of the rule a word of its own."""

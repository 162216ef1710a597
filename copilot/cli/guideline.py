"""``radcopilot guideline``: what a published rule says of a case, or what it lacks."""

from dataclasses import asdict
from typing import Annotated

import typer

from copilot.cli.console import emit, say
from reporting.guidelines.fleischner import Case, Density, Risk, ruled

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


@app.callback()
def guideline() -> None:
    """Keep the name of the rule a word of its own."""

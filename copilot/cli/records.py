"""``radcopilot studies`` and ``radcopilot audit``: what is stored, and what was done."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from copilot.cli.console import emit, house, say

audit_app = typer.Typer(no_args_is_help=True, help="The audit trail.")
Config = Annotated[Path | None, typer.Option(help="Settings of the site.")]


def studies(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: Config = None,
) -> None:
    """List what the node has stored."""
    store = house(config).store
    store.settle()
    found = store.index.studies()
    store.close()
    if as_json:
        emit([asdict(study) for study in found])
        return
    for study in found:
        say(f"{study.study_date} {study.study_instance_uid} {study.description}")
        for series in study.series:
            made = " (made by radcopilot)" if series.made_by_us else ""
            say(f"  {series.modality} {series.instances} images {series.description}{made}")


@audit_app.command()
def verify(*, config: Config = None) -> None:
    """Check that no entry was changed or removed."""
    say(f"{house(config).audit.verify()} entries, the chain is whole")

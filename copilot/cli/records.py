"""``radcopilot audit``: what was done."""

from pathlib import Path
from typing import Annotated

import typer

from copilot.cli.console import house, say

audit_app = typer.Typer(no_args_is_help=True, help="The audit trail.")


@audit_app.command()
def verify(
    *, config: Annotated[Path | None, typer.Option(help="Settings of the site.")] = None
) -> None:
    """Check that no entry was changed or removed."""
    say(f"{house(config).audit.verify()} entries, the chain is whole")

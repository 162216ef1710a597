"""``radcopilot ohif``: the OHIF viewer beside the page."""

from pathlib import Path
from typing import Annotated

import typer

from copilot.cli.console import house, progress_bar, say
from copilot.ohif import RELEASE, install

app = typer.Typer(no_args_is_help=True, help="The OHIF viewer, with the copilot in it.")


@app.callback()
def about() -> None:
    """Keep ``install`` a command by name, however few there are."""


@app.command("install")
def install_ohif(
    *,
    source: Annotated[
        Path | None, typer.Option("--from", help=f"{RELEASE.filename}, for offline sites.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings of the site.")] = None,
) -> None:
    """Download OHIF's release, check and unpack it; radcopilot serve shows it at /ohif."""
    settings = house(config).settings
    with progress_bar() as progress:
        folder = install(settings.storage.models, source, progress)
    say(f"OHIF {RELEASE.version}: {folder} (MIT); radcopilot serve shows it at /ohif")

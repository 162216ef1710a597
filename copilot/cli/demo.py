"""``radcopilot demo``: the main job on a real study, from nothing."""

import logging
import shutil
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from copilot.cli.console import people, progress_bar, say
from copilot.demo.follow_up import DAYS
from copilot.demo.run import DemoOutcome, run_demo
from copilot.demo.study import EXPERT_VOLUME_ML
from copilot.models.fetch import PackageSource
from copilot.serving import running_node, serve_web
from copilot.settings import Settings, load_settings
from copilot.wiring.house import House
from domain.errors import InputError

_MARKER: Final = ".radcopilot-demo"


def demo(
    *,
    output: Annotated[Path, typer.Option(help="Folder for all that the demo makes.")] = Path(
        "demo-output"
    ),
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep the web application open at the end.")
    ] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="Folder with the packages, for offline sites.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings of the site.")] = None,
) -> None:
    """Send a real CT through the whole house: archive, voice, mask, SEG, SR, report, archive."""
    logging.basicConfig(level=logging.ERROR)
    settings = load_settings(config)
    folder = _emptied(output.resolve())
    home = House(_on_its_own(settings, folder))
    with running_node(home) as app:
        with progress_bar() as progress:
            outcome = run_demo(home, folder, _step, PackageSource(source), progress)
        _show(outcome)
        if serve:
            web = home.settings.web
            say(f"reading station on http://{web.host}:{web.port}/ (Ctrl-C ends it)")
            serve_web(app, web)


def _on_its_own(settings: Settings, folder: Path) -> Settings:
    """Return settings with the demo's own storage and a free DICOM port."""
    storage = settings.storage.model_copy(
        update={
            "folder": str(folder / "node"),
            "database": "",
            "models_folder": str(settings.storage.models),
        }
    )
    node = settings.node.model_copy(update={"host": "127.0.0.1", "port": 0})
    return settings.model_copy(update={"storage": storage, "node": node, "peers": ()})


def _emptied(folder: Path) -> Path:
    """Make the demo's folder afresh; a folder that is not a demo's is never touched.

    Raises
    ------
    InputError
        If it holds something else.
    """
    if folder.exists():
        if not (folder / _MARKER).is_file() and any(folder.iterdir()):
            raise InputError(f"{folder} holds other files: give an empty folder with --output")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARKER).touch()
    return folder


def _step(name: str, seconds: float) -> None:
    say(f"{seconds:7.2f} s  {name}")


def _show(outcome: DemoOutcome) -> None:
    table = Table(title="radcopilot demo", show_header=False, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text, action in outcome.heard:
        table.add_row(f"heard in {name}", f"“{text}” -> {action}")
    table.add_row("images received by our node", str(outcome.received))
    table.add_row(
        "volume",
        f"{outcome.volume_ml:.3f} mL; expert {EXPERT_VOLUME_ML} mL ({outcome.volume_error:+.1%}); "
        f"Dice {outcome.dice:.3f}",
    )
    table.add_row(
        "diameters",
        f"long axis {outcome.long_axis_mm:.1f} mm, short axis {outcome.short_axis_mm:.1f} mm",
    )
    if outcome.follow_up is not None:
        table.add_row(f"follow-up, {DAYS} days later", outcome.follow_up.says)
        table.add_row(
            "grown in truth",
            f"{outcome.follow_up.expected:.2f} times in the expert's outline, enlarged alike; "
            f"measured {outcome.follow_up.grown:.2f} times",
        )
    committed = "not offered" if outcome.committed is None else str(outcome.committed)
    table.add_row(
        f"archive ({outcome.archive})",
        f"{outcome.stored} objects stored and read back equal; committed: {committed}",
    )
    table.add_row("audit trail", f"{outcome.audit_entries} entries, whole")
    for kind, path in outcome.files.items():
        table.add_row(kind, str(path))
    people.file.flush()
    _stdout().print(table)


def _stdout() -> Console:
    return Console(highlight=False, width=None)

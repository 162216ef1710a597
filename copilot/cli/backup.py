"""``radcopilot backup``: a copy of the site that can be believed."""

from pathlib import Path
from typing import Annotated, Final

import typer

from copilot.backup import back_up, verify_backup
from copilot.cli.console import emit, house, say

_BYTES_PER_MB: Final = 1e6


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder, or with --verify one made before.")],
    *,
    studies: Annotated[bool, typer.Option("--studies", help="Copy the images too.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Check a backup; copy nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings of the site.")] = None,
) -> None:
    """Copy database, audit trail, results and settings, beside a running server or without."""
    if verify:
        made = verify_backup(folder)
    else:
        home = house(config)
        try:
            made = back_up(home, folder, settings=config, studies=studies)
        finally:
            if studies:
                home.store.close()
            home.close()
    if as_json:
        emit(made.printed())
        return
    images = "with images" if made.studies else "without images (--studies takes them too)"
    say(
        f"{made.folder}: {made.files} files, {made.size_bytes / _BYTES_PER_MB:.1f} MB, {images}; "
        f"{made.audit_entries} audit entries, the chain is whole"
    )
    if made.dump:
        say(f"the database is not in it: {made.dump}")

"""``radcopilot serve``: the server."""

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from copilot.cli.console import house, say
from copilot.logs import begin_logging
from copilot.serving import running_node, serve_web


def serve(
    *, config: Annotated[Path | None, typer.Option(help="Settings of the site.")] = None
) -> None:
    """Run the DICOM node and the reading station's page until interrupted."""
    begin_logging()
    signal.signal(signal.SIGTERM, _end)
    home = house(config)
    web = home.settings.web
    exposure = home.exposure()
    with running_node(home) as app:
        say(f"DICOM node {home.settings.node.ae_title} on port {home.node.port}")
        address = f"http{'s' if web.certificate else ''}://{web.host}:{web.port}"
        say(f"reading station on {address}/, its API on {address}/docs")
        say(f"access: {exposure}")
        serve_web(app, web)


def _end(_number: int, _frame: FrameType | None) -> None:
    """End as on Ctrl-C, so that the node stops and the index is written before the process goes."""
    raise SystemExit(0)

"""Build the page before a wheel or an archive of sources is made: their users need no Node."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs ``build_page.py``, except for editable installs: make does it there."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build the page."""
        if version == "editable":
            return
        script = Path(self.root) / ".ci" / "build_page.py"
        subprocess.run([sys.executable, str(script)], check=True)  # noqa: S603

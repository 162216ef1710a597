"""What a model is told, from ``configs/prompts/agent.toml``, with the digest of that file."""

import hashlib
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from copilot.agent.calls import TOOLS
from copilot.agent.workbench import Workbench
from domain.errors import SettingsError

_FILE: Final = "prompts/agent.toml"


@dataclass(frozen=True, kw_only=True)
class Instructions:
    """Texts with places for facts; ``version`` and ``sha256`` stand in provenance."""

    version: str
    sha256: str
    system: str
    goal: str
    without_call: str

    def system_text(self, rounds: int) -> str:
        """Return the rules of the work."""
        return self.system.format(rounds=rounds).strip()

    def goal_text(self, bench: Workbench) -> str:
        """Return what is wanted; of the header only the modality and the size."""
        shape = bench.volume.grid.shape
        goal = bench.goal
        side = f"{goal.side} " if goal.side else ""
        kinds = ", ".join(sorted(goal.kinds))
        return self.goal.format(
            wanted=f"{side}{goal.concept}",
            modality=bench.volume.modality,
            slices=shape[0],
            rows=shape[1],
            columns=shape[2],
            pointed=f"The radiologist pointed at it ({kinds})." if kinds else "",
            pictures="" if bench.shows_pictures else "No pictures here: go by measure.",
        ).strip()

    def without_call_text(self) -> str:
        """Return what is said to a reply that calls no tool."""
        return self.without_call.format(tools=", ".join(TOOLS))


def load_instructions() -> Instructions:
    """Return the instructions shipped with the package.

    Raises
    ------
    SettingsError
        If the file is not whole.
    """
    content = (resources.files("configs") / _FILE).read_bytes()
    try:
        texts = tomllib.loads(content.decode("utf-8"))
        return Instructions(
            version=str(texts["version"]),
            sha256=hashlib.sha256(content).hexdigest(),
            system=texts["system"],
            goal=texts["goal"],
            without_call=texts["without_call"],
        )
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise SettingsError(f"configs/{_FILE} is not whole ({error}): install it again") from error

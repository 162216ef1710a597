"""What MedSAM-3 needs, found out without loading it; imports nothing heavy."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from domain.errors import UnreadableFileError

DESCRIPTION_FILE: Final = "medsam3.json"
TRACKER_FILE: Final = "tracker.safetensors"
TRACKER_CONFIG_FILE: Final = "tracker.json"
INSTALL: Final = "run: radcopilot models install medsam3 --base sam3.pt --lora best_lora_weights.pt"
_PACKAGES: Final = ("torch", "torchvision", "transformers", "safetensors")


def missing_extra() -> str | None:
    """Return None where every package of the extra is there, else which is not, and the remedy."""
    absent = [name for name in _PACKAGES if find_spec(name) is None]
    if not absent:
        return None
    return (
        f"MedSAM-3 needs {', '.join(absent)}, not installed here: pip install 'radcopilot[medsam3]'"
    )


def missing_weights(folder: Path) -> str | None:
    """Return None where weights are installed, else that they are not, and the remedy."""
    if (folder / DESCRIPTION_FILE).is_file():
        return None
    return f"MedSAM-3's weights are not installed in {folder}: {INSTALL}"


def missing_tracker(folder: Path) -> str | None:
    """Return None where SAM 3's tracker is installed too, else that it is not, and the remedy."""
    lacking = missing_extra() or missing_weights(folder)
    if lacking is not None:
        return lacking
    if described(folder).get("tracker_sha256"):
        return None
    return (
        "MedSAM-3 was installed from a base without SAM 3's tracker, which follows a thing through "
        "slices and time: install it again from Meta's sam3.pt, or a folder of Sam3VideoModel"
    )


def described(folder: Path) -> dict[str, Any]:
    """Return what was written down at install.

    Raises
    ------
    UnreadableFileError
        If it cannot be read.
    """
    try:
        found = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
        return {
            **found,
            "weights_sha256": str(found["weights_sha256"]),
            "is_random": bool(found["is_random"]),
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableFileError(
            f"{folder / DESCRIPTION_FILE} does not describe a network: {INSTALL}"
        ) from error

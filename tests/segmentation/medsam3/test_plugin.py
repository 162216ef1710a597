"""The engine as the house finds it: there without torch, and honest about what it lacks."""

import subprocess
import sys

from copilot.concepts import load_concepts
from domain.ports import EngineContext
from domain.prompt import Prompt
from segmentation.medsam3.plugin import medsam3
from tests.contracts.segmenters import bright_ball

READ_WITHOUT_TORCH = """
import sys
from pathlib import Path
from copilot.concepts import load_concepts
from domain.ports import EngineContext
from segmentation.medsam3.plugin import medsam3
engine = medsam3(EngineContext(models_folder=Path("nowhere"), concepts=load_concepts()))
print(engine.capabilities.name, "torch" in sys.modules, "transformers" in sys.modules)
"""


def test_its_capabilities_are_read_without_torch():
    run = subprocess.run(
        [sys.executable, "-c", READ_WITHOUT_TORCH], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["medsam3", "False", "False"]


def test_without_extra_or_weights_it_says_which_and_how_to_get_them(tmp_path):
    engine = medsam3(EngineContext(models_folder=tmp_path, concepts=load_concepts()))
    volume, _ = bright_ball()
    reason = engine.supports(volume, Prompt(concept="brain tumour"))
    assert reason is not None
    assert "pip install 'radcopilot[medsam3]'" in reason or "models install medsam3" in reason

"""The engine as the house finds it: there without torch, and honest about what it lacks."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from copilot.concepts import load_concepts
from domain.errors import SettingsError
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


ASKED_WITHOUT_THE_PACKAGE = """
import sys
from pathlib import Path
from segmentation.medsam3.reference import Sam3Package
sys.modules["sam3"] = None
print(Sam3Package(Path("nowhere")).missing())
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


@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra [medsam3]: torch")
def test_the_other_backend_without_its_package_says_which_and_how_to_get_it():
    run = subprocess.run(
        [sys.executable, "-c", ASKED_WITHOUT_THE_PACKAGE],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "segmentation.backend = 'sam3' needs sam3" in run.stdout
    assert "set segmentation.backend to 'transformers'" in run.stdout


def test_the_other_backend_is_told_apart_in_the_provenance(tmp_path):
    versions = {
        medsam3(
            EngineContext(models_folder=tmp_path, concepts=load_concepts(), backend=backend)
        ).capabilities.version
        for backend in ("transformers", "sam3")
    }
    assert versions == {"1.0.0", "1.0.0-sam3"}


def test_an_unknown_backend_is_refused_by_name(tmp_path):
    context = EngineContext(models_folder=tmp_path, concepts=load_concepts(), backend="onnx")
    with pytest.raises(SettingsError, match="onnx"):
        medsam3(context)

"""Which engine answers what, and the default plugin."""

import subprocess
import sys

import numpy as np
import pytest

from domain.errors import DigestMismatchError, ModelMissingError, UnreadableFileError
from domain.ports import EngineContext, Segmenter, no_progress
from domain.prompt import Box, Point, Prompt
from domain.segment import AlgorithmType
from domain.volume import Mask, Volume
from segmentation.litemedsam.names import DESCRIPTION_FILE
from segmentation.lung.half_maximum import HalfMaximumSegmenter
from segmentation.plugins import default
from segmentation.routing import Engines, Router
from segmentation.rules.lungs_and_body import body_rule, lungs_rule
from segmentation.slicewise.segmenter import SlicewiseSegmenter
from tests.contracts.segmenters import (
    BrightNetwork,
    bright_ball,
    chest,
    small_table,
)

LESION = Box.on_slice(11, (42, 51), (86, 95))
MEDIASTINUM = Box.on_slice(11, (44, 50), (61, 67))


def _router(network: BrightNetwork | None = None) -> Router:
    concepts = small_table()
    return Router(
        "default",
        "1.0.0",
        concepts,
        Engines(
            by_route={"lungs": lungs_rule(concepts), "body": body_rule(concepts)},
            solid_lung_lesion=HalfMaximumSegmenter(),
            boxed=SlicewiseSegmenter(BrightNetwork() if network is None else network, concepts),
        ),
    )


def _name(volume: Volume, prompt: Prompt) -> str:
    return _router().choose(volume, prompt).capabilities.name


def test_names_go_to_rules_and_boxes_to_what_fits_the_image():
    volume = chest()
    assert _name(volume, Prompt(concept="lung")) == "lung-rule"
    assert _name(volume, Prompt(concept="body")) == "body-rule"
    assert _name(volume, Prompt(concept="lung lesion", boxes=(LESION,))) == "half-maximum"
    assert _name(volume, Prompt(boxes=(LESION,))) == "half-maximum"
    assert _name(volume, Prompt(boxes=(MEDIASTINUM,))) == "bright"
    assert _name(volume, Prompt(concept="pancreas", boxes=(LESION,))) == "bright"
    assert _name(volume, Prompt(concept="lung", boxes=(LESION,))) == "bright"


def test_one_click_on_what_is_solid_in_lung_goes_to_the_half_maximum_rule():
    volume = chest()
    click = Point(slice_index=11, row=46, column=90)
    assert _name(volume, Prompt(points=(click,))) == "half-maximum"
    assert _name(volume, Prompt(concept="lung lesion", points=(click,))) == "half-maximum"
    assert _name(volume, Prompt(concept="lung nodule", points=(click,))) == "half-maximum"
    beside = Point(slice_index=11, row=60, column=90)
    assert _name(volume, Prompt(concept="lung lesion", points=(beside,))) == "bright"
    assert _name(volume, Prompt(concept="pancreas", points=(click,))) == "bright"


def test_several_hints_or_a_correction_go_to_the_network():
    volume = chest()
    click = Point(slice_index=11, row=46, column=90)
    other = Point(slice_index=11, row=46, column=80, positive=False)
    assert _name(volume, Prompt(points=(click, other))) == "bright"
    assert _name(volume, Prompt(boxes=(LESION,), points=(click,))) == "bright"
    mask = Mask(voxels=volume.voxels > 0, grid=volume.grid)
    assert _name(volume, Prompt(mask=mask, boxes=(LESION,))) == "bright"


def test_a_box_on_mr_goes_to_the_network():
    volume, _ = bright_ball()
    box = Box.on_slice(10, (18, 43), (24, 49))
    assert _name(volume, Prompt(concept="lung lesion", boxes=(box,))) == "bright"


def test_a_name_alone_that_no_rule_finds_is_refused_by_name_with_the_remedy():
    reason = _router().supports(chest(), Prompt(concept="pancreas"))
    assert reason == (
        "I can't find the pancreas by name alone on this series: draw a box on one slice and "
        "give the slice range, and I can outline it"
    )


def test_lungs_by_name_on_mr_are_refused_for_the_modality():
    volume, _ = bright_ball()
    assert "CT only" in (_router().supports(volume, Prompt(concept="lung")) or "")


def test_the_provenance_says_what_ran():
    with _router().open(chest()) as session:
        named, boxed = session.segment(
            [
                Prompt(concept="lung", side="right"),
                Prompt(boxes=(LESION,), slice_range=(9, 14)),
            ],
            no_progress,
        )
    assert named.provenance.engine == "lung-rule"
    assert named.provenance.algorithm_type is AlgorithmType.AUTOMATIC
    assert named.side == "right"
    assert boxed.provenance.engine == "half-maximum"
    assert boxed.provenance.algorithm_type is AlgorithmType.SEMIAUTOMATIC


def test_the_default_is_cheap_and_says_what_it_can_do(tmp_path):
    engine = default(EngineContext(models_folder=tmp_path, concepts=small_table()))
    assert isinstance(engine, Segmenter)
    assert engine.capabilities.needs_weights
    assert engine.capabilities.prompts == {
        "text",
        "box",
        "point",
        "line",
        "scribble",
        "mask",
    }


def test_capabilities_are_read_without_loading_onnxruntime():
    code = (
        "import sys; from pathlib import Path; from domain.ports import EngineContext;"
        "from domain.concepts import ConceptTable; from segmentation.plugins import default;"
        "e = default(EngineContext(models_folder=Path('none'), concepts=ConceptTable.of(())));"
        "assert e.capabilities.name == 'default';"
        "loaded = {'onnxruntime', 'onnx', 'torch'} & set(sys.modules);"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_missing_weights_are_named_with_the_command_that_installs_them(tmp_path):
    engine = default(EngineContext(models_folder=tmp_path, concepts=small_table()))
    prompt = Prompt(boxes=(MEDIASTINUM,), slice_range=(10, 13))
    with (
        engine.open(chest()) as session,
        pytest.raises(ModelMissingError, match="radcopilot models install default"),
    ):
        list(session.segment([prompt], no_progress))


def test_rules_and_solid_lesions_need_no_weights(tmp_path):
    engine = default(EngineContext(models_folder=tmp_path, concepts=small_table()))
    with engine.open(chest()) as session:
        (segment,) = session.segment([Prompt(boxes=(LESION,), slice_range=(9, 14))], no_progress)
    assert not segment.mask.is_empty
    assert segment.provenance.weights_sha256 is None


@pytest.mark.parametrize(
    ("description", "error"),
    [
        ("{", UnreadableFileError),
        ('{"weights_sha256": "00"}', UnreadableFileError),
        (
            '{"weights_sha256": "00", "encoder_sha256": "11", "decoder_sha256": "22"}',
            DigestMismatchError,
        ),
    ],
    ids=["no JSON", "half a description", "changed graphs"],
)
def test_damaged_weights_are_named(tmp_path, description, error):
    folder = tmp_path / "litemedsam"
    folder.mkdir()
    (folder / DESCRIPTION_FILE).write_text(description)
    for name in ("encoder.onnx", "decoder.onnx"):
        (folder / name).write_bytes(b"not a graph")
    engine = default(EngineContext(models_folder=tmp_path, concepts=small_table()))
    prompt = Prompt(boxes=(MEDIASTINUM,), slice_range=(10, 13))
    with engine.open(chest()) as session, pytest.raises(error, match="models install default"):
        list(session.segment([prompt], no_progress))


def test_colour_images_are_outlined_from_a_box():
    random = np.random.default_rng(0)
    voxels = random.integers(0, 60, (1, 48, 48, 3), dtype=np.uint8)
    voxels[0, 15:33, 15:33] = 220
    grid = type(chest().grid)(affine=np.eye(4), shape=(1, 48, 48), slice_spacing_known=False)
    volume = Volume(voxels=voxels, grid=grid, modality="US")
    with _router().open(volume) as session:
        (segment,) = session.segment(
            [Prompt(boxes=(Box.on_slice(0, (15, 33), (15, 33)),))], no_progress
        )
    assert segment.mask.voxel_count > 200
    assert not segment.is_proposal

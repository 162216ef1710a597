"""The default engine on real lesions with an expert's mask, from one box and the range."""

import pytest

from bench.cases import dice, shared_cases, volume_error
from copilot.concepts import load_concepts
from copilot.evaluation.gestures import longest_line, middle_stroke
from domain.ports import EngineContext, no_progress
from domain.prompt import Prompt
from segmentation.plugins import default
from segmentation.slicewise.targets import ellipsoid, target_of

MOST_VOLUME_ERROR = 0.15


@pytest.fixture(scope="module")
def cases(shared_data):
    return {case.name: case for case in shared_cases(shared_data)}


@pytest.fixture(scope="module")
def engine(models_folder):
    return default(EngineContext(models_folder=models_folder, concepts=load_concepts()))


@pytest.mark.parametrize(
    ("name", "least_dice", "ran"),
    [
        ("ct_lung1", 0.87, "half-maximum"),
        ("mr_brain1", 0.74, "litemedsam"),
        ("sts_019 MR_T1", 0.82, "litemedsam"),
    ],
)
def test_a_real_lesion_is_outlined_from_one_box(cases, engine, name, least_dice, ran):
    case = cases[name]
    prompt = Prompt(concept=case.concept, boxes=(case.tight_box(),), slice_range=case.slice_range())
    with engine.open(case.volume) as session:
        (segment,) = session.segment([prompt], no_progress)
    assert segment.provenance.engine == ran
    found = dice(segment.mask, case.expert)
    assert found >= least_dice
    assert abs(volume_error(segment.mask, case.expert)) <= MOST_VOLUME_ERROR
    plain = ellipsoid(target_of(prompt, case.volume.grid), case.volume.grid)
    assert found > dice(plain, case.expert)


@pytest.mark.parametrize(
    ("name", "gesture", "least_dice"),
    [("ct_lung1", "line", 0.88), ("ct_lung1", "scribble", 0.87), ("mr_brain1", "line", 0.72)],
)
def test_a_real_lesion_is_outlined_from_a_line_or_a_scribble(
    cases, engine, name, gesture, least_dice
):
    case = cases[name]
    hints = {
        "line": {"lines": (longest_line(case.expert),)},
        "scribble": {"scribbles": (middle_stroke(case.expert),)},
    }
    prompt = Prompt(concept=case.concept, slice_range=case.slice_range(), **hints[gesture])
    with engine.open(case.volume) as session:
        (segment,) = session.segment([prompt], no_progress)
    assert dice(segment.mask, case.expert) >= least_dice
    assert segment.is_proposal is (gesture == "scribble")


def test_the_lungs_of_a_real_chest_are_found_on_the_patients_sides(cases, engine):
    volume = cases["ct_lung1"].volume
    with engine.open(volume) as session:
        found = {
            segment.side: segment
            for segment in session.segment([Prompt(concept="lung")], no_progress)
        }
    assert set(found) == {"left", "right"}
    for segment in found.values():
        volume_ml = segment.mask.voxel_count * volume.grid.voxel_volume_mm3 / 1000
        assert 700 < volume_ml < 4000
    centres = {
        side: volume.grid.to_lps_mm(list(zip(*segment.mask.voxels.nonzero(), strict=True))).mean(0)
        for side, segment in found.items()
    }
    assert centres["left"][0] > centres["right"][0] + 80

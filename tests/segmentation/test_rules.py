"""Lungs and body by rules, on the patient's axes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.ports import no_progress
from domain.prompt import Prompt
from domain.volume import Volume
from segmentation.rules.lungs_and_body import body_rule, lungs_rule
from segmentation.upright import Upright, turn_to_upright
from tests.contracts.segmenters import (
    AIR_HU,
    LEFT_LUNG_COLUMN,
    LUNG_HU,
    RIGHT_LUNG_COLUMN,
    TISSUE_HU,
    chest,
    small_table,
)

TURNS = st.tuples(
    st.sampled_from(list(itertools.permutations(range(3)))),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)


def _turned(volume: Volume, axes, flips) -> Volume:
    voxels = np.transpose(volume.voxels, axes)
    voxels = np.flip(voxels, [axis for axis, flip in enumerate(flips) if flip])
    return Volume(
        voxels=np.ascontiguousarray(voxels),
        grid=volume.grid.turned(axes, flips),
        modality=volume.modality,
    )


def _segments(engine, volume: Volume, prompt: Prompt):
    with engine.open(volume) as session:
        return {segment.side: segment for segment in session.segment([prompt], no_progress)}


def test_each_lung_is_on_the_patients_side():
    found = _segments(lungs_rule(small_table()), chest(), Prompt(concept="lung"))
    assert set(found) == {"left", "right"}
    assert found["left"].mask.voxels[5, 46, LEFT_LUNG_COLUMN]
    assert found["right"].mask.voxels[5, 46, RIGHT_LUNG_COLUMN]
    for side, column in (("left", RIGHT_LUNG_COLUMN), ("right", LEFT_LUNG_COLUMN)):
        assert not found[side].mask.voxels[:, :, column].any()


@settings(max_examples=12, deadline=None)
@given(TURNS)
def test_sides_do_not_depend_on_how_the_array_is_stored(turn):
    axes, flips = turn
    straight = _segments(lungs_rule(small_table()), chest(), Prompt(concept="lung"))
    turned = _segments(
        lungs_rule(small_table()), _turned(chest(), axes, flips), Prompt(concept="lung")
    )
    for side in ("left", "right"):
        expected = straight[side].mask.turned(axes, flips)
        assert np.array_equal(turned[side].mask.voxels, expected.voxels)


def test_the_lungs_volume_is_right_and_the_lesion_in_it_is_closed_over():
    volume = chest(lesion_radius_mm=6)
    found = _segments(lungs_rule(small_table()), volume, Prompt(concept="lung"))
    truth = np.count_nonzero(chest(lesion_radius_mm=0.01).voxels == LUNG_HU)
    total = sum(segment.mask.voxel_count for segment in found.values())
    assert total == pytest.approx(truth, rel=0.03)
    assert found["left"].mask.voxels[11, 46, 90]


def test_one_side_is_given_when_one_was_asked_for():
    found = _segments(lungs_rule(small_table()), chest(), Prompt(concept="lung", side="left"))
    assert set(found) == {"left"}


def test_lungs_that_touch_are_parted():
    volume = chest(lesion_radius_mm=0.01)
    voxels = np.array(volume.voxels)
    voxels[10:13, 26:28, 45:84] = LUNG_HU
    joined = Volume(voxels=voxels, grid=volume.grid, modality="CT")
    found = _segments(lungs_rule(small_table()), joined, Prompt(concept="lung"))
    sizes = {side: segment.mask.voxel_count for side, segment in found.items()}
    assert sizes["left"] == pytest.approx(sizes["right"], rel=0.05)
    assert found["left"].mask.voxels[5, 46, LEFT_LUNG_COLUMN]
    assert found["right"].mask.voxels[5, 46, RIGHT_LUNG_COLUMN]


def test_no_lung_on_the_series_is_an_answer_for_each_side():
    volume = chest()
    voxels = np.where(volume.voxels == LUNG_HU, TISSUE_HU, volume.voxels)
    solid = Volume(voxels=voxels, grid=volume.grid, modality="CT")
    found = _segments(lungs_rule(small_table()), solid, Prompt(concept="lung"))
    for side in ("left", "right"):
        assert found[side].mask.is_empty
        assert side in (found[side].absent_reason or "")


def test_the_body_is_filled_and_the_table_is_left_out():
    volume = chest()
    voxels = np.array(volume.voxels)
    voxels[:, 92:94, 10:118] = TISSUE_HU
    found = _segments(
        body_rule(small_table()),
        Volume(voxels=voxels, grid=volume.grid, modality="CT"),
        Prompt(concept="body"),
    )
    body = volume.voxels > AIR_HU
    mask = found[None].mask
    overlap = np.count_nonzero(mask.voxels & body)
    assert 2 * overlap / (mask.voxel_count + np.count_nonzero(body)) > 0.98
    assert not mask.voxels[:, 92:].any()


def test_rules_are_for_ct_volumes():
    engine = lungs_rule(small_table())
    ct = chest()
    mr = Volume(voxels=ct.voxels, grid=ct.grid, modality="MR")
    assert "CT only" in (engine.supports(mr, Prompt(concept="lung")) or "")
    single = Volume(
        voxels=ct.voxels[:1],
        grid=type(ct.grid)(affine=ct.grid.affine, shape=(1, 96, 128)),
        modality="CT",
    )
    assert "one slice" in (engine.supports(single, Prompt(concept="lung")) or "")


@given(TURNS)
def test_turning_upright_undoes_any_turn(turn):
    axes, flips = turn
    small = Volume(
        voxels=np.arange(24.0).reshape(2, 3, 4),
        grid=type(chest().grid)(affine=chest().grid.affine, shape=(2, 3, 4)),
        modality="CT",
    )
    upright = Upright.of(_turned(small, axes, flips)).volume
    assert np.array_equal(upright.voxels, small.voxels)
    assert upright.grid.matches(small.grid)
    assert turn_to_upright(upright.grid) == ((0, 1, 2), (False, False, False))

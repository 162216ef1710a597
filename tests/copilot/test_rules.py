from dataclasses import replace

import numpy as np
import pytest

from copilot.planner import RulePlanner, makes_masks
from copilot.reviewer import RuleReviewer
from copilot.system import RandomUids
from domain.codes import LESION, MORPHOLOGICALLY_ABNORMAL
from domain.command import Command, MeasureCommand, SegmentCommand, SendCommand, UndoCommand
from domain.concepts import Concept, ConceptTable
from domain.errors import SettingsError
from domain.plan import Effect
from domain.ports import no_progress
from domain.prompt import Box, Prompt
from domain.uids import checked_uid
from domain.volume import Mask, Volume
from tests.contracts.segmenters import EllipsoidSegmenter, chest, small_table
from tests.phantoms import grid, segment

TABLE = ConceptTable.of(
    [
        Concept(
            phrase="kidney",
            category=MORPHOLOGICALLY_ABNORMAL,
            code=LESION,
            paired=True,
            smallest_ml=20.0,
            largest_ml=600.0,
        )
    ]
)


def example(kind):
    arguments = {"concept": ("kidney",)} if kind is SegmentCommand else {}
    given = {"concept": "kidney", "slice": 1, "preset": "lung", "text": "kidney", "larger": True}
    for name, value in given.items():
        if name in kind.__dataclass_fields__:
            arguments.setdefault(name, value)
    return kind(**arguments)


@pytest.mark.parametrize("kind", Command.__args__, ids=lambda kind: kind.__name__)
def test_every_command_has_a_plan_and_only_send_publishes(kind):
    plan = RulePlanner().plan(example(kind))
    assert plan.steps
    publishes = any(step.effect is Effect.PUBLISH for step in plan.steps)
    assert publishes == plan.needs_yes == (kind is SendCommand)


def test_only_segment_and_measure_make_masks():
    planner = RulePlanner()
    assert makes_masks(planner.plan(SegmentCommand(concept=("kidney",))))
    assert makes_masks(planner.plan(MeasureCommand()))
    assert not makes_masks(planner.plan(UndoCommand()))


@pytest.fixture
def abdomen():
    """A body of 400 mm, and a mask 80 mm to the patient's left of its middle."""
    on = grid(shape=(4, 50, 100), spacing_mm=(5.0, 5.0, 5.0), origin=(-250.0, -125.0, 0.0))
    voxels = np.full(on.shape, -1000, dtype=np.int16)
    voxels[:, 5:45, 10:90] = 40
    marked = np.zeros(on.shape, dtype=bool)
    marked[1:3, 20:30, 60:70] = True
    return Volume(voxels=voxels, grid=on, modality="CT"), Mask(voxels=marked, grid=on)


BOX = Box.on_slice(1, (20, 30), (60, 70))


def review(volume, made):
    prompt = Prompt(concept="kidney", side=made.side, boxes=(BOX,))
    return RuleReviewer(TABLE).reviewed(volume, prompt, made)


def test_a_side_that_agrees_is_kept(abdomen):
    volume, mask = abdomen
    looked_at = review(volume, segment(mask, "kidney", "left"))
    assert looked_at.side == "left"
    assert not any("side" in warning for warning in looked_at.warnings)


def test_a_contradicted_side_is_taken_off_and_said(abdomen):
    volume, mask = abdomen
    looked_at = review(volume, segment(mask, "kidney", "right"))
    assert looked_at.side is None
    assert any("patient's left, but right was said" in each for each in looked_at.warnings)


@pytest.mark.parametrize(
    ("slices", "said"),
    [((1, 3), None), ((0, 2), "the first image"), ((2, 4), "the last image"),
     ((0, 4), "the first and the last image")],
)  # fmt: skip
def test_a_mask_that_reaches_the_end_of_the_series_may_go_on(abdomen, slices, said):
    volume, mask = abdomen
    voxels = np.zeros_like(mask.voxels)
    voxels[slice(*slices), 20:30, 60:70] = True
    made = review(volume, segment(Mask(voxels=voxels, grid=mask.grid), "kidney", "left"))
    warnings = [each for each in made.warnings if "go on beyond" in each]
    assert [f"reaches {said} of the series" in each for each in warnings] == [True] * bool(said)


def test_a_single_image_has_no_end_to_go_beyond():
    one = grid(shape=(1, 20, 20), spacing_mm=(5.0, 5.0, 5.0))
    volume = Volume(voxels=np.zeros(one.shape), grid=one, modality="MR")
    voxels = np.zeros(one.shape, dtype=bool)
    voxels[0, 5:9, 5:9] = True
    made = segment(Mask(voxels=voxels, grid=one), "kidney", "left")
    assert not any("go on" in each for each in review(volume, made).warnings)


def test_a_series_too_narrow_to_have_a_middle_contradicts_nothing(abdomen):
    volume, mask = abdomen
    narrow = Volume(
        voxels=volume.voxels[:, :, 45:75],
        grid=grid(shape=(4, 50, 30), spacing_mm=(5.0, 5.0, 5.0), origin=(-25.0, -125.0, 0.0)),
        modality="CT",
    )
    cut = Mask(voxels=mask.voxels[:, :, 45:75], grid=narrow.grid)
    assert review(narrow, segment(cut, "kidney", "right")).side == "right"


def test_sides_are_the_patients_whatever_the_array_order(abdomen):
    volume, mask = abdomen
    flips = (False, True, True)
    turned = Volume(
        voxels=np.ascontiguousarray(volume.voxels[:, ::-1, ::-1]),
        grid=volume.grid.turned((0, 1, 2), flips),
        modality="CT",
    )
    made = segment(mask.turned((0, 1, 2), flips), "kidney", "left")
    assert review(turned, made).side == "left"


def test_an_implausible_volume_warns_and_hides_nothing(abdomen):
    volume, mask = abdomen
    small = np.zeros_like(mask.voxels)
    small[1, 20:22, 60:62] = True
    looked_at = review(volume, segment(Mask(voxels=small, grid=mask.grid), "kidney"))
    assert any("less than a kidney" in warning for warning in looked_at.warnings)
    assert looked_at.mask.voxel_count == 4


@pytest.mark.parametrize("root", ["", "1.2.276.0.7230010.3"])
def test_new_uids_are_valid_and_differ(root):
    source = RandomUids(root)
    made = {source.new_uid() for _ in range(100)}
    assert len(made) == 100
    assert all(checked_uid(uid, "new UID").startswith(root or "2.25.") for uid in made)


def test_a_wrong_uid_root_stops_the_start():
    with pytest.raises(SettingsError, match="uid_root"):
        RandomUids("not.a.uid")


LESION = Box.on_slice(11, (42, 51), (86, 95))
MEDIASTINUM = Box.on_slice(11, (44, 50), (61, 67))


def warnings_on(volume, prompt):
    """Return what the reviewer says of the ellipsoid in a box, on a series with a patient."""
    placed = replace(volume, grid=replace(volume.grid, frame_of_reference_uid="1.2.3"))
    with EllipsoidSegmenter().open(placed) as session:
        (made,) = session.segment([prompt], no_progress)
    return RuleReviewer(small_table()).review(placed, prompt, made)


@pytest.mark.parametrize(
    ("half", "word"), [(2, "less than a pancreas"), (45, "more than a pancreas"), (12, None)]
)
def test_an_implausible_volume_is_said_with_the_mask(half, word):
    box = Box.on_slice(11, (48 - half, 48 + half), (64 - half, 64 + half))
    prompt = Prompt(concept="pancreas", boxes=(box,), slice_range=(8, 15))
    warnings = warnings_on(chest(), prompt)
    assert any(word in warning for warning in warnings) if word else not warnings


@pytest.mark.parametrize(
    ("side", "warned"), [("left", False), ("right", True), (None, False), ("both", False)]
)
def test_a_box_on_the_other_side_than_was_said_is_warned_of(side, warned):
    prompt = Prompt(concept="lung lesion", side=side, boxes=(LESION,), slice_range=(9, 14))
    assert any("patient's left" in warning for warning in warnings_on(chest(), prompt)) == warned


def test_a_box_in_the_middle_has_no_wrong_side():
    prompt = Prompt(concept="pancreas", side="right", boxes=(MEDIASTINUM,), slice_range=(10, 13))
    assert not any("side" in warning for warning in warnings_on(chest(), prompt))


def test_no_volume_is_judged_without_a_known_spacing():
    volume = chest()
    grid = type(volume.grid)(
        affine=volume.grid.affine, shape=volume.grid.shape, in_plane_calibrated=False
    )
    unknown = Volume(voxels=volume.voxels, grid=grid, modality="CT")
    box = Box.on_slice(11, (44, 50), (61, 67))
    assert not warnings_on(unknown, Prompt(concept="pancreas", boxes=(box,), slice_range=(10, 13)))

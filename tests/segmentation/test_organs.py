"""Organs found by name on CT, on phantoms with known answers and on a real abdomen."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot.concepts import load_concepts
from copilot.evaluation.images import read_mask
from dicom_node.files import dicom_files, one_series
from dicom_node.volumes import load_series
from domain.grid import Grid
from domain.ports import EngineContext, no_progress
from domain.prompt import Box, Prompt
from domain.segment import AlgorithmType
from domain.uids import InstanceUID, SeriesUID, SopClassUID, StudyUID
from domain.volume import Mask, SeriesReference, SourceFrame, Volume
from segmentation.organs import finders
from segmentation.organs.anatomy import anatomy_of
from segmentation.organs.between import filled_between, seen_slices
from segmentation.organs.growing import Absent, Found
from segmentation.organs.segmenter import DRAFT, FoundOrganSegmenter
from segmentation.plugins import default
from segmentation.slicewise.segmenter import SlicewiseSegmenter
from tests.contracts.segmenters import BrightNetwork, axial_grid
from tests.segmentation.trunk import ENHANCED, PLAIN, Trunk, dice, trunk

CONCEPTS = load_concepts()
TURNS = st.tuples(
    st.sampled_from(list(itertools.permutations(range(3)))),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
FINDERS = {"liver": finders.liver, "spleen": finders.spleen, "kidneys": finders.kidneys}


@pytest.fixture(scope="module")
def enhanced() -> Trunk:
    return trunk(ENHANCED)


def _found(volume: Volume) -> dict[str, Found | Absent]:
    anatomy = anatomy_of(volume)
    assert anatomy is not None
    kidneys = finders.kidneys(anatomy, None)
    return {
        "liver": finders.liver(anatomy, None)[None],
        "spleen": finders.spleen(anatomy, None)[None],
        "left kidney": kidneys["left"],
        "right kidney": kidneys["right"],
    }


def _without(levels, name: str) -> Volume:
    return trunk({each: level for each, level in levels.items() if each != name}).volume


def _engine(route: str, network: BrightNetwork | None = None) -> FoundOrganSegmenter:
    boxed = SlicewiseSegmenter(BrightNetwork() if network is None else network, CONCEPTS)
    return FoundOrganSegmenter(route, CONCEPTS, FINDERS[route], boxed)


def _segments(engine, volume: Volume, prompt: Prompt):
    with engine.open(volume) as session:
        return {segment.side: segment for segment in session.segment([prompt], no_progress)}


@pytest.mark.parametrize("levels", [ENHANCED, PLAIN], ids=["portal venous", "unenhanced"])
def test_each_organ_is_found_where_it_lies(levels):
    phantom = trunk(levels)
    for name, finding in _found(phantom.volume).items():
        assert isinstance(finding, Found), f"{name}: {finding}"
        assert dice(finding.voxels, phantom.organs[name].voxels) > 0.9, name
        assert finding.level_hu == pytest.approx(levels[name], abs=5)


@pytest.mark.parametrize(
    ("levels", "name"),
    [(ENHANCED, "liver"), (ENHANCED, "spleen"), (PLAIN, "spleen"), (PLAIN, "left kidney"),
     (ENHANCED, "right kidney")],
)  # fmt: skip
def test_an_organ_that_is_not_there_is_not_found_and_the_others_are(levels, name):
    findings = _found(_without(levels, name))
    missing = findings.pop(name)
    assert isinstance(missing, Absent)
    assert missing.reason
    assert all(isinstance(finding, Found) for finding in findings.values())


def test_organs_on_the_other_side_are_not_named():
    straight = trunk(ENHANCED).volume
    mirrored = replace(straight, voxels=np.ascontiguousarray(straight.voxels[:, :, ::-1]))
    for finding in _found(mirrored).values():
        assert isinstance(finding, Absent)
        assert "situs inversus" in finding.reason


def test_a_series_upside_down_is_noticed_by_its_lungs():
    straight = trunk(ENHANCED).volume
    upside_down = replace(straight, voxels=np.ascontiguousarray(straight.voxels[::-1]))
    for finding in _found(upside_down).values():
        assert isinstance(finding, Absent)
        assert "lungs lie below" in finding.reason


def test_the_same_muscle_on_both_sides_is_no_liver():
    phantom = trunk({})
    voxels = np.array(phantom.volume.voxels)
    grid = phantom.volume.grid
    at = (np.array(grid.shape) - 1) / 2
    z, y, x = (np.arange(n) for n in grid.shape)
    for side in (-1, 1):
        lump = (
            ((x - at[2] - side * 26) / 16)[None, None, :] ** 2
            + ((y - at[1])[None, :, None] / 16) ** 2
            + 0 * z[:, None, None]
        ) <= 1
        voxels[lump] = 60.0
    finding = _found(replace(phantom.volume, voxels=voxels))["liver"]
    assert isinstance(finding, Absent)
    assert "muscle" in finding.reason


def test_a_leg_has_no_spine_so_nothing_is_found():
    grid = axial_grid((20, 80, 80), (3.0, 3.0, 3.0))
    rows, columns = np.mgrid[:80, :80]
    apart = np.hypot(rows - 40, columns - 40)
    voxels = np.where(apart < 25, 55.0, -1000.0)
    voxels[(apart > 3) & (apart < 4)] = 100.0
    leg = Volume(voxels=np.stack([voxels] * 20).astype(np.float32), grid=grid, modality="CT")
    segments = _segments(_engine("liver"), leg, Prompt(concept="liver"))
    assert "no spine was found" in (segments[None].absent_reason or "")


def test_the_outline_is_a_draft_with_its_side_and_says_so(enhanced):
    found = _segments(_engine("kidneys"), enhanced.volume, Prompt(concept="kidney", side="both"))
    assert set(found) == {"left", "right"}
    for side, segment in found.items():
        assert dice(segment.mask.voxels, enhanced.organs[f"{side} kidney"].voxels) > 0.9
        assert segment.is_proposal
        assert segment.warnings[0] == DRAFT
        assert segment.provenance.algorithm_type is AlgorithmType.AUTOMATIC
        assert f"{side} kidney, by name" in segment.provenance.prompt


@pytest.mark.parametrize("side", ["left", "right"])
def test_one_kidney_is_given_when_one_was_asked_for(enhanced, side):
    found = _segments(_engine("kidneys"), enhanced.volume, Prompt(concept="kidney", side=side))
    assert set(found) == {side}
    assert dice(found[side].mask.voxels, enhanced.organs[f"{side} kidney"].voxels) > 0.9


@settings(max_examples=3, deadline=None)
@given(TURNS)
def test_the_answer_does_not_depend_on_how_the_array_is_stored(turn):
    axes, flips = turn
    phantom = trunk(ENHANCED, spacing_mm=(6.0, 4.0, 4.0))
    voxels = np.transpose(phantom.volume.voxels, axes)
    voxels = np.flip(voxels, [axis for axis, flip in enumerate(flips) if flip])
    turned = Volume(
        voxels=np.ascontiguousarray(voxels),
        grid=phantom.volume.grid.turned(axes, flips),
        modality="CT",
    )
    prompt = Prompt(concept="kidney", side="left")
    straight = _segments(_engine("kidneys"), phantom.volume, prompt)["left"]
    found = _segments(_engine("kidneys"), turned, prompt)["left"]
    assert np.array_equal(found.mask.voxels, straight.mask.turned(axes, flips).voxels)


def test_of_thin_slices_the_network_sees_some_and_the_volume_is_right():
    phantom = trunk(ENHANCED, spacing_mm=(1.0, 3.0, 3.0))
    network = BrightNetwork()
    found = _segments(_engine("spleen", network), phantom.volume, Prompt(concept="spleen"))
    truth = phantom.organs["spleen"]
    assert network.encoder_runs < 30
    assert dice(found[None].mask.voxels, truth.voxels) > 0.9
    assert len(found[None].mask.slice_indices()) == pytest.approx(90, abs=10)


@pytest.mark.parametrize("flips", [(False,) * 3, (True, True, True)], ids=["straight", "turned"])
def test_a_second_command_on_the_series_needs_no_second_look_of_the_network(enhanced, flips):
    frames = tuple(
        SourceFrame(sop_class_uid=SopClassUID("1.2"), sop_instance_uid=InstanceUID(f"1.3.{index}"))
        for index in range(enhanced.volume.grid.shape[0])
    )
    volume = Volume(
        voxels=np.flip(enhanced.volume.voxels, [axis for axis in range(3) if flips[axis]]),
        grid=enhanced.volume.grid.turned((0, 1, 2), flips),
        modality="CT",
        source=SeriesReference(
            study_instance_uid=StudyUID("1.4"),
            series_instance_uid=SeriesUID("1.5"),
            frames=frames,
        ),
    )
    network = BrightNetwork()
    engine = _engine("kidneys", network)
    first = _segments(engine, volume, Prompt(concept="kidney", side="left"))["left"]
    seen = network.encoder_runs
    again = _segments(engine, volume, Prompt(concept="kidney", side="left"))["left"]
    assert seen == network.encoder_runs > 0
    assert np.array_equal(first.mask.voxels, again.mask.voxels)


def test_nothing_is_marked_outside_the_slice_range(enhanced):
    prompt = Prompt(concept="liver", slice_range=(20, 30))
    found = _segments(_engine("liver"), enhanced.volume, prompt)
    assert set(found[None].mask.slice_indices()) == set(range(20, 30))


def test_on_mr_and_on_few_slices_a_box_is_asked_for(enhanced):
    engine = _engine("kidneys")
    prompt = Prompt(concept="kidney")
    mr = replace(enhanced.volume, modality="MR")
    assert "CT only" in (engine.supports(mr, prompt) or "")
    assert "draw a box" in (engine.supports(mr, prompt) or "")
    slab = Volume(
        voxels=enhanced.volume.voxels[:4],
        grid=replace(enhanced.volume.grid, shape=(4, *enhanced.volume.grid.shape[1:])),
        modality="CT",
    )
    assert "covers 12 mm" in (engine.supports(slab, prompt) or "")


def test_the_default_finds_by_name_on_ct_and_still_takes_boxes(enhanced, tmp_path):
    engine = default(EngineContext(models_folder=tmp_path, concepts=CONCEPTS))
    mr = replace(enhanced.volume, modality="MR")
    for name in ("liver", "spleen", "kidney", "fat", "air"):
        assert engine.supports(enhanced.volume, Prompt(concept=name)) is None
        assert "CT only" in (engine.supports(mr, Prompt(concept=name)) or "")
        box = Box.on_slice(20, (30, 40), (30, 40))
        assert engine.supports(mr, Prompt(concept=name, boxes=(box,))) is None
    for name in ("pancreas", "brain tumor"):
        reason = engine.supports(enhanced.volume, Prompt(concept=name)) or ""
        assert reason.startswith(f"I can't find the {name} by name alone")
        assert "draw a box" in reason


def test_a_sphere_is_filled_in_between_the_slices_that_were_seen():
    grid = Grid(affine=np.diag([1.0, 1.0, 1.0, 1.0]), shape=(64, 48, 48))
    z, y, x = np.ogrid[:64, :48, :48]
    sphere = (z - 31) ** 2 + (y - 24) ** 2 + (x - 24) ** 2 <= 20**2
    seen = seen_slices(grid)
    assert np.all(np.diff(seen) == 4)
    whole = filled_between(sphere[seen], seen, 64)
    assert np.array_equal(whole[seen], sphere[seen])
    assert dice(whole, sphere) > 0.97
    assert whole.sum() == pytest.approx(sphere.sum(), rel=0.02)


def test_what_is_cut_by_the_end_of_the_series_goes_on_to_it():
    seen = np.array([1, 5, 9])
    block = np.ones((3, 4, 4), dtype=bool)
    assert filled_between(block, seen, 11).all()
    assert not filled_between(np.zeros((3, 4, 4), dtype=bool), seen, 11).any()


@pytest.fixture(scope="module")
def abdomen(shared_data, models_folder):
    """The liver, spleen and kidneys of a real unenhanced CT, as the default engine gives them."""
    folder = shared_data / "ct_multiorgan"
    volume = load_series(one_series(dicom_files(folder / "dicom"), None))
    engine = default(EngineContext(models_folder=models_folder, concepts=CONCEPTS))
    with engine.open(volume) as session:
        segments = list(
            session.segment([Prompt(concept=name) for name in ("kidney", "spleen", "liver")],
                            no_progress)
        )  # fmt: skip
    made = {f"{segment.side or ''} {segment.concept}".strip(): segment for segment in segments}
    labels = {"spleen": 1, "right kidney": 2, "left kidney": 3, "liver": 5}
    truths: dict[str, Mask] = {
        name: read_mask(folder / "labels.nii.gz", volume.grid, label)
        for name, label in labels.items()
    }
    return made, truths


@pytest.mark.parametrize(
    ("name", "least_dice"),
    [("left kidney", 0.90), ("right kidney", 0.90), ("liver", 0.88), ("spleen", 0.84)],
)
def test_organs_of_a_real_unenhanced_abdomen(abdomen, name, least_dice):
    made, truths = abdomen
    mask, truth = made[name].mask, truths[name]
    assert dice(mask.voxels, truth.voxels) >= least_dice
    assert mask.voxel_count == pytest.approx(truth.voxel_count, rel=0.10)
    assert made[name].is_proposal

"""Fat and air of the body by rules."""

import numpy as np
import pytest

from copilot.concepts import load_concepts
from domain.ports import no_progress
from domain.prompt import Prompt
from domain.volume import Volume
from segmentation.rules.tissues import AIR_NOTE, FAT_NOTE, air_rule, fat_rule
from tests.contracts.segmenters import AIR_HU, LUNG_HU, TISSUE_HU, axial_grid, chest

FAT_HU = -100.0
CONCEPTS = load_concepts()


def _segment(engine, volume: Volume, concept: str):
    with engine.open(volume) as session:
        (segment,) = session.segment([Prompt(concept=concept)], no_progress)
    return segment


def _trunk() -> tuple[Volume, np.ndarray, np.ndarray]:
    """Return a trunk with 12 mm of fat under 2 to 3 mm of skin and a loop of gas; fat; gas."""
    grid = axial_grid((20, 120, 160), (3.0, 2.0, 2.0))
    rows, columns = np.mgrid[:120, :160]
    skin = ((rows - 60) / 51.3) ** 2 + ((columns - 80) / 71.3) ** 2 <= 1
    outer = ((rows - 60) / 50) ** 2 + ((columns - 80) / 70) ** 2 <= 1
    inner = ((rows - 60) / 44) ** 2 + ((columns - 80) / 64) ** 2 <= 1
    gas = np.zeros(grid.shape, dtype=bool)
    gas[4:16, ((rows - 50) / 6) ** 2 + ((columns - 90) / 12) ** 2 <= 1] = True
    voxels = np.full(grid.shape, AIR_HU)
    voxels[:, skin] = TISSUE_HU
    voxels[:, outer] = FAT_HU
    voxels[:, inner] = TISSUE_HU
    voxels[gas] = AIR_HU
    fat = np.broadcast_to(outer & ~inner, grid.shape)
    noise = np.random.default_rng(2).normal(0, 8, grid.shape)
    return Volume(voxels=(voxels + noise).astype(np.float32), grid=grid, modality="CT"), fat, gas


def test_the_fat_under_the_skin_is_marked_and_muscle_and_gas_are_not():
    volume, fat, gas = _trunk()
    segment = _segment(fat_rule(CONCEPTS), volume, "fat")
    found = segment.mask.voxels
    assert 2 * np.count_nonzero(found & fat) / (found.sum() + fat.sum()) > 0.9
    assert np.count_nonzero(found & ~fat) < 0.01 * fat.sum()
    assert not (found & gas).any()
    assert segment.warnings == (FAT_NOTE,)


def test_mixed_voxels_round_gas_are_not_fat():
    volume, _, gas = _trunk()
    voxels = np.array(volume.voxels)
    ring = np.zeros_like(gas)
    ring[:, 1:-1] = gas[:, 2:] | gas[:, :-2]
    voxels[ring & ~gas] = -120.0
    mixed = Volume(voxels=voxels, grid=volume.grid, modality="CT")
    found = _segment(fat_rule(CONCEPTS), mixed, "fat").mask.voxels
    assert not (found & ring).any()


def test_the_gas_in_the_body_is_marked_to_the_voxel_and_the_room_is_not():
    volume, _, gas = _trunk()
    segment = _segment(air_rule(CONCEPTS), volume, "air")
    assert np.array_equal(segment.mask.voxels, gas)
    assert segment.warnings == (AIR_NOTE,)
    assert "not told apart" in AIR_NOTE


def test_aerated_lung_is_not_counted_as_air_but_a_pneumothorax_is():
    volume = chest(lesion_radius_mm=0.01)
    engine = air_rule(CONCEPTS)
    none = _segment(engine, volume, "air")
    assert none.mask.is_empty
    assert "no air was found" in (none.absent_reason or "")
    voxels = np.array(volume.voxels)
    lung = voxels == LUNG_HU
    free = lung & (np.mgrid[:24, :96, :128][1] < 30)
    voxels[free] = AIR_HU
    found = _segment(engine, Volume(voxels=voxels, grid=volume.grid, modality="CT"), "air").mask
    assert found.voxel_count > 0.6 * np.count_nonzero(free)
    assert not (found.voxels & ~free).any()


@pytest.mark.parametrize(("rule", "concept"), [(fat_rule, "fat"), (air_rule, "air")])
def test_they_are_for_ct_by_name(rule, concept):
    volume, _, _ = _trunk()
    mr = Volume(voxels=volume.voxels, grid=volume.grid, modality="MR")
    assert "CT only" in (rule(CONCEPTS).supports(mr, Prompt(concept=concept)) or "")
    assert rule(CONCEPTS).supports(volume, Prompt(concept=concept)) is None

"""What the agent may see, and that planes stand as radiologists look at them."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from copilot.agent.pictures import kept_back, picture, planes_of
from domain.concepts import Window
from domain.volume import Mask, Volume
from tests.copilot.agent.abdomens import LEFT_COLUMN, abdomen
from tests.phantoms import ct, grid

SOFT = Window(center=40, width=400)


def bright(volume):
    return Mask(voxels=volume.voxels > 100, grid=volume.grid)


@pytest.mark.parametrize(
    ("modality", "burned_in_text", "stays"),
    [
        ("CT", None, False),
        ("MR", None, False),
        ("CT", True, True),
        ("US", None, True),
        ("US", False, False),
        ("CR", None, True),
    ],
)
def test_pictures_that_may_hold_letters_stay_here(modality, burned_in_text, stays):
    volume = replace(abdomen(), modality=modality, burned_in_text=burned_in_text)
    assert (kept_back(volume) is not None) is stays


def test_colour_may_hold_letters():
    colour = np.zeros((1, 8, 8, 3), dtype=np.uint8)
    volume = Volume(voxels=colour, grid=grid((1, 8, 8)), modality="CT")
    assert "may hold text" in kept_back(volume)


def test_the_coronal_plane_has_the_head_above_and_the_patients_left_to_the_right():
    volume = abdomen(right=False)
    volume.voxels[20:, 30:60, 60:70] = 700.0  # towards the head
    shown, mask = planes_of(volume, bright(volume), "coronal")
    down, right = shown.grid.affine[:3, 1], shown.grid.affine[:3, 2]
    assert down[2] < 0
    assert right[0] > 0
    rows = np.flatnonzero((shown.voxels == 700).any(axis=(0, 2)))
    assert rows.max() < 5
    columns = np.flatnonzero(mask.voxels.any(axis=(0, 1)))
    assert LEFT_COLUMN in columns


def test_the_sagittal_plane_has_the_face_to_the_left():
    volume = abdomen(right=False)
    shown, mask = planes_of(volume, bright(volume), "sagittal")
    assert shown.grid.affine[1, 2] > 0  # columns run to the back
    assert shown.grid.affine[2, 1] < 0
    assert mask.voxel_count == bright(volume).voxel_count


def test_a_plane_of_an_oblique_series_keeps_every_voxel_where_it_is():
    on = grid((6, 10, 12), turn_deg=(20, -10, 30))
    inside = Mask(voxels=np.arange(720).reshape(6, 10, 12) % 7 == 0, grid=on)
    shown, mask = planes_of(ct(on, inside), inside, "sagittal")
    before = np.sort(on.to_lps_mm(np.argwhere(inside.voxels)), axis=0)
    after = np.sort(shown.grid.to_lps_mm(np.argwhere(mask.voxels)), axis=0)
    np.testing.assert_allclose(after, before, atol=1e-9)


def test_a_picture_shows_the_largest_slice_and_holds_nothing_but_pixels():
    volume = abdomen()
    png, index = picture(volume, bright(volume), plane="acquired", index=None, window=SOFT)
    image = Image.open(io.BytesIO(png))
    assert index in (11, 12)
    assert image.info == {}
    assert (np.asarray(image) == (0, 229, 255)).all(axis=2).any()

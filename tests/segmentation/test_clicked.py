"""One click in lung: an outline free of vessels and wall, or the reason why there is none."""

import numpy as np
import pytest

from domain.ports import no_progress
from domain.prompt import Box, Point, Prompt
from domain.volume import Volume
from segmentation.lung.half_maximum import HalfMaximumSegmenter
from segmentation.lung.slicing import slicing_error
from tests.phantoms import grid
from tests.segmentation.chests import Ball, Tube, chest_with, index_of

ENGINE = HalfMaximumSegmenter()
BALL = Ball(centre_mm=(71.0, 78.0, 58.0), radius_mm=7.0)
VESSEL = Tube(start_mm=(71.0, 78.0, 58.0), stop_mm=(71.0, 82.0, 95.0), radius_mm=2.5)


def _click(volume: Volume, centre_mm, moved=(0, 0, 0)) -> Point:
    at = [index + step for index, step in zip(index_of(volume, centre_mm), moved, strict=True)]
    return Point(slice_index=at[0], row=at[1], column=at[2])


def _segment(volume: Volume, click: Point, **more):
    with ENGINE.open(volume) as session:
        [segment] = session.segment([Prompt(points=(click,), **more)], no_progress)
    return segment


def _volume_ml(volume: Volume, click: Point) -> float:
    return _segment(volume, click).mask.voxel_count * volume.grid.voxel_volume_mm3 / 1000


@pytest.mark.parametrize(
    "spacing_mm", [(1.25, 1.0, 1.0), (2.5, 1.5, 1.5), (5.0, 0.8, 0.8)], ids=str
)
@pytest.mark.parametrize("vessels", [(), (VESSEL,)], ids=["alone", "on a vessel"])
def test_a_click_gives_a_balls_volume_with_and_without_a_vessel(spacing_mm, vessels):
    volume = chest_with((BALL,), vessels, spacing_mm)
    found_ml = _volume_ml(volume, _click(volume, BALL.centre_mm))
    assert found_ml == pytest.approx(BALL.volume_ml, rel=0.15)


def test_where_in_the_nodule_one_clicks_does_not_matter():
    volume = chest_with((BALL,), (VESSEL,), (2.5, 1.0, 1.0))
    volumes_ml = [
        _volume_ml(volume, _click(volume, BALL.centre_mm, moved))
        for moved in ((0, 0, 0), (0, 3, 0), (0, -3, 2), (1, 0, 3), (-2, 0, -2))
    ]
    assert max(volumes_ml) == pytest.approx(min(volumes_ml), rel=0.03)


def test_the_wall_a_nodule_sits_on_is_left_out():
    ball = Ball(centre_mm=(75.0, 82.0, 31.0), radius_mm=7.0)
    volume = chest_with((ball,), (), (1.5, 1.0, 1.0))
    click = _click(volume, ball.centre_mm)
    segment = _segment(volume, click)
    columns = np.flatnonzero(segment.mask.voxels.any(axis=(0, 1)))
    assert columns.min() >= 22
    assert _volume_ml(volume, click) == pytest.approx(ball.volume_ml, rel=0.2)


def test_air_a_vessel_ground_glass_and_soft_tissue_are_refused_with_what_would_help():
    volume = chest_with((BALL,), (VESSEL,), (1.5, 1.0, 1.0))
    air = _click(volume, (71.0, 110.0, 58.0))
    assert "nothing solid" in (ENGINE.supports(volume, Prompt(points=(air,))) or "")
    vessel = _click(volume, (71.0, 81.0, 85.0))
    assert "vessel" in (ENGINE.supports(volume, Prompt(points=(vessel,))) or "")
    heart = _click(volume, (75.0, 82.0, 120.0))
    assert "box" in (ENGINE.supports(volume, Prompt(points=(heart,))) or "")
    faint = Volume(
        voxels=np.where(volume.voxels > -700, -600, volume.voxels), grid=volume.grid, modality="CT"
    )
    centre = _click(faint, BALL.centre_mm)
    assert "ground glass" in (ENGINE.supports(faint, Prompt(points=(centre,))) or "")


def test_what_comes_of_a_click_is_a_proposal_and_says_what_thick_slices_do_to_it():
    small = Ball(centre_mm=(71.0, 78.0, 58.0), radius_mm=4.5)
    thick, thin = (chest_with((small,), (), (mm, 0.8, 0.8)) for mm in (5.0, 1.25))
    from_thick = _segment(thick, _click(thick, small.centre_mm))
    from_thin = _segment(thin, _click(thin, small.centre_mm))
    assert from_thick.is_proposal
    assert any("click" in warning for warning in from_thick.warnings)
    assert any("slices 5 mm apart" in warning for warning in from_thick.warnings)
    assert not any("mm apart" in warning for warning in from_thin.warnings)


def test_range_and_negative_boxes_are_kept_to():
    volume = chest_with((BALL,), (), (2.5, 1.5, 1.5))
    click = _click(volume, BALL.centre_mm)
    at = click.slice_index
    cut = _segment(volume, click, slice_range=(at, at + 1))
    assert cut.mask.slice_indices() == (at,)
    size = volume.grid.shape
    everywhere = Box(
        slice_start=0,
        slice_stop=size[0],
        row_start=0,
        row_stop=size[1],
        column_start=0,
        column_stop=size[2],
        positive=False,
    )
    nothing = _segment(volume, click, boxes=(everywhere,))
    assert nothing.absent_reason is not None


def test_the_error_of_slicing_grows_with_the_slices_and_shrinks_with_the_thing():
    thick, thin = grid(spacing_mm=(5.0, 0.7, 0.7)), grid(spacing_mm=(1.0, 0.7, 0.7))
    low, high = slicing_error(0.45, thick)
    assert -0.3 < low < -0.15
    assert 0.08 < high < 0.25
    assert max(map(abs, slicing_error(0.45, thin))) < 0.03
    assert max(map(abs, slicing_error(20.0, thick))) < 0.05

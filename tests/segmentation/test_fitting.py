"""Outlines that fit their box, and outlines between the slices that have one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ports import no_progress
from domain.prompt import Box, Prompt
from domain.volume import Volume
from segmentation.slicewise.between import KeyShape, laid_between
from segmentation.slicewise.fitting import DRAWN, EXPECTED, Fit, fitting_bias
from segmentation.slicewise.segmenter import SlicewiseSegmenter
from segmentation.slicewise.slices import SliceBox
from segmentation.slicewise.targets import box_of, ellipse
from tests.contracts.segmenters import BrightNetwork, axial_grid, small_table

SHAPE = (40, 50)
BOX = SliceBox(row_start=10, row_stop=30, column_start=15, column_stop=35)
BOX_OF_LUNG = SliceBox(row_start=20, row_stop=84, column_start=20, column_stop=80)
EMBRACED = SliceBox(row_start=30, row_stop=94, column_start=28, column_stop=72)
WHOLE = (slice(0, SHAPE[0]), slice(0, SHAPE[1]))
ROUND = ellipse(SHAPE, BOX)


def _seed():
    return ROUND <= 0.5


def test_an_outline_too_small_for_its_box_is_let_out_and_one_too_large_taken_in():
    for offset in (-1.5, 1.5):
        log_odds = (4 * (1 - ROUND) + offset).astype(np.float32)
        bias = fitting_bias(log_odds, BOX, _seed(), Fit(limit=3.0, enough=1.0))
        assert bias == pytest.approx(-offset, abs=0.5)


def test_an_outline_that_agrees_as_well_as_hands_do_is_left_alone():
    log_odds = (4 * (1.08 - ROUND)).astype(np.float32)
    assert fitting_bias(log_odds, BOX, _seed(), DRAWN) == 0


def test_the_threshold_never_moves_beyond_its_limit():
    log_odds = (4 * (1 - ROUND) - 2).astype(np.float32)
    assert 0 < fitting_bias(log_odds, BOX, _seed(), EXPECTED) <= EXPECTED.limit


def test_a_threshold_makes_no_thing_of_what_nobody_saw():
    nothing = np.full(SHAPE, -1.0, dtype=np.float32)
    assert fitting_bias(nothing, BOX, _seed(), DRAWN) == 0
    speck = nothing.copy()
    speck[20, 25] = 1
    assert fitting_bias(speck, BOX, _seed(), DRAWN) == 0


def test_what_does_not_hang_together_with_the_thing_does_not_count():
    log_odds = (4 * (1 - ROUND)).astype(np.float32)
    log_odds[:, 45:] = 5
    assert fitting_bias(log_odds, BOX, _seed(), EXPECTED) == 0


@given(
    st.floats(6, 20), st.floats(6, 20), st.floats(15, 25), st.floats(18, 30), st.floats(0.5, 1.4)
)
def test_a_shape_laid_into_another_box_fills_it_as_it_filled_its_own(
    rows, columns, row, column, size
):
    own = SliceBox(
        row_start=row - rows / 2,
        row_stop=row + rows / 2,
        column_start=column - columns / 2,
        column_stop=column + columns / 2,
    )
    inside = ellipse(SHAPE, own) <= 1
    shape = KeyShape.of(inside, (0, 0), own)
    assert shape is not None
    other = own.scaled(size)
    laid = shape.laid_into(other, WHOLE) > 0
    found = box_of(laid)
    assert abs(found.centre[0] - row) <= 1.5
    assert abs(found.rows - other.rows) <= 2.5 + 0.1 * other.rows


def test_half_way_between_two_outlines_lies_one_of_half_way_size():
    small, large = BOX.scaled(0.5), BOX.scaled(1.5)
    shapes = {
        key: KeyShape.of(ellipse(SHAPE, box) <= 1, (0, 0), box)
        for key, box in ((2, small), (6, large))
    }
    laid = laid_between(shapes, 4, BOX, WHOLE)
    assert np.count_nonzero(laid > 0) == pytest.approx(np.count_nonzero(ROUND <= 1), rel=0.1)


def test_beyond_the_outer_keys_the_outermost_outline_is_taken():
    square = np.zeros(SHAPE, dtype=np.bool_)
    square[10:30, 15:35] = True
    shapes = {3: KeyShape.of(square, (0, 0), BOX)}
    for index in (0, 3, 9):
        laid = laid_between(shapes, index, BOX, WHOLE)
        assert np.array_equal(laid > 0, square)


def test_no_outline_expects_nothing():
    assert KeyShape.of(np.zeros(SHAPE, dtype=np.bool_), (0, 0), BOX) is None
    assert laid_between({}, 4, BOX, WHOLE) is None


@given(st.floats(3, 200), st.floats(3, 200), st.floats(0, 400), st.floats(0, 400))
def test_a_snapped_box_differs_little_and_snapping_again_changes_nothing(
    rows, columns, row, column
):
    box = SliceBox(row_start=row, row_stop=row + rows, column_start=column,
                   column_stop=column + columns)  # fmt: skip
    snapped = box.snapped()
    assert abs(snapped.rows / rows - 1) <= 0.05
    assert abs(snapped.centre[0] - box.centre[0]) <= 0.06 * rows
    assert snapped.overlap(box) > 0.78
    again = snapped.snapped()
    assert again.rows == pytest.approx(snapped.rows)
    assert again.centre == pytest.approx(snapped.centre)


def test_a_box_round_a_crescent_of_lung_outlines_the_lung_and_not_what_it_embraces():
    grid = axial_grid((3, 100, 100))
    around, within = ellipse((100, 100), BOX_OF_LUNG), ellipse((100, 100), EMBRACED)
    lung = (around <= 1) & (within > 1)
    lung[62:] = False
    voxels = np.full(grid.shape, 40.0)
    voxels[:, lung] = -820
    volume = Volume(voxels=voxels, grid=grid, modality="CT")
    rows, columns = np.nonzero(lung)
    box = Box.on_slice(1, (rows.min(), rows.max() + 1), (columns.min(), columns.max() + 1))
    engine = SlicewiseSegmenter(BrightNetwork(), small_table())
    with engine.open(volume) as session:
        (segment,) = session.segment([Prompt(boxes=(box,), slice_range=(1, 2))], no_progress)
    found = segment.mask.voxels[1]
    assert 2 * np.count_nonzero(found & lung) / (found.sum() + lung.sum()) > 0.95

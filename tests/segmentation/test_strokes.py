"""Lines and scribbles in pixels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import PromptError
from domain.prompt import Line, Scribble
from segmentation.slicewise.fusion import stroke_log_odds
from segmentation.slicewise.slices import SliceBox
from segmentation.slicewise.strokes import ASPECT, line_ellipse, painted
from segmentation.slicewise.targets import ellipse
from tests.contracts.segmenters import axial_grid

SHAPE = (96, 96)


def _line(angle, length=40.0, across=None):
    reach = (length / 2 * math.sin(angle), length / 2 * math.cos(angle))
    start, stop = (47 - reach[0], 50 - reach[1]), (47 + reach[0], 50 + reach[1])
    return Line(slice_index=2, start=start, stop=stop, across=across)


@given(st.floats(0, math.pi))
def test_the_ellipse_about_a_line_has_its_length_and_three_quarters_of_it_whatever_its_angle(angle):
    expected = line_ellipse(_line(angle), axial_grid((5, *SHAPE)))
    inside = ellipse(SHAPE, expected.box, expected.tilt) <= 1
    assert np.count_nonzero(inside) == pytest.approx(math.pi / 4 * 40 * 40 * ASPECT, rel=0.03)
    rows, columns = np.nonzero(inside)
    assert (rows.mean(), columns.mean()) == pytest.approx((47, 50), abs=0.1)
    along = (rows - 47) * math.sin(angle) + (columns - 50) * math.cos(angle)
    assert np.abs(along).max() == pytest.approx(20, abs=1)


@given(st.floats(0, math.pi))
def test_the_box_holds_the_ellipse_tightly(angle):
    expected = line_ellipse(_line(angle), axial_grid((5, *SHAPE)))
    inside = ellipse(SHAPE, expected.box, expected.tilt) <= 1
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    box = expected.box
    assert (rows[0], rows[-1] + 1) == pytest.approx((box.row_start, box.row_stop), abs=1.5)
    assert (columns[0], columns[-1] + 1) == pytest.approx(
        (box.column_start, box.column_stop), abs=1.5
    )


def test_the_short_axis_is_perpendicular_in_the_patient_not_in_pixels():
    grid = axial_grid((5, *SHAPE), (2.0, 2.0, 0.5))
    line = Line(slice_index=2, start=(42.0, 30.0), stop=(52.0, 70.0))  # 20 mm by 20 mm
    expected = line_ellipse(line, grid)
    inside = ellipse(SHAPE, expected.box, expected.tilt) <= 1
    rows, columns = np.nonzero(inside)
    spread = np.cov(rows * 2.0, columns * 0.5)
    length_mm = math.hypot(20, 20)
    along, across = np.array((1, 1)) / math.sqrt(2), np.array((1, -1)) / math.sqrt(2)
    assert 4 * math.sqrt(along @ spread @ along) == pytest.approx(length_mm, rel=0.04)
    assert 4 * math.sqrt(across @ spread @ across) == pytest.approx(ASPECT * length_mm, rel=0.04)
    assert along @ spread @ across == pytest.approx(0, abs=1.5)


def test_a_second_line_gives_the_width_and_where_the_middle_is():
    line = _line(0.0, across=((35.0, 52.0), (51.0, 52.0)))
    expected = line_ellipse(line, axial_grid((5, *SHAPE)))
    assert (expected.box.row_start, expected.box.row_stop) == pytest.approx((35.5, 51.5))
    assert (expected.box.column_start, expected.box.column_stop) == pytest.approx((30.5, 70.5))
    assert expected.tilt == pytest.approx(0)


def test_a_second_line_along_the_first_is_refused_with_both_its_ends():
    with pytest.raises(PromptError, match=r"\(47.0, 40.0\) to \(47.0, 60.0\).*draw it across"):
        line_ellipse(_line(0.0, across=((47.0, 40.0), (47.0, 60.0))), axial_grid((5, *SHAPE)))


def test_a_line_of_no_length_is_refused_by_its_slice_and_place():
    with pytest.raises(PromptError, match=r"slice 3 .*0 pixels long.*edge to edge"):
        Line(slice_index=3, start=(4, 4), stop=(4, 4))


def test_a_brush_paints_its_width_and_a_dab_its_pixel():
    stroke = Scribble(slice_index=0, path=((10.0, 10.0), (10.0, 20.0)), radius_px=1.0)
    image = painted(SHAPE, stroke)
    assert set(np.flatnonzero(image.any(axis=1))) == {9, 10, 11}
    assert image[10, 9:22].all()
    dab = painted(SHAPE, Scribble(slice_index=0, path=((3.4, 4.4),), radius_px=0.1))
    assert dab[3, 4]
    assert np.count_nonzero(dab) == 1


def test_a_scribble_overrules_everything_under_it_and_fades_beside():
    box = SliceBox(row_start=0, row_stop=40, column_start=0, column_stop=40)
    inside = Scribble(slice_index=0, path=((10.0, 10.0), (10.0, 30.0)))
    outside = Scribble(slice_index=0, path=((20.0, 10.0), (20.0, 30.0)), positive=False)
    odds = stroke_log_odds(SHAPE, (inside, outside), box)
    everything = 11.0  # what network, place and grey levels say together at most
    assert odds[9:12, 10:31].min() > everything
    assert odds[19:22, 10:31].max() < -everything
    assert odds[9, 20] > odds[13, 20] > 0
    assert abs(odds[60, 60]) < 1e-3

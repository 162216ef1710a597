"""What a person would point at, made from the reference."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot.evaluation.cases import CaseEntry
from copilot.evaluation.gestures import (
    deepest_point,
    jittered,
    jittered_box,
    prompt_of,
    tight_box,
)
from domain.prompt import Box, Point
from domain.volume import Mask
from tests.phantoms import ellipsoid, grid

ON = grid(shape=(12, 60, 50), spacing_mm=(2.0, 1.0, 1.0))
BALL = ellipsoid(ON, (8.0, 12.0, 9.0))


def entry(**named):
    return CaseEntry(name="case", images="ct", reference="mask.nrrd", **named)


def test_a_box_is_tight_on_the_largest_slice_and_has_the_range():
    prompt = prompt_of(entry(concept="liver", side="left"), BALL, "liver")
    (box,) = prompt.boxes
    assert box.is_flat
    inside = BALL.voxels[box.slice_start, box.row_start : box.row_stop]
    assert np.count_nonzero(inside) == BALL.voxels.sum(axis=(1, 2)).max()
    assert prompt.slice_range == (BALL.slice_indices()[0], BALL.slice_indices()[-1] + 1)
    assert (prompt.concept, prompt.side) == ("liver", "left")


def test_a_3d_box_holds_all_of_it_and_touches_it_everywhere():
    (box,) = prompt_of(entry(gesture="box3d"), BALL, None).boxes
    inner = BALL.voxels[
        box.slice_start : box.slice_stop,
        box.row_start : box.row_stop,
        box.column_start : box.column_stop,
    ]
    assert np.count_nonzero(inner) == BALL.voxel_count
    for axis in range(3):
        assert inner.take(0, axis).any()
        assert inner.take(-1, axis).any()


def test_a_click_is_deepest_inside_not_at_the_centre_of_a_ring():
    voxels = np.zeros(ON.shape, dtype=bool)
    voxels[5, 10:50, 10:40] = True
    voxels[5, 16:50, 16:34] = False
    ring = Mask(voxels=voxels, grid=ON)
    point = deepest_point(ring)
    assert ring.voxels[point.slice_index, point.row, point.column]
    assert not ring.voxels[5, 30, 25]
    prompt = prompt_of(entry(gesture="point"), ring, None)
    assert (prompt.points, prompt.boxes, prompt.slice_range) == ((point,), (), None)


def test_a_line_is_the_longest_diameter_between_outer_edges_with_the_range():
    prompt = prompt_of(entry(gesture="line"), BALL, None)
    (line,) = prompt.lines
    assert prompt.boxes == ()
    assert line.slice_index == tight_box(BALL).slice_start
    assert math.dist(line.start, line.stop) == pytest.approx(24, abs=1.5)
    assert abs(line.start[0] - line.stop[0]) > abs(line.start[1] - line.stop[1])
    assert prompt.slice_range == (BALL.slice_indices()[0], BALL.slice_indices()[-1] + 1)


def test_a_scribble_runs_along_the_middle_and_stops_before_the_ends():
    (scribble,) = prompt_of(entry(gesture="scribble"), BALL, None).scribbles
    assert scribble.positive
    rows = [row for row, _ in scribble.path]
    assert max(rows) - min(rows) == pytest.approx(0.7 * 24, abs=2)
    for row, column in scribble.path:
        assert BALL.voxels[scribble.slice_index, int(row), int(column)]


@given(seed=st.integers(0, 99))
def test_another_hands_line_ends_within_a_tenth_of_its_length(seed):
    prompt = prompt_of(entry(gesture="line"), BALL, None)
    (line,), (moved,) = prompt.lines, jittered(prompt, BALL, np.random.default_rng(seed)).lines
    reach = 0.1 * math.dist(line.start, line.stop) + 1e-9
    assert math.dist(line.start, moved.start) <= reach
    assert math.dist(line.stop, moved.stop) <= reach


@given(seed=st.integers(0, 99))
def test_another_hands_scribble_stays_on_the_thing(seed):
    prompt = prompt_of(entry(gesture="scribble"), BALL, None)
    (scribble,) = jittered(prompt, BALL, np.random.default_rng(seed)).scribbles
    for row, column in scribble.path:
        assert BALL.voxels[scribble.slice_index, int(row), int(column)]


def test_by_name_alone_nothing_is_pointed_at():
    assert prompt_of(entry(gesture="text", concept="liver"), BALL, "liver").is_text_only


def test_what_is_given_is_taken_as_it_is():
    prompt = prompt_of(entry(box=[3, 1, 2, 5, 6], point=[3, 2, 4]), BALL, None)
    assert prompt.boxes == (Box.on_slice(3, (1, 5), (2, 6)),)
    assert prompt.points == (Point(slice_index=3, row=2, column=4),)
    assert prompt.slice_range is None
    assert prompt_of(entry(slices=[4, 7]), BALL, None).slice_range == (4, 7)


@given(
    row=st.tuples(st.integers(0, 58), st.integers(1, 40)),
    column=st.tuples(st.integers(0, 48), st.integers(1, 40)),
    seed=st.integers(0, 99),
)
def test_a_jittered_box_stays_in_the_image_within_a_tenth_of_its_side(row, column, seed):
    rows = (row[0], min(60, sum(row)))
    columns = (column[0], min(50, sum(column)))
    box = Box.on_slice(4, rows, columns)
    moved = jittered_box(box, ON, np.random.default_rng(seed))
    assert moved.is_flat
    assert moved.slice_start == 4
    for before, after in (
        (rows, (moved.row_start, moved.row_stop)),
        (columns, (moved.column_start, moved.column_stop)),
    ):
        reach = 0.1 * (before[1] - before[0]) + 0.5
        assert all(abs(a - b) <= reach for a, b in zip(after, before, strict=True))
    assert moved.row_stop <= 60
    assert moved.column_stop <= 50


@given(seed=st.integers(0, 99))
def test_a_jittered_click_stays_on_the_thing(seed):
    prompt = prompt_of(entry(gesture="point"), BALL, None)
    (point,) = jittered(prompt, BALL, np.random.default_rng(seed)).points
    assert BALL.voxels[point.slice_index, point.row, point.column]

"""Polygons along the edges of pixels: their area is the pixels', and filled they are the mask."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw
from skimage.measure import points_in_poly

from dicom_node.contours import outlines, polygon_area


def filled(polygons, shape):
    """Fill polygons by pixel centres, each by even and odd, all together by exclusive or."""
    rows, columns = np.indices(shape) + 0.5
    centres = np.column_stack([rows.ravel(), columns.ravel()])
    marked = np.zeros(shape, dtype=bool)
    for polygon in polygons:
        marked ^= points_in_poly(centres, polygon).reshape(shape)
    return marked


@given(arrays(np.bool_, (9, 8)))
def test_filled_they_are_the_mask_again_and_their_areas_add_up(marked):
    polygons = outlines(marked)
    assert sum(polygon_area(each) for each in polygons) == np.count_nonzero(marked)
    assert np.array_equal(filled(polygons, marked.shape), marked)


@given(st.integers(1, 40))
def test_a_square_has_four_corners(size):
    (polygon,) = outlines(np.pad(np.ones((size, size), dtype=bool), 2))
    assert sorted(map(tuple, polygon.tolist())) == [
        (2, 2), (2, 2 + size), (2 + size, 2), (2 + size, 2 + size),
    ]  # fmt: skip


def test_holes_are_joined_by_keyholes():
    marked = np.ones((9, 12), dtype=bool)
    marked[2:4, 2:4] = marked[5:7, 2:4] = marked[3, 7:9] = False
    polygons = outlines(marked)
    assert len(polygons) == 1
    assert polygon_area(polygons[0]) == marked.sum()


def test_parts_that_touch_at_a_corner_are_two():
    assert len(outlines(np.eye(2, dtype=bool))) == 2


def test_nothing_has_no_outline():
    assert outlines(np.zeros((3, 3), dtype=bool)) == ()


@pytest.mark.parametrize("radius", [3, 10, 25])
def test_a_reader_that_fills_once_sees_a_ring_as_a_ring(radius):
    rows, columns = np.indices((64, 64)) - 31.5
    distance = np.hypot(rows, columns)
    ring = (distance <= radius) & (distance > radius / 2)
    (polygon,) = outlines(ring)
    scale = 8
    canvas = Image.new("1", (64 * scale, 64 * scale))
    ImageDraw.Draw(canvas).polygon([(c * scale, r * scale) for r, c in polygon.tolist()], fill=1)
    seen = np.asarray(canvas)[scale // 2 :: scale, scale // 2 :: scale]
    assert np.count_nonzero(seen & ring) * 2 / (seen.sum() + ring.sum()) > 0.97

"""From outlines on slices to things in three dimensions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segmentation.medsam3.linking import Outline, linked

SHAPE = (6, 20, 20)


def _disc(row: float, column: float, radius: float, score: float) -> Outline:
    rows, columns = np.mgrid[:20, :20]
    inside = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
    return Outline(inside=inside, score=score)


def test_a_thing_starts_where_it_is_sure_and_goes_on_while_it_is_not_unsure():
    scores = (0.1, 0.35, 0.8, 0.4, 0.32, 0.2)
    slices = {index: [_disc(10, 10, 4, score)] for index, score in enumerate(scores)}
    (track,) = linked(slices)
    assert track.profile == (0.35, 0.8, 0.4, 0.32)
    assert sorted(track.outlines) == [1, 2, 3, 4]


def test_what_is_nowhere_sure_is_nothing():
    assert linked({index: [_disc(10, 10, 4, 0.49)] for index in range(6)}) == ()


def test_two_things_side_by_side_stay_two_and_the_surest_comes_first():
    slices = {index: [_disc(5, 5, 3, 0.6), _disc(14, 14, 3, 0.9)] for index in range(1, 4)}
    first, second = linked(slices)
    assert (first.best, second.best) == (0.9, 0.6)
    assert first.voxels(SHAPE)[2, 14, 14]
    assert not first.voxels(SHAPE)[2, 5, 5]


def test_a_gap_of_a_slice_ends_a_thing():
    slices = {index: [_disc(10, 10, 4, 0.9)] for index in (0, 1, 3, 4)}
    assert [sorted(track.outlines) for track in linked(slices)] == [[0, 1], [3, 4]]


def test_a_ball_is_one_thing_though_its_ends_are_small():
    radii = (1, 4, 6, 6, 4, 1)
    slices = {index: [_disc(10, 10, radius, 0.9)] for index, radius in enumerate(radii)}
    (track,) = linked(slices)
    assert np.count_nonzero(track.voxels(SHAPE)) == sum(
        np.count_nonzero(each[0].inside) for each in slices.values()
    )


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_links_do_not_depend_on_the_direction_of_the_slices(scores):
    slices = {index: [_disc(10, 10, 4, score)] for index, score in enumerate(scores)}
    flipped = {5 - index: outlines for index, outlines in slices.items()}
    marked = [track.voxels(SHAPE) for track in linked(slices)]
    turned = [track.voxels(SHAPE)[::-1] for track in linked(flipped)]
    assert np.array_equal(np.any(marked, axis=0), np.any(turned, axis=0))

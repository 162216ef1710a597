"""Which lesion is which: one to one, the same from both studies, and asked where unclear."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.comparison import Lesion
from reporting.priors.matching import matched


def lesion(x=0.0, y=0.0, z=0.0, volume_ml=1.0, side=None):
    return Lesion(label=f"at {x:.0f}", centre_lps_mm=(x, y, z), volume_ml=volume_ml, side=side)


LESIONS = st.lists(
    st.builds(
        lesion, st.floats(-60, 60), st.floats(-60, 60), st.floats(-60, 60), st.floats(0.05, 20.0)
    ),
    max_size=6,
)


def test_moved_a_little_each_finds_itself_and_what_is_alone_stays_alone():
    current = [lesion(0), lesion(40), lesion(80)]
    prior = [lesion(43), lesion(2), lesion(-50)]
    found = matched(current, prior)
    assert {(pair.current, pair.prior) for pair in found.pairs} == {(0, 1), (1, 0)}
    assert found.only_current == (2,)
    assert found.only_prior == (2,)
    assert not any(pair.rivals for pair in found.pairs)


@given(LESIONS, LESIONS)
def test_matching_is_the_same_from_both_studies(current, prior):
    forward, back = matched(current, prior), matched(prior, current)
    cost = [sum(pair.distance_mm for pair in each.pairs) for each in (forward, back)]
    assert len(forward.pairs) == len(back.pairs)
    assert np.isfinite(cost).all()
    rows = [pair.current for pair in forward.pairs]
    columns = [pair.prior for pair in forward.pairs]
    assert len(set(rows)) == len(rows)
    assert len(set(columns)) == len(columns)
    assert sorted((*rows, *forward.only_current)) == list(range(len(current)))
    assert sorted((*columns, *forward.only_prior)) == list(range(len(prior)))


def test_two_that_fit_nearly_as_well_are_asked_not_guessed():
    found = matched([lesion(0)], [lesion(-4), lesion(5)])
    assert found.pairs[0].rivals == ((0, 1),)
    clear = matched([lesion(0)], [lesion(0), lesion(9)])
    assert clear.pairs[0].rivals == ()


def test_volume_and_overlap_tell_neighbours_apart():
    current, prior = (
        [lesion(0, volume_ml=8.0)],
        [lesion(-4, volume_ml=8.0), lesion(4, volume_ml=0.2)],
    )
    overlaps = {(0, 0): 0.6, (0, 1): 0.0}
    found = matched(current, prior, lambda row, column: overlaps[row, column])
    assert (found.pairs[0].current, found.pairs[0].prior) == (0, 0)
    assert found.pairs[0].rivals == ()


def test_sides_and_far_places_are_never_matched():
    assert matched([lesion(0, side="left")], [lesion(0, side="right")]).pairs == ()
    assert matched([lesion(0)], [lesion(30)]).pairs == ()
    assert matched([], [lesion(0)]).only_prior == (0,)

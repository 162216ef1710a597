"""Which lesion is which: one to one, the same from both studies, and asked where unclear."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.comparison import Lesion, ToldPair
from domain.errors import InputError
from reporting.priors.matching import matched, told_places


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


@given(LESIONS, LESIONS, st.data())
def test_whatever_is_told_each_lesion_has_one_partner_at_most_and_what_was_told(
    current, prior, data
):
    rows = data.draw(st.permutations(range(len(current))))
    columns = data.draw(st.permutations(range(len(prior))))
    several = data.draw(st.integers(0, min(len(rows), len(columns))))
    pairs = list(zip(rows[:several], columns[:several], strict=True))
    new = data.draw(st.integers(0, len(rows) - several))
    gone = data.draw(st.integers(0, len(columns) - several))
    alone = [(row, None) for row in rows[several : several + new]]
    alone += [(None, column) for column in columns[several : several + gone]]
    found = matched(current, prior, told=(*pairs, *alone))
    made = [(pair.current, pair.prior) for pair in found.pairs]
    assert made[:several] == pairs
    assert not any(pair.rivals for pair in found.pairs[:several])
    assert sorted((*(row for row, _ in made), *found.only_current)) == list(range(len(current)))
    assert sorted((*(column for _, column in made), *found.only_prior)) == list(range(len(prior)))
    assert {row for row, _ in alone if row is not None} <= set(found.only_current)
    assert {column for _, column in alone if column is not None} <= set(found.only_prior)
    free_rows = {row for row in rows if row not in rows[: several + new]}
    rivals = [rival for pair in found.pairs for rival in pair.rivals]
    assert {row for row, _ in rivals} <= free_rows, "what is told is nobody's rival"


def test_a_told_pair_stands_where_another_is_nearer_and_the_other_finds_its_own():
    current, prior = [lesion(0), lesion(8)], [lesion(1), lesion(7)]
    assert {(p.current, p.prior) for p in matched(current, prior).pairs} == {(0, 0), (1, 1)}
    found = matched(current, prior, told=((0, 1),))
    assert {(p.current, p.prior) for p in found.pairs} == {(0, 1), (1, 0)}


def test_told_pairs_are_places_by_label_or_tracking_uid_and_sides_must_agree():
    one, other = lesion(0, side="left"), lesion(9, side="right")
    assert told_places([ToldPair(current="AT 0", prior="at 9")], [one], [lesion(9)]) == ((0, 0),)
    assert told_places([ToldPair(current=None, prior="at 9")], [], [other]) == ((None, 0),)
    with pytest.raises(InputError, match=r"at 0 is on the left and at 9 of the prior on the right"):
        told_places([ToldPair(current="at 0", prior="at 9")], [one], [other])
    with pytest.raises(InputError, match="2 lesions of the prior are called 'at 9'"):
        told_places([ToldPair(current=None, prior="at 9")], [], [other, other])

"""A candidate has a place, a size and a score, and says so in one line."""

from dataclasses import replace

import pytest

from domain.candidate import Candidate
from domain.errors import InputError
from domain.prompt import Box, Point

CANDIDATE = Candidate(
    centre=Point(slice_index=11, row=40, column=50),
    box=Box(
        slice_start=10, slice_stop=13, row_start=35, row_stop=46, column_start=45, column_stop=56
    ),
    diameter_mm=8.2,
    volume_ml=0.29,
    score=0.6,
    side="left",
)


def test_it_says_where_to_click():
    assert CANDIDATE.in_words() == (
        "left lung, about 8 mm, 0.29 mL, slices 10 to 12: --point 11,40,50"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": 1.2},
        {"volume_ml": float("nan")},
        {"diameter_mm": 0.0},
        {"side": "both"},
        {"centre": Point(slice_index=9, row=40, column=50)},
    ],
    ids=["score", "volume", "diameter", "side", "centre"],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(InputError):
        replace(CANDIDATE, **wrong)

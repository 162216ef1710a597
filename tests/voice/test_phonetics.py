import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.phonetics import SOUNDS, distance, likeness, sounds_of

sounds = st.text(alphabet=SOUNDS, max_size=12)


@pytest.mark.parametrize(
    ("first", "second", "least"),
    [
        ("pax", "pacs", 0.99),
        ("plural", "pleural", 0.9),
        ("module", "nodule", 0.9),
        ("axle", "axial", 0.8),
        ("seed", "ct", 0.75),
        ("and do", "undo", 0.7),
    ],
)
def test_words_that_are_confused_sound_alike(first: str, second: str, least: float) -> None:
    assert likeness(sounds_of(first), sounds_of(second)) >= least


@pytest.mark.parametrize(("first", "second"), [("left", "right"), ("liver", "kidney")])
def test_words_that_are_not_confused_sound_unlike(first: str, second: str) -> None:
    assert likeness(sounds_of(first), sounds_of(second)) < 0.6


@given(sounds, sounds)
def test_distance_is_symmetric_and_zero_only_for_equals(first: str, second: str) -> None:
    there, back = distance(first, second), distance(second, first)
    assert there == pytest.approx(back, abs=1e-4)
    assert (there < 1e-6) == (first == second)


@given(sounds, sounds, sounds)
def test_what_is_added_costs_no_more_than_saying_it(first: str, second: str, added: str) -> None:
    longer = distance(first, second + added)
    assert longer <= distance(first, second) + distance("", added) + 1e-4


def test_a_given_pronunciation_wins() -> None:
    assert sounds_of("the ivc", {"ivc": "IvEsE"}) == sounds_of("the") + "IvEsE"

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.completeness import QuietPeriods, SeriesHere, State, judge
from domain.errors import InputError

PERIODS = QuietPeriods(default_s=60.0, by_modality={"MR": 300.0, "CR": 10.0})


def here(uid="1", instances=10, last=1000.0, modality="CT"):
    return SeriesHere(
        series_instance_uid=uid, modality=modality, instances=instances, last_arrival_s=last
    )


def state(*series, now=2000.0, **named):
    return judge(series, now, PERIODS, **named).state


def test_a_study_arrives_until_its_sender_is_quiet():
    assert state(here(), now=1059.0) is State.ARRIVING
    assert state(here(), now=1060.0) is State.COMPLETE
    assert judge([here()], 1020.0, PERIODS).quiet_in_s == 40.0


def test_the_slowest_modality_of_a_study_sets_its_period():
    assert state(here(), here("2", modality="MR"), now=1299.0) is State.ARRIVING
    assert state(here(modality="CR"), now=1010.0) is State.COMPLETE
    assert state(here(modality="CR"), here("2"), now=1010.0) is State.ARRIVING


def test_the_last_arrival_of_any_series_counts():
    assert state(here(last=1000.0), here("2", last=1990.0)) is State.ARRIVING


def test_the_archives_count_is_compared_series_by_series():
    verdict = judge([here("1", 8), here("2", 5)], 2000.0, PERIODS, counted={"1": 10, "2": 5})
    assert verdict.state is State.INCOMPLETE
    assert verdict.missing == {"1": 2}
    assert verdict.says == "incomplete, 2 missing in 1 series"


def test_a_series_that_is_not_here_at_all_is_missing():
    assert judge([here("1")], 2000.0, PERIODS, counted={"1": 10, "3": 7}).missing == {"3": 7}


def test_more_here_than_counted_in_one_series_does_not_hide_a_lack_in_another():
    verdict = judge([here("1", 20), here("2", 5)], 2000.0, PERIODS, counted={"1": 10, "2": 6})
    assert verdict.missing == {"2": 1}


def test_complete_says_whether_an_archive_was_asked():
    assert "no archive was asked" in judge([here()], 2000.0, PERIODS).says
    assert "as the archive counts" in judge([here()], 2000.0, PERIODS, counted={"1": 10}).says


def test_a_late_instance_reopens_the_study_and_names_its_series():
    complete = judge([here("1"), here("2")], 2000.0, PERIODS)
    late = [here("1"), here("2", 11, last=5000.0)]
    arriving = judge(late, 5001.0, PERIODS, before=complete)
    assert (arriving.state, arriving.reopened) == (State.ARRIVING, {"2"})
    again = judge(late, 6000.0, PERIODS, before=arriving)
    assert (again.state, again.reopened) == (State.COMPLETE, {"2"})
    assert judge(late, 7000.0, PERIODS, before=again).reopened == frozenset()


def test_a_new_series_reopens_too_and_a_resend_does_not():
    complete = judge([here("1")], 2000.0, PERIODS)
    assert judge([here("1"), here("2")], 2000.0, PERIODS, before=complete).reopened == {"2"}
    assert judge([here("1")], 9000.0, PERIODS, before=complete).reopened == frozenset()


def test_growth_before_completeness_reopens_nothing():
    arriving = judge([here("1", 3)], 1001.0, PERIODS)
    assert judge([here("1", 9)], 2000.0, PERIODS, before=arriving).reopened == frozenset()


def test_nothing_here_is_no_study():
    with pytest.raises(InputError):
        judge([], 0.0, PERIODS)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_quiet_period_must_be_one(seconds):
    with pytest.raises(InputError, match="quiet period of MR"):
        QuietPeriods(by_modality={"MR": seconds})


@given(
    st.dictionaries(st.sampled_from("123"), st.integers(1, 50), min_size=1),
    st.dictionaries(st.sampled_from("1234"), st.integers(0, 50)),
)
def test_complete_means_that_no_series_lacks_anything(kept, counted):
    verdict = judge([here(*each) for each in kept.items()], 2000.0, PERIODS, counted=counted)
    lacks = any(kept.get(uid, 0) < number for uid, number in counted.items())
    assert (verdict.state is State.INCOMPLETE) is lacks

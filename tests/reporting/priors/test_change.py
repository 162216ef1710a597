"""Verdicts, limits and doubling times: what counts, and with which interval."""

import math
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.comparison import Change, Kind, Lesion, Origin, Verdict
from domain.errors import CannotDoError, InputError
from reporting.priors.change import changed
from reporting.priors.doubling import days_between, doubling_time
from reporting.priors.limits import limits
from reporting.priors.wording import said, summary

VOLUMES = st.floats(0.01, 500.0)
DAYS = st.integers(1, 4000)


def lesion(volume_ml=1.0, **named):
    values = {
        "label": "Finding 1",
        "centre_lps_mm": (0.0, 0.0, 0.0),
        "uncertainty_ml": 0.02 * (volume_ml or 0.0),
        "long_axis_mm": 12.0,
        "slice_spacing_mm": 1.0,
        "kind": Kind.LUNG_NODULE,
    }
    return Lesion(volume_ml=volume_ml, **(values | named))


def verdict(prior_ml, current_ml, **named):
    return changed(lesion(current_ml, **named), lesion(prior_ml, **named), "CT", 100).verdict


def test_a_volume_that_doubles_in_its_doubling_time_has_that_doubling_time():
    found = doubling_time(1.0, 2.0, 231, 0.2)
    assert found.days == pytest.approx(231.0)
    assert found.shortest_days < 231 < found.longest_days
    assert found.in_words() == "231 days (179 to 325)"


@given(VOLUMES, DAYS, st.floats(20.0, 5000.0), st.floats(0.0, 0.3))
def test_growth_by_a_doubling_time_gives_it_back(volume, days, doubling, half_width):
    found = doubling_time(volume, volume * 2 ** (days / doubling), days, half_width)
    assert found.days == pytest.approx(doubling, rel=1e-6)
    assert found.shortest_days <= found.days * (1 + 1e-9)
    if found.longest_days is not None:
        assert found.longest_days >= found.days * (1 - 1e-9)


@given(VOLUMES, VOLUMES, DAYS, st.floats(0.0, 0.5))
def test_backward_in_time_a_doubling_is_a_halving(one, other, days, half_width):
    forward = doubling_time(one, other, days, half_width)
    back = doubling_time(other, one, days, half_width)
    if forward.days is not None and forward.longest_days is not None:
        assert back.days == pytest.approx(-forward.days)
        assert back.longest_days == pytest.approx(-forward.longest_days)


def test_a_volume_that_may_not_have_grown_has_a_bound_and_no_interval():
    found = doubling_time(1.0, 1.05, 100, 0.2)
    assert found.longest_days is None
    assert found.shortest_days == pytest.approx(100 * math.log(2) / (math.log(1.05) + 0.2))
    assert found.in_words() == "more than 279 days"
    assert doubling_time(1.0, 1.0, 100, 0.0).in_words() == "no growth"
    assert doubling_time(2.0, 1.0, 100, 0.1).in_words() == "halves in 100 days (87 to 117)"


def test_no_rate_without_dates_or_with_the_prior_last():
    early, late = date(2023, 1, 10), date(2023, 7, 25)
    assert days_between(early, late) == 196
    for prior, current, words in (
        (None, late, "the prior has no study date"),
        (early, None, "the current study has no study date"),
        (late, late, "of one day"),
        (late, early, "196 days later"),
    ):
        with pytest.raises(CannotDoError, match=words):
            days_between(prior, current)
    with pytest.raises(InputError, match="above zero"):
        doubling_time(0.0, 1.0, 100, 0.1)


@given(VOLUMES, st.floats(0.05, 20.0), st.floats(1.0, 3.0))
def test_what_counts_as_larger_still_does_when_it_is_larger_yet(volume, ratio, more):
    order = [Verdict.SMALLER, Verdict.STABLE, Verdict.LARGER]
    ranks = [order.index(verdict(volume, volume * each)) for each in (ratio, ratio * more)]
    assert ranks[0] <= ranks[1]


@given(VOLUMES, st.floats(0.05, 20.0))
def test_larger_seen_from_the_other_study_is_smaller(volume, ratio):
    opposite = {
        Verdict.LARGER: Verdict.SMALLER,
        Verdict.SMALLER: Verdict.LARGER,
        Verdict.STABLE: Verdict.STABLE,
    }
    assert verdict(volume * ratio, volume) is opposite[verdict(volume, volume * ratio)]


@pytest.mark.parametrize(
    ("grown", "kind", "axis_mm", "expected"),
    [
        (1.24, Kind.LUNG_NODULE, 12.0, Verdict.STABLE),
        (1.27, Kind.LUNG_NODULE, 12.0, Verdict.LARGER),
        (1.38, Kind.OTHER, 12.0, Verdict.STABLE),
        (1.42, Kind.OTHER, 12.0, Verdict.LARGER),
        (1.31, Kind.OTHER, 36.0, Verdict.LARGER),
        (1.26, Kind.OTHER, 55.0, Verdict.LARGER),
    ],
)
def test_the_published_limit_depends_on_kind_and_size(grown, kind, axis_mm, expected):
    exact = {"kind": kind, "long_axis_mm": axis_mm, "uncertainty_ml": 0.0}
    assert verdict(1.0, grown, **exact) is expected


def test_thick_slices_widen_the_limit_and_say_so():
    thin = limits(lesion(), lesion(), "CT")
    thick_lesion = lesion(uncertainty_ml=0.2, slice_spacing_mm=5.0)
    thick = limits(thick_lesion, thick_lesion, "CT")
    assert thick.half_width > thin.half_width
    assert thick.half_width == pytest.approx(
        math.hypot(math.log(1.25), math.log(1.2) * math.sqrt(2))
    )
    assert "slices 5.0 mm apart widen it to 41 %" in thick.source
    assert "no limit is published" in limits(lesion(), lesion(), "MR").source


def test_a_change_says_both_dates_both_values_and_the_line_that_led_to_it():
    prior = lesion(0.92, uncertainty_ml=0.11, origin=Origin.REMEASURED)
    change = changed(lesion(1.74, uncertainty_ml=0.13), prior, "CT", 196)
    sentence = said(change, date(2023, 1, 10), date(2023, 7, 25))
    assert sentence.startswith(
        "Finding 1: larger; 0.92 mL (±0.11) on 2023-01-10 (measured again with the same engine), "
        "then 1.74 mL (±0.13) on 2023-07-25; +89 %"
    )
    assert "volume doubling time 213 days" in sentence
    assert summary(change).startswith("Finding 1: larger, +89 % in volume, doubling in 213 days")
    assert "beyond the limits" in change.reasons[0]


def test_another_tools_volume_is_compared_with_a_warning():
    other = "Other Tool 2"
    reported = lesion(0.9, origin=Origin.REPORTED, reported_by=other, outlined_by=other)
    (warning,) = changed(lesion(1.0, outlined_by="ours"), reported, "CT", 100).warnings
    assert "the prior's outline is by Other Tool 2, the current one by ours" in warning


def test_what_the_same_engine_outlined_then_is_compared_without_one():
    reported = lesion(0.9, origin=Origin.REPORTED, reported_by="ours 1", outlined_by="engine")
    assert changed(lesion(1.0, outlined_by="engine"), reported, "CT", 100).warnings == ()


def test_without_a_volume_nothing_is_compared():
    change = changed(lesion(1.0), lesion(None, uncertainty_ml=None), "CT", 100)
    assert change.verdict is Verdict.NOT_COMPARED
    assert change.doubling is None
    assert "no volume is known on the prior" in change.reasons[0]


def test_a_lesion_without_size_and_a_verdict_without_reason_are_refused():
    with pytest.raises(InputError, match="a lesion has a size"):
        lesion(-1.0)
    with pytest.raises(InputError, match="without a reason"):
        Change(verdict=Verdict.NEW, current=lesion(), prior=None, reasons=())
    with pytest.raises(InputError, match="at least one"):
        replace(changed(lesion(), lesion(), "CT", 1), current=None, prior=None)

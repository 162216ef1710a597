"""Signals to what was measured with them: distinct cases count, jitters and repeats do not."""

import math
from itertools import pairwise

import pytest

from bench.calibration import Trial, bins_of, by_thing
from domain.segment import Confidence, ExpectedAgreement
from segmentation.calibration import (
    EDGES,
    LEAST_CASES,
    LEAST_PATIENTS,
    MEASURED,
    Bin,
    combined,
    expected_of,
)


def trial(thing, patient, signal=0.97, true=0.9):
    return Trial(
        name=thing,
        thing=thing,
        patient=patient,
        agreement=signal,
        stability=signal,
        windows=None,
        signal=signal,
        true=true,
    )


def test_the_bins_follow_one_another_from_zero_to_one():
    assert [(each.low, each.high) for each in MEASURED] == list(pairwise(EDGES))
    assert (EDGES[0], EDGES[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("signal", [0.0, 0.5, 0.8, 0.89, 0.9, 0.949, 0.95, 1.0])
def test_only_a_bin_of_enough_cases_and_patients_says_what_to_expect(signal):
    told = expected_of(Confidence(main_slice=0, agreement=signal, jitter_stability=signal))
    holding = max((each for each in MEASURED if each.low <= signal), key=lambda each: each.low)
    assert told == (holding.measured if holding.is_calibrated else None)
    if told is not None:
        assert told.cases >= LEAST_CASES
        assert told.patients >= LEAST_PATIENTS


@pytest.mark.parametrize(
    ("cases", "patients", "is_calibrated"), [(10, 3, True), (9, 3, False), (40, 2, False)]
)
def test_ten_cases_of_three_patients_are_the_least(cases, patients, is_calibrated):
    measured = ExpectedAgreement(dice=0.9, lowest_dice=0.8, cases=cases, patients=patients)
    assert Bin(low=0.9, high=1.0, measured=measured).is_calibrated == is_calibrated
    assert not Bin(low=0.9, high=1.0, measured=None).is_calibrated


@pytest.mark.parametrize("missing", ["agreement", "jitter_stability"])
def test_without_both_signals_nothing_is_expected(missing):
    signals = {"agreement": 0.97, "jitter_stability": 0.97} | {missing: None}
    told = Confidence(main_slice=0, **signals)
    assert combined(told) is None
    assert expected_of(told) is None


def test_one_thing_boxed_a_hundred_times_is_one_case():
    bins = bins_of([trial("spleen", "one", true=0.8)] * 100 + [trial("liver", "one", true=1.0)])
    measured = bins[-1].measured
    assert (measured.cases, measured.patients) == (2, 1)
    assert measured.dice == pytest.approx(0.9)
    assert measured.lowest_dice == 0.8
    assert not bins[-1].is_calibrated


def test_an_outline_belongs_to_the_bin_of_its_signal():
    signals = [0.1, 0.8, 0.9, 0.95, 1.0]
    bins = bins_of([trial(str(signal), "one", signal=signal) for signal in signals])
    assert [each.measured.cases for each in bins] == [1, 1, 1, 2]


def test_a_thing_counts_by_the_mean_of_its_outlines():
    found = [trial("spleen", "one", true=0.8), trial("spleen", "one", true=0.6)]
    assert math.isclose(by_thing(found, lambda each: each.true)["spleen"], 0.7)

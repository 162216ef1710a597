"""RECIST 1.1 by its own numbers: targets, sums, and the line that led to each response."""

import pytest

from domain.comparison import Change, Kind, Lesion, Verdict
from reporting.priors.recist import Response, assessed


def lesion(label, axis_mm, **named):
    values = {"organ": "lung", "slice_spacing_mm": 1.0, "volume_ml": axis_mm**3 / 2000 or None}
    node = named.get("kind") is Kind.LYMPH_NODE
    axes = {"long_axis_mm": axis_mm * (1.5 if node else 1.0), "short_axis_mm": axis_mm}
    return Lesion(label=label, centre_lps_mm=(0, 0, 0), **(axes | values | named))


def pair(label, prior_mm, current_mm, **named):
    prior = lesion(label, prior_mm, **named)
    if current_mm is None:
        return Change(verdict=Verdict.RESOLVED, current=None, prior=prior, reasons=("gone",))
    return Change(
        verdict=Verdict.STABLE,
        current=lesion(label, current_mm, **named),
        prior=prior,
        reasons=("seen twice",),
    )


def new(label, axis_mm):
    return Change(
        verdict=Verdict.NEW, current=lesion(label, axis_mm), prior=None, reasons=("not there",)
    )


@pytest.mark.parametrize(
    ("sizes", "response", "reason"),
    [
        ([(20, 14), (20, 14)], Response.PARTIAL, "at least 30 % below the baseline"),
        ([(20, 14.2), (20, 14)], Response.STABLE, "neither"),
        ([(20, 24), (20, 24)], Response.PROGRESSIVE, "at least 20 % and at least 5 mm"),
        ([(12, 14.6), (11, 13.2)], Response.STABLE, "neither"),  # 21 % more, but 4.8 mm
        ([(20, 23.9), (20, 24)], Response.STABLE, "neither"),
        ([(20, None), (20, None)], Response.COMPLETE, "every target is gone"),
        ([(20, None), (20, 3)], Response.PARTIAL, "at least 30 % below"),
    ],
)
def test_the_response_follows_the_sum(sizes, response, reason):
    found = assessed([pair(f"T{n}", *each) for n, each in enumerate(sizes)])
    assert found.response is response
    assert reason in found.reasons[-1]


@pytest.mark.parametrize("kind", [Kind.OTHER, Kind.LYMPH_NODE])
def test_what_was_measured_counts_also_below_five_millimetres_and_that_is_said(kind):
    found = assessed([pair("T", 20, 3.0, kind=kind)])
    assert found.current_mm == 3.0
    assert any("T measures 3.0 mm, which counts" in line for line in found.reasons)
    assert not any("measures" in line for line in assessed([pair("T", 20, 5.0)]).reasons)


def test_a_new_lesion_is_progression_whatever_the_sum():
    found = assessed([pair("T", 30, 10), new("N", 8)])
    assert found.response is Response.PROGRESSIVE
    assert any(line.startswith("new: N") for line in found.reasons)


def test_progression_is_counted_from_the_smallest_sum_and_response_from_the_baseline():
    found = assessed([pair("T", 30, 37)], baseline_mm=60.0, nadir_mm=30.0)
    assert found.response is Response.PROGRESSIVE
    assert (found.baseline_mm, found.nadir_mm, found.current_mm) == (60.0, 30.0, 37.0)
    assert assessed([pair("T", 30, 32)], baseline_mm=60.0).response is Response.PARTIAL


def test_two_targets_an_organ_five_in_all_the_largest_and_measurable():
    lungs = [pair(f"L{n}", 30 - n, 30 - n) for n in range(3)]
    others = [pair(f"O{n}", 25, 25, organ=f"organ {n // 2}") for n in range(6)]
    small = [pair("S", 9.5, 9.5, organ="spleen"), pair("N", 14, 14, kind=Kind.LYMPH_NODE)]
    thick = [pair("K", 13, 13, organ="kidney", slice_spacing_mm=7.0)]
    found = assessed([*small, *thick, *others, *lungs])
    assert [each.label for each in found.targets] == ["L0", "L1", "O0", "O1", "O2"]
    left_out = " / ".join(found.not_targets)
    assert "L2: 2 targets of the lung are taken" in left_out
    assert "O3: 5 targets are taken" in left_out
    assert "S: long axis 9.5 mm is below 10 mm" in left_out
    assert "N: short axis 14.0 mm is below 15 mm" in left_out
    assert "K: long axis 13.0 mm is below 14 mm" in left_out


def test_nodes_are_measured_by_their_short_axis_and_complete_below_ten():
    nodes = [pair("N", 16, 9, kind=Kind.LYMPH_NODE)]
    found = assessed(nodes)
    assert found.baseline_mm == 16
    assert found.response is Response.COMPLETE


def test_a_target_in_doubt_leaves_the_response_open():
    doubtful = Change(
        verdict=Verdict.AMBIGUOUS,
        current=lesion("T", 20),
        prior=lesion("T", 20),
        reasons=("two fit",),
    )
    found = assessed([doubtful])
    assert found.response is Response.NOT_EVALUABLE
    assert found.current_mm is None


def test_without_a_measurable_target_there_is_no_response():
    assert assessed([pair("T", 8, 20)]) is None
    assert assessed([new("N", 20)]) is None


def test_volumes_of_the_same_targets_stand_beside():
    found = assessed([pair("T", 20, 24)])
    assert found.prior_ml == pytest.approx(4.0)
    assert found.current_ml == pytest.approx(24**3 / 2000)

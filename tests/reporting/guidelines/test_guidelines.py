"""Published rules: the row and its line, and refusal where an input is missing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.comparison import Change, Lesion, Verdict
from domain.errors import CannotDoError, InputError
from reporting.guidelines.fleischner import EDITION, Case, Density, Risk, ruled
from reporting.guidelines.lung_rads import lung_rads_inputs

CASE = Case(
    density=Density.SOLID,
    diameter_mm=7.0,
    is_multiple=False,
    risk=Risk.HIGH,
    age_years=61,
    is_excluded=False,
)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"diameter_mm": 5.4}, "CT after 12 months is optional"),
        ({"diameter_mm": 5.4, "risk": Risk.LOW}, "no routine follow-up"),
        ({"diameter_mm": 5.6}, "CT after 6 to 12 months, then CT after 18 to 24 months"),
        ({"diameter_mm": 8.4}, "CT after 6 to 12 months, then CT after 18 to 24 months"),
        ({"diameter_mm": 9.0}, "consider CT after 3 months"),
        ({"volume_mm3": 99.0}, "CT after 12 months is optional"),
        ({"volume_mm3": 251.0}, "consider CT after 3 months"),
        ({"is_multiple": True}, "CT after 3 to 6 months, then CT after 18 to 24 months"),
        ({"density": Density.GROUND_GLASS}, "CT after 6 to 12 months to see whether it persists"),
        ({"density": Density.GROUND_GLASS, "diameter_mm": 5.0}, "no routine follow-up"),
        ({"density": Density.PART_SOLID, "risk": None}, "CT every year for 5 years"),
        ({"density": Density.PART_SOLID, "is_multiple": True}, "by the most suspicious nodule"),
    ],
)
def test_fleischner_gives_the_row_of_a_case(changes, says):
    found = ruled(replace(CASE, **changes))
    assert says in found.says
    assert found.edition == EDITION
    assert found.line.startswith("table 1, ")


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("density", "the density"),
        ("diameter_mm", "the mean diameter"),
        ("risk", "the risk"),
        ("age_years", "the age"),
        ("is_multiple", "whether there are several"),
        ("is_excluded", "immunosuppression"),
    ],
)
def test_fleischner_refuses_without_an_input_and_names_it(missing, named):
    with pytest.raises(CannotDoError, match=named):
        ruled(replace(CASE, **{missing: None}))


def test_fleischner_is_not_for_everybody():
    for changes in ({"age_years": 34}, {"is_excluded": True}):
        with pytest.raises(CannotDoError, match="is not for patients below 35 years"):
            ruled(replace(CASE, **changes))
    with pytest.raises(InputError, match="above zero"):
        ruled(replace(CASE, diameter_mm=-1.0))


def test_fleischner_warns_of_thick_slices_and_sizes_near_a_limit():
    found = ruled(replace(CASE, diameter_mm=6.4, slice_spacing_mm=5.0))
    assert len(found.cautions) == 2
    assert ruled(replace(CASE, slice_spacing_mm=1.0)).cautions == ()


@given(st.floats(1.0, 29.0), st.floats(1.0, 29.0), st.sampled_from(Density), st.booleans())
def test_a_larger_nodule_is_never_followed_less(one, other, density, multiple):
    case = replace(CASE, density=density, is_multiple=multiple)
    small, large = (ruled(replace(case, diameter_mm=each)).says for each in sorted((one, other)))
    if large in {"no routine follow-up", "CT after 12 months is optional"}:
        assert small == large


def nodule(long_mm, short_mm):
    return Lesion(
        label="N",
        centre_lps_mm=(0, 0, 0),
        volume_ml=0.4,
        long_axis_mm=long_mm,
        short_axis_mm=short_mm,
    )


def test_lung_rads_gets_its_inputs_and_no_category():
    change = Change(
        verdict=Verdict.LARGER, current=nodule(9.0, 7.0), prior=nodule(7.0, 5.5), reasons=("grew",)
    )
    found = lung_rads_inputs(change, Density.SOLID, 196)
    assert (found.mean_diameter_mm, found.volume_mm3) == (8.0, 400.0)
    assert found.is_growing is True
    assert found.is_new is False
    assert "+1.8 mm in 196 days" in found.line
    assert lung_rads_inputs(change, Density.SOLID, 500).is_growing is None
    with pytest.raises(CannotDoError, match="the density"):
        lung_rads_inputs(change, None, 196)
    gone = replace(change, verdict=Verdict.RESOLVED, current=None)
    with pytest.raises(CannotDoError, match="this one is gone"):
        lung_rads_inputs(gone, Density.SOLID, 196)

"""Conditions on attributes: what is met, what is not, and in which unit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from copilot.site_rules.conditions import Condition, SeriesFacts
from copilot.site_rules.units import UNITS, factor
from domain.errors import SettingsError


def facts(instances=40, **attributes):
    header = Dataset()
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    return SeriesFacts(header=header, instances=instances)


@pytest.mark.parametrize(
    ("condition", "attributes", "holds"),
    [
        ({"tag": "Modality", "values": ("CT",)}, {"Modality": "CT"}, True),
        ({"tag": "Modality", "values": ("CT",)}, {"Modality": "MR"}, False),
        ({"tag": "Modality", "values": ("CT", "PT")}, {"Modality": "PT"}, True),
        ({"tag": "BodyPartExamined", "values": ("chest",)}, {"BodyPartExamined": "CHEST"}, True),
        ({"tag": "Modality", "values": ("CT",)}, {}, False),
        ({"tag": "Modality", "not_values": ("MR",)}, {}, True),
        ({"tag": "ImageType", "not_values": ("LOCALIZER",)}, {"ImageType": ["A", "B"]}, True),
        (
            {"tag": "ImageType", "not_values": ("LOCALIZER",)},
            {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
            False,
        ),
        ({"tag": "SeriesDescription", "pattern": "*lung*"}, {"SeriesDescription": "LUNG 1"}, True),
        ({"tag": "SeriesDescription", "pattern": "lung*"}, {"SeriesDescription": "a lung"}, False),
    ],
)
def test_words(condition, attributes, holds):
    assert Condition(**condition).met(facts(**attributes)).holds is holds


@pytest.mark.parametrize(
    ("limits", "value", "holds"),
    [
        ({"at_most": 3.0, "unit": "mm"}, "3.0", True),
        ({"at_most": 3.0, "unit": "mm"}, "3.01", False),
        ({"at_most": 0.3, "unit": "cm"}, "3.0", True),
        ({"at_least": 1.0, "at_most": 3.0, "unit": "mm"}, "0.5", False),
    ],
)
def test_numbers_have_units(limits, value, holds):
    condition = Condition(tag="SliceThickness", **limits)
    assert condition.met(facts(SliceThickness=value)).holds is holds


def test_of_several_numbers_each_must_fit():
    condition = Condition(tag="PixelSpacing", at_most=0.8, unit="mm")
    assert condition.met(facts(PixelSpacing=["0.7", "0.8"])).holds
    assert not condition.met(facts(PixelSpacing=["0.7", "0.9"])).holds


@pytest.mark.parametrize(
    ("attributes", "holds"),
    [
        ({"PatientAge": "018Y"}, True),
        ({"PatientAge": "215M"}, False),
        ({"PatientAge": "216M"}, True),
        ({"PatientAge": "700W"}, False),
        ({"PatientBirthDate": "20010203", "StudyDate": "20200101"}, True),
        ({"PatientBirthDate": "20030203", "StudyDate": "20200101"}, False),
        ({}, False),
    ],
)
def test_ages_are_read_as_the_standard_writes_them(attributes, holds):
    condition = Condition(tag="PatientAge", at_least=18, unit="years")
    assert condition.met(facts(**attributes)).holds is holds


def test_what_a_condition_says_names_the_value_and_no_patient():
    thick = Condition(tag="SliceThickness", at_most=3, unit="mm").met(facts(SliceThickness="5.0"))
    assert thick.says == "SliceThickness is 5.0 mm, not at most 3 mm"
    old = Condition(tag="PatientAge", at_least=18, unit="years").met(facts(PatientAge="007Y"))
    assert "7" not in old.says
    named = Condition(tag="PatientName", values=("DOE^JANE",)).met(facts(PatientName="ROE^RICHARD"))
    assert "ROE" not in named.says


def test_how_many_images_there_are_can_be_asked():
    condition = Condition(tag="Instances", at_least=20, unit="1")
    assert condition.met(facts(instances=20)).holds
    assert not condition.met(facts(instances=19)).holds


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"tag": "Modalty", "values": ("CT",)}, "'Modalty' is no attribute"),
        ({"tag": "Modality"}, "asks nothing"),
        ({"tag": "SliceThickness", "at_most": 3}, "without a unit"),
        ({"tag": "SliceThickness", "at_most": 3, "unit": "kV"}, "one of mm, cm, m"),
        ({"tag": "SeriesDescription", "at_most": 3, "unit": "mm"}, "its unit is not known"),
        ({"tag": "Modality", "values": ("CT",), "unit": "mm"}, "compares no number"),
        ({"tag": "KVP", "at_most": float("nan"), "unit": "kV"}, "finite"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused(wrong, says):
    with pytest.raises(SettingsError, match=says):
        Condition(**wrong)


def test_every_attribute_is_compared_in_its_own_unit():
    assert all(factor(tag, unit) == 1.0 for tag, unit in UNITS.items())


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_a_limit_in_another_unit_is_the_same_limit(value, limit):
    in_mm = Condition(tag="SliceThickness", at_most=limit * 10, unit="mm")
    in_cm = Condition(tag="SliceThickness", at_most=limit, unit="cm")
    given_ = facts(SliceThickness=f"{value:.6g}")
    assert in_mm.met(given_).holds == in_cm.met(given_).holds

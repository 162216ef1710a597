from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.codes import ATTENUATION, HOUNSFIELD_UNIT, MEAN
from domain.measurement import Measurement
from domain.report import LeftOut
from reporting.disagreement import disagreements, without
from reporting.exports.fhir_report import report_fhir
from reporting.exports.hl7 import report_hl7
from reporting.exports.table import report_csv
from reporting.language import language
from reporting.templates.fields import FilledField, Whose
from reporting.wording import described
from tests.reporting.exports import readers
from tests.reporting.exports.reports import ENCLOSED, numbers, one_report
from tests.reporting.made import finding, sized

ENGLISH, GERMAN = language("en"), language("de")
MEASURED = (
    *sized(5.04, 13.6, 8.5),
    Measurement(concept=ATTENUATION, value=-61.25, unit=HOUNSFIELD_UNIT, derivation=MEAN),
)


def found(text, words=ENGLISH, measured=MEASURED, made="as measured", **more):
    field = FilledField(
        id="findings/1",
        label="",
        text=text,
        made=made,
        whose=Whose.TYPED,
        finding=finding("kidney", "right", measurements=measured),
        **more,
    )
    return [(each.unit, each.said) for each in disagreements([field], words)]


@pytest.mark.parametrize(
    "text",
    [
        "Small lesion.",
        "Volume 5.04 mL.",
        "Volume 5.0 ml (±0.1), 14 x 9 mm on image 5.",
        "A 5-mL lesion, 1.4 cm long.",
        "5 cc, 1.4 x 0.9 cm, -61 HU",
        "<2 cm, in 3 parts",
        "Bosniak 2, seen since 2019",
    ],
)
def test_what_was_measured_may_be_said_with_fewer_digits_and_in_other_units(text):
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "words", "wrong"),
    [
        ("Volume 50.4 mL.", ENGLISH, [("ml", ("50.4 mL",))]),
        ("Volume 5.1 mL.", ENGLISH, [("ml", ("5.1 mL",))]),
        ("Volumen 50,4 ml, 13,6 mm", GERMAN, [("ml", ("50,4 ml",))]),
        ("Volume 5,04 mL", ENGLISH, [("ml", ("5,04 mL",))]),
        ("13.6 x 9.9 mm", ENGLISH, [("mm", ("9.9 mm",))]),
        ("12 x 8.5 mm", ENGLISH, [("mm", ("12 mm",))]),
        ("13.6 cm", ENGLISH, [("mm", ("13.6 cm",))]),
        ("Dichte 61 HE", GERMAN, [("[hnsf'U]", ("61 HE",))]),
        ("<5 mm, >2 L", ENGLISH, [("mm", ("<5 mm",)), ("ml", (">2 L",))]),
    ],
)
def test_any_other_number_is_named(text, words, wrong):
    assert found(text, words) == wrong


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Volume 5.04 mL, previously 4 mL.", ENGLISH),
        ("14 x 9 mm (prior 12 x 8 mm).", ENGLISH),
        ("Volume 5.0 mL, it was 3.9 mL on the prior study.", ENGLISH),
        ("Volumen 5,04 ml, zuvor 4 ml.", GERMAN),
    ],
)
def test_a_number_of_an_earlier_study_may_stand_beside_the_measured_one(text, words):
    assert found(text, words) == []


@pytest.mark.parametrize("text", ["Previously known lesion of 9 mL.", "Previously 4 mL, now 6 mL."])
def test_an_earlier_number_alone_is_not_believed(text):
    assert found(text)


def test_what_the_program_wrote_there_may_stay():
    made = "Volume 5.04 mL, 3.10 mL on 2023-01-10, limits -23 to +30 %."
    assert found("Grown: 5.04 mL from 3.10 mL.", made=made) == []
    assert found("Grown: 5.04 mL from 3.20 mL.", made=made) == [("ml", ("3.20 mL",))]


def test_a_number_field_is_read_in_its_own_unit():
    assert found("50", unit="mm") == [("mm", ("50 mm",))]
    assert found("13.6", unit="mm") == []


def test_only_what_could_be_contradicted_is_looked_at():
    assert found("50 mL", measured=()) == []
    assert found("50 mL", made="50 mL") == []


@given(st.floats(0.01, 5000.0), st.floats(0.5, 500.0), st.sampled_from([ENGLISH, GERMAN]))
def test_the_program_never_contradicts_itself(volume, axis, words):
    measured = sized(volume, axis, axis / 2)
    text, _ = described(finding("kidney", "right", measurements=measured), words)
    assert found(text, words, measured) == []


def test_what_is_left_out_is_in_no_message_and_its_reason_is():
    report = one_report()
    first = report.findings[0]
    left_out = LeftOut(tracking_uid=first.tracking_uid, unit="ml", reason="left out: it says 50 mL")
    lacking = without(report, [left_out])
    kept = [each for each in numbers(report) if (each[0], each[-1]) != (first.tracking_uid, "ml")]
    assert len(kept) == len(numbers(report)) - 1
    for make, read in (
        (report_hl7, readers.hl7_numbers),
        (report_fhir, readers.fhir_numbers),
        (report_csv, readers.csv_numbers),
    ):
        made = make(lacking, ENCLOSED)
        assert read(made) == kept
        assert made.decode().count("left out: it says 50 mL") == 1
        assert "1.3637219" in made.decode()  # of the other finding
    assert without(lacking, []) == replace(lacking)

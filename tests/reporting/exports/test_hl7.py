"""ORU^R01: as two libraries read it, with nothing that a delimiter in a text could break."""

import importlib.util

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.codes import Code
from domain.errors import InputError
from domain.report import ReportStatus
from reporting.exports import er7
from reporting.exports.hl7 import CODING_SYSTEMS, control_id, report_hl7
from tests.conftest import missing
from tests.reporting.exports import readers
from tests.reporting.exports.reports import (
    ENCLOSED,
    LIKELY,
    OURS,
    one_finding,
    one_report,
    report_of,
    reports,
    with_statement,
)


def segments(report):
    return report_hl7(report, ENCLOSED).decode().split("\r")[:-1]


def fields(report, name):
    return next(line.split("|") for line in segments(report) if line.startswith(f"{name}|"))


def test_the_head_says_from_whom_to_whom_what_and_in_which_character_set():
    header = fields(one_report(), "MSH")
    assert header[1:6] == ["^~\\&", "RADCOPILOT", "OURS", "RIS", "HOSPITAL"]
    assert header[6] == "20260102080000+0100"
    assert header[8] == "ORU^R01^ORU_R01"
    assert header[10:12] == ["P", "2.5"]
    assert header[17] == "UNICODE UTF-8"


def test_patient_order_and_study_are_those_of_the_images():
    report = one_report()
    patient, order = fields(report, "PID"), fields(report, "OBR")
    assert patient[3] == "47\\S\\11^^^HOSPITAL^MR"
    assert patient[5] == "Müßig^Jörg"
    assert order[3] == order[18] == "A\\F\\1"
    assert order[4] == "18748-4^Diagnostic imaging study^LN^^CT Thorax \\T\\ Abdomen^L"
    assert order[7] == "20260102"
    assert "OBX|2|HD|113014^DICOM Study^DCM||^1.2.3^ISO" in "\r".join(segments(report))


@pytest.mark.parametrize(
    ("status", "version", "code"),
    [
        (ReportStatus.DRAFT, 1, "P"),
        (ReportStatus.IN_REVIEW, 1, "P"),
        (ReportStatus.SIGNED, 1, "F"),
        (ReportStatus.AMENDED, 2, "C"),
    ],
)
def test_the_status_is_that_of_the_report_in_every_segment(status, version, code):
    report = one_report(status=status, version=version)
    assert fields(report, "OBR")[25] == code
    observations = [line.split("|") for line in segments(report) if line.startswith("OBX|")]
    assert {each[11] for each in observations} == {code}
    assert {each[8] for each in observations} == {""}
    assert all(("Eva O'Neill \\T\\ Co" in each[16]) for each in observations if code != "P")
    if code != "P":
        assert fields(report, "OBR")[22] == fields(report, "MSH")[6] == "20260103100500+0100"
        assert fields(report, "OBR")[32] == "&Dr. Eva O'Neill \\T\\ Co"


def test_a_number_has_its_codes_its_unit_its_side_in_words_and_its_group():
    [volume] = [line for line in segments(one_report()) if "|F1.1|" in line]
    assert volume.split("|")[2:7] == [
        "NM",
        "118565006^Volume^SCT^^left lung lesion (Finding 1): Volume^L",
        "F1.1",
        "1.3637219",
        "ml^milliliter^UCUM",
    ]
    side = [line for line in segments(one_report()) if "272741003" in line]
    assert [each.split("|")[4:6] for each in side] == [["F1", "7771000^Left^SCT"]]


def test_mean_and_deviation_of_one_kind_are_told_apart():
    [mean, deviation] = [
        line.split("|")
        for line in segments(one_report())
        if "|NM|112031" in line and "|F1." in line
    ]
    assert (mean[17], deviation[17]) == ("373098007^Mean^SCT", "386136009^Standard Deviation^SCT")
    assert mean[3].endswith("Attenuation Coefficient, Mean^L")


def test_a_control_id_is_that_of_the_report_and_another_for_any_other():
    of = {
        name: control_id(report_hl7(report, ENCLOSED))
        for name, report in {
            "draft": one_report(),
            "signed": one_report(status=ReportStatus.SIGNED),
            "second": one_report(status=ReportStatus.AMENDED, version=2),
            "third": one_report(status=ReportStatus.AMENDED, version=3),
            "other words": with_statement(one_report(), "More."),
        }.items()
    }
    assert len(set(of.values())) == len(of)
    assert all(len(each) == 20 for each in of.values())
    assert control_id(report_hl7(one_report(), ENCLOSED)) == of["draft"]


@given(st.text(max_size=60))
def test_any_text_is_one_field_and_reads_as_it_was(text):
    encoded = er7.escaped(text)
    assert not set(encoded) & set("|^~&\r\n\x0b\x1c")
    assert er7.unescaped(encoded) == text


def test_lines_of_a_text_are_broken_as_ft_does_it():
    report = with_statement(one_report(), "one\r\ntwo|\nthree\\")
    [line] = [each.split("|") for each in segments(report) if "three" in each]
    assert (line[2], line[5]) == ("FT", "one\\.br\\two\\F\\\\.br\\three\\E\\")
    assert er7.unescaped(line[5]) == "one\ntwo|\nthree\\"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_has_every_digit_and_no_exponent(value):
    said = er7.decimal(value)
    assert float(said) == value
    assert "e" not in said.lower()


def test_python_hl7_reads_it():
    @settings(max_examples=40, deadline=None)
    @given(reports())
    def read(report):
        message = hl7.parse(report_hl7(report, ENCLOSED).decode())
        assert str(message["MSH.F10.R1"]) == control_id(report_hl7(report, ENCLOSED))
        assert len(message.segments("PID")) == len(message.segments("OBR")) == 1
        numbers = [str(each[1]) for each in message.segments("OBX")]
        assert numbers == [str(number) for number in range(1, len(numbers) + 1)]

    read()


@pytest.fixture(scope="module")
def strict():
    if importlib.util.find_spec("hl7apy") is None:
        missing("hl7apy is not installed")
    from hl7apy.consts import VALIDATION_LEVEL  # noqa: PLC0415 - of the extra [dev]
    from hl7apy.parser import parse_message  # noqa: PLC0415

    def parsed(message):
        return parse_message(
            message.decode(), validation_level=VALIDATION_LEVEL.STRICT, find_groups=True
        )

    return parsed


def test_hl7apy_accepts_it_as_oru_r01_of_version_2_5(strict):
    @settings(max_examples=15, deadline=None)
    @given(reports(LIKELY))  # it takes numbers of 199 characters at most
    def accepted(report):
        message = strict(report_hl7(report, ENCLOSED))
        assert message.validate()
        results = message.oru_r01_patient_result.oru_r01_order_observation
        observations = results.oru_r01_observation
        assert len(observations) == len(
            [line for line in segments(report) if line.startswith("OBX|")]
        )
        [patient] = message.oru_r01_patient_result.oru_r01_patient.pid
        assert patient.pid_5.pid_5_1.value == "Müßig"

    accepted()


def test_hl7apy_would_refuse_a_field_that_version_2_5_has_not(strict):
    broken = report_hl7(one_report(), ENCLOSED).replace(
        b"UNICODE UTF-8", b"UNICODE UTF-8|||||||||x"
    )
    with pytest.raises(Exception, match="unknown Element"):
        strict(broken).validate()


def test_a_code_that_hl7_cannot_name_is_refused_rather_than_left_out():
    finding = one_finding(code=Code(value="1", scheme="99X", meaning="x"))
    with pytest.raises(InputError, match="scheme '99X'"):
        report_hl7(report_of((finding,)), ENCLOSED)


def test_every_code_of_ours_has_a_name_in_hl7():
    assert {each.scheme for each in OURS} <= set(CODING_SYSTEMS)
    message = report_hl7(one_report(), ENCLOSED)
    assert len(readers.hl7_numbers(message)) == 8

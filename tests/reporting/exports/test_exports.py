"""One report in every format: the same sentences, numbers, units and sides, none added or lost."""

import html
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings

from domain.errors import InputError
from domain.report import ReportStatus
from reporting.exports.fhir_report import report_fhir
from reporting.exports.formats import FORMATS, format_called
from reporting.exports.hl7 import report_hl7
from reporting.exports.html import report_html
from reporting.exports.markdown import report_markdown
from reporting.exports.pdf import report_pdf
from reporting.exports.table import report_csv
from reporting.exports.text import report_text
from reporting.exports.words import standing
from reporting.wording import number
from tests.reporting.exports import readers
from tests.reporting.exports.reports import (
    ENCLOSED,
    NEGATIONS,
    numbers,
    one_report,
    report_of,
    reports,
    sentences,
    with_statement,
)

READABLE = [
    (report_text, readers.text_sentences),
    (report_markdown, readers.markdown_sentences),
    (report_html, readers.html_sentences),
    (report_hl7, readers.hl7_sentences),
    (report_fhir, readers.fhir_sentences),
]
STRUCTURED = [
    (report_csv, readers.csv_numbers),
    (report_hl7, readers.hl7_numbers),
    (report_fhir, readers.fhir_numbers),
]


@pytest.mark.parametrize(("make", "read"), STRUCTURED)
def test_every_number_unit_and_side_comes_back_with_every_digit(make, read):
    @settings(deadline=None)
    @given(reports())
    def comes_back(report):
        assert read(make(report, ENCLOSED)) == numbers(report)

    comes_back()


@pytest.mark.parametrize(("make", "read"), READABLE)
def test_every_sentence_comes_back_as_it_is_and_none_is_added(make, read):
    @settings(deadline=None)
    @given(reports())
    def comes_back(report):
        assert read(make(report, ENCLOSED)) == sentences(report)

    comes_back()


@settings(max_examples=25, deadline=None)
@given(reports())
def test_every_sentence_is_in_the_pdf_and_draft_on_each_page_until_it_is_signed(report):
    pages = readers.pdf_pages(report_pdf(report, ENCLOSED))
    text = readers.squeezed("".join(pages))
    for section in sentences(report):
        assert all(readers.squeezed(each) in text for each in section)
    word = "ENTWURF" if report.language.startswith("de") else "DRAFT"
    assert all((word in page) != report.status.is_final for page in pages)


@settings(deadline=None)
@given(reports())
def test_what_a_sentence_says_of_a_finding_is_its_number_rounded_once(report):
    for section in report.sections:
        for statement in section.statements:
            assert all(number(each) in statement.text for each in statement.measurements)


@pytest.mark.parametrize("negation", NEGATIONS)
@pytest.mark.parametrize("status", [ReportStatus.DRAFT, ReportStatus.SIGNED])
def test_what_is_not_there_is_said_in_every_format(negation, status):
    report = report_of((), [negation], status=status)
    for each in FORMATS:
        made = each.make(report, ENCLOSED)
        said = "".join(readers.pdf_pages(made)) if each.name == "pdf" else made.decode()
        assert readers.squeezed(negation) in readers.squeezed(said), each.name
    assert numbers(report) == readers.csv_numbers(report_csv(report, ENCLOSED)) == []


@settings(deadline=None, max_examples=40)
@given(reports())
def test_where_a_report_stands_is_at_head_and_foot_of_each(report):
    stands = standing(report)
    text = report_text(report, ENCLOSED).decode().splitlines()
    assert text[0] == text[-1] == stands
    assert readers.page(report_html(report, ENCLOSED)).standing == [stands, stands]
    marked = report_markdown(report, ENCLOSED).decode().strip().splitlines()
    assert marked[0] == marked[-1]
    assert marked[0].startswith("**")
    status = [
        readers.hl7_said(obx, 5)
        for obx in readers.hl7_segments(report_hl7(report, ENCLOSED), "OBX")
        if str(obx[3]).startswith("STATUS^")
    ]
    assert status == [stands, stands]
    rows = readers.csv_rows(report_csv(report, ENCLOSED))
    assert {row["status"] for row in rows} == {stands}
    assert readers.fhir_report(report_fhir(report, ENCLOSED))["text"]["div"].count("<b>") == 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "DRAFT"),
        ({"status": ReportStatus.IN_REVIEW}, "DRAFT"),
        ({"language": "de"}, "ENTWURF"),
        ({"language": "fr"}, "DRAFT"),
        (
            {"status": ReportStatus.SIGNED},
            "Signed by Dr. Eva O'Neill & Co on 2026-01-03 10:05+01:00, version 1.",
        ),
        (
            {"status": ReportStatus.AMENDED, "version": 3},
            "Amended: version 3 replaces version 2. Signed by Dr. Eva O'Neill & Co",
        ),
        (
            {"status": ReportStatus.AMENDED, "version": 2, "language": "de"},
            "Geändert: Version 2 ersetzt Version 1. Unterschrieben von Dr. Eva O'Neill & Co am",
        ),
    ],
)
def test_it_is_said_who_signed_when_and_what_it_replaces(changed, said):
    language = changed.get("language", "en")
    report = one_report(**changed | {"language": "en" if language == "fr" else language})
    assert standing(report).startswith(said)
    is_final = report.status.is_final
    assert any(word in standing(report) for word in ("DRAFT", "ENTWURF")) != is_final


REASON = "Die Seite war falsch & <verwechselt>:\nrechts, 12 mm."
SAID = {
    "en": "Amended on 2026-01-03 10:05+01:00 by Dr. Eva O'Neill & Co: ",
    "de": "Geändert am 2026-01-03 10:05+01:00 durch Dr. Eva O'Neill & Co: ",
}


@pytest.mark.parametrize("code", ["en", "de"])
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_an_amended_report_says_when_by_whom_and_why_in_every_format(form, code):
    first = one_report(status=ReportStatus.AMENDED, version=2, language=code)
    report = replace(first, reason=REASON)
    made = form.make(report, ENCLOSED)
    read = {
        "pdf": lambda: "".join(readers.pdf_pages(made)),
        "html": lambda: html.unescape(made.decode()),
        "markdown": lambda: made.decode().replace("\\", ""),
        "hl7": lambda: " ".join(
            readers.hl7_said(nte, 3) for nte in readers.hl7_segments(made, "NTE")
        ),
        "fhir": lambda: readers.fhir_report(made)["conclusion"],
    }
    said = read.get(form.name, made.decode)()
    assert readers.squeezed(SAID[code] + REASON) in readers.squeezed(said)
    assert readers.squeezed(SAID[code]) not in readers.squeezed(str(form.make(first, ENCLOSED)))
    if form.name in {"csv", "hl7", "fhir"}:
        numbers_in = {"csv": readers.csv_numbers, "hl7": readers.hl7_numbers}
        assert numbers_in.get(form.name, readers.fhir_numbers)(made) == numbers(first)


def test_the_reason_stands_in_the_narrative_of_a_bundle_too():
    report = replace(one_report(status=ReportStatus.AMENDED, version=2), reason=REASON)
    div = readers.fhir_report(report_fhir(report, ENCLOSED))["text"]["div"]
    assert "Die Seite war falsch &amp; &lt;verwechselt&gt;:<br/>rechts, 12 mm." in div


def test_an_amendment_that_nobody_has_signed_says_why_and_not_who():
    report = replace(one_report(version=2), reason="A typing error.")
    text = report_text(report, ENCLOSED).decode()
    assert "Amendment" in text
    assert "A typing error." in text
    assert "Amended on" not in text


@pytest.mark.parametrize(
    ("warning", "said"),
    [
        (
            (
                "no diameter: the image has no pixel spacing at the patient: a diameter cannot be "
                "given"
            ),
            (
                "kein Messwert für Durchmesser: das Bild hat keinen Pixelabstand am Patienten: ein "
                "Durchmesser kann nicht angegeben werden"
            ),
        ),
        ("something odd", "„something odd“ (englisch)"),
    ],
)
def test_a_german_report_says_its_notes_in_german_in_what_people_read(warning, said):
    finding = replace(one_report().findings[0], warnings=(warning,))
    report = report_of((finding,), language="de")
    for make in (report_text, report_hl7, report_fhir):
        assert said in make(report, ENCLOSED).decode()
    assert readers.squeezed(said) in readers.squeezed(
        "".join(readers.pdf_pages(report_pdf(report, ENCLOSED)))
    )
    assert warning in report_csv(report, ENCLOSED).decode()  # what programs read stays English


def test_no_export_holds_a_digit_of_its_own_clock():
    report = one_report()
    for each in FORMATS:
        assert each.make(report, ENCLOSED) == each.make(report, ENCLOSED), each.name


def test_html_runs_nothing_of_what_people_typed():
    report = with_statement(one_report(), '<script>alert("1")</script><img src=x onerror=y>')
    made = report_html(report, ENCLOSED)
    read = readers.page(made)
    assert "script" not in read.seen
    assert read.pictures == []
    assert b"default-src 'none'" in made


def test_no_mark_of_direction_turns_a_number_round():
    report = with_statement(one_report(), "\u202e12 mm")
    for make in (report_text, report_markdown, report_html):
        assert "\u202e" not in make(report, ENCLOSED).decode()


@pytest.mark.parametrize("typed", ["=1+1", "+49 30", "-3", "@SUM(A1)"])
def test_a_spreadsheet_takes_no_sentence_for_a_formula(typed):
    rows = readers.csv_rows(report_csv(with_statement(one_report(), typed), ENCLOSED))
    assert rows[-2]["note"] == f"'{typed}" or rows[-1]["note"] == f"'{typed}"
    assert any(row["value"].startswith("-61.25") for row in rows)


def test_a_finding_that_could_not_be_measured_has_its_reason_in_the_table():
    finding = (
        one_report()
        .findings[0]
        .__class__(
            **{
                **vars(one_report().findings[0]),
                "measurements": (),
                "absent": ("no volume: not calibrated",),
            }
        )
    )
    [row] = [
        each
        for each in readers.csv_rows(report_csv(report_of((finding,)), ENCLOSED))
        if each["row"] == "finding"
    ]
    assert (row["value"], row["note"]) == ("", "no volume: not calibrated")


def test_formats_have_a_name_a_type_and_an_ending_of_their_own():
    assert [each.name for each in FORMATS] == [
        "text",
        "markdown",
        "html",
        "pdf",
        "csv",
        "hl7",
        "fhir",
    ]
    for facts in ({each.media_type for each in FORMATS}, {each.ending for each in FORMATS}):
        assert len(facts) == len(FORMATS)
    assert format_called("pdf").media_type == "application/pdf"
    with pytest.raises(InputError, match="no format 'docx': it has text, markdown"):
        format_called("docx")


def test_the_side_of_each_finding_stands_in_the_table_of_what_people_read():
    for changed, label, left in (
        ({}, "Finding", "left"),
        ({"language": "de"}, "Befund", "links"),
    ):
        lines = report_text(one_report(**changed), ENCLOSED).decode().splitlines()
        [first] = [line for line in lines if line.startswith(f"{label} 1 ")]
        [second] = [line for line in lines if line.startswith(f"{label} 2 ")]
        assert re.split(r"\s{2,}", first)[1] == left
        assert re.split(r"\s{2,}", second)[1] == "4"


@pytest.mark.parametrize("typed", ["|\n:-", "a\n-:", "a\n:-:", ": b", "a\n---", "a\n==="])
def test_no_typed_lines_are_a_table_or_a_heading_in_markdown(typed):
    report = with_statement(one_report(), typed)
    read = readers.markdown_sentences(report_markdown(report, ENCLOSED))
    assert read == sentences(report)

"""The report as PDF: tagged, in its language, its fonts and pictures inside, DRAFT on each page."""

import io
from dataclasses import replace

import pypdf
import pypdfium2
import pytest
from PIL import Image

from domain.errors import InputError
from domain.report import ReportStatus
from domain.uids import InstanceUID
from reporting.exports.pdf import report_pdf
from tests.reporting.exports.readers import pdf_elements, pdf_pages
from tests.reporting.exports.reports import ENCLOSED, one_report, with_statement


def png(width=300, height=200, colour=(20, 40, 60)):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, format="PNG")
    return buffer.getvalue()


PICTURED = replace(
    ENCLOSED, pictures={InstanceUID("2.25.1"): png(), InstanceUID("2.25.2"): png(100, 2000)}
)


def fonts(pdf):
    for page in pypdf.PdfReader(io.BytesIO(pdf)).pages:
        for font in page["/Resources"]["/Font"].values():
            [below] = font.get_object()["/DescendantFonts"]
            yield font.get_object(), below.get_object()["/FontDescriptor"]


def test_it_is_tagged_and_says_its_language():
    root = pypdf.PdfReader(io.BytesIO(report_pdf(one_report(language="de"), PICTURED))).trailer[
        "/Root"
    ]
    assert bool(root["/MarkInfo"]["/Marked"])
    assert root["/Lang"] == "de"
    assert bool(root["/ViewerPreferences"]["/DisplayDocTitle"])
    assert b"pdfuaid:part" in root["/Metadata"].get_object().get_data()


def test_headings_paragraphs_lists_tables_and_pictures_have_their_tags():
    tags = [tag for tag, _ in pdf_elements(report_pdf(one_report(), PICTURED))]
    assert tags.count("H1") == 1
    assert tags.count("H2") == 5
    assert tags.count("Table") == 2
    assert tags.count("Figure") == 2
    assert {"P", "L", "LI", "LBody", "TR", "TH", "TD"} <= set(tags)


def test_each_picture_is_there_with_its_words():
    pdf = report_pdf(one_report(), PICTURED)
    assert [words for tag, words in pdf_elements(pdf) if tag == "Figure"] == [
        "Outline of Finding 1 on image 4, left",
        "Outline of Finding 2 on image 4",
    ]
    pictures = [
        each.image.size for page in pypdf.PdfReader(io.BytesIO(pdf)).pages for each in page.images
    ]
    assert pictures == [(300, 200), (100, 2000)]


def test_the_fonts_are_inside_and_their_text_can_be_selected():
    found = list(fonts(report_pdf(one_report(), PICTURED)))
    assert found
    assert all("DejaVu" in font["/BaseFont"] for font, _ in found)
    assert all("/FontFile2" in descriptor for _, descriptor in found)
    assert all("/ToUnicode" in font for font, _ in found)


def test_every_page_says_draft_and_which_it_is():
    long = with_statement(one_report(), "Viele Worte. " * 800)
    pages = pdf_pages(report_pdf(long, PICTURED))
    assert len(pages) > 3
    for number, page in enumerate(pages, start=1):
        assert "DRAFT · not signed, not verified" in page
        assert f"DRAFT, page {number} / {len(pages)}" in page


def test_every_page_of_a_signed_one_says_who_signed_and_what_it_replaces():
    long = with_statement(one_report(status=ReportStatus.AMENDED, version=2), "Viele Worte. " * 800)
    for page in pdf_pages(report_pdf(long, PICTURED)):
        assert "DRAFT" not in page
        assert "version 2 replaces version 1. Signed by Dr. Eva O'Neill & Co" in page


def test_the_same_report_gives_the_same_bytes():
    assert report_pdf(one_report(), PICTURED) == report_pdf(one_report(), PICTURED)


def test_nothing_that_people_type_is_taken_for_markup():
    typed = '#include "x" $x$ *b* _i_ `c` <a> @ref // no /* no */ \\ -- ~ = one'
    text = " ".join(
        "".join(pdf_pages(report_pdf(with_statement(one_report(), typed), ENCLOSED))).split()
    )
    assert typed in text


@pytest.mark.parametrize("typed", ["山田太郎", "\x00\x07 bell", "\ud800", "a\u202eb", "\N{ROCKET}"])
def test_a_sign_that_the_fonts_have_not_makes_no_report_fail(typed):
    pages = pdf_pages(report_pdf(with_statement(one_report(), f"before {typed} after"), ENCLOSED))
    assert "before" in pages[0]
    assert "after" in pages[0]


def test_a_picture_that_is_none_is_an_error_that_names_it():
    broken = replace(ENCLOSED, pictures={InstanceUID("2.25.1"): b"no picture"})
    with pytest.raises(InputError, match="'Outline of Finding 1 on image 4' is no image"):
        report_pdf(one_report(), broken)


def test_the_banner_is_seen_on_every_page():
    long = with_statement(one_report(), "Viele Worte. " * 800)
    for page in pypdfium2.PdfDocument(report_pdf(long, PICTURED)):
        picture = page.render(scale=1).to_pil().convert("RGB")
        dark = sum(
            count for count, colour in picture.getcolors(1 << 20) if colour == (0x8A, 0x2C, 0x0D)
        )
        assert dark > 3000

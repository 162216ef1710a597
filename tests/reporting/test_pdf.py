"""The draft as a PDF: its words as they are, DRAFT on each page, the same bytes each time."""

import io

import pypdf
import pytest
from PIL import Image

from reporting.pdf import Picture, draft_pdf
from tests.reporting.exports.readers import pdf_elements

GERMAN = """**DRAFT. Not signed, not verified: for review by a radiologist.**

# Größenverlauf über 6 Monate

| | |
|---|---|
| Patient | Müßig, Jörg |
| Accession number | A|1 |

## Befunde

- Läsion im rechten Oberlappen: 1.36 mL (±0.10), Fläche 3 mm² <nicht> & "sicher"
  - Evidence: image 22
- Äußere Übergänge: ohne Befund
"""


def picture(width=300, height=200):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (20, 40, 60)).save(buffer, format="PNG")
    return Picture(png=buffer.getvalue(), caption="Finding 1, größte Schicht")


def pages(pdf):
    return [each.extract_text() for each in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def test_umlauts_signs_and_markup_survive():
    text = "\n".join(pages(draft_pdf(GERMAN, [picture()])))
    for words in (
        "Größenverlauf über 6 Monate",
        "Müßig, Jörg",
        "Accession number A|1",
        '1.36 mL (±0.10), Fläche 3 mm² <nicht> & "sicher"',
        "Äußere Übergänge",
        "größte Schicht",
    ):
        assert words in text


def test_every_page_says_draft():
    found = pages(draft_pdf(GERMAN + "\n- viele Worte " * 200, [picture(100, 2000)] * 2))
    assert len(found) > 2
    assert all("DRAFT" in page and "not signed" in page for page in found)


def test_the_same_draft_gives_the_same_bytes():
    assert draft_pdf(GERMAN, [picture()]) == draft_pdf(GERMAN, [picture()])


def test_the_fonts_are_inside():
    page = pypdf.PdfReader(io.BytesIO(draft_pdf(GERMAN))).pages[0]
    fonts = [each.get_object() for each in page["/Resources"]["/Font"].get_object().values()]
    used = [font["/DescendantFonts"][0].get_object() for font in fonts]
    assert used
    assert all("DejaVu" in font["/BaseFont"] for font in used)
    assert all("/FontFile2" in font["/FontDescriptor"].get_object() for font in used)


def test_it_is_tagged_with_its_pictures_in_words():
    pdf = draft_pdf(GERMAN, [picture()])
    assert bool(pypdf.PdfReader(io.BytesIO(pdf)).trailer["/Root"]["/MarkInfo"]["/Marked"])
    words = [words for tag, words in pdf_elements(pdf) if tag == "Figure"]
    assert words == ["Outline of Finding 1, größte Schicht"]


@pytest.mark.parametrize("markdown", ["", "# only a title", "| a | b | c |\n", "- \n"])
def test_any_text_makes_a_pdf(markdown):
    assert pages(draft_pdf(markdown))

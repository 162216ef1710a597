"""A report and a draft printed by a real browser: DRAFT on each sheet, and nothing hidden by it."""

import subprocess
from importlib import resources

import pypdfium2
import pytest

from reporting.draft import DraftRenderer, draft_report
from reporting.exports.html import report_html
from tests.reporting.exports.readers import pdf_pages, squeezed
from tests.reporting.exports.reports import (
    CONTEXT,
    ENCLOSED,
    one_finding,
    one_report,
    sentences,
    with_statement,
)

DRAFT = "DRAFT · not signed, not verified · for review by a radiologist"
BANNER = (0x8A, 0x2C, 0x0D)


def printed(html, folder, tool):
    page, pdf = folder / "report.html", folder / "report.pdf"
    page.write_bytes(html)
    subprocess.run(
        [
            tool("chromium"),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-proxy-server",
            "--no-pdf-header-footer",
            f"--user-data-dir={folder / 'profile'}",
            f"--print-to-pdf={pdf}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return pdf.read_bytes()


def as_report():
    numbered = " ".join(f"Satz {number} ist lang genug." for number in range(500))
    report = with_statement(one_report(), numbered)
    return report_html(report, ENCLOSED), [each for said in sentences(report) for each in said]


def as_draft():
    said = [f"Satz {number} ist lang genug." for number in range(150)]
    draft = draft_report(CONTEXT, [one_finding()], said)
    template = resources.files("configs").joinpath("templates/draft.html.j2").read_text()
    return DraftRenderer("", template).html(draft).encode(), said


@pytest.mark.parametrize("make", [as_report, as_draft])
def test_every_printed_sheet_says_draft_and_shows_every_sentence(make, tmp_path, tool):
    html, said = make()
    pdf = printed(html, tmp_path, tool)
    pages = pdf_pages(pdf)
    assert len(pages) > 3
    text = squeezed("".join(page.replace(DRAFT, "") for page in pages))
    assert all(squeezed(each) in text for each in said)
    for page in pypdfium2.PdfDocument(pdf):
        picture = page.render(scale=1).to_pil().convert("RGB")
        is_banner = [picture.getpixel((40, y)) == BANNER for y in range(picture.height // 2)]
        assert any(is_banner), "no banner at the head of a sheet"
        first = is_banner.index(True)
        last = first + is_banner[first:].index(False)
        height = page.get_height()
        behind = page.get_textpage().get_text_bounded(bottom=height - last, top=height - first)
        assert " ".join(behind.split()) == DRAFT, "the banner hides other words"

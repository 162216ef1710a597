"""The draft as a PDF: DRAFT on every page, its text to be selected, its fonts inside."""

import html
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    Flowable,
    Image,
    KeepTogether,
    ListFlowable,
    ListItem,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

_FONT: Final = "DejaVuSans"
_BOLD: Final = "DejaVuSans-Bold"
_MARGIN: Final = 20 * mm
_BANNER: Final = 9 * mm
_DRAFT: Final = (
    "DRAFT \N{MIDDLE DOT} not signed, not verified \N{MIDDLE DOT} for review by a radiologist"
)
_BANNER_COLOUR: Final = (0x8A / 255, 0x2C / 255, 0x0D / 255)
_PICTURE_WIDTH: Final = 110 * mm
_TALLEST: Final = 150 * mm
_TEXT: Final = ParagraphStyle("text", fontName=_FONT, fontSize=9.5, leading=13)
_SMALL: Final = ParagraphStyle("small", parent=_TEXT, fontSize=8, leading=11)
_TITLE: Final = ParagraphStyle("title", parent=_TEXT, fontName=_BOLD, fontSize=14, leading=20)
_SECTION: Final = ParagraphStyle(
    "section", parent=_TEXT, fontName=_BOLD, fontSize=11, leading=15, spaceBefore=8, spaceAfter=3
)
_BOLD_MARK: Final = re.compile(r"\*\*(.+?)\*\*")
_RULE: Final = re.compile(r"\|[-|: ]+\|")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A PNG and what it shows."""

    png: bytes
    caption: str


def draft_pdf(markdown: str, pictures: Sequence[Picture] = (), title: str = "Draft") -> bytes:
    """Return a draft, as it was rendered to Markdown, with its key pictures behind it.

    The same draft gives the same bytes: no clock is read.

    Parameters
    ----------
    title
        Of the file; a patient's name has no place in it.
    """
    _register_fonts()
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN + _BANNER,
        bottomMargin=_MARGIN,
        title=title,
        author="radcopilot",
        invariant=1,
    )
    flow = [*_flowables(markdown), *(_shown(each) for each in pictures)]
    document.build(flow or [Spacer(1, 1)], onFirstPage=_mark, onLaterPages=_mark)
    return buffer.getvalue()


def _register_fonts() -> None:
    spec = find_spec("matplotlib")  # found and not imported: that takes a second
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    for name in (_FONT, _BOLD):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
    pdfmetrics.registerFontFamily(_FONT, normal=_FONT, bold=_BOLD, italic=_FONT, boldItalic=_BOLD)


def _mark(canvas: Canvas, document: Any) -> None:  # noqa: ANN401 - reportlab's own
    """Draw what stands on every page."""
    width, height = A4
    canvas.saveState()
    canvas.setFillColorRGB(*_BANNER_COLOUR)
    canvas.rect(0, height - _BANNER, width, _BANNER, stroke=0, fill=1)
    canvas.setFillColorRGB(1, 1, 1)
    canvas.setFont(_BOLD, 10)
    canvas.drawCentredString(width / 2, height - _BANNER + 3 * mm, _DRAFT)
    canvas.setFillColorRGB(0.34, 0.38, 0.42)
    canvas.setFont(_FONT, 8)
    canvas.drawCentredString(width / 2, 10 * mm, f"DRAFT, page {document.page}")
    canvas.restoreState()


def _flowables(markdown: str) -> Iterator[Flowable]:
    """Yield the blocks of the Markdown that drafts are written in; the rest is plain text."""
    items: list[tuple[int, str]] = []
    rows: list[list[str]] = []
    for line in [*markdown.splitlines(), "", "\N{END OF TEXT}"]:
        text = line.strip()
        is_item, is_row = text.startswith("- "), text.startswith("|")
        if items and text and not is_item:
            yield _listed(items)
            items = []
        if rows and not is_row:
            yield _tabled(rows)
            rows = []
        if is_item:
            items.append((len(line) - len(line.lstrip()), text[2:]))
        elif is_row:
            cells = [cell.strip() for cell in text.strip("|").split("|")]
            if any(cells) and not _RULE.fullmatch(text):
                rows.append(cells)
        elif text and text != "\N{END OF TEXT}":
            yield _block(text)


def _block(text: str) -> Flowable:
    if text.startswith("## "):
        return Paragraph(_marked_up(text[3:]), _SECTION)
    if text.startswith("# "):
        return Paragraph(_marked_up(text[2:]), _TITLE)
    return Paragraph(_marked_up(text), _SMALL)


def _listed(items: Sequence[tuple[int, str]]) -> Flowable:
    return ListFlowable(
        [
            ListItem(
                Paragraph(_marked_up(text), _SMALL if depth else _TEXT),
                leftIndent=12 + 6 * depth,
                value="\N{EN DASH}" if depth else "\N{BULLET}",
            )
            for depth, text in items
        ],
        bulletType="bullet",
        bulletFontName=_FONT,
        bulletFontSize=8,
    )


def _tabled(rows: Sequence[Sequence[str]]) -> Flowable:
    cells = [[Paragraph(_marked_up(cell), _TEXT) for cell in row] for row in rows]
    widths = [40 * mm, 130 * mm] if all(len(row) == 2 for row in rows) else None  # noqa: PLR2004
    return Table(cells, colWidths=widths, hAlign="LEFT", spaceAfter=4)


def _shown(picture: Picture) -> Flowable:
    image = Image(io.BytesIO(picture.png))
    share = min(_PICTURE_WIDTH / image.imageWidth, _TALLEST / image.imageHeight)
    image.drawWidth, image.drawHeight = image.imageWidth * share, image.imageHeight * share
    image.hAlign = "LEFT"
    return KeepTogether([Spacer(1, 8), image, Paragraph(_marked_up(picture.caption), _SMALL)])


def _marked_up(text: str) -> str:
    """Return text for reportlab: its own markup escaped, bold kept."""
    return _BOLD_MARK.sub(r"<b>\1</b>", html.escape(text, quote=False))

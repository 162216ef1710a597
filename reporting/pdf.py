"""The draft as a PDF: DRAFT on every page, its text to be selected, its fonts inside."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reporting.exports.blocks import (
    Block,
    Bullet,
    Bullets,
    Figure,
    Heading,
    Paragraph,
    Rows,
    Sheet,
)
from reporting.exports.typesetting import pdf_of
from reporting.exports.words import words_in
from reporting.language import ENGLISH

_BOLD: Final = re.compile(r"\*\*(.+?)\*\*")
_DRAFT: Final = "**DRAFT"  # the sheet says it itself
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
    figures = (
        Figure(png=each.png, alternative=f"Outline of {each.caption}", caption=each.caption)
        for each in pictures
    )
    words = words_in(ENGLISH)
    return pdf_of(
        Sheet(
            title=title,
            language=words.language,
            standing=words.draft,
            foot=words.foot,
            page=words.page,
            is_final=False,
            blocks=(*_blocks(markdown), *figures),
        )
    )


def _blocks(markdown: str) -> Iterator[Block]:
    """Yield the blocks of the Markdown that drafts are written in; the rest is plain text."""
    items: list[tuple[bool, str]] = []
    rows: list[tuple[str, ...]] = []
    columns = 0
    for line in [*markdown.splitlines(), "", "\N{END OF TEXT}"]:
        text = line.strip()
        is_item, is_row = text.startswith("- "), text.startswith("|")
        if items and text and not is_item:
            yield _listed(items)
            items = []
        if rows and not is_row:
            yield _tabled(rows)
            rows = []
        columns = columns if is_row else 0
        if is_item:
            items.append((line != line.lstrip(), _plain(text[2:])))
        elif is_row:
            inner = text.removeprefix("|").removesuffix("|")
            columns = columns or inner.count("|") + 1  # of the first row: later bars are text
            cells = tuple(_plain(cell.strip()) for cell in inner.split("|", columns - 1))
            if any(cells) and not _RULE.fullmatch(text):
                rows.append(cells)
        elif text and text != "\N{END OF TEXT}" and not text.startswith(_DRAFT):
            yield _block(text)


def _block(text: str) -> Block:
    if text.startswith("## "):
        return Heading(level=2, text=_plain(text[3:]))
    if text.startswith("# "):
        return Heading(level=1, text=_plain(text[2:]))
    return Paragraph(text=_plain(text))


def _listed(items: Sequence[tuple[bool, str]]) -> Block:
    """Return a list; what is indented stands below the item before it."""
    found: list[list[str]] = []
    for is_below, text in items:
        if is_below and found:
            found[-1].append(text)
        else:
            found.append([text])
    return Bullets(items=tuple(Bullet(text=first, notes=tuple(rest)) for first, *rest in found))


def _tabled(rows: Sequence[tuple[str, ...]]) -> Block:
    """Return a table, its rows filled up to the longest."""
    columns = max(len(row) for row in rows)
    return Rows(rows=tuple(row + ("",) * (columns - len(row)) for row in rows))


def _plain(text: str) -> str:
    return _BOLD.sub(r"\1", text)

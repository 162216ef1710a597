"""A report as plain text, for systems that show nothing else."""

import textwrap
from collections.abc import Iterator
from typing import Final, assert_never

from domain.report import Report
from reporting.exports.blocks import Block, Bullets, Figure, Heading, Paragraph, Rows
from reporting.exports.enclosed import Enclosed
from reporting.exports.layout import laid_out

_WIDTH: Final = 100
_LINES: Final = {1: "=", 2: "-"}


def report_text(report: Report, enclosed: Enclosed) -> bytes:
    """Return the report as UTF-8 text; each sentence on a line of its own, never broken.

    Pictures are left out.
    """
    del enclosed
    sheet = laid_out(report)
    lines = [sheet.standing, ""]
    for block in sheet.blocks:
        lines += [*_lines(block), ""]
    lines.append(sheet.standing)
    return ("\n".join(lines) + "\n").encode()


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(level=level, text=text):
            yield text
            yield _LINES[level] * min(len(text), _WIDTH)
        case Paragraph(text=text):
            yield from textwrap.wrap(text, _WIDTH)
        case Bullets(items=items):
            for item in items:
                yield _hanging("- ", item.text)
                yield from (_hanging("    * ", note) for note in item.notes)
        case Rows():
            yield from _table(block)
        case Figure():
            yield block.caption
        case _:
            assert_never(block)


def _hanging(mark: str, text: str) -> str:
    """Return a text behind a mark; its own further lines stand below it."""
    return mark + text.replace("\n", "\n" + " " * len(mark))


def _table(table: Rows) -> Iterator[str]:
    rows = [table.header, *table.rows] if table.header else list(table.rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(f"{cell:{n}}" for cell, n in zip(row, widths, strict=True)).rstrip()

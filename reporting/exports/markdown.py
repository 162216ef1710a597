"""A report as Markdown (CommonMark with tables); what people typed is escaped."""

import re
from collections.abc import Iterator
from typing import Final, assert_never

from domain.report import Report
from reporting.exports.blocks import Block, Bullets, Figure, Heading, Paragraph, Rows
from reporting.exports.enclosed import Enclosed
from reporting.exports.layout import laid_out

_MARKS: Final = re.compile(r"([\\`*_\[\]<>&|~])")
_AT_THE_START: Final = re.compile(r"^(\s*)([#+=:-]|\d+[.)])(?=\s|$|[-=:])", re.MULTILINE)


def report_markdown(report: Report, enclosed: Enclosed) -> bytes:
    """Return the report as UTF-8 Markdown, a sentence an item; pictures are left out."""
    del enclosed
    sheet = laid_out(report)
    lines = [f"**{escaped(sheet.standing)}**", ""]
    for block in sheet.blocks:
        lines += [*_lines(block), ""]
    lines.append(f"**{escaped(sheet.standing)}**")
    return ("\n".join(lines) + "\n").encode()


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    marked = _MARKS.sub(r"\\\1", text)
    return _AT_THE_START.sub(_kept, marked)


def _kept(found: re.Match[str]) -> str:
    before, mark = found.groups()
    return f"{before}{mark[:-1]}\\{mark[-1]}"


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(level=level, text=text):
            yield f"{'#' * level} {_one_line(text)}"
        case Paragraph(text=text):
            yield escaped(text)
        case Bullets(items=items):
            for item in items:
                yield "- " + _continued(item.text, "  ")
                yield from ("  - " + _continued(note, "    ") for note in item.notes)
        case Rows(rows=rows, header=header):
            columns = len(rows[0])
            yield _row(header or ("",) * columns)
            yield "|" + "---|" * columns
            yield from (_row(row) for row in rows)
        case Figure():
            yield f"*{escaped(block.caption)}*"
        case _:
            assert_never(block)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_one_line(cell) for cell in cells) + " |"


def _one_line(text: str) -> str:
    return escaped(" ".join(text.splitlines()))


def _continued(text: str, indent: str) -> str:
    """Return a text of several lines as one item, each line kept (a backslash ends it)."""
    return f"\\\n{indent}".join(escaped(line) for line in text.splitlines() or [""])

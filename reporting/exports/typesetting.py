"""A sheet as PDF, set by typst: PDF/UA-1, which it checks itself, in matplotlib's DejaVu fonts."""

import io
import json
import re
import tempfile
from functools import cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, assert_never

import typst
from PIL import Image

from domain.errors import InputError
from reporting.exports.blocks import Block, Bullets, Figure, Heading, Paragraph, Rows, Sheet

_WIDEST_MM: Final = 81.0
_TALLEST_MM: Final = 120.0
_UNPRINTABLE: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]")


def pdf_of(sheet: Sheet) -> bytes:
    """Return a sheet as PDF, tagged: headings, paragraphs, lists, tables, pictures in words.

    The same sheet gives the same bytes with the same version of typst: no clock is read.
    Characters that the fonts have not are shown as boxes, and the file then claims no PDF/UA.

    Raises
    ------
    InputError
        If a picture cannot be read.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        document = json.dumps(_printed(sheet, folder))
        main = folder / "sheet.typ"
        main.write_bytes(_source())
        try:
            return _set(document, main, is_accessible=True)
        except typst.TypstError:
            return _set(document, main, is_accessible=False)


def _set(document: str, main: Path, *, is_accessible: bool) -> bytes:
    return typst.compile(
        main,
        root=main.parent,
        format="pdf",
        font_paths=_fonts(),
        sys_inputs={"sheet": document},
        pdf_standards=["ua-1"] if is_accessible else [],
    )


@cache
def _source() -> bytes:
    return resources.files("reporting").joinpath("exports/sheet.typ").read_bytes()


@cache
def _fonts() -> typst.Fonts:
    """Return DejaVu alone: fonts of the machine would give other bytes on another one."""
    spec = find_spec("matplotlib")  # found and not imported: that takes a second
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    return typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)]
    )


def _printed(sheet: Sheet, folder: Path) -> dict[str, Any]:
    return {
        "title": _clean(sheet.title),
        "language": sheet.language,
        "standing": _clean(sheet.standing),
        "foot": _clean(sheet.foot),
        "page": _clean(sheet.page),
        "is_final": sheet.is_final,
        "blocks": _grouped(
            [_block(block, folder / f"{number}.png") for number, block in enumerate(sheet.blocks)]
        ),
    }


def _grouped(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return blocks with the pictures that follow one another as one of them."""
    found: list[dict[str, Any]] = []
    for block in blocks:
        if block["kind"] != "figure":
            found.append(block)
        elif found and found[-1]["kind"] == "figures":
            found[-1]["figures"].append(block)
        else:
            found.append({"kind": "figures", "figures": [block]})
    return found


def _block(block: Block, file: Path) -> dict[str, Any]:
    match block:
        case Heading(level=level, text=text):
            return {"kind": "heading", "level": level, "text": _clean(text)}
        case Paragraph(text=text):
            return {"kind": "paragraph", "text": _clean(text)}
        case Bullets(items=items):
            said = [
                {"text": _clean(each.text), "notes": [_clean(note) for note in each.notes]}
                for each in items
            ]
            return {"kind": "bullets", "items": said}
        case Rows(header=header, rows=rows):
            return {
                "kind": "rows",
                "header": [_clean(cell) for cell in header],
                "rows": [[_clean(cell) for cell in row] for row in rows],
            }
        case Figure():
            return _figure(block, file)
        case _:
            assert_never(block)


def _figure(figure: Figure, file: Path) -> dict[str, Any]:
    try:
        with Image.open(io.BytesIO(figure.png)) as image:
            width, height = image.size
    except OSError as error:
        raise InputError(f"the picture {figure.caption!r} is no image that can be read") from error
    file.write_bytes(figure.png)
    return {
        "kind": "figure",
        "file": f"/{file.name}",
        "alternative": _clean(figure.alternative),
        "caption": _clean(figure.caption),
        "width": min(_WIDEST_MM, _TALLEST_MM * width / height),
    }


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)

"""A slice with the outline of a mask, as a PNG a person can judge: sides, scale and place on it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from domain.concepts import Window
from domain.errors import PromptError
from domain.grid import Grid
from domain.volume import Mask, Volume

_SHORTER_SIDE_PX: Final = 800
_LARGEST_ZOOM: Final = 8
_OUTLINE: Final = (0, 229, 255)
_TEXT: Final = (255, 255, 255)
_DRAFT: Final = (255, 170, 60)
_MARGIN: Final = 10
_SMALLEST_TEXT: Final = 15
_TEXT_SHARE: Final = 40  # of the shorter side
_LINE: Final = 1.3
_BARS_MM: Final = (200, 100, 50, 20, 10, 5)
_LONGEST_BAR: Final = 0.3
_FULL_WINDOW: Final = (1.0, 99.0)
_RULER_STEPS_PX: Final = (10, 20, 50, 100, 200, 500, 1000)
_MOST_MARKS: Final = 12
_MARK: Final = 6
_HALF: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class View:
    """What is shown: a slice, its grey levels, and lines to read beside it.

    Attributes
    ----------
    rulers
        Whether rows and columns are counted along the edges.
    is_draft
        Whether it says DRAFT: until a person has signed for what it shows.
    """

    slice_index: int
    window: Window | None = None
    caption: Sequence[str] = ()
    rulers: bool = False
    is_draft: bool = True


def outline_png(image: Volume, mask: Mask, view: View) -> bytes:
    """Return a PNG of one slice with the mask's outline, patient directions and a scale bar.

    Raises
    ------
    PromptError
        If the slice does not exist.
    """
    slices = image.grid.shape[0]
    if not 0 <= view.slice_index < slices:
        raise PromptError(f"slice {view.slice_index} does not exist: the volume has {slices}")
    shown = _grey(image, view)
    _, row_mm, column_mm = image.grid.spacing_mm
    finest = min(row_mm, column_mm)
    zoom = max(1, min(_LARGEST_ZOOM, round(_SHORTER_SIDE_PX / min(shown.shape[:2]))))
    size = (
        round(shown.shape[1] * column_mm / finest * zoom),
        round(shown.shape[0] * row_mm / finest * zoom),
    )
    picture = Image.fromarray(shown).convert("RGB").resize(size, Image.Resampling.BILINEAR)
    _draw_outline(picture, mask.voxels[view.slice_index])
    _annotate(picture, image.grid, view, zoom / finest)
    if view.rulers:
        _rulers(picture, shown.shape[:2])
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def _grey(image: Volume, view: View) -> NDArray[np.uint8]:
    pixels: NDArray[Any] = image.voxels[view.slice_index]
    if image.is_colour:
        return np.asarray(pixels, dtype=np.uint8)
    if view.window is not None:
        low, high = view.window.low, view.window.high
    else:
        low, high = (float(x) for x in np.percentile(image.voxels, _FULL_WINDOW))
    scaled = (pixels.astype(np.float64) - low) / max(high - low, np.finfo(np.float64).tiny)
    return (np.clip(scaled, 0.0, 1.0) * 255).astype(np.uint8)


def _draw_outline(picture: Image.Image, marked: NDArray[np.bool_]) -> None:
    mask = Image.fromarray(marked.astype(np.uint8) * 255).resize(
        picture.size, Image.Resampling.NEAREST
    )
    inside = np.asarray(mask) > 0
    edge = inside & ~ndimage.binary_erosion(inside, iterations=2)
    pixels = np.array(picture)
    pixels[edge] = _OUTLINE
    picture.paste(Image.fromarray(pixels))


def _annotate(picture: Image.Image, grid: Grid, view: View, pixels_per_mm: float) -> None:
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    size = max(_SMALLEST_TEXT, min(width, height) // _TEXT_SHARE)
    font = ImageFont.load_default(size=size)
    if view.is_draft:
        _write(pen, (_MARGIN, _MARGIN), "DRAFT", fill=_DRAFT, font=font)
    for number, line in enumerate(view.caption):
        _write(pen, (_MARGIN, _MARGIN + _LINE * size * (number + 1)), line, fill=_TEXT, font=font)
    if grid.frame_of_reference_uid is not None:
        left, right = _letters(-grid.affine[:3, 2]), _letters(grid.affine[:3, 2])
        top, bottom = _letters(-grid.affine[:3, 1]), _letters(grid.affine[:3, 1])
        _write(pen, (_MARGIN, height / 2), left, fill=_TEXT, font=font, anchor="lm")
        _write(pen, (width - _MARGIN, height / 2), right, fill=_TEXT, font=font, anchor="rm")
        _write(pen, (width / 2, _MARGIN), top, fill=_TEXT, font=font, anchor="mt")
        _write(pen, (width / 2, height - _MARGIN), bottom, fill=_TEXT, font=font, anchor="mb")
    if grid.in_plane_calibrated:
        _scale_bar(pen, picture.size, pixels_per_mm, font)


def _write(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    *,
    fill: tuple[int, int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    anchor: str = "la",
) -> None:
    """Write with a dark rim, to be read on any grey."""
    pen.text(place, text, fill, font, anchor, stroke_width=2, stroke_fill=(0, 0, 0))


def _scale_bar(
    pen: ImageDraw.ImageDraw,
    size: tuple[int, int],
    pixels_per_mm: float,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    width, height = size
    fitting = [bar for bar in _BARS_MM if bar * pixels_per_mm <= width * _LONGEST_BAR]
    bar_mm = fitting[0] if fitting else _BARS_MM[-1]
    stop = width - _MARGIN
    start = stop - bar_mm * pixels_per_mm
    level = height - 2 * _MARGIN
    pen.line([(start, level), (stop, level)], fill=_TEXT, width=2)
    _write(pen, (stop, level - 6), f"{bar_mm} mm", fill=_TEXT, font=font, anchor="rb")


def _rulers(picture: Image.Image, shape: tuple[int, int]) -> None:
    """Count columns along the lower edge and rows along the left one."""
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    font = ImageFont.load_default(size=_SMALLEST_TEXT)
    rows, columns = shape
    step = next(each for each in _RULER_STEPS_PX if max(rows, columns) / each <= _MOST_MARKS)
    for column in range(step, columns, step):
        at = (column + _HALF) * width / columns
        pen.line([(at, height), (at, height - _MARK)], fill=_TEXT)
        _write(pen, (at, height - _MARK), str(column), fill=_TEXT, font=font, anchor="mb")
    for row in range(step, rows, step):
        at = (row + _HALF) * height / rows
        pen.line([(0, at), (_MARK, at)], fill=_TEXT)
        _write(pen, (_MARK + 2, at), str(row), fill=_TEXT, font=font, anchor="lm")


def _letters(direction_lps: NDArray[np.float64]) -> str:
    """Return the patient direction: first letter the strongest, others where above a third."""
    names = (("R", "L"), ("A", "P"), ("I", "S"))
    unit = direction_lps / np.linalg.norm(direction_lps)
    order = np.argsort(-np.abs(unit), kind="stable")
    return "".join(
        names[axis][int(unit[axis] > 0)] for axis in order if abs(unit[axis]) > 1 / len(names)
    )

"""Sizes, volumes and image numbers in a sentence, with the characters they were read from.

A number that may be read in two ways is no number: "1,200 ml" is 1.2 or 1200, as the writer's
language has it, and both may be written in either.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_NUMBER: Final = r"\d+(?:[.,]\d+)*"
_LENGTH_UNIT: Final = r"mm|cm|millimet(?:er|re)s?|zentimeter|centimet(?:er|re)s?"
_VOLUME_UNIT: Final = r"ml|ccm|cc|cm3|cm³|mm3|mm³|milliliters?|millilit(?:er|re)s?"
_BY: Final = r"\s*(?:x|\u00d7|\*|by|mal)\s*"
_TO: Final = r"\s*(?:-|\u2013|\u2014|to|auf|bis|and|und)\s*"
_BOUND: Final = r"(?P<bound>[<>\u2264\u2265]\s*=?\s*)?"
_QUANTITY: Final = re.compile(
    rf"(?<![\w.,/-]){_BOUND}(?P<several>(?P<other>{_NUMBER})\s*(?P<other_unit>mm|cm)?{_TO}(?=\d))?"
    rf"(?P<first>{_NUMBER})[\s-]*(?P<unit1>{_LENGTH_UNIT})?"
    rf"(?:{_BY}(?P<second>{_NUMBER})[\s-]*(?P<unit2>{_LENGTH_UNIT})?)?"
    rf"(?:{_BY}(?P<third>{_NUMBER})[\s-]*(?P<unit3>{_LENGTH_UNIT})?)?"
    rf"[\s-]*(?P<volume>{_VOLUME_UNIT})?(?![\w³²])",
    re.IGNORECASE,
)
_IMAGE_WORD: Final = r"(?:images?|img|im|ima|slices?|bild(?:er|ern)?|schicht(?:en)?)\.?"
_SERIES_WORD: Final = r"(?:series|serie|ser|se)\.?"
_COUNT: Final = r"(?:number|no\.?|nr\.?|\#)?\s*"
_UNTIL: Final = r"(?:\s*(?:-|\u2013|to|bis)\s*(?P<last>\d{1,4}))?"
_IMAGES: Final = (
    re.compile(
        rf"\b{_SERIES_WORD}\s*{_COUNT}(?P<series>\d{{1,4}})\s*[,;:/]?\s*(?:and\s+|und\s+)?"
        rf"{_IMAGE_WORD}\s*{_COUNT}(?P<image>\d{{1,4}}){_UNTIL}(?![\d.,/]*\d|\s*(?:mm|cm|of))",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b{_IMAGE_WORD}\s*{_COUNT}(?P<image>\d{{1,4}}){_UNTIL}\s*,?\s*"
        rf"(?:(?:of|on|in|der|von|in\s+der)\s+)?{_SERIES_WORD}\s*{_COUNT}(?P<series>\d{{1,4}})\b",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b{_IMAGE_WORD}\s*{_COUNT}(?P<series>\d{{1,4}})\s*/\s*(?P<image>\d{{1,4}})(?!\s*/|\d)",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b{_IMAGE_WORD}\s*{_COUNT}(?P<image>\d{{1,4}}){_UNTIL}(?![\d.,/]*\d|\s*(?:mm|cm))",
        re.IGNORECASE,
    ),
)
_FROM: Final = re.compile(r"\b(?:from|von)\s*$", re.IGNORECASE)
_FROM_TO: Final = re.compile(r"\s*\b(?:to|auf)\s*$", re.IGNORECASE)
_MM: Final = {"m": 1.0, "c": 10.0, "z": 10.0}  # by the first letter of the unit
_THOUSAND: Final = re.compile(r"[1-9]\d{0,2}(?:[.,]\d{3})+")
_PLAIN: Final = re.compile(r"\d+(?:[.,]\d+)?")


@dataclass(frozen=True, kw_only=True)
class Size:
    """Lengths (mm) or a volume (ml), or the reason why the number is not taken.

    ``is_from`` and ``is_to`` are those of "from 9 to 12 mm", which is a change or a range.
    """

    start: int
    end: int
    unit: str
    values: tuple[float, ...]
    reason: str | None = None
    is_from: bool = False
    is_to: bool = False


@dataclass(frozen=True, kw_only=True)
class ImageNumber:
    """Series and image numbers, and where they stand."""

    start: int
    end: int
    series: int | None
    image: int
    last: int


def images_in(text: str, offset: int = 0) -> list[ImageNumber]:
    """Return the image numbers in a text, in their order."""
    found: list[ImageNumber] = []
    for pattern in _IMAGES:
        for match in pattern.finditer(text):
            start, end = match.start() + offset, match.end() + offset
            if any(start < each.end and each.start < end for each in found):
                continue
            groups = match.groupdict()
            image = int(match["image"])
            series = groups.get("series")
            found.append(
                ImageNumber(
                    start=start,
                    end=end,
                    series=int(series) if series else None,
                    image=image,
                    last=int(groups.get("last") or image),
                )
            )
    return sorted(found, key=lambda each: each.start)


def sizes_in(text: str, offset: int = 0) -> Iterator[Size]:
    """Yield the lengths and volumes in a text, those that are not taken with their reason."""
    for match in _QUANTITY.finditer(text):
        change = _change(match, text, offset)
        size = _size(match, offset)
        if change:
            yield from change
        elif size is not None:
            yield size


def _change(match: re.Match[str], text: str, offset: int) -> tuple[Size, ...]:
    """Return both lengths of "from 9 to 12 mm", or none."""
    link = _FROM_TO.search(match["several"] or "")
    unit = match["unit1"]
    if link is None or unit is None or match["second"] or match["volume"]:
        return ()
    if not _FROM.search(text[: match.start()]):
        return ()
    values = [_number(match["other"]), _number(match["first"])]
    scales = [_MM[(match["other_unit"] or unit)[0].lower()], _MM[unit[0].lower()]]
    ends = [match.start("several") + link.start(), match.end("unit1")]
    starts = [match.start("other"), match.start("first")]
    return tuple(
        Size(
            start=starts[place] + offset,
            end=ends[place] + offset,
            unit="mm",
            values=(round(value * scales[place], 6),),
            is_from=place == 0,
            is_to=place == 1,
        )
        for place, value in enumerate(values)
        if value is not None and value > 0 and None not in values
    )


def _size(match: re.Match[str], offset: int) -> Size | None:
    numbers = [match[name] for name in ("first", "second", "third") if match[name]]
    units = [match[f"unit{place}"] for place in range(1, len(numbers) + 1)]
    volume = match["volume"]
    if volume is None and not any(units) and len(numbers) == 1:
        return None
    values = [_number(each) for each in numbers]
    made: tuple[float, ...] | str
    if match["several"]:
        made = "two numbers, or a range: which one is meant is not clear"
    elif match["bound"]:
        made = "a bound, no size"
    elif None in values:
        made = "a point or comma that may part thousands or decimals"
    else:
        known = [each for each in values if each is not None]
        made = _lengths(known, units) if volume is None else _millilitres(known, units, volume)
    said = match.group().rstrip(" -\t\r\n")
    return Size(
        start=match.start() + offset,
        end=match.start() + len(said) + offset,
        unit="mm" if volume is None else "ml",
        values=() if isinstance(made, str) else made,
        reason=made if isinstance(made, str) else None,
    )


def _millilitres(
    values: list[float], units: list[str | None], volume: str
) -> tuple[float, ...] | str:
    if len(values) > 1 or any(units):
        return "neither lengths nor one volume"
    scale = 1e-3 if volume.lower().startswith("mm") else 1.0
    return (values[0] * scale,) if values[0] > 0 else "a volume of nothing"


def _lengths(values: list[float], units: list[str | None]) -> tuple[float, ...] | str:
    """Return lengths in mm: a unit behind the last number is that of those before it."""
    last = units[-1]
    if last is None:
        return "lengths without a unit"
    scale = _MM[last[0].lower()]
    made: list[float] = []
    for value, unit in zip(reversed(values), reversed(units), strict=True):
        scale = _MM[unit[0].lower()] if unit else scale
        made.insert(0, round(value * scale, 6))
    return tuple(made) if all(each > 0 for each in made) else "a length of nothing"


def _number(text: str) -> float | None:
    if _THOUSAND.fullmatch(text) or not _PLAIN.fullmatch(text):
        return None
    return float(text.replace(",", "."))

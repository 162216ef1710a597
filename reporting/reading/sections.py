"""A report's text as sections and sentences, by offsets in it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_HEADING: Final = re.compile(r"^[ \t#*_]*([^\W\d_][^\n:]{0,48}?)[ \t\r*_]*(?::|$)", re.MULTILINE)
_LIST: Final = re.compile(r"\s*(?:[-*\u2022\u2013]|\d{1,2}[.)])\s+")
_LABEL: Final = re.compile(r"[ \t]*[^\W\d_][^\n:.;]{0,48}:")
_END: Final = re.compile(r"[.!?;](?=\s|$)|\n")
_ABBREVIATED: Final = re.compile(
    r"(?:\b(?:ca|approx|max|min|li|re|bds|v|a|z|b|b\.w|nr|no|abb|se|ser|im|img|ima|s|d|h|u|o|bzw"
    r"|ggf|vs|i|e|g|dr|prof|st|seg|incl|inkl|evtl|sog|lt|rt|cf|fig|vgl|geb|prev|esp|dd|z\.b"
    r"|d\.h|v\.a|i\.v))\.$",
    re.IGNORECASE,
)
_LONG_LINE: Final = 60


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A sentence: half-open offsets without surrounding space, and the section it stands in."""

    start: int
    end: int
    section: str


def sentences(text: str, headings: Mapping[str, str], section: str = "") -> Iterator[Stretch]:
    """Yield the sentences of a text in their order; headings themselves are none.

    Parameters
    ----------
    section
        The section the text begins in: of a page, that of the page before.
    """
    start = 0
    for match in _HEADING.finditer(text):
        name = headings.get(" ".join(match[1].lower().split()))
        if name is None:
            continue
        yield from _sentences(text, start, match.start(), section)
        start, section = match.end(), name
    yield from _sentences(text, start, len(text), section)


def _sentences(text: str, start: int, stop: int, section: str) -> Iterator[Stretch]:
    begins = start
    for match in _END.finditer(text, start, stop):
        if match.group() == "\n":
            if _goes_on(text, begins, match.start(), stop):
                continue
        elif match.group() == "." and _is_abbreviation(text, begins, match.end()):
            continue
        yield from _trimmed(text, begins, match.end(), section)
        begins = match.end()
    yield from _trimmed(text, begins, stop, section)


def _is_abbreviation(text: str, begins: int, end: int) -> bool:
    if _ABBREVIATED.search(text, begins, end):
        following = text[end : end + 2].strip()
        return bool(following)  # at the end of a line it ends the sentence, too
    return bool(re.fullmatch(r"\s*\d{1,2}\.", text[begins:end]))  # "1." of a list


def _goes_on(text: str, begins: int, end: int, stop: int) -> bool:
    """Tell whether a line was only wrapped: a number must not lose its noun, nor gain another's."""
    line = text[text.rfind("\n", 0, end) + 1 : end]
    following = text[end + 1 : stop]
    first = following.split("\n", 1)[0]
    if not first.strip() or not text[begins:end].strip():
        return False
    if _LIST.match(first) or _LABEL.match(first) or line.rstrip().endswith(":"):
        return False
    opens = first.lstrip()[0]
    return opens.islower() or opens.isdigit() or opens == "(" or len(line) >= _LONG_LINE


def _trimmed(text: str, start: int, end: int, section: str) -> Iterator[Stretch]:
    listed = _LIST.match(text, start, end)
    if listed is not None:
        start = listed.end()
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        yield Stretch(start=start, end=end, section=section)

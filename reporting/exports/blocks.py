"""A sheet of blocks: what is laid out, before it is text, Markdown, HTML or PDF."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, kw_only=True)
class Heading:
    """``level`` is 1 for the title, 2 for a section."""

    level: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Bullet:
    """A sentence, and what is to be known with it."""

    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bullets:
    """A list."""

    items: tuple[Bullet, ...]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A table; without a header, the first cell of each row names it."""

    rows: tuple[tuple[str, ...], ...]
    header: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A PNG, what it shows in words for who cannot see it, and its caption."""

    png: bytes
    alternative: str
    caption: str


Block: TypeAlias = Heading | Paragraph | Bullets | Rows | Figure


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What is laid out.

    Attributes
    ----------
    title
        Of the file; a patient's name has no place in it.
    standing
        Stands at head and foot, and on every page.
    foot
        Beside the number of a page.
    """

    title: str
    language: str
    standing: str
    foot: str
    page: str
    is_final: bool
    blocks: tuple[Block, ...]

"""What another person's report says: findings, each with the words it was taken from."""

import math
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import InputError


class Presence(StrEnum):
    """Whether a finding is said to be there."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"


class When(StrEnum):
    """Whether a number is of the report's own study, or one it compares with."""

    NOW = "now"
    EARLIER = "earlier"


@dataclass(frozen=True, kw_only=True)
class Quote:
    """The very characters that something was taken from.

    Attributes
    ----------
    start, end
        Half-open offsets in the text of the file, or of the page; None for a content item.
    page
        Of a PDF, from 1.
    item
        Path of a content item, as PS3.3 numbers it: "1.3.2".
    """

    text: str
    start: int | None = None
    end: int | None = None
    page: int | None = None
    item: str | None = None


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """Lengths or a volume as reported.

    Attributes
    ----------
    unit
        "mm" or "ml".
    values
        In that unit: one to three lengths in the order they were written, or one volume.
    """

    unit: str
    values: tuple[float, ...]
    when: When
    quote: Quote

    def __post_init__(self) -> None:
        if not self.values or not all(math.isfinite(each) and each > 0 for each in self.values):
            raise InputError(f"a reported quantity of {self.values} {self.unit} is no size")


@dataclass(frozen=True, kw_only=True)
class ImagePlace:
    """Where a report shows something: numbers as the reading station counted them, from 1.

    Attributes
    ----------
    series
        Series Number; None where the report names the image alone.
    last_image
        Of a range, its end; otherwise the image itself.
    """

    series: int | None
    image: int
    last_image: int
    when: When
    quote: Quote


@dataclass(frozen=True, kw_only=True)
class ReadFinding:
    """One thing a report names.

    Attributes
    ----------
    noun
        As written.
    concept
        Phrase of the concept table that it means; None where the table has none.
    site, organ
        Where it is said to lie: a part ("upper lobe"), and the organ's phrase in the table.
    side
        "left", "right" or "both", said of this very noun; None where it is not, or not clearly.
    is_plural
        Several are meant: sizes and images are of some of them.
    hedges, comparisons
        Words of doubt, and of change against an earlier study.
    qualities
        Of a structured report: names and values of its qualitative items.
    tracking_id, tracking_uid
        Of a structured report.
    """

    noun: str
    presence: Presence
    section: str
    quote: Quote
    concept: str | None = None
    site: str | None = None
    organ: str | None = None
    side: str | None = None
    is_plural: bool = False
    quantities: tuple[Quantity, ...] = ()
    images: tuple[ImagePlace, ...] = ()
    hedges: tuple[str, ...] = ()
    comparisons: tuple[str, ...] = ()
    qualities: tuple[tuple[str, str], ...] = ()
    tracking_id: str | None = None
    tracking_uid: str | None = None

    def sizes(self, when: When = When.NOW) -> tuple[Quantity, ...]:
        """Return its quantities of one time."""
        return tuple(each for each in self.quantities if each.when is when)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Words that may matter and were not taken, with the reason."""

    quote: Quote
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReadReport:
    """All that was read of a report.

    Attributes
    ----------
    kind
        "text", "pdf" or "sr".
    language
        "en" or "de"; None for a structured report, whose codes have none.
    notes
        What must be known beside it: a page without text, numbers that were not taken.
    """

    kind: str
    findings: tuple[ReadFinding, ...]
    left_out: tuple[LeftOut, ...] = ()
    language: str | None = None
    made_by: str | None = None
    notes: tuple[str, ...] = ()

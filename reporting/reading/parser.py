"""A report's text to findings: by rules and word lists alone, each with its quote.

What is not clear is left out and said: the side is the one of this very noun, a number belongs to
one noun along known words, and what was measured before is told apart from what is measured now.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from domain.concepts import ConceptTable
from domain.errors import InputError
from domain.reading import (
    ImagePlace,
    LeftOut,
    Presence,
    Quantity,
    Quote,
    ReadFinding,
    ReadReport,
    When,
)
from reporting.reading.belonging import Said, noun_of
from reporting.reading.clause import Clause, clause
from reporting.reading.negation import hedges_of, presence_of
from reporting.reading.quantities import ImageNumber, Size
from reporting.reading.sections import sentences
from reporting.reading.timing import when_of
from reporting.reading.vocabulary import (
    LANGUAGES,
    Kind,
    Mark,
    Meaning,
    Vocabulary,
    telling_words,
    vocabulary,
)

_STATES_FINDINGS: Final = frozenset({"", "findings", "impression"})
_TELLING: Final = frozenset({Kind.NOUN, Kind.PLACE, Kind.SIDE, Kind.HEDGE, Kind.STUDY})
_LABEL: Final = re.compile(r"[^\n:.;]{1,48}:")
_WORDS: Final = re.compile(r"[^\W\d_]+")
_DISTANCE: Final = "a distance, thickness or the like, no size of a finding"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A text of a report: all of it, a page, or a text item of a structured report.

    Attributes
    ----------
    page
        From 1.
    item
        Path of its content item.
    heading
        Under which it stands; a section begun in the part before goes on where there is none.
    """

    text: str
    page: int | None = None
    item: str | None = None
    heading: str | None = None


def read_text(text: str, table: ConceptTable, *, language: str | None = None) -> ReadReport:
    """Return what a report's text says.

    Parameters
    ----------
    language
        "en" or "de"; told by its words where left out.

    Raises
    ------
    InputError
        For an empty text, or a language that is not read.
    """
    return read_parts((Part(text=text),), table, kind="text", language=language)


def read_parts(
    parts: Sequence[Part], table: ConceptTable, *, kind: str, language: str | None = None
) -> ReadReport:
    """Return what the parts of a report say together."""
    whole = "\n".join(part.text for part in parts)
    if not whole.strip():
        raise InputError("the report holds no text: give one that does")
    told = language or language_of(whole, table)
    if told not in LANGUAGES:
        raise InputError(f"reports in {told!r} are not read: use one of {', '.join(LANGUAGES)}")
    words = vocabulary(told, table)
    reader = _Reader(table=table, words=words)
    for part in parts:
        reader.read(part)
    return ReadReport(
        kind=kind,
        language=told,
        findings=tuple(reader.findings),
        left_out=tuple(reader.left_out),
    )


def language_of(text: str, table: ConceptTable) -> str:
    """Return the language that most of a text's words are of; English where none tells."""
    said = [each.lower() for each in _WORDS.findall(text)]
    counts = {
        code: sum(word in telling for word in said)
        + sum(each.kind in _TELLING for each in vocabulary(code, table).marks(text))
        for code, telling in telling_words().items()
    }
    return max(LANGUAGES, key=lambda code: counts[code])


@dataclass
class _About:
    """What was said of one noun, before it is a finding."""

    noun: Mark
    sides: list[Mark] = field(default_factory=list)
    places: list[Mark] = field(default_factory=list)
    organs: list[Mark] = field(default_factory=list)
    quantities: list[Quantity] = field(default_factory=list)
    images: list[ImagePlace] = field(default_factory=list)
    comparisons: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class _Reader:
    table: ConceptTable
    words: Vocabulary
    findings: list[ReadFinding] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    _section: str = ""
    _part: Part = field(default_factory=lambda: Part(text=""))
    _only: ReadFinding | None = None  # of the sentence before, where it names one thing

    def read(self, part: Part) -> None:
        """Read a part."""
        self._part = part
        if part.heading is not None:
            heading = " ".join(part.heading.lower().split())
            self._section = self.words.headings.get(heading, "")
            self._only = None
        for stretch in sentences(part.text, self.words.headings, self._section):
            self._section = stretch.section
            self._sentence(clause(part.text, stretch, self.words))

    def _sentence(self, said: Clause) -> None:
        if said.stretch.section not in _STATES_FINDINGS:
            for size in said.sizes:
                self._leave(said, size, f"it stands under {said.stretch.section!r}")
            self._only = None
            return
        nouns = said.nouns
        if not nouns:
            self._without_noun(said)
            return
        about = {noun: _About(noun) for noun in nouns}
        self._attach(said, about)
        made = [self._finding(said, each) for each in about.values()]
        self.findings += made
        self._only = made[0] if len(made) == 1 else None

    def _without_noun(self, said: Clause) -> None:
        """Read "It measures 12 mm." of what was named before, and organs that are measured."""
        organs = [each for each in said.of(Kind.ORGAN) if each.meaning.concept]
        first = _WORDS.match(said.text, said.stretch.start)
        goes_on = first is not None and first.group().lower() in self.words.telling_on
        only, self._only = self._only, None
        if only is not None and goes_on and not organs and only.presence is not Presence.ABSENT:
            self._goes_on(said, only)
            return
        whole = [each for each in organs if not said.unknown(said.stretch.start, each.start)]
        if said.sizes and len(organs) == 1 == len(whole):
            noun = replace(organs[0], meaning=replace(organs[0].meaning, kind=Kind.NOUN))
            marks = tuple(noun if each == organs[0] else each for each in said.marks)
            as_noun = replace(said, marks=marks)
            about = {noun: _About(noun)}
            self._attach(as_noun, about)
            if about[noun].quantities:
                self.findings.append(self._finding(as_noun, about[noun]))
            return
        for size in said.sizes:
            self._leave(said, size, size.reason or "no noun stands with it")

    def _goes_on(self, said: Clause, only: ReadFinding) -> None:
        start = said.stretch.start
        meaning = Meaning(kind=Kind.NOUN, concept=only.concept, is_plural=only.is_plural)
        noun = Mark(meaning, "", start, start)
        marks = (noun, *said.marks)
        about = {noun: _About(noun)}
        self._attach(replace(said, marks=marks), about)
        more = about[noun]
        self.findings[-1] = replace(
            only,
            quantities=(*only.quantities, *self._clear(said, more)),
            images=(*only.images, *more.images),
            comparisons=(*only.comparisons, *more.comparisons),
        )

    def _attach(self, said: Clause, about: dict[Mark, _About]) -> None:
        for size in said.sizes:
            self._size(said, size, about)
        for image in said.images:
            self._image(said, image, about)
        label = _label_of(said)
        for mark in said.of(Kind.SIDE, Kind.PLACE, Kind.ORGAN):
            if mark in label:
                continue
            noun = noun_of(said, Said(mark.start, mark.end))
            if isinstance(noun, str):
                if mark.kind is Kind.SIDE:
                    self._leave(said, mark, f"a side: {noun}")
                continue
            each = about[noun]
            {Kind.SIDE: each.sides, Kind.PLACE: each.places, Kind.ORGAN: each.organs}[
                mark.kind
            ].append(mark)
        for mark in said.of(Kind.COMPARISON, Kind.UNCHANGED):
            only = next(iter(about)) if len(about) == 1 else None
            noun = only or noun_of(said, Said(mark.start, mark.end))
            if not isinstance(noun, str):
                about[noun].comparisons.append(mark.text)

    def _size(self, said: Clause, size: Size, about: dict[Mark, _About]) -> None:
        reason = size.reason or _other_kind(said, size)
        noun = noun_of(said, Said(size.start, size.end, is_size=True)) if reason is None else ""
        if reason is None and isinstance(noun, str):
            reason = noun
        when = when_of(said, size) if reason is None else ""
        if reason is None and not isinstance(when, When):
            reason = when
        if (
            reason is None
            and isinstance(noun, Mark)
            and presence_of(said, noun)[0] is Presence.ABSENT
        ):
            reason = "what it is said of is not there"
        if reason is not None or not isinstance(noun, Mark) or not isinstance(when, When):
            self._leave(said, size, reason or "it is not clear")
            return
        about[noun].quantities.append(
            Quantity(
                unit=size.unit,
                values=size.values,
                when=when,
                quote=self._quote(said, size.start, size.end),
            )
        )

    def _image(self, said: Clause, image: ImageNumber, about: dict[Mark, _About]) -> None:
        noun = noun_of(said, Said(image.start, image.end))
        when = when_of(said, image)
        if isinstance(noun, str) or not isinstance(when, When):
            self._leave(said, image, f"an image: {noun if isinstance(noun, str) else when}")
            return
        about[noun].images.append(
            ImagePlace(
                series=image.series,
                image=image.image,
                last_image=image.last,
                when=when,
                quote=self._quote(said, image.start, image.end),
            )
        )

    def _finding(self, said: Clause, about: _About) -> ReadFinding:
        noun = about.noun
        presence, doubt = presence_of(said, noun)
        if doubt is not None:
            self._leave(said, noun, doubt)
        label = _meaning(_label_of(said))
        organ = self._one(said, [*about.organs, *about.places], "organ") or label.organ
        concept = self._concept(noun.meaning.concept, noun.text, organ)
        return ReadFinding(
            noun=noun.text,
            presence=presence,
            section=said.stretch.section,
            quote=self._quote(said, said.stretch.start, said.stretch.end),
            concept=concept,
            site=self._one(said, about.places, "site") or label.site,
            organ=organ,
            side=self._side(said, about),
            is_plural=noun.meaning.is_plural or _is_many(said, noun),
            quantities=self._clear(said, about),
            images=tuple(about.images),
            hedges=hedges_of(said, noun),
            comparisons=tuple(dict.fromkeys(about.comparisons)),
        )

    def _clear(self, said: Clause, about: _About) -> tuple[Quantity, ...]:
        """Return the quantities; of one thing with several lengths of one time none."""
        kept: list[Quantity] = []
        for each in about.quantities:
            alike = [q for q in about.quantities if (q.unit, q.when) == (each.unit, each.when)]
            is_many = about.noun.meaning.is_plural or _is_many(said, about.noun)
            if len({q.values for q in alike}) > 1 and not is_many:
                self.left_out.append(
                    LeftOut(quote=each.quote, reason="several sizes stand with one finding")
                )
            else:
                kept.append(each)
        return tuple(kept)

    def _side(self, said: Clause, about: _About) -> str | None:
        found = [each for each in (*about.sides, *about.places) if each.meaning.side]
        sides = {each.meaning.side for each in found}
        if len(sides) > 1:
            for each in found:
                self._leave(said, each, "a side: two are said of one finding")
            return None
        if sides:
            return sides.pop()
        label = _label_of(said)
        other = [each for each in said.of(Kind.SIDE) if each not in label]
        return None if other else _meaning(label).side  # another side is near: whose is not clear

    def _one(self, said: Clause, marks: Sequence[Mark], what: str) -> str | None:
        found = {
            value: each
            for each in marks
            if (value := _organ(each) if what == "organ" else each.meaning.site)
        }
        if len(found) > 1:
            for each in found.values():
                self._leave(said, each, f"two places ({what}) are said of one finding")
            return None
        return next(iter(found), None)

    def _concept(self, phrase: str | None, noun: str, organ: str | None) -> str | None:
        """Return the organ's own concept where the table has one: a nodule of the lung."""
        if organ is None or (phrase is not None and self._has_site(phrase)):
            return phrase
        for wording in (phrase, noun.lower()):
            named = self.table.find(f"{organ} {wording}") if wording else None
            if named is not None:
                return named.phrase
        return phrase

    def _has_site(self, phrase: str) -> bool:
        concept = self.table.find(phrase)
        return concept is not None and concept.site is not None

    def _leave(self, said: Clause, what: Size | ImageNumber | Mark, reason: str) -> None:
        self.left_out.append(LeftOut(quote=self._quote(said, what.start, what.end), reason=reason))

    def _quote(self, said: Clause, start: int, end: int) -> Quote:
        return Quote(
            text=said.text[start:end],
            start=start,
            end=end,
            page=self._part.page,
            item=self._part.item,
        )


def _label_of(said: Clause) -> list[Mark]:
    """Return the marks of a label such as "Right kidney:" at the head of a sentence, or none."""
    match = _LABEL.match(said.text, said.stretch.start, said.stretch.end)
    if match is None or said.unknown(match.start(), match.end()):
        return []
    marks = said.between(match.start(), match.end())
    kinds = {each.kind for each in marks}
    return marks if kinds <= {Kind.SIDE, Kind.ORGAN, Kind.PLACE, Kind.ARTICLE} else []


def _meaning(label: Sequence[Mark]) -> Meaning:
    """Return what a label says of the place of all that stands behind it."""
    sides = {each.meaning.side for each in label if each.meaning.side}
    organs = {organ for each in label if (organ := _organ(each))}
    sites = {each.meaning.site for each in label if each.meaning.site}
    return Meaning(
        kind=Kind.PLACE,
        side=sides.pop() if len(sides) == 1 else None,
        organ=organs.pop() if len(organs) == 1 else None,
        site=sites.pop() if len(sites) == 1 else None,
    )


def _organ(mark: Mark) -> str | None:
    return mark.meaning.organ or (mark.meaning.concept if mark.kind is Kind.ORGAN else None)


def _other_kind(said: Clause, size: Size) -> str | None:
    """Return why a length is no size of a finding: a thickness, a distance or a bound."""
    begin, end = said.chunk(size.start)
    before = said.between(begin, size.start, Kind.NOT_SIZE, Kind.BOUND)
    for mark in before:
        if mark.kind is Kind.BOUND and not said.unknown(mark.end, size.start):
            return "a bound, no size"
        if mark.kind is Kind.NOT_SIZE and not (size.is_from or size.is_to):
            return _DISTANCE
    behind = said.between(size.end, max(end, size.end), Kind.NOT_SIZE, Kind.NEIGHBOUR)
    behind += [
        each
        for each in said.of(Kind.NEIGHBOUR)
        if each.start >= size.end and not said.text[size.end : each.start].strip()
    ]
    for mark in behind:
        if not said.unknown(size.end, mark.start) and not said.between(
            size.end, mark.start, Kind.NOUN
        ):
            return _DISTANCE
    return None


def _is_many(said: Clause, noun: Mark) -> bool:
    begin, _ = said.chunk(noun.start)
    return bool(said.between(begin, noun.start, Kind.MANY))

"""A thing named in a sentence: its concept, side, place and size, taken apart."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from copilot.intent.numbers import read_number
from copilot.intent.patterns import Pattern, choice_of, read_pattern
from copilot.intent.wording import word_set, words_in
from domain.command import Side, Which
from domain.concepts import Concept, ConceptTable

_SIDES: Final[Mapping[str, Side]] = {
    "left": Side.LEFT, "right": Side.RIGHT, "both": Side.BOTH,
    "bilateral": Side.BOTH, "bilaterally": Side.BOTH,
    "lefthand": Side.LEFT, "righthand": Side.RIGHT,
}  # fmt: skip
_WHICH: Final[Mapping[str, Which]] = {
    "largest": Which.LARGEST, "biggest": Which.LARGEST, "dominant": Which.LARGEST,
    "smallest": Which.SMALLEST, "tiniest": Which.SMALLEST,
}  # fmt: skip
_DETERMINERS: Final = word_set(
    "the a an any all of every each this that these those my his her their its patient "
    "patients entire whole complete two"
)
DEICTIC: Final = frozenset({"this", "that", "these", "those"})
_ADJECTIVES: Final = word_set(
    "enhancing nonenhancing contrast hypodense hyperdense hypointense hyperintense isodense solid "
    "subsolid cystic calcified necrotic spiculated suspicious known new old large small big tiny "
    "huge bulky little round rounded irregular lobulated ill well defined circumscribed malignant "
    "benign primary metastatic dominant visible obvious focal acute subacute chronic "
    "prominent enlarged pathological pathologic abnormal index target indeterminate residual "
    "recurrent incidental peripheral central hypervascular hypovascular infiltrating "
    "exophytic simple complex complicated loculated massive mild moderate severe partly partially "
    "subpleural pleurally based visualized normal remaining other main same current "
    "single solitary sided ring heterogeneous homogeneous perilesional"
)
_UNITS: Final = word_set("mm cm millimeter millimeters millimetre centimeter centimeters")
_LENGTH_WORDS: Final = frozenset({"point", "by", "x"})

_LOCATIONS: Final = (
    "upper lobe", "middle lobe", "lower lobe", "upper pole", "lower pole", "mid pole",
    "interpolar region", "lung apex", "lung base", "lung hilum", "apex", "base", "hilum",
    "lingula", "dome", "caudate lobe", "head", "tail", "frontal lobe", "temporal lobe",
    "parietal lobe", "occipital lobe", "basal ganglia", "posterior fossa", "uncinate process",
    "anterior segment", "posterior segment", "superior segment", "peripheral zone",
    "transition zone", "cortex", "upper quadrant", "lower quadrant", "upper third", "lower third",
)  # fmt: skip
_LOCATION_WORDS: Final = tuple(tuple(location.split()) for location in _LOCATIONS)
_LUNG_PLACES: Final = frozenset(
    {"upper lobe", "middle lobe", "lower lobe", "lung apex", "lung base", "lung hilum", "lingula",
     "apex", "base", "hilum"}
)  # fmt: skip
_BRAIN_PLACES: Final = frozenset(
    {"frontal lobe", "temporal lobe", "parietal lobe", "occipital lobe", "basal ganglia",
     "posterior fossa"}
)  # fmt: skip
_ORGAN_OF_PLACE: Final[Mapping[str, str]] = dict.fromkeys(_LUNG_PLACES, "lung") | dict.fromkeys(
    _BRAIN_PLACES, "brain"
)
_PREPOSITIONS: Final = frozenset({"on", "in", "of", "at", "to", "from", "within", "involving"})
GENERIC: Final = frozenset(
    {"lesion", "nodule", "mass", "tumor", "cyst", "metastasis", "abscess", "hematoma", "lymph node"}
)
"""Findings without an organ: with one named elsewhere in the phrase they become that organ's."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one noun phrase means; more than one side contradict one another."""

    concept: Concept
    sides: tuple[Side, ...] = ()
    which: Which | None = None
    location: str | None = None
    deictic: bool = False
    plural: bool = False

    @property
    def side(self) -> Side | None:
        """The side, if exactly one is meant."""
        if len(self.sides) == 1:
            return self.sides[0]
        if self.plural and not self.sides and self.concept.paired and not self.is_lesion:
            return Side.BOTH
        return None

    @property
    def is_lesion(self) -> bool:
        """Whether it is something abnormal and solid, which has a diameter."""
        return self.concept.category.value == _ABNORMAL and not self.is_fluid

    @property
    def is_fluid(self) -> bool:
        """Whether it spreads, so that only a volume tells its size."""
        return any(word in self.concept.phrase for word in _SPREADING)

    @property
    def is_bare(self) -> bool:
        """Whether only "the lesion" was said: what is selected is meant."""
        return (
            self.concept.phrase in GENERIC
            and not self.sides
            and self.which is None
            and self.location is None
            and not self.plural
        )


_ABNORMAL: Final = "49755003"
_SPREADING: Final = (
    "effusion", "ascites", "pneumothorax", "hemorrhage", "hematoma", "edema", "stroke", "white",
)  # fmt: skip


def plurals_of(wording: str) -> tuple[str, ...]:
    """Return the plural forms of a noun phrase, Latin ones among them."""
    head, _, last = wording.rpartition(" ")
    start = f"{head} " if head else ""
    forms = [_english_plural(last)]
    for ending, latin in (("is", "es"), ("us", "i"), ("a", "ae"), ("um", "a"), ("x", "ces")):
        if last.endswith(ending) and len(last) > len(ending) + 2:
            forms.append(last[: -len(ending)] + latin)
    return tuple(start + form for form in forms)


def _english_plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


@dataclass
class _Reading:
    """A noun phrase half read."""

    sides: list[Side] = field(default_factory=list)
    which: Which | None = None
    location: str | None = None
    deictic: bool = False
    end: int = 0


class FindingMatcher:
    """Reads one noun phrase; ``{finding}`` in a pattern."""

    def __init__(self, table: ConceptTable) -> None:
        self._table = table
        self._wordings: dict[tuple[str, ...], tuple[Concept, bool]] = {}
        for wording, concept in table.wordings():
            for plural in plurals_of(wording):
                self._wordings.setdefault(words_in(plural), (concept, True))
        for wording, concept in table.wordings():
            self._wordings[words_in(wording)] = (concept, False)
        self._longest = max((len(words) for words in self._wordings), default=0)

    def matches(self, words: tuple[str, ...], start: int) -> Iterator[tuple[int, object]]:
        """Yield each reading, the longest first."""
        readings = sorted(self._readings(words, start), key=lambda each: -each[0])
        seen: set[int] = set()
        for end, finding in readings:
            if end not in seen:
                seen.add(end)
                yield end, finding

    def spoken(self) -> Pattern:
        """Return what is said of one thing: side, size and place, then its name."""
        named: dict[str, list[str]] = {
            "organ": [], "paired": [], "lesion": [], "pairs": [], "lesions": []
        }  # fmt: skip
        for wording, concept in self._table.wordings():
            name = " ".join(words_in(wording))
            if concept.category.value == _ABNORMAL:
                named["lesion"].append(name)
                named["lesions"].append(plurals_of(name)[-1])
            elif concept.paired:
                named["paired"].append(name)
                named["pairs"].append(plurals_of(name)[0])
            else:
                named["organ"].append(name)
        named["generic"] = sorted(GENERIC)
        return read_pattern(
            "[the] <organ>|[the] [left|right] <paired> [on the (left|right) [side]]|"
            "[both] [the] <pairs>|"
            "[the|this] [largest|smallest] [left|right|left sided|right sided] <lesion> "
            "[on the (left|right) [side]]|"
            "(the|all|all the) <lesions>|"
            "[the] [largest|smallest] [left|right] (upper|middle|lower) lobe "
            "(nodule|lesion|mass|tumor|lung nodule)|"
            "the [largest|smallest] <generic> in the [left|right] (lung|kidney|liver|pancreas|"
            "brain|spleen|upper lobe|middle lobe|lower lobe)",
            {name: choice_of(wordings) for name, wordings in named.items()},
        )

    def spoken_further(self) -> Pattern:
        """Return what is said of the second of two things: its name, perhaps its side."""
        names = [c.phrase for c in self._table.concepts if c.category.value != _ABNORMAL]
        return read_pattern("[the] [left|right] <name>", {"name": choice_of(names)})

    def named_in(self, words: tuple[str, ...], start: int) -> tuple[int, Concept, bool] | None:
        """Return the end, concept and plurality of the longest wording that starts here."""
        for length in range(min(self._longest, len(words) - start), 0, -1):
            found = self._wordings.get(words[start : start + length])
            if found is not None:
                return start + length, *found
        return None

    def _readings(self, words: tuple[str, ...], start: int) -> Iterator[tuple[int, Finding]]:
        reading = _Reading(end=start)
        while reading.end <= len(words):
            named = self.named_in(words, reading.end)
            if named is not None:
                end, concept, plural = named
                finding = Finding(
                    concept=concept,
                    sides=tuple(dict.fromkeys(reading.sides)),
                    which=reading.which,
                    location=reading.location,
                    deictic=reading.deictic,
                    plural=plural,
                )
                yield from self._with_what_follows(words, end, self._of_its_organ(finding))
            if not self._take_modifier(words, reading):
                return

    def _take_modifier(self, words: tuple[str, ...], reading: _Reading) -> bool:
        place = reading.end
        if place >= len(words):
            return False
        word = words[place]
        location = _location_at(words, place)
        if location is not None:
            reading.end, reading.location = location
            return True
        if word in _SIDES:
            reading.sides.append(_SIDES[word])
            reading.end = _after_second_side(words, place + 1, reading)
            return True
        length = _length_at(words, place)
        if length is not None:
            reading.end = length
            return True
        side_before = bool(place) and words[place - 1] in {"left", "right"}
        if word in _WHICH:
            reading.which = _WHICH[word]
        elif word not in _DETERMINERS | _ADJECTIVES or (word == "the" and side_before):
            return False
        reading.deictic = reading.deictic or word in DEICTIC
        reading.end = place + 1
        return True

    def _with_what_follows(
        self, words: tuple[str, ...], end: int, finding: Finding
    ) -> Iterator[tuple[int, Finding]]:
        """Yield the finding alone and with "on the left side", "in the right lower lobe"..."""
        yield end, finding
        if words[end : end + 1] == ("bilaterally",):
            yield from self._with_what_follows(words, end + 1, _with_side(finding, Side.BOTH))
        length = _length_at(words, end + 1) if words[end : end + 1] == ("measuring",) else None
        if length is not None:
            yield from self._with_what_follows(words, length, finding)
        if end >= len(words) or words[end] not in _PREPOSITIONS:
            return
        reading = _Reading(end=end + 1)
        while True:
            changed = replace(
                finding,
                sides=tuple(dict.fromkeys((*finding.sides, *reading.sides))),
                location=reading.location or finding.location,
            )
            organ = self.named_in(words, reading.end)
            if organ is not None and organ[1].category.value != _ABNORMAL:
                yield from self._with_what_follows(
                    words, organ[0], self._of_organ(changed, organ[1].phrase)
                )
            if reading.sides or reading.location:
                after = reading.end + (words[reading.end : reading.end + 1] == ("side",))
                yield from self._with_what_follows(words, after, self._of_its_organ(changed))
            if not self._take_modifier(words, reading):
                return

    def _of_its_organ(self, finding: Finding) -> Finding:
        organ = _ORGAN_OF_PLACE.get(finding.location or "")
        return self._of_organ(finding, organ) if organ else finding

    def _of_organ(self, finding: Finding, organ: str) -> Finding:
        """Return "lesion" of the liver as a liver lesion, where the table knows such."""
        if finding.concept.phrase not in GENERIC:
            return finding
        named = self._table.find(f"{organ} {finding.concept.phrase}")
        if named is None:
            named = next(
                (
                    self._table.find(f"{adjective} {finding.concept.phrase}")
                    for adjective in _ADJECTIVE_OF.get(organ, ())
                    if self._table.find(f"{adjective} {finding.concept.phrase}")
                ),
                None,
            )
        return replace(finding, concept=named) if named is not None else finding


_ADJECTIVE_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "kidney": ("renal",), "spleen": ("splenic",), "pancreas": ("pancreatic",),
    "adrenal gland": ("adrenal",), "urinary bladder": ("bladder",), "ovary": ("ovarian",),
    "stomach": ("gastric",), "rectum": ("rectal",), "mediastinum": ("mediastinal",),
    "thyroid": ("thyroid",), "pituitary gland": ("pituitary",), "uterus": ("uterine",),
}  # fmt: skip


def _with_side(finding: Finding, side: Side) -> Finding:
    return replace(finding, sides=tuple(dict.fromkeys((*finding.sides, side))))


def _after_second_side(words: tuple[str, ...], place: int, reading: _Reading) -> int:
    """Read "left and right", which is both, and "left or right", which is none."""
    skip = place + 1 + (words[place + 1 : place + 2] == ("the",))
    joined = words[place] if place < len(words) else ""
    second = _SIDES.get(words[skip]) if skip < len(words) else None
    if joined == "hand":
        return place + 1
    if second is None or joined not in {"and", "or"}:
        return place
    if joined == "and" and {reading.sides[-1], second} == {Side.LEFT, Side.RIGHT}:
        reading.sides[-1] = Side.BOTH
    else:
        reading.sides.append(second)
    return skip + 1


def _location_at(words: tuple[str, ...], start: int) -> tuple[int, str] | None:
    for location in _LOCATION_WORDS:
        if words[start : start + len(location)] == location:
            return start + len(location), " ".join(location)
    if words[start : start + 1] == ("segment",):
        number = read_number(words, start + 1)
        if number is not None:
            return number[0], f"segment {number[1]}"
    return None


def _length_at(words: tuple[str, ...], start: int) -> int | None:
    """Return the end of a length such as "twelve mm" or "two by three cm"."""
    end, seen = start, False
    while end < len(words):
        number = read_number(words, end)
        if number is not None:
            end, seen = number[0], True
        elif seen and (words[end] in _LENGTH_WORDS or "point" in words[end]):
            end += 1
        elif words[end] in _UNITS and seen:
            return end + 1
        elif not seen and "point" in words[end]:
            end, seen = end + 1, True
        else:
            return None
    return None

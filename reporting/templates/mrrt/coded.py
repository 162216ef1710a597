"""The coded content of an MRRT template: which of our concepts and measures fill a control.

Source
------
IHE Radiology Technical Framework, Management of Radiology Report Templates (MRRT): the
``template_attributes`` of a template hold ``coded_content`` with an ``entry`` for each coded
element, which names its id in ``ORIGTXT``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from domain.codes import (
    AREA,
    BILATERAL,
    LEFT,
    LONG_AXIS,
    RIGHT,
    SHORT_AXIS,
    SUV_BODY_WEIGHT_VALUE,
    VOLUME,
    Code,
)
from domain.concepts import Concept, ConceptTable
from domain.errors import InputError

_SCHEMES: Final = {
    "SCT": "SCT", "SNOMED": "SCT", "SNOMEDCT": "SCT", "SNOMED-CT": "SCT", "SNOMED CT": "SCT",
    "SRT": "SCT", "2.16.840.1.113883.6.96": "SCT",
    "DCM": "DCM", "1.2.840.10008.2.16.4": "DCM",
    "UCUM": "UCUM", "2.16.840.1.113883.6.8": "UCUM",
}  # fmt: skip
_MEASURES: Final = {
    VOLUME: "volume",
    LONG_AXIS: "long_axis",
    SHORT_AXIS: "short_axis",
    AREA: "area",
    SUV_BODY_WEIGHT_VALUE: "suv_max",
}
_SIDES: Final = {LEFT: "left", RIGHT: "right", BILATERAL: "both"}
MODALITIES: Final = frozenset({"CT", "MR", "US", "PT", "CR", "DX", "MG", "NM", "XA", "RF"})
_LONGEST_CODE: Final = 16
_LONGEST_MEANING: Final = 64
_DEEPEST: Final = 40


@dataclass(kw_only=True)
class Attributes:
    """What the XML of a template says.

    Attributes
    ----------
    entries
        Codes by the id of the element they belong to.
    terms
        Codes of the template as a whole.
    """

    entries: dict[str, list[Code]] = field(default_factory=dict)
    terms: list[Code] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What of our tables an element's codes mean; empty where nothing does."""

    concept: str = ""
    side: str = ""
    measurement: str = ""
    unit: str = ""
    left_over: tuple[str, ...] = ()


def read_attributes(xml: str, origin: str) -> Attributes:
    """Return the codes of ``template_attributes``.

    A document type is refused before anything of it is read, so there are no entities and nothing
    is fetched.

    Raises
    ------
    InputError
        For XML that can't be read safely.
    """
    reader = _Reader(origin)
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    try:
        parser.Parse(xml, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise InputError(
            f"{origin}: its template_attributes, line {error.lineno}: {reason}: mend the XML"
        ) from error
    return reader.found


class _Reader:
    """What expat calls."""

    def __init__(self, origin: str) -> None:
        self.found = Attributes()
        self._origin = origin
        self._path: list[str] = []
        self._entries: list[str] = []

    def refuse(self, *_: object) -> int:
        raise InputError(f"{self._origin}: its XML has a document type: remove it")

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        tag = name.rpartition(":")[2].lower()
        self._path.append(tag)
        if len(self._path) > _DEEPEST:
            raise InputError(f"{self._origin}: its XML is nested more than {_DEEPEST} deep")
        given = {key.lower(): value for key, value in attributes.items()}
        if tag == "entry":
            self._entries.append(given.get("origtxt", ""))
        elif tag == "code":
            self._keep(given)

    def end(self, _: str) -> None:
        if self._path.pop() == "entry":
            self._entries.pop()

    def _keep(self, given: Mapping[str, str]) -> None:
        code = _code(given)
        if code is None:
            self.found.unknown.append(_named(given))
        elif self._entries:
            self.found.entries.setdefault(self._entries[-1], []).append(code)
        else:
            self.found.terms.append(code)


def meaning(codes: Sequence[Code], table: ConceptTable) -> Meaning:
    """Return what codes mean together: "lesion" and "liver" are the liver lesion.

    Only what is unequivocal; everything else is left over.
    """
    given = set(codes)
    measures = [_MEASURES[code] for code in codes if code in _MEASURES]
    sides = [_SIDES[code] for code in codes if code in _SIDES]
    units = [code.value for code in codes if code.scheme == "UCUM"]
    concept = _concept(given, table)
    used: set[Code] = set()
    used |= {code for code in given if code in _SIDES and len(sides) == 1}
    used |= {code for code in given if code in _MEASURES and len(measures) == 1}
    used |= {code for code in given if code.scheme == "UCUM" and len(units) == 1}
    if concept is not None:
        used |= {concept.code} | ({concept.site} if concept.site else set())
    side_is_clear = len(sides) <= 1
    both = concept is not None and len(measures) == 1 and side_is_clear
    return Meaning(
        concept=concept.phrase if concept is not None and both else "",
        side=sides[0] if both and sides else "",
        measurement=measures[0] if both else "",
        unit=units[0] if len(units) == 1 else "",
        left_over=tuple(sorted(f"{code.scheme} {code.value}" for code in given - used)),
    )


def concept_of(codes: Sequence[Code], table: ConceptTable) -> str:
    """Return the phrase of the one concept that codes mean, or nothing."""
    concept = _concept(set(codes), table)
    return concept.phrase if concept else ""


def _concept(given: set[Code], table: ConceptTable) -> Concept | None:
    fits = [
        (1 + (each.site is not None), each)
        for each in table.concepts
        if each.code in given and (each.site is None or each.site in given)
    ]
    most = max((count for count, _ in fits), default=0)
    best = [each for count, each in fits if count == most]
    return best[0] if len(best) == 1 else None


def _code(given: Mapping[str, str]) -> Code | None:
    scheme = _SCHEMES.get(given.get("scheme", "").strip().upper())
    value = given.get("value", "").strip()
    if scheme is None or not 0 < len(value) <= _LONGEST_CODE:
        return None
    text = given.get("meaning", "").strip()[:_LONGEST_MEANING] or value
    return Code(value=value, scheme=scheme, meaning=text)


def _named(given: Mapping[str, str]) -> str:
    return f"{given.get('scheme', '?')[:20]} {given.get('value', '?')[:20]}"

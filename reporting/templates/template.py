"""A report template: one Markdown file with Jinja, and a front matter in TOML.

::

    +++
    name = "chest-ct"
    title = "CT of the chest"
    language = "en"
    modalities = ["CT"]
    concepts = ["lung", "lung nodule"]
    body_parts = ["chest", "thorax"]
    [fields.quality]
    kind = "choice"
    options = ["good", "limited by motion"]
    +++
    ## Findings {#findings}
    {{ findings("lung") }}
    {{ normal("lung", "No focal lesion.") }}
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from domain.concepts import ConceptTable
from domain.errors import InputError
from reporting.language import language, languages
from reporting.templates.sandbox import Program, checked

LARGEST: Final = 64_000
_FENCE: Final = "+++"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FIELD_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")
_HEADING: Final = re.compile(r"##\s+(?P<title>[^#{]+?)\s*\{#(?P<name>[a-z][a-z0-9_]{0,39})\}\s*")
_KEYS: Final = frozenset(
    {"name", "title", "language", "modalities", "concepts", "body_parts", "priority", "fields"}
)
_FIELD_KEYS: Final = frozenset(
    {"kind", "label", "unit", "options", "default", "concept", "side", "measurement", "required"}
)
MEASURES: Final = ("volume", "long_axis", "short_axis", "area", "largest_area", "suv_max")


class FieldKind(StrEnum):
    """What may be written into a field."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    DATE = "date"


@dataclass(frozen=True, kw_only=True)
class FieldForm:
    """A field of a template.

    Attributes
    ----------
    unit
        UCUM, of a number.
    default
        Stands until a person has looked at it: it is never taken as said.
    concept, side, measurement
        The finding and the number that fill it, where exactly one fits; "volume", "long_axis",
        "short_axis", "area", "largest_area" or "suv_max".
    required
        Whether a report may be signed without it.
    """

    name: str
    kind: FieldKind = FieldKind.TEXT
    label: str = ""
    unit: str = ""
    options: tuple[str, ...] = ()
    default: str = ""
    concept: str = ""
    side: str = ""
    measurement: str = ""
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class SectionForm:
    """A section of a template: its heading and what makes its lines."""

    name: str
    title: str
    program: Program


@dataclass(frozen=True, kw_only=True)
class Template:
    """A template, checked as a whole.

    Attributes
    ----------
    origin
        The file, as errors name it.
    body_parts
        Words of study descriptions, lower-case.
    """

    name: str
    title: str
    language: str
    origin: str
    sections: tuple[SectionForm, ...]
    modalities: tuple[str, ...] = ()
    concepts: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    priority: int = 0
    fields: Mapping[str, FieldForm] = field(default_factory=dict)


def read_template(
    text: str, origin: str, table: ConceptTable, macros: Mapping[str, str] | None = None
) -> Template:
    """Return the template of a file.

    Parameters
    ----------
    origin
        What errors call the file.
    macros
        By language, the text of the phrases that the templates of a folder share.

    Raises
    ------
    InputError
        Naming file, line and remedy.
    """
    if len(text) > LARGEST:
        raise InputError(f"{origin}: has {len(text)} characters, at most {LARGEST}: split it")
    head, body, first_line = _parted(text, origin)
    if unknown := set(head) - _KEYS:
        raise InputError(
            f"{origin}:1: unknown key {min(unknown)!r}: one of {', '.join(sorted(_KEYS))}"
        )
    code = _text(head, "language", origin)
    if code not in languages():
        raise InputError(f"{origin}:1: language {code!r} is none of {', '.join(languages())}")
    name = _text(head, "name", origin)
    if not _NAME.fullmatch(name):
        raise InputError(f"{origin}:1: name {name!r}: lower-case words joined by '-'")
    fields = _fields(head.get("fields", {}), origin, table)
    priority = head.get("priority", 0)
    if not isinstance(priority, int):
        raise InputError(f"{origin}:1: priority {priority!r} must be a whole number")
    return Template(
        name=name,
        title=_text(head, "title", origin),
        language=code,
        origin=origin,
        sections=_sections(
            body, first_line, origin, checked_against(table, fields), (macros or {}).get(code, "")
        ),
        modalities=_texts(head, "modalities", origin),
        concepts=tuple(
            known(each, table, f"{origin}:1: concepts") for each in _texts(head, "concepts", origin)
        ),
        body_parts=tuple(each.lower() for each in _texts(head, "body_parts", origin)),
        priority=priority,
        fields=fields,
    )


def checked_against(
    table: ConceptTable, fields: Mapping[str, FieldForm]
) -> Mapping[str, frozenset[str]]:
    """Return the words that a template may name: concepts and fields."""
    wordings = frozenset(wording for wording, _ in table.wordings())
    return {"concept": wordings, "field": frozenset(fields)}


def known(wording: str, table: ConceptTable, place: str) -> str:
    """Return the phrase of a concept.

    Raises
    ------
    InputError
        If the table has no such concept.
    """
    concept = table.find(wording)
    if concept is None:
        raise InputError(f"{place}: {wording!r} is not in the concept table: see concepts.toml")
    return concept.phrase


def _parted(text: str, origin: str) -> tuple[Mapping[str, Any], list[str], int]:
    lines = text.lstrip("\ufeff").splitlines()
    if not lines or lines[0].strip() != _FENCE:
        raise InputError(f"{origin}:1: begins without {_FENCE}: put the front matter there")
    end = next((n for n, line in enumerate(lines[1:], 1) if line.strip() == _FENCE), None)
    if end is None:
        raise InputError(f"{origin}:1: the front matter has no end: close it with {_FENCE}")
    try:
        head = tomllib.loads(
            "\n" + "\n".join(lines[1:end])
        )  # so that its lines count as the file's
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{origin}: front matter: {error}: mend the TOML") from error
    return head, lines[end + 1 :], end + 2


def _sections(
    lines: list[str],
    first_line: int,
    origin: str,
    names: Mapping[str, frozenset[str]],
    macros: str,
) -> tuple[SectionForm, ...]:
    starts = [n for n, line in enumerate(lines) if line.startswith("## ")]
    if not starts:
        raise InputError(
            f"{origin}:{first_line}: no section: begin one with ## Findings {{#findings}}"
        )
    for n, above in enumerate(lines[: starts[0]]):
        if above.strip():
            raise InputError(f"{origin}:{first_line + n}: text before the first ## section")
    made: dict[str, SectionForm] = {}
    for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        line = first_line + start
        heading = _HEADING.fullmatch(lines[start])
        if heading is None:
            raise InputError(
                f"{origin}:{line}: {lines[start][:60]!r} is no heading: write "
                "## Findings {#findings}"
            )
        name = heading["name"]
        if name in made:
            raise InputError(f"{origin}:{line}: section {name!r} is there twice: rename one")
        source = "\n".join(lines[start + 1 : stop])
        program = checked(source, origin, line, names, macros)
        made[name] = SectionForm(name=name, title=heading["title"], program=program)
    return tuple(made.values())


def _fields(entries: object, origin: str, table: ConceptTable) -> dict[str, FieldForm]:
    if not isinstance(entries, Mapping):
        raise InputError(f"{origin}:1: fields must be tables: [fields.NAME]")
    return {name: _field(name, entry, origin, table) for name, entry in entries.items()}


def _field(name: str, entry: object, origin: str, table: ConceptTable) -> FieldForm:
    place = f"{origin}: [fields.{name}]"
    if not isinstance(entry, Mapping) or not _FIELD_NAME.fullmatch(name):
        raise InputError(f"{place}: must be a table; its name lower-case letters, digits and _")
    if unknown := set(entry) - _FIELD_KEYS:
        raise InputError(
            f"{place}: unknown key {min(unknown)!r}: one of {', '.join(sorted(_FIELD_KEYS))}"
        )
    try:
        kind = FieldKind(entry.get("kind", "text"))
    except ValueError as error:
        raise InputError(
            f"{place}: kind {entry['kind']!r} is none of {', '.join(FieldKind)}"
        ) from error
    form = FieldForm(
        name=name,
        kind=kind,
        label=str(entry.get("label", name.replace("_", " "))),
        unit=str(entry.get("unit", "")),
        options=_texts(entry, "options", place),
        default=str(entry.get("default", "")),
        concept=known(entry["concept"], table, place) if "concept" in entry else "",
        side=str(entry.get("side", "")),
        measurement=str(entry.get("measurement", "")),
        required=bool(entry.get("required", False)),
    )
    _check_field(form, place)
    if form.measurement and (wrong := side_is_unclear(form.concept, form.side, form.label, table)):
        raise InputError(f"{place}: {wrong}")
    return form


def side_is_unclear(concept: str, side: str, label: str, table: ConceptTable) -> str | None:
    """Return why a number could be read as that of another side; None where it can't."""
    found = table.find(concept)
    if found is not None and found.paired and not side:
        return f'{concept} is one of a pair: write side = "left", "right" or "both"'
    said = set(re.findall(r"[^\W\d_]+", label.lower()))
    for code in languages():
        for other, forms in language(code).facts["sides"].items():
            own = other in concept.split()  # "left ventricle" has its side in its name
            if said & set(forms) and other != side and not own:
                return f"its label says {other} and its side is {side or 'not given'}: mend one"
    return None


def _check_field(form: FieldForm, place: str) -> None:
    if (form.kind is FieldKind.CHOICE) != bool(form.options):
        raise InputError(f"{place}: a choice has options, and only a choice: add or remove them")
    if form.options and form.default and form.default not in form.options:
        raise InputError(f"{place}: default {form.default!r} is none of its options")
    if form.kind is FieldKind.NUMBER and form.default:
        raise InputError(f"{place}: a number has no default: it is measured or typed")
    if bool(form.measurement) != bool(form.concept):
        raise InputError(f"{place}: concept and measurement go together: add the other")
    if form.measurement and form.measurement not in MEASURES:
        raise InputError(
            f"{place}: measurement {form.measurement!r} is none of {', '.join(MEASURES)}"
        )
    if form.measurement and form.kind is not FieldKind.NUMBER:
        raise InputError(f'{place}: a measurement fills a number: write kind = "number"')
    if form.side not in {"", "left", "right", "both"}:
        raise InputError(f"{place}: side {form.side!r} is none of left, right, both")


def _text(head: Mapping[str, Any], key: str, origin: str) -> str:
    value = head.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f'{origin}:1: lacks {key}: write {key} = "..." in the front matter')
    return value


def _texts(head: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    value = head.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InputError(f"{place}: {key} {value!r} must be a list of texts")
    return tuple(value)

"""An MRRT template to the text of one of ours, and what of it could not be brought along."""

import json
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final

from domain.codes import Code
from domain.concepts import ConceptTable
from domain.errors import InputError
from reporting.language import languages
from reporting.templates.mrrt.coded import (
    MODALITIES,
    Attributes,
    Meaning,
    concept_of,
    meaning,
    read_attributes,
)
from reporting.templates.mrrt.html import Control, Part, read_body, read_head
from reporting.templates.template import read_template, side_is_unclear

LARGEST: Final = 1_000_000
_YES_NO: Final = {"en": ("yes", "no"), "de": ("ja", "nein")}
_SECTIONS: Final = {
    "findings": ("finding", "befund"),
    "impression": ("impression", "conclusion", "summary", "beurteilung"),
    "comparison": ("comparison", "vergleich", "prior"),
    "technique": ("technique", "procedure", "technik", "protocol"),
    "indication": ("indication", "clinical", "history", "fragestellung", "reason"),
}
_ENDINGS: Final = {
    "findings": ("{{ findings() }}", "{{ absences() }}"),
    "impression": ("{{ impressions() }}",),
    "comparison": ("{{ changes() }}",),
    "technique": ("{{ technique }}",),
}
_NOT_BROUGHT: Final = frozenset(
    {"hidden", "file", "password", "image", "submit", "button", "reset"}
)
_LONGEST_NAME: Final = 40
_TAG: Final = re.compile(r"</?[A-Za-z!][^>]*>")


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A template of ours, as text, made of one of theirs.

    Attributes
    ----------
    unmapped
        What was left behind or has no counterpart here, each in words.
    """

    name: str
    text: str
    unmapped: tuple[str, ...]


def imported(html: str, origin: str, table: ConceptTable, language: str = "en") -> Imported:
    """Return the template of an MRRT page; text alone is kept, and it waits for a person.

    Parameters
    ----------
    language
        Taken where the page names none that is here.

    Raises
    ------
    InputError
        For a page that is too large, holds no section, or has XML that can't be read safely.
    """
    if len(html) > LARGEST:
        raise InputError(f"{origin}: has {len(html)} characters, at most {LARGEST}: split it")
    head = read_head(html)
    parts = [part for part in read_body(html) if part.lines or part.title]
    if not any(part.lines for part in parts):
        raise InputError(f"{origin}: holds no section with text: is it an MRRT template?")
    work = _Import(table=table, attributes=_attributes(head.xml, origin))
    code = head.language[:2].lower()
    if code not in languages():
        if code:
            work.unmapped.append(f"language {code!r}: taken as {language!r}")
        code = language
    work.code = code
    body = work.body(parts)
    title = _plain(head.title) or "MRRT template"
    name = _slug(title, "-") or "mrrt"
    front = work.front(name, title)
    text = f"+++\n{front}+++\n{body}"
    read_template(text, origin, table)
    return Imported(name=name, text=text, unmapped=tuple(dict.fromkeys(work.unmapped)))


def _attributes(xml: str, origin: str) -> Attributes:
    text = xml.strip().removeprefix("<!--").removesuffix("-->").strip()
    text = text.removeprefix("<![CDATA[").removesuffix("]]>").strip()
    return read_attributes(text, origin) if text else Attributes()


@dataclass(kw_only=True)
class _Import:
    table: ConceptTable
    attributes: Attributes
    code: str = "en"
    unmapped: list[str] = field(default_factory=list)
    fields: dict[str, list[str]] = field(default_factory=dict)
    concepts: list[str] = field(default_factory=list)
    _radios: dict[str, str] = field(default_factory=dict)

    def body(self, parts: list[Part]) -> str:
        sections: dict[str, tuple[str, list[str]]] = {}
        for part in parts:
            title = _plain(part.title).replace("#", "").strip() or "Report"
            name = self._section_name(title)
            _, lines = sections.setdefault(name, (title, []))
            if sections[name][0] != title:
                lines.append(f"{title}:")
            lines += [line for line in (self._line(each) for each in part.lines) if line]
        text = ""
        for name, (title, lines) in sections.items():
            ending = _ENDINGS.get(name, ())
            text += f"\n## {title} {{#{name}}}\n" + "".join(
                f"{line}\n" for line in (*lines, *ending)
            )
        self._list_unknown()
        return text

    def front(self, name: str, title: str) -> str:
        terms = self.attributes.terms
        modalities = [each.value for each in terms
                      if each.scheme == "DCM" and each.value in MODALITIES]  # fmt: skip
        general = concept_of([each for each in terms if each.scheme == "SCT"], self.table)
        concepts = list(dict.fromkeys([*([general] if general else []), *self.concepts]))
        lines = [
            f"name = {json.dumps(name)}",
            f"title = {_toml(title)}",
            f'language = "{self.code}"',
            f"modalities = {_toml_list(modalities)}",
            f"concepts = {_toml_list(concepts)}",
            f"body_parts = {_toml_list([title.lower()])}",
        ]
        for field_name, entries in self.fields.items():
            lines += ["", f"[fields.{field_name}]", *entries]
        return "\n".join(lines) + "\n"

    def _line(self, line: list[str | Control]) -> str:
        texts = []
        only_control = len(line) == 1
        for each in line:
            if isinstance(each, str):
                texts.append(self._escaped(each))
                continue
            name = self._field(each)
            if name:
                label = self._escaped(each.label).rstrip(":")
                lead = f"{label}: " if only_control and label else ""
                texts.append(f'{lead}{{{{ field("{name}") }}}}')
        return " ".join(texts).lstrip("# ").strip()

    def _field(self, control: Control) -> str:
        """Return the name of the field that a control became; empty where it became none."""
        what = _plain(control.label) or control.id
        if control.kind in _NOT_BROUGHT:
            self.unmapped.append(f"control {what!r} of type {control.kind}: left behind")
            return ""
        if control.kind == "radio" and control.name in self._radios:
            self._add_option(self._radios[control.name], control)
            return ""
        name = self._field_name(control)
        sense = meaning(self.attributes.entries.get(control.id, ()), self.table)
        self.fields[name] = [f"label = {_toml(what)}", *self._kind(control, what, name, sense)]
        if sense.left_over:
            codes = ", ".join(sense.left_over)
            self.unmapped.append(f"field {name}: no use for the codes {codes}")
        return name

    def _kind(self, control: Control, what: str, name: str, sense: Meaning) -> list[str]:
        match control.kind:
            case "number":
                return self._number(control, what, sense)
            case "date":
                return ['kind = "date"']
            case "checkbox":
                yes, no = _YES_NO[self.code]
                return _choice([yes, no], yes if control.is_set else "")
            case "radio":
                self._radios[control.name] = name
                option = _plain(control.value) or what
                return _choice([option], option if control.is_set else "")
            case "select":
                return self._select(control, what)
            case "text" | "textarea":
                pass
            case kind:
                self.unmapped.append(f"control {what!r} of type {kind}: became a text")
        text = self._escaped(control.value)
        return [f"default = {_toml(text)}"] if text else []

    def _number(self, control: Control, what: str, sense: Meaning) -> list[str]:
        if control.value.strip():
            self.unmapped.append(f"field {what!r}: a number has no default: {control.value[:20]!r}")
        lines = ['kind = "number"']
        if sense.unit:
            lines.append(f"unit = {_toml(sense.unit)}")
        wrong = side_is_unclear(sense.concept, sense.side, what, self.table)
        if sense.measurement and wrong:
            self.unmapped.append(f"field {what!r} does not fill itself: {wrong}")
        elif sense.measurement and sense.unit:
            self.concepts.append(sense.concept)
            lines += [
                f"concept = {_toml(sense.concept)}",
                f"measurement = {_toml(sense.measurement)}",
            ]
            lines += [f"side = {_toml(sense.side)}"] if sense.side else []
        elif sense.measurement:
            self.unmapped.append(f"field {what!r}: fills itself only with a unit of UCUM: add it")
        return lines

    def _select(self, control: Control, what: str) -> list[str]:
        options = [self._escaped(each) for each in control.options]
        kept = list(dict.fromkeys(each for each in options if each))
        if not kept:
            self.unmapped.append(f"control {what!r}: a choice without options became a text")
            return []
        if control.is_multiple:
            self.unmapped.append(f"control {what!r}: takes one of its options only")
        return _choice(kept, options[int(control.value)] if control.is_set else "")

    def _add_option(self, name: str, control: Control) -> None:
        option = _plain(control.value) or _plain(control.label)
        entries = self.fields[name]
        place = next(n for n, each in enumerate(entries) if each.startswith("options = "))
        options = json.loads(entries[place].removeprefix("options = "))
        entries[place] = f"options = {_toml_list([*options, option])}"
        if control.is_set and not any(each.startswith("default = ") for each in entries):
            entries.append(f"default = {_toml(option)}")

    def _field_name(self, control: Control) -> str:
        slug = _slug(control.name or control.label or control.id, "_") or "field"
        if not slug[0].isalpha():
            slug = f"f_{slug}"
        name = slug = slug[:_LONGEST_NAME]
        n = 1
        while name in self.fields:
            n += 1
            name = f"{slug}_{n}"
        return name

    def _section_name(self, title: str) -> str:
        for name, words in _SECTIONS.items():
            if any(word in title.lower() for word in words):
                return name
        slug = _slug(title, "_")[:_LONGEST_NAME].strip("_")
        return slug if slug and slug[0].isalpha() else f"s_{slug}".rstrip("_")

    def _escaped(self, text: str) -> str:
        """Return text that Jinja takes as text; its braces become parentheses, and that is told."""
        if "{" in text or "}" in text:
            self.unmapped.append("braces in its text became parentheses")
        return _plain(text)

    def _list_unknown(self) -> None:
        self.unmapped += [
            f"code {each}: its scheme is not known" for each in self.attributes.unknown
        ]
        own: list[Code] = self.attributes.terms
        self.unmapped += [
            f"code {each.scheme} {each.value} of the template: no use for it"
            for each in own
            if each.value not in MODALITIES and not concept_of([each], self.table)
        ]


def _choice(options: list[str], default: str) -> list[str]:
    lines = ['kind = "choice"', f"options = {_toml_list(options)}"]
    return [*lines, f"default = {_toml(default)}"] if default else lines


def _plain(text: str) -> str:
    """Return text on one line, without control characters, braces and what looks like a tag."""
    kept = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text)
    kept = _TAG.sub(" ", kept.translate(str.maketrans("{}", "()")))
    return " ".join(kept.split())


def _slug(text: str, joint: str) -> str:
    plain = (
        unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    )
    return re.sub(r"[^a-z0-9]+", joint, plain.lower()).strip(joint)


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _toml_list(texts: list[str]) -> str:
    return json.dumps(texts, ensure_ascii=False)

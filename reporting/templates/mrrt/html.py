"""The HTML of an MRRT template as sections of text and controls; nothing else of it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

import nh3

_TAGS: Final = frozenset(
    {"section", "header", "h1", "h2", "h3", "h4", "h5", "h6", "p", "div", "span", "label", "input",
     "select", "option", "textarea", "ul", "ol", "li", "table", "thead", "tbody", "tr", "td", "th",
     "br", "b", "i", "em", "strong"}
)  # fmt: skip
_ATTRIBUTES: Final = {
    "section": {"id", "data-section-name"},
    "label": {"for"},
    "input": {"id", "name", "type", "value", "checked"},
    "select": {"id", "name", "multiple"},
    "option": {"value", "selected", "name", "id"},
    "textarea": {"id", "name"},
}
_DROPPED_WHOLE: Final = {"script", "style", "title"}
_ENDS_A_LINE: Final = frozenset(
    {"p", "div", "li", "tr", "section", "header", "h1", "h2", "h3", "h4", "h5", "h6", "br", "ul",
     "ol", "table", "td", "th"}
)  # fmt: skip


@dataclass(kw_only=True)
class Control:
    """An input, select or textarea."""

    kind: str
    id: str
    name: str
    value: str = ""
    label: str = ""
    options: list[str] = field(default_factory=list)
    is_set: bool = False
    is_multiple: bool = False


@dataclass(kw_only=True)
class Part:
    """A section: its name, and lines of texts and controls."""

    title: str
    id: str = ""
    lines: list[list[str | Control]] = field(default_factory=list)


@dataclass(kw_only=True)
class Head:
    """What stands in the head: title, language, and the XML of the attributes."""

    title: str = ""
    language: str = ""
    xml: str = ""


def read_head(html: str) -> Head:
    """Return what the head says; of scripts, the XML alone and only as text."""
    reader = _HeadReader()
    reader.feed(html)
    reader.close()
    return reader.head


def read_body(html: str) -> list[Part]:
    """Return the sections of a page, cleaned first of all that is no text or control."""
    clean = nh3.clean(
        html,
        tags=set(_TAGS),
        clean_content_tags=set(_DROPPED_WHOLE),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        url_schemes=set(),
        link_rel=None,
        strip_comments=True,
    )
    reader = _BodyReader()
    reader.feed(clean)
    reader.close()
    return reader.finished()


class _HeadReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.head = Head()
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.head.language = given.get("lang", "")
        elif tag == "meta":
            self._meta(given)
        elif (tag == "script" and "xml" in given.get("type", "")) or tag == "title":
            self._within = tag

    def _meta(self, given: Mapping[str, str]) -> None:
        match given.get("name", "").lower():
            case "dcterms.title":
                self.head.title = given.get("content", "")
            case "dcterms.language":
                self.head.language = given.get("content", "")
            case _:
                pass

    def handle_endtag(self, tag: str) -> None:
        if tag == self._within:
            self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.head.xml += data
        elif self._within == "title" and not self.head.title:
            self.head.title = data.strip()


class _BodyReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[Part] = []
        self._open: list[Part] = []
        self._line: list[str | Control] = []
        self._labels: dict[str, str] = {}
        self._label: str | None = None
        self._control: Control | None = None
        self._is_header = False

    def finished(self) -> list[Part]:
        self._flush()
        for part in self._parts:
            for line in part.lines:
                for each in line:
                    if isinstance(each, Control):
                        each.label = self._labels.get(each.id, "") or each.name or each.id
        return self._parts

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _ENDS_A_LINE:
            self._flush()
        match tag:
            case "section":
                part = Part(title=given.get("data-section-name", ""), id=given.get("id", ""))
                self._parts.append(part)
                self._open.append(part)
            case "header":
                self._is_header = True
            case "label":
                self._label = given.get("for", "")
            case "input":
                kind = given.get("type", "text").lower() or "text"
                self._add(_control(kind, given))
            case "select" | "textarea":
                self._control = _control(tag, given)
                self._control.value = ""
                self._add(self._control)
            case "option" if self._control is not None:
                self._control.options.append("")
                if "selected" in given:
                    self._control.is_set = True
                    self._control.value = str(len(self._control.options) - 1)
            case _:
                pass

    def handle_endtag(self, tag: str) -> None:
        if tag in _ENDS_A_LINE:
            self._flush()
        match tag:
            case "section" if self._open:
                self._open.pop()
            case "header":
                self._is_header = False
            case "label":
                self._label = None
            case "select" | "textarea":
                self._control = None
            case _:
                pass

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        control = self._control
        if control is not None and control.kind == "select":
            if control.options:
                control.options[-1] = f"{control.options[-1]} {text}".strip()
        elif control is not None:
            control.value = f"{control.value} {text}".strip()
        elif self._label is not None:
            self._labels[self._label] = f"{self._labels.get(self._label, '')} {text}".strip()
        elif self._is_header:
            if self._open and not self._open[-1].title:
                self._open[-1].title = text
        elif text:
            self._line.append(text)

    def _add(self, control: Control) -> None:
        self._line.append(control)

    def _flush(self) -> None:
        if not self._line:
            return
        if not self._open:
            if not self._parts or self._parts[-1].title or self._parts[-1].id:
                self._parts.append(Part(title=""))
            self._parts[-1].lines.append(self._line)
        else:
            self._open[-1].lines.append(self._line)
        self._line = []


def _control(kind: str, given: Mapping[str, str]) -> Control:
    return Control(
        kind=kind,
        id=given.get("id", ""),
        name=given.get("name", ""),
        value=given.get("value", ""),
        is_set="checked" in given,
        is_multiple="multiple" in given,
    )

"""What a template may say: a small part of Jinja, checked before it is ever run.

There are no loops over anything but findings, no arithmetic, no attributes, no imports and no
recursion. So a template ends after as many steps as it has words, and what it writes is bounded.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from domain.errors import InputError

MOST_CHARACTERS: Final = 200_000
_MOST_CALLS: Final = 400
_CONCEPT_CALLS: Final = {"findings": 0, "normal": 1, "impressions": 0, "has": 0}
FUNCTIONS: Final = frozenset({*_CONCEPT_CALLS, "field", "absences", "changes", "recist"})
VALUES: Final = frozenset({"technique", "modality", "study_date", "study_description"})
_ALLOWED: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Const,
    nodes.Name,
    nodes.Call,
    nodes.If,
    nodes.And,
    nodes.Or,
    nodes.Not,
)
_ALLOWED_IN_MACROS: Final = (*_ALLOWED, nodes.Macro)


@dataclass(frozen=True, kw_only=True)
class Program:
    """The checked source of a section.

    Attributes
    ----------
    first_line
        Of the section's heading in its file.
    """

    source: str
    macros: str
    origin: str
    first_line: int

    def run(self, functions: Mapping[str, Callable[..., str]], values: Mapping[str, str]) -> str:
        """Return what the section writes.

        Raises
        ------
        InputError
            Naming file, line and remedy.
        """
        environment = _environment()
        prefix = _on_one_line(self.macros)
        try:
            template = environment.from_string(prefix + self.source)
            pieces: list[str] = []
            written = 0
            for piece in template.generate(**functions, **values):
                written += len(piece)
                if written > MOST_CHARACTERS:
                    raise InputError(
                        f"{self.origin}:{self.first_line}: writes more than {MOST_CHARACTERS} "
                        "characters: shorten it"
                    )
                pieces.append(piece)
        except RecursionError as error:
            raise InputError(
                f"{self.origin}:{self.first_line}: is nested too deeply: simplify it"
            ) from error
        except TemplateError as error:
            raise InputError(
                f"{self.origin}:{self.first_line}: {error.message}: mend this section"
            ) from error
        return "".join(pieces)


def checked(
    source: str,
    origin: str,
    first_line: int,
    names: Mapping[str, frozenset[str]],
    macros: str = "",
) -> Program:
    """Return a section that may be run.

    Parameters
    ----------
    names
        The concepts and fields there are, by "concept" and "field".

    Raises
    ------
    InputError
        For anything that is no part of our small Jinja, naming file, line and remedy.
    """
    shared = _parsed(macros, f"{origin} (macros)", 1)
    tree = _parsed(source, origin, first_line)
    macro_names = {each.name for each in shared.find_all(nodes.Macro)}
    for node in shared.body:
        blank = isinstance(node, nodes.Output) and all(
            isinstance(each, nodes.TemplateData) and not each.data.strip() for each in node.nodes
        )
        if not isinstance(node, nodes.Macro) and not blank:
            raise InputError(f"{origin} (macros):{node.lineno}: only macros may stand here")
    places = ((shared, f"{origin} (macros)", 0), (tree, origin, first_line))
    calls = 0
    for each, place, offset in places:
        _refuse_unknown(each, place, offset, _ALLOWED_IN_MACROS if each is shared else _ALLOWED)
        _check_ifs(each, place, offset)
        for macro in each.find_all(nodes.Macro):
            _check_macro(macro, place, offset)
        inside = {id(node) for macro in each.find_all(nodes.Macro) for node in _below(macro)}
        called = {call.node.name for call in tree.find_all(nodes.Call)
                  if isinstance(call.node, nodes.Name)}  # fmt: skip
        unused = {id(node) for macro in each.find_all(nodes.Macro) if macro.name not in called
                  for node in _below(macro)}  # fmt: skip
        for call in each.find_all(nodes.Call):
            if id(call) in unused:  # it may be for the fields of another template
                continue
            calls += 1
            where = f"{place}:{offset + call.lineno}"
            within = id(call) in inside
            _check_call(call, where, names, frozenset() if within else frozenset(macro_names))
        _check_names(each, place, offset, macro_names, inside)
    if calls > _MOST_CALLS:
        raise InputError(f"{origin}:{first_line}: {calls} calls, at most {_MOST_CALLS}: split it")
    return Program(source=source, macros=macros, origin=origin, first_line=first_line)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.clear()
    environment.filters.clear()
    environment.tests.clear()
    return environment


def _parsed(source: str, origin: str, first_line: int) -> nodes.Template:
    try:
        return _environment().parse(source)
    except TemplateSyntaxError as error:
        raise InputError(
            f"{origin}:{first_line + error.lineno}: {error.message}: mend the Jinja there"
        ) from error
    except RecursionError as error:
        raise InputError(f"{origin}:{first_line}: is nested too deeply: simplify it") from error


def _below(node: nodes.Node) -> Iterable[nodes.Node]:
    for child in node.iter_child_nodes():
        yield child
        yield from _below(child)


def _refuse_unknown(
    tree: nodes.Template, origin: str, first_line: int, allowed: tuple[type[nodes.Node], ...]
) -> None:
    for node in _below(tree):
        if not isinstance(node, allowed):
            raise InputError(
                f"{origin}:{first_line + node.lineno}: {type(node).__name__.lower()} is no part "
                "of a template: there are text, calls, if, and macros, see docs/how-to/templates.md"
            )


def _check_ifs(tree: nodes.Template, origin: str, first_line: int) -> None:
    for node in tree.find_all(nodes.If):
        for call in (node.test, *_below(node.test)):
            if not isinstance(call, nodes.Call):
                continue
            if not isinstance(call.node, nodes.Name) or call.node.name != "has":
                raise InputError(
                    f'{origin}:{first_line + node.lineno}: an if asks has("liver") or a value: '
                    "other functions write"
                )


def _check_macro(macro: nodes.Macro, origin: str, first_line: int) -> None:
    if macro.defaults:
        raise InputError(
            f"{origin}:{first_line + macro.lineno}: macro {macro.name!r} has defaults: give all "
            "its values where it is called"
        )
    if macro.name in FUNCTIONS | VALUES:
        raise InputError(
            f"{origin}:{first_line + macro.lineno}: {macro.name!r} is taken: rename it"
        )


def _check_call(
    call: nodes.Call, where: str, names: Mapping[str, frozenset[str]], macros: frozenset[str]
) -> None:
    name = call.node.name if isinstance(call.node, nodes.Name) else ""
    if call.kwargs or call.dyn_args is not None or call.dyn_kwargs is not None:
        raise InputError(f"{where}: values are given by place alone: {name}(...)")
    if name not in FUNCTIONS | macros:
        raise InputError(
            f"{where}: {name or 'this'} is no function here: use one of "
            f"{', '.join(sorted(FUNCTIONS))}, or a macro of macros.md (macros call no macros)"
        )
    texts = [each.value for each in call.args if isinstance(each, nodes.Const)]
    if len(texts) != len(call.args) or not all(isinstance(each, str) for each in texts):
        raise InputError(f"{where}: {name} takes texts in quotation marks alone")
    if name in FUNCTIONS:
        _check_texts(name, texts, where, names)


def _check_texts(
    name: str, texts: list[str], where: str, names: Mapping[str, frozenset[str]]
) -> None:
    if name == "field":
        if len(texts) != 1 or texts[0] not in names["field"]:
            raise InputError(f"{where}: there is no field {texts[:1]}: add it as [fields.NAME]")
        return
    if name not in _CONCEPT_CALLS:
        if texts:
            raise InputError(f"{where}: {name} takes no value")
        return
    after = _CONCEPT_CALLS[name]
    wordings = texts[: len(texts) - after]
    if name in {"normal", "has"} and not wordings:
        raise InputError(f'{where}: {name} names no organ: {name}("liver"{", text" * after})')
    for wording in wordings:
        if wording not in names["concept"]:
            raise InputError(f"{where}: {wording!r} is not in the concept table: see concepts.toml")


def _check_names(
    tree: nodes.Template, origin: str, first_line: int, macros: set[str], inside: set[int]
) -> None:
    own = {argument.name for macro in tree.find_all(nodes.Macro) for argument in macro.args}
    for name in tree.find_all(nodes.Name):
        allowed = FUNCTIONS | VALUES | (own if id(name) in inside else macros)
        if name.name not in allowed:
            raise InputError(
                f"{origin}:{first_line + name.lineno}: {name.name!r} means nothing here: use one "
                f"of {', '.join(sorted(VALUES))}, or a function"
            )


def _on_one_line(macros: str) -> str:
    """Return macros so that they write nothing themselves."""
    return f"{macros.rstrip()}\n" if macros.strip() else ""

"""``radcopilot templates``: how reports are laid out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from copilot.cli.console import complain, emit, house, say
from copilot.templates import Templates
from domain.concepts import ConceptTable
from domain.errors import InputError
from domain.report import StudyContext
from reporting.templates.filling import filled
from reporting.templates.form import Case
from reporting.templates.mrrt.importing import imported
from reporting.templates.template import Template

app = typer.Typer(no_args_is_help=True, help="How reports are laid out.")
Config = Annotated[Path | None, typer.Option(help="Settings of the site.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("list")
def list_templates(*, as_json: Json = False, config: Config = None) -> None:
    """Show every template, ours and the site's, with what it is for."""
    found = _templates(config)[0].all
    if as_json:
        emit([_printed(each) for each in found])
        return
    for each in found:
        scope = ", ".join(each.modalities) or "any modality"
        say(f"{each.name} ({each.language}): {each.title}; {scope}")


@app.command("check")
def check_template(
    file: Annotated[Path, typer.Argument(help="A template.")],
    *,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Check a file as the server checks it at its start."""
    template = _templates(config)[0].check(file)
    if as_json:
        emit(_printed(template))
        return
    say(
        f"{template.origin}: template {template.name!r} ({template.language}) can be used: "
        f"sections {', '.join(each.name for each in template.sections)}"
    )


@app.command("show")
def show_template(
    name: Annotated[str, typer.Argument(help="A template's name.")],
    *,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show what a template writes of a study without a finding."""
    templates, table = _templates(config)
    choice = templates.choose(StudyContext(), (), name)
    form = filled(choice.template, Case(context=StudyContext()), table)
    if as_json:
        emit(form.printed())
        return
    for section in form.sections:
        say(f"## {section.title}")
        for line in section.lines:
            parts = [
                part if isinstance(part, str) else part.shown(templates.words) or f"[{part.label}]"
                for part in line.parts
            ]
            say("".join(parts))
        say("")


@app.command("import")
def import_template(
    file: Annotated[Path, typer.Argument(help="A template in HTML by IHE's profile MRRT.")],
    *,
    output: Annotated[Path | None, typer.Option(help="Where to write ours; else printed.")] = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Make one of our templates of an MRRT page, and list what could not be brought along."""
    templates, table = _templates(config)
    try:
        html = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: give a UTF-8 HTML file") from error
    made = imported(html, file.name, table, templates.words.code)
    if output is not None:
        if output.exists():
            raise InputError(f"{output} is there already: name another file")
        output.write_text(made.text, encoding="utf-8")
    if as_json:
        emit({"name": made.name, "text": made.text, "unmapped": list(made.unmapped)})
        return
    say(made.text if output is None else f"{output}: template {made.name!r}")
    for each in made.unmapped:
        complain(each)


def _templates(config: Path | None) -> tuple[Templates, ConceptTable]:
    home = house(config)
    return home.templates, home.concepts


def _printed(template: Template) -> dict[str, Any]:
    return {
        "name": template.name,
        "title": template.title,
        "language": template.language,
        "origin": template.origin,
        "modalities": list(template.modalities),
        "concepts": list(template.concepts),
        "body_parts": list(template.body_parts),
        "priority": template.priority,
        "sections": [each.name for each in template.sections],
        "fields": {name: each.kind.value for name, each in template.fields.items()},
    }

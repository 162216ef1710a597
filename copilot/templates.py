"""The report templates of a site: ours, and over them those of its own folder."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from copilot.settings import ReportingSettings
from domain.concepts import ConceptTable
from domain.errors import InputError, SettingsError
from domain.measurement import Finding
from domain.report import StudyContext
from reporting.language import Language, language, languages
from reporting.templates.choosing import Choice, chosen
from reporting.templates.fields import Typed
from reporting.templates.filling import filled
from reporting.templates.form import Case, Filled
from reporting.templates.template import Template, read_template

_MACROS: Final = "macros"
_LARGEST_BYTES: Final = 256_000


class Templates:
    """The templates of one site, each checked.

    Raises
    ------
    SettingsError
        For a language or a folder that is not there.
    InputError
        For a template that can't be used, naming file, line and remedy.
    """

    def __init__(self, settings: ReportingSettings, table: ConceptTable) -> None:
        self.words: Language = language(settings.language)
        self._table = table
        self._site = Path(settings.templates).expanduser() if settings.templates else None
        if self._site is not None and not self._site.is_dir():
            raise SettingsError(
                f"reporting.templates {self._site} is no folder: make it, or leave it empty"
            )
        shipped = resources.files("configs") / "templates" / "reports"
        by_name = {(each.language, each.name): each for each in read_folder(shipped, table)}
        if self._site is not None:
            own = {(each.language, each.name): each for each in read_folder(self._site, table)}
            by_name |= own
        self.all: tuple[Template, ...] = tuple(by_name[key] for key in sorted(by_name))

    def choose(self, context: StudyContext, findings: Sequence[Finding], named: str = "") -> Choice:
        """Return the template for a study, in the site's language, with the reason."""
        return chosen(
            self.all,
            language=self.words.code,
            modality=context.modality,
            description=context.study_description,
            findings=findings,
            table=self._table,
            named=named,
        )

    def fill(
        self, case: Case, typed: Mapping[str, Typed] | None = None, named: str = ""
    ) -> tuple[Choice, Filled]:
        """Return the template for a study and the report with fields that it makes.

        Parameters
        ----------
        typed
            By field id, what a person typed or confirmed.
        named
            The template that a person wants; else the most specific.
        """
        choice = self.choose(case.context, case.findings, named)
        return choice, filled(choice.template, case, self._table, typed)

    def check(self, path: Path) -> Template:
        """Return the template of a file, with the macros that lie beside it, or ours."""
        macros = _macros(path.parent) or _macros(
            resources.files("configs") / "templates" / "reports"
        )
        return _read(path, self._table, macros)


def read_folder(folder: Path | Traversable, table: ConceptTable) -> tuple[Template, ...]:
    """Return the templates of a folder.

    Raises
    ------
    InputError
        For the first one that can't be used, and for two of one name.
    """
    macros = _macros(folder)
    found: dict[tuple[str, str], Template] = {}
    for file in _files(folder):
        if file.name.startswith(f"{_MACROS}."):
            continue
        template = _read(file, table, macros)
        key = (template.language, template.name)
        if key in found:
            raise InputError(
                f"{template.origin}:1: template {template.name!r} is also in "
                f"{found[key].origin}: rename one"
            )
        found[key] = template
    return tuple(found.values())


def _files(folder: Path | Traversable) -> Iterable[Path | Traversable]:
    return sorted(
        (each for each in folder.iterdir() if each.name.endswith(".md")), key=lambda each: each.name
    )


def _macros(folder: Path | Traversable) -> dict[str, str]:
    """Return the shared phrases of a folder by language: macros.en.md, macros.de.md."""
    found = {}
    for code in languages():
        file = folder / f"{_MACROS}.{code}.md"
        if file.is_file():
            found[code] = _text(file)
    return found


def _read(file: Path | Traversable, table: ConceptTable, macros: dict[str, str]) -> Template:
    return read_template(_text(file), file.name, table, macros)


def _text(file: Path | Traversable) -> str:
    try:
        content = file.read_bytes()
        if len(content) > _LARGEST_BYTES:
            raise InputError(f"{file.name}:1: is larger than {_LARGEST_BYTES} bytes: split it")
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file.name}: cannot be read: give a UTF-8 text file") from error

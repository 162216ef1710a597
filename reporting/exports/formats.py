"""The formats a report is exported in: one table for the command line, the API and the page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from domain.errors import InputError
from domain.report import Report
from reporting.exports.enclosed import Enclosed
from reporting.exports.fhir_report import report_fhir
from reporting.exports.hl7 import report_hl7
from reporting.exports.html import report_html
from reporting.exports.markdown import report_markdown
from reporting.exports.pdf import report_pdf
from reporting.exports.table import report_csv
from reporting.exports.text import report_text


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format.

    Attributes
    ----------
    ending
        Of a file's name, without the first dot.
    make
        Returns the file's content.
    """

    name: str
    media_type: str
    ending: str
    make: Callable[[Report, Enclosed], bytes]


FORMATS: Final = (
    Format(name="text", media_type="text/plain; charset=utf-8", ending="txt", make=report_text),
    Format(
        name="markdown",
        media_type="text/markdown; charset=utf-8",
        ending="md",
        make=report_markdown,
    ),
    Format(name="html", media_type="text/html; charset=utf-8", ending="html", make=report_html),
    Format(name="pdf", media_type="application/pdf", ending="pdf", make=report_pdf),
    Format(
        name="csv",
        media_type="text/csv; charset=utf-8; header=present",
        ending="csv",
        make=report_csv,
    ),
    Format(
        name="hl7",
        media_type="x-application/hl7-v2+er7; charset=utf-8",
        ending="hl7",
        make=report_hl7,
    ),
    Format(name="fhir", media_type="application/fhir+json", ending="fhir.json", make=report_fhir),
)


def format_called(name: str) -> Format:
    """Return a format by its name.

    Raises
    ------
    InputError
        Naming those that there are.
    """
    for each in FORMATS:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in FORMATS)
    raise InputError(f"a report has no format {name!r}: it has {known}")

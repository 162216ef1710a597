"""A report as one HTML page; what people typed is escaped, and nothing is fetched."""

import base64
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from domain.report import Report
from reporting.exports.enclosed import Enclosed
from reporting.exports.layout import laid_out

_TEMPLATES: Final = Environment(
    autoescape=True,
    loader=PackageLoader("reporting", "exports"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def report_html(report: Report, enclosed: Enclosed) -> bytes:
    """Return the report as a UTF-8 page, its pictures inside.

    Until it is signed, DRAFT stands on each printed page; at head and foot in any case.
    """
    template = _TEMPLATES.get_template("report.html.j2")
    sheet = laid_out(report, enclosed.pictures)
    return template.render(sheet=sheet, inline=_inline).encode()


def _inline(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"

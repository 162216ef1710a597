"""Findings to a report draft, and the draft to Markdown and HTML.

The draft states what was measured and what was searched; it names no diagnosis, and nothing in it
can say that it was signed.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Final

from jinja2 import Environment, StrictUndefined

from domain.measurement import Finding
from domain.report import ReportDraft, Statement, StudyContext
from reporting.wording import described, summarised

_NO_PRIOR: Final = "No prior study was given for comparison."
_NOTHING: Final = "No measurable finding in what was searched."


def draft_report(
    context: StudyContext, findings: Sequence[Finding], absent: Sequence[str] = ()
) -> ReportDraft:
    """Return the draft of one study.

    Parameters
    ----------
    absent
        What was looked for and not found, or could not be done, in sentences.

    Raises
    ------
    InputError
        If there is neither a finding nor an absence to report.
    """
    said = [_statement(finding, *described(finding)) for finding in findings]
    said += [Statement(text=sentence) for sentence in absent]
    summary = [_statement(finding, *summarised(finding)) for finding in findings]
    return ReportDraft(
        context=context,
        technique=(Statement(text=context.technique),) if context.technique else (),
        comparison=(Statement(text=_NO_PRIOR),),
        findings=tuple(said),
        impression=tuple(summary) or (Statement(text=_NOTHING),),
    )


class DraftRenderer:
    """Fills the site's templates; HTML is escaped, a missing field is an error."""

    def __init__(self, markdown_template: str, html_template: str) -> None:
        plain = Environment(
            autoescape=False,  # noqa: S701 - Markdown, not HTML
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        escaped = Environment(
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._markdown = plain.from_string(markdown_template)
        self._html = escaped.from_string(html_template)

    def markdown(self, draft: ReportDraft) -> str:
        """Return the draft as Markdown."""
        return self._markdown.render(draft=draft, sections=_sections(draft))

    def html(self, draft: ReportDraft, pictures: Mapping[str, bytes] | None = None) -> str:
        """Return the draft as one HTML page; ``pictures`` are PNG by tracking id, set inline."""
        inline = {
            tracking_id: base64.b64encode(png).decode()
            for tracking_id, png in (pictures or {}).items()
        }
        return self._html.render(draft=draft, sections=_sections(draft), pictures=inline)


def _statement(finding: Finding, text: str, measurements: tuple[object, ...]) -> Statement:
    used = tuple(m for m in finding.measurements if m in measurements)
    return Statement(text=text, finding=finding, measurements=used)


def _sections(draft: ReportDraft) -> tuple[tuple[str, tuple[Statement, ...]], ...]:
    return (
        ("Technique", draft.technique),
        ("Comparison", draft.comparison),
        ("Findings", draft.findings),
        ("Impression", draft.impression),
    )

"""A filled template to the report that exports are made from; none is final with an open field."""

import re
from collections.abc import Sequence

from domain.errors import InputError
from domain.report import Report, ReportStatus, Section, Signature, Statement
from domain.uids import StudyUID
from reporting.language import Language, language
from reporting.templates.fields import FilledField
from reporting.templates.form import Filled, FilledLine


def composed(
    form: Filled,
    study_instance_uid: StudyUID,
    *,
    status: ReportStatus = ReportStatus.DRAFT,
    version: int = 1,
    signature: Signature | None = None,
    reason: str = "",
) -> Report:
    """Return the report that a filled template makes.

    Parameters
    ----------
    reason
        Why it amends an earlier version.

    Raises
    ------
    InputError
        For a final report with a field that nobody has looked at, naming the fields.
    """
    if status.is_final and form.open_fields:
        waiting = ", ".join(each.id for each in form.open_fields)
        raise InputError(
            f"{len(form.open_fields)} fields wait for a person: {waiting}; confirm or empty each "
            "before signing"
        )
    words = language(form.template.language)
    return Report(
        study_instance_uid=study_instance_uid,
        context=form.case.context,
        sections=tuple(
            Section(
                name=section.name,
                title=section.title,
                statements=tuple(
                    statement for line in section.lines for statement in _statements(line, words)
                ),
            )
            for section in form.sections
        ),
        findings=form.case.findings,
        status=status,
        version=version,
        language=form.template.language,
        signature=signature,
        reason=reason,
    )


def _statements(line: FilledLine, words: Language) -> list[Statement]:
    """Return one statement, or one for each finding where a line tells of several."""
    shown = [
        (part, part if isinstance(part, str) else part.shown(words).strip()) for part in line.parts
    ]
    if not any(text for part, text in shown if isinstance(part, FilledField)):
        return []
    groups: list[list[tuple[str | FilledField, str]]] = [[]]
    for part, text in shown:
        has_finding = any(isinstance(each, FilledField) and each.finding for each, _ in groups[-1])
        if isinstance(part, FilledField) and part.finding and has_finding:
            groups.append([])
        groups[-1].append((part, text))
    return [_statement(group) for group in groups]


def _statement(group: Sequence[tuple[str | FilledField, str]]) -> Statement:
    fields = [part for part, _ in group if isinstance(part, FilledField)]
    text = ""
    for part, piece in group:
        gap = " " if isinstance(part, FilledField) and piece and text[-1:].isalnum() else ""
        text += gap + piece
    return Statement(
        text=re.sub(r" {2,}", " ", text).strip(),
        finding=next((each.finding for each in fields if each.finding), None),
        measurements=tuple(m for each in fields for m in each.measurements),
    )

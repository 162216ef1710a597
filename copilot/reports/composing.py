"""A signed version to the report that exports are made from, and the other way round."""

from collections.abc import Callable, Sequence

from copilot.reports.versions import Part, Said, Version
from domain.errors import InputError
from domain.measurement import Finding
from domain.report import Report, Section, Statement, StudyContext
from domain.uids import StudyUID
from reporting.disagreement import without

FindingsOf = Callable[[str], Sequence[Finding]]


def parts_of(report: Report) -> tuple[Part, ...]:
    """Return the sections of a report as a version keeps them."""
    return tuple(
        Part(
            name=section.name,
            title=section.title,
            said=tuple(_said(each) for each in section.statements),
        )
        for section in report.sections
    )


class Composer:
    """Puts versions together again.

    Parameters
    ----------
    findings
        Returns what a result holds, by the result's id.
    """

    def __init__(self, findings: FindingsOf) -> None:
        self._findings = findings

    def signed(self, study: StudyUID, version: Version) -> Report:
        """Return a signed version as a report: the words as kept, the numbers as measured.

        Raises
        ------
        InputError
            If a result that it tells of is not kept here any more.
        """
        found = {
            str(each.tracking_uid): each
            for result in version.results
            for each in self._findings(result)
        }
        told = dict.fromkeys(
            each.tracking_uid for part in version.parts for each in part.said if each.tracking_uid
        )
        if gone := [uid for uid in told if uid not in found]:
            raise InputError(
                f"version {version.version} of the report tells of findings that are not kept here "
                f"any more ({', '.join(gone)}): only its words can be read"
            )
        report = Report(
            study_instance_uid=study,
            context=StudyContext(**version.context),
            sections=tuple(
                Section(
                    name=part.name,
                    title=part.title,
                    statements=tuple(_statement(each, found) for each in part.said),
                )
                for part in version.parts
            ),
            findings=tuple(found[uid] for uid in told),
            status=version.status,
            version=version.version,
            language=version.language,
            signature=version.signature,
            reason=version.reason,
            still_verified=version.still_verified,
        )
        return without(report, version.left_out)


def _said(statement: Statement) -> Said:
    finding = statement.finding
    if finding is None:
        return Said(text=statement.text)
    return Said(
        text=statement.text,
        tracking_uid=str(finding.tracking_uid),
        measured=tuple(
            n for n, each in enumerate(finding.measurements) if each in statement.measurements
        ),
    )


def _statement(said: Said, found: dict[str, Finding]) -> Statement:
    if said.tracking_uid is None:
        return Statement(text=said.text)
    finding = found[said.tracking_uid]
    measured = tuple(finding.measurements[n] for n in said.measured)
    return Statement(text=said.text, finding=finding, measurements=measured)

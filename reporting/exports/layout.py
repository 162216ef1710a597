"""A report as a sheet of blocks: what its text, Markdown, HTML and PDF have in common.

Every sentence of the report stands in it once for each section that has it, as it is. What is
added are headings, who the patient is, where each number can be checked, and where the report
stands.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from domain.measurement import Finding
from domain.report import Report, Section, StudyContext
from domain.uids import InstanceUID
from reporting.exports.blocks import (
    Block,
    Bullet,
    Bullets,
    Figure,
    Heading,
    Paragraph,
    Rows,
    Sheet,
)
from reporting.exports.words import Words, amendment, foot, standing, words_of
from reporting.phrasebook import Phrasebook, phrasebook

_INTERVAL: Final = "\N{PLUS-MINUS SIGN}"
_REORDERING: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069]")


def laid_out(report: Report, pictures: Mapping[InstanceUID, bytes] | None = None) -> Sheet:
    """Return the report as a sheet.

    Parameters
    ----------
    pictures
        PNG of findings, by tracking UID.
    """
    words = words_of(report)
    book = phrasebook(words.language)
    return Sheet(
        title=words.report,
        language=words.language,
        standing=standing(report),
        foot=foot(report),
        page=words.page,
        is_final=report.status.is_final,
        blocks=tuple(_Layout(report, words, book, pictures or {}).blocks()),
    )


@dataclass
class _Layout:
    report: Report
    words: Words
    book: Phrasebook
    pictures: Mapping[InstanceUID, bytes]
    told: set[InstanceUID] = field(default_factory=set)

    def blocks(self) -> Iterator[Block]:
        context = self.report.context
        yield Heading(level=1, text=context.study_description or self.words.untitled)
        yield self._head(context)
        for section in self.report.sections:
            if section.statements:
                yield Heading(level=2, text=section.title)
                yield self._section(section)
        if self.report.findings:
            yield from self._evidence()
        said = (each.text for section in self.report.sections for each in section.statements)
        if any(_INTERVAL in text for text in said):
            yield Paragraph(text=self.words.interval)

    def _section(self, section: Section) -> Bullets:
        return Bullets(
            items=tuple(
                Bullet(text=_in_order(each.text), notes=self._notes(each.finding))
                for each in section.statements
            )
        )

    def _notes(self, finding: Finding | None) -> tuple[str, ...]:
        """Return what must be known with a finding, where it is first told of."""
        if finding is None or finding.tracking_uid in self.told:
            return ()
        self.told.add(finding.tracking_uid)
        proposal = (self.words.proposal,) if finding.is_proposal else ()
        notes = (
            self.words.note.format(warning=self.book.said(warning)) for warning in finding.warnings
        )
        return (*proposal, *notes)

    def _evidence(self) -> Iterator[Block]:
        words = self.words
        yield Heading(level=2, text=words.evidence)
        yield Rows(
            header=(words.finding, words.side, words.image, words.segment, words.outlined_by),
            rows=tuple(self._row(finding) for finding in self.report.findings),
        )
        for finding in self.report.findings:
            if finding.tracking_uid in self.pictures:
                shown = words.outline.format(
                    finding=self._label(finding), image=finding.evidence.key_slice_index + 1
                )
                side = _side(finding, words)
                yield Figure(
                    png=self.pictures[finding.tracking_uid],
                    alternative=f"{shown}, {side}" if side else shown,
                    caption=shown,
                )

    def _row(self, finding: Finding) -> tuple[str, ...]:
        made = finding.provenance
        kind = self.book.term(made.algorithm_type.value.lower())
        by = f"{made.engine} {made.version}, {kind}"
        evidence = finding.evidence
        return (
            self._label(finding),
            _side(finding, self.words),
            str(evidence.key_slice_index + 1),
            str(evidence.segment_number),
            f"{by}, {self.book.said(made.prompt)}" if made.prompt else by,
        )

    def _label(self, finding: Finding) -> str:
        return self.book.words.labelled(finding.tracking_id)

    def _head(self, context: StudyContext) -> Rows:
        words = self.words
        rows = [
            (words.patient, context.patient_name),
            (words.patient_id, context.patient_id),
            (words.accession_number, context.accession_number),
            (words.study_date, self.book.words.dated(context.study_date)),
            (words.modality, context.modality),
        ]
        if self.report.reason:
            rows.append((words.amendment, amendment(self.report)))
        return Rows(rows=tuple((name, _in_order(value) or words.not_given) for name, value in rows))


def _in_order(text: str) -> str:
    """Return a text without the marks that make a reader see "21" where "12" is written."""
    return _REORDERING.sub("\N{REPLACEMENT CHARACTER}", text)


def _side(finding: Finding, words: Words) -> str:
    return words.sides.get(finding.side, finding.side) if finding.side else ""

"""A template and what is known of a study to a report with fields.

No normal finding is ever said by a template alone: every default is a field that a person must
confirm, and one of an organ in which there is a finding goes, with a note. No finding is lost
because a template has no place for it.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from domain.codes import AREA, LONG_AXIS, MAXIMUM, SHORT_AXIS, SUV_BODY_WEIGHT_VALUE, VOLUME
from domain.concepts import ConceptTable
from domain.measurement import Finding, Measurement
from reporting.language import Language, language
from reporting.phrasebook import phrasebook
from reporting.priors.wording import assessed_in_words, said, summary
from reporting.templates.fields import FilledField, Typed, Whose, held, refusal
from reporting.templates.form import Case, Filled, FilledLine, FilledSection
from reporting.templates.regions import belongs, contradicts, is_unplaced
from reporting.templates.template import FieldForm, SectionForm, Template
from reporting.wording import described, name, number, summarised

_MARKER: Final = re.compile("\ue000(\\d+)\ue001")
_PRIVATE: Final = re.compile("[\ue000-\uf8ff]")
_MEASURES: Final = {
    "volume": (VOLUME, None),
    "long_axis": (LONG_AXIS, None),
    "short_axis": (SHORT_AXIS, None),
    "area": (AREA, None),
    "largest_area": (AREA, MAXIMUM),
    "suv_max": (SUV_BODY_WEIGHT_VALUE, MAXIMUM),
}
_FIELD_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_OWN: Final = "own"  # what a person wrote below all fields
_FINDINGS: Final = "findings"
_IMPRESSION: Final = "impression"


def filled(
    template: Template,
    case: Case,
    table: ConceptTable,
    typed: Mapping[str, Typed] | None = None,
) -> Filled:
    """Return the template filled with a study and with what a person typed.

    Parameters
    ----------
    typed
        By field id; a field is confirmed by typing what stands in it.
    """
    work = _Work(template=template, case=case, table=table, typed=dict(typed or {}))
    sections = [work.section(form) for form in template.sections]
    sections = work.with_orphans(work.with_untold(sections))
    return Filled(template=template, case=case, sections=tuple(sections), notes=tuple(work.notes))


@dataclass(kw_only=True)
class _Work:
    template: Template
    case: Case
    table: ConceptTable
    typed: dict[str, Typed]
    notes: list[str] = field(default_factory=list)
    told: set[tuple[str, str]] = field(default_factory=set)
    _pieces: list[FilledField] = field(default_factory=list)
    _ids: set[str] = field(default_factory=set)
    _section: str = ""

    @property
    def words(self) -> Language:
        return language(self.template.language)

    def section(self, form: SectionForm) -> FilledSection:
        self._pieces, self._section = [], form.name
        functions: dict[str, Callable[..., str]] = {
            "findings": self._findings,
            "impressions": self._impressions,
            "normal": self._normal,
            "has": self._has,
            "field": self._field,
            "absences": self._absences,
            "changes": self._changes,
            "recist": self._recist,
        }
        context = self.case.context
        values = {
            key: self._put(key, _PRIVATE.sub("", value), Whose.MACHINE) if value else ""
            for key, value in (
                ("technique", phrasebook(self.words.code).paragraph(context.technique)),
                ("modality", context.modality),
                ("study_date", context.study_date),
                ("study_description", context.study_description),
            )
        }
        text = form.program.run(functions, values)
        lines = [self._line(each) for each in text.splitlines()]
        return FilledSection(
            name=form.name,
            title=form.title,
            lines=tuple(line for line in lines if line is not None),
        )

    def with_untold(self, sections: list[FilledSection]) -> list[FilledSection]:
        """Return the sections with every finding that no function has told of."""
        names = [each.name for each in sections]
        place = names.index(_FINDINGS) if _FINDINGS in names else len(sections) - 1
        self._section = sections[place].name
        untold = [
            each for each in self.case.findings if (each.tracking_uid, "whole") not in self.told
        ]
        if not untold:
            return sections
        self._pieces = []
        for finding in untold:
            self._tell(finding)
            self.notes.append(
                f"template {self.template.name} has no place for {finding.tracking_id} "
                f"({name(finding)}): it stands at the end of {self._section}"
            )
        lines = tuple(FilledLine(parts=(each,)) for each in self._pieces)
        whole = sections[place]
        sections[place] = replace(whole, lines=whole.lines + lines)
        return sections

    def with_orphans(self, sections: list[FilledSection]) -> list[FilledSection]:
        """Return the sections with what was typed into fields that are gone: no word is lost."""
        for identity, entry in self.typed.items():
            if identity in self._ids or not entry.text.strip():
                continue
            wanted, _, field_name = identity.partition("/")
            place = next((n for n, each in enumerate(sections) if each.name == wanted), -1)
            is_prose = any(letter.isalpha() for letter in entry.text)
            is_known = is_prose and not entry.over
            orphan = FilledField(
                id=identity,
                label=field_name.replace("_", " "),
                text=entry.text,
                made="",
                whose=Whose.TYPED if is_known else Whose.STALE,
                reason="" if is_known else "what it was typed into is gone",
            )
            whole = sections[place]
            named = _FIELD_NAME.fullmatch(field_name) and field_name != _OWN
            line = FilledLine(parts=(f"{orphan.label}: ", orphan) if named else (orphan,))
            sections[place] = replace(whole, lines=(*whole.lines, line))
        return sections

    def _line(self, text: str) -> FilledLine | None:
        """Return a line; literal words that are no label wait for a person as defaults do."""
        text = text.strip().removeprefix("- ").strip()
        if not text:
            return None
        parts: list[str | FilledField] = []
        end = 0
        for marker in _MARKER.finditer(text):
            parts += [text[end : marker.start()], self._pieces[int(marker.group(1))]]
            end = marker.end()
        parts = [part for part in (*parts, text[end:]) if part]
        if len(parts) == 1 and isinstance(parts[0], str) and parts[0].endswith(":"):
            return None  # a label of nothing
        parts = _without_echo(parts)
        return FilledLine(
            parts=tuple(
                part
                if isinstance(part, FilledField) or _is_label(part, first=n == 0 < len(parts) - 1)
                else self._piece(f"text-{_digest(part)}", "text", part.strip(), Whose.DEFAULT)
                for n, part in enumerate(parts)
            )
        )

    def _findings(self, *wordings: str) -> str:
        marks = []
        for finding in self.case.findings:
            is_told = (finding.tracking_uid, "whole") in self.told
            if not is_told and (not wordings or self._belongs(finding, wordings)):
                marks.append(self._tell(finding))
        return "\n".join(marks)

    def _tell(self, finding: Finding) -> str:
        self.told.add((finding.tracking_uid, "whole"))
        text, used = described(finding, self.words)
        label = self.words.labelled(finding.tracking_id)
        text = text.replace(f" ({label})", "", 1)  # the field itself leads to it
        return self._put_finding(finding, text, used)

    def _impressions(self, *wordings: str) -> str:
        marks = []
        for finding in self.case.findings:
            if not wordings or self._belongs(finding, wordings):
                text, used = summarised(finding, self.words)
                marks.append(self._put_finding(finding, text, used))
        if not marks and not wordings and not self.case.findings:
            return self._put("nothing", self.words.sentences["nothing"], Whose.DEFAULT)
        return "\n".join(marks)

    def _normal(self, *texts: str) -> str:
        *wordings, default = texts
        there = [
            each
            for each in self.case.findings
            if any(contradicts(each, wording, self.table) for wording in wordings)
        ]
        identity = "normal-" + "-".join(wordings).replace(" ", "-")
        if there:
            names = ", ".join(f"{each.tracking_id} ({name(each)})" for each in there)
            reason = f"{names} is there"
            self.notes.append(f"{self._section}: {default!r} was left out: {reason}")
            if f"{self._section}/{identity}" not in self.typed:
                return ""
            return self._put(identity, "", Whose.DEFAULT, reason=reason)
        unplaced = [each.tracking_id for each in self.case.findings
                    if is_unplaced(each, self.table)]  # fmt: skip
        doubts = [f"nobody has said where {', '.join(unplaced)} lies"] if unplaced else []
        doubts += [each for each in self.case.absent if _names_one(each, wordings)]
        return self._put(identity, default, Whose.DEFAULT, reason="; ".join(doubts))

    def _has(self, *wordings: str) -> str:
        """Return something where there is such a finding: text counts as true in an if."""
        return "1" if any(self._belongs(each, wordings) for each in self.case.findings) else ""

    def _field(self, field_name: str) -> str:
        form = self.template.fields[field_name]
        made, reason = form.default, ""
        finding: Finding | None = None
        used: tuple[Measurement, ...] = ()
        whose = Whose.DEFAULT
        if form.measurement:
            whose = Whose.MACHINE
            made, reason, finding, used = self._measured(form)
        text, whose = held(f"{self._section}/{form.name}", made, whose, self.typed)
        if whose in {Whose.TYPED, Whose.STALE} and (why := refusal(form, text, self.words)):
            whose, reason = Whose.STALE, why
        piece = FilledField(
            id=self._new_id(form.name),
            label=form.label,
            text=text,
            made=made,
            whose=whose,
            kind=form.kind,
            unit=form.unit,
            options=form.options,
            required=form.required,
            reason=reason,
            finding=finding,
            measurements=used if text == made else (),
        )
        return self._mark(piece)

    def _measured(
        self, form: FieldForm
    ) -> tuple[str, str, Finding | None, tuple[Measurement, ...]]:
        """Return the number that fills a field, or the reason why none does."""
        code, derivation = _MEASURES[form.measurement]
        fits = [
            each
            for each in self.case.findings
            if self._is(each, form.concept) and form.side in {"", each.side or ""}
        ]
        what = f"{form.side} {form.concept}".strip()
        if len(fits) != 1:
            return "", f"{len(fits) or 'no'} findings of {what}: type the number", None, ()
        finding = fits[0]
        if finding.is_proposal:
            return "", f"{finding.tracking_id} is a proposal: confirm it first", None, ()
        found = [
            each
            for each in finding.measurements
            if each.concept == code and each.derivation == derivation
        ]
        if len(found) != 1:
            return "", f"{form.measurement} of {finding.tracking_id} was not measured", None, ()
        measurement = found[0]
        if form.unit and measurement.unit.value != form.unit:
            reason = f"it is measured in {measurement.unit.value}, the field is in {form.unit}"
            return "", reason, None, ()
        return number(measurement, self.words), "", finding, (measurement,)

    def _absences(self) -> str:
        book = phrasebook(self.words.code)
        marks = [
            self._put(f"absent-{_digest(each)}", _PRIVATE.sub("", book.said(each)), Whose.MACHINE)
            for each in self.case.absent
        ]
        return "\n".join(marks)

    def _changes(self) -> str:
        case = self.case
        if not case.changes:
            return self._put("prior", self.words.sentences["no_prior"], Whose.MACHINE)
        in_short = self._section == _IMPRESSION
        marks = []
        for change in case.changes:
            lesion = change.current or change.prior
            assert lesion is not None
            text = (
                summary(change, self.words)
                if in_short
                else said(change, case.prior_date, case.current_date, self.words)
            )
            identity = lesion.tracking_uid or _digest(lesion.label)
            marks.append(self._put(f"change-{identity}", text, Whose.MACHINE))
        return "\n".join(marks)

    def _recist(self) -> str:
        if self.case.assessment is None:
            return self._put("recist", self.words.changes["no_targets"], Whose.MACHINE)
        texts = assessed_in_words(self.case.assessment, self.words)
        return "\n".join(
            self._put(f"recist-{n}", text, Whose.MACHINE) for n, text in enumerate(texts, start=1)
        )

    def _belongs(self, finding: Finding, wordings: Sequence[str]) -> bool:
        return any(belongs(finding, each, self.table) for each in wordings)

    def _is(self, finding: Finding, phrase: str) -> bool:
        own = self.table.find(finding.concept) if finding.concept else None
        return own is not None and own.phrase == phrase

    def _put_finding(self, finding: Finding, text: str, used: tuple[Measurement, ...]) -> str:
        whose = Whose.DEFAULT if finding.is_proposal else Whose.MACHINE
        reason = "a proposal: nobody has confirmed the place" if finding.is_proposal else ""
        return self._put(
            finding.tracking_uid, text, whose, reason=reason, finding=finding, used=used
        )

    def _put(
        self,
        field_name: str,
        made: str,
        whose: Whose,
        *,
        reason: str = "",
        finding: Finding | None = None,
        used: tuple[Measurement, ...] = (),
    ) -> str:
        piece = self._piece(
            field_name, field_name, made, whose, reason=reason, finding=finding, used=used
        )
        return self._mark(piece)

    def _piece(
        self,
        field_name: str,
        label: str,
        made: str,
        whose: Whose,
        *,
        reason: str = "",
        finding: Finding | None = None,
        used: tuple[Measurement, ...] = (),
    ) -> FilledField:
        identity = self._new_id(field_name)
        text, whose = held(identity, made, whose, self.typed)
        return FilledField(
            id=identity,
            label=label,
            text=text,
            made=made,
            whose=whose,
            reason=reason,
            finding=finding,
            measurements=used if text == made else (),
        )

    def _new_id(self, field_name: str) -> str:
        identity = wanted = f"{self._section}/{field_name}"
        n = 1
        while identity in self._ids:
            n += 1
            identity = f"{wanted}-{n}"
        self._ids.add(identity)
        return identity

    def _mark(self, piece: FilledField) -> str:
        self._pieces.append(piece)
        return f"\ue000{len(self._pieces) - 1}\ue001"


def _is_label(literal: str, *, first: bool) -> bool:
    """Tell whether literal words say nothing: a label in front of fields, or signs alone."""
    if first and literal.rstrip().endswith(":"):
        return True
    return not any(letter.isalnum() for letter in literal)


def _names_one(sentence: str, wordings: Sequence[str]) -> bool:
    """Tell whether what was searched and not found, or not done, is of one of these."""
    return any(re.search(rf"\b{re.escape(each)}\b", sentence.lower()) for each in wordings)


def _without_echo(parts: list[str | FilledField]) -> list[str | FilledField]:
    """Return "Liver: volume 5 mL" where label and sentence both begin with the organ's name."""
    label, *rest = parts
    if not isinstance(label, str) or not rest or not isinstance(rest[0], FilledField):
        return parts
    echoes = rest[0].finding and rest[0].text.lower().startswith(label.strip().lower())
    return rest if echoes else parts


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().encode()).hexdigest()[:10]

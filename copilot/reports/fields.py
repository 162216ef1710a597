"""What stands in a report: the site's template, filled with what was accepted and what was typed.

What the machine writes follows its findings until a person has typed into the field; from then on
the person's words stand, and the field says when what they were typed over has changed, or the mask
it tells of is being corrected. What a template says by itself waits for a person.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    select,
    update,
)

from copilot.audit import SqlAuditLog
from copilot.comparing.reading_back import read_back
from copilot.comparing.standing import comparison_of
from copilot.results import Result, Results
from copilot.results import State as ResultState
from copilot.templates import Templates
from domain.errors import InputError
from domain.measurement import Finding
from domain.ports import Clock
from domain.report import StudyContext
from domain.uids import SeriesUID, StudyUID
from reporting.templates.choosing import Choice
from reporting.templates.fields import FilledField, Typed, Whose
from reporting.templates.form import Case, Filled, FilledLine
from reporting.templates.template import FieldKind

metadata: Final = MetaData()
table: Final = Table(
    "report_fields",
    metadata,
    Column("study_instance_uid", String(64), primary_key=True),
    Column("field", String(128), primary_key=True),
    Column("text", Text, nullable=False),
    Column("over", Text, nullable=False),
    Column("at", String(40), nullable=False),
)

OWN: Final = "own"  # the field of a section that a person alone writes
OWN_SECTIONS: Final = ("findings", "impression")
_BEING_CORRECTED: Final = frozenset({ResultState.RUNNING, ResultState.WAITING})
_ACCEPTED: Final = frozenset({ResultState.ACCEPTED, ResultState.SENT})
_LONGEST: Final = 10_000
_LONGEST_ID: Final = 128

FindingsOf = Callable[[Result], Sequence[Finding]]


class Mark(StrEnum):
    """Whose words a field holds."""

    MACHINE = "machine"
    DEFAULT = "default"  # the template's: nobody has said it yet
    EDITED = "edited"
    STALE = "stale"  # its mask is being corrected; or typed over words that have changed or gone
    EMPTY = "empty"


_MARKS: Final = {
    Whose.MACHINE: Mark.MACHINE,
    Whose.DEFAULT: Mark.DEFAULT,
    Whose.TYPED: Mark.EDITED,
    Whose.STALE: Mark.STALE,
    Whose.EMPTY: Mark.EMPTY,
}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a report.

    Attributes
    ----------
    made
        What machine or template write there now; empty where they write nothing.
    label
        What stands before it on its line.
    kind, options, unit
        What may be typed: "text", "number" in a unit, "choice" of options, "date".
    reason
        Why it is empty, or what stands against it.
    result, segment, slice_index
        The finding it tells of; None for other fields.
    is_unseen
        Whether a template says it, or a rule accepted what it tells of, and no person has kept the
        words since.
    """

    id: str
    text: str
    made: str
    mark: Mark
    label: str = ""
    kind: str = "text"
    options: tuple[str, ...] = ()
    unit: str = ""
    required: bool = False
    reason: str = ""
    result: str | None = None
    segment: int | None = None
    slice_index: int | None = None
    is_unseen: bool = False

    @property
    def section(self) -> str:
        """Where it stands."""
        return self.id.partition("/")[0]

    def printed(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "id": self.id,
            "text": self.text,
            "made": self.made,
            "mark": self.mark.value,
            "label": self.label,
            "kind": self.kind,
            "options": list(self.options),
            "unit": self.unit,
            "required": self.required,
            "reason": self.reason,
            "result": self.result,
            "segment": self.segment,
            "slice": self.slice_index,
            "unseen": self.is_unseen,
        }


@dataclass(frozen=True, kw_only=True)
class Fields:
    """A report as it stands now.

    Attributes
    ----------
    titles
        Sections in their order, with their headings.
    form
        The filled template that the fields are of.
    waiting
        Results that wait for a yes or no.
    running
        Commands that are not finished.
    left_out
        By field, the sentence for which a person left the measured numbers out.
    """

    fields: tuple[Field, ...]
    titles: Mapping[str, str]
    form: Filled
    choice: Choice
    waiting: tuple[Result, ...] = ()
    running: tuple[Result, ...] = ()
    left_out: Mapping[str, str] = dataclass_field(default_factory=dict)

    @property
    def results(self) -> tuple[str, ...]:
        """Results that are told of, each once; one whose sentences were emptied is not."""
        told = (each.result for each in self.fields if each.result and each.text.strip())
        return tuple(dict.fromkeys(told))


class Reports:
    """Reports of studies: what results say in a template, and the table of what was typed.

    Parameters
    ----------
    findings
        Returns what a result holds, in the order of its masks.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        results: Results,
        audit: SqlAuditLog,
        clock: Clock,
        templates: Templates,
        findings: FindingsOf,
    ) -> None:
        self._engine = engine
        self._results = results
        self._audit = audit
        self._clock = clock
        self.templates = templates
        self._findings = findings
        metadata.create_all(engine)

    def of(
        self,
        study: StudyUID,
        series: Sequence[SeriesUID],
        context: StudyContext,
        template: str = "",
    ) -> Fields:
        """Return what stands in the report of a study with these series.

        Parameters
        ----------
        context
            What the report's head says; its technique is taken from what was accepted.
        template
            The one that a person chose; empty for the most specific.
        """
        results = [each for uid in series for each in self._results.of_series(uid)]
        accepted = sorted(
            (each for each in results if each.state in _ACCEPTED), key=lambda each: each.at
        )
        told = self._told(accepted)
        techniques = dict.fromkeys(str(each.document.get("technique") or "") for each in accepted)
        case = _compared(
            Case(
                context=replace(context, technique=" ".join(filter(None, techniques))),
                findings=tuple(finding for finding, _ in told.values()),
            ),
            comparison_of(results),
        )
        typed = self._typed(study)
        choice, form = self.templates.fill(case, typed, template)
        corrected = {
            str(each.document["corrects"])
            for each in results
            if each.state in _BEING_CORRECTED and "corrects" in each.document
        }
        by_uid = {uid: result for uid, (_, result) in told.items()}
        return Fields(
            fields=tuple(_fields(form, by_uid, corrected)),
            titles={each.name: each.title for each in form.sections},
            form=form,
            choice=choice,
            waiting=tuple(each for each in results if each.state is ResultState.WAITING),
            running=tuple(each for each in results if each.state is ResultState.RUNNING),
        )

    def _told(self, accepted: Sequence[Result]) -> dict[str, tuple[Finding, Result]]:
        """Return findings by tracking UID; the latest outline of a finding stands for it."""
        return {
            str(finding.tracking_uid): (finding, result)
            for result in accepted
            if result.document["masks"]
            for finding in confirmed(self._findings(result))
        }

    def write(
        self, connection: Connection, study: StudyUID, field: str, typed: Typed, actor: str
    ) -> None:
        """Keep what a person typed into a field, in the transaction of the caller.

        Raises
        ------
        InputError
            If there is no such section, or the field's name or the text is too long.
        """
        text = typed.text
        section, _, name = field.partition("/")
        known = {part.name for each in self.templates.all for part in each.sections}
        if section not in known or not name or len(field) > _LONGEST_ID:
            raise InputError(
                f"a report has no field {field[:60]!r}: its sections are {', '.join(sorted(known))}"
            )
        if len(text) > _LONGEST:
            raise InputError(f"a field holds {_LONGEST} characters at most, this has {len(text)}")
        values = {"text": text, "over": typed.over, "at": self._clock.now().isoformat()}
        self._note(connection, study, "report.edited", actor)  # nobody else writes from here on
        changed = connection.execute(update(table).where(_is(study, field)).values(**values))
        if not changed.rowcount:
            key = {"study_instance_uid": study, "field": field}
            connection.execute(table.insert().values(**key, **values))

    def take_back(self, connection: Connection, study: StudyUID, field: str, actor: str) -> None:
        """Let the machine write a field again, in the transaction of the caller."""
        gone = connection.execute(delete(table).where(_is(study, field)))
        if gone.rowcount:
            self._note(connection, study, "report.taken_back", actor)

    def changes(self, most: int) -> dict[str, tuple[str, int]]:
        """Return when each study's report was last typed into, and how many fields it fills."""
        last = func.max(table.c.at)
        query = (
            select(table.c.study_instance_uid, last, func.count())
            .group_by(table.c.study_instance_uid)
            .order_by(last.desc())
            .limit(most)
        )
        with self._engine.begin() as connection:
            return {str(row[0]): (str(row[1]), int(row[2])) for row in connection.execute(query)}

    def _typed(self, study: StudyUID) -> dict[str, Typed]:
        query = select(table).where(table.c.study_instance_uid == study).order_by(table.c.at)
        with self._engine.begin() as connection:
            return {
                row["field"]: Typed(text=row["text"], over=row["over"])
                for row in connection.execute(query).mappings()
            }

    def _note(self, connection: Connection, study: StudyUID, act: str, actor: str) -> None:
        self._audit.record_in(connection, actor=actor, act=act, subject=study)


def _compared(case: Case, result: Result | None) -> Case:
    """Return a case with the comparison that stands, where there is one."""
    if result is None:
        return case
    found = read_back(result.document["comparison"])
    return replace(
        case,
        changes=found.changes,
        prior_date=found.prior_date,
        current_date=found.current_date,
        assessment=found.recist,
    )


def confirmed(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return what a result holds once it was accepted: nothing is a proposal any more."""
    return tuple(replace(each, is_proposal=False) for each in findings)


def _is(study: StudyUID, field: str) -> ColumnElement[bool]:
    return (table.c.study_instance_uid == study) & (table.c.field == field)


def _fields(
    form: Filled, results: Mapping[str, Result], corrected: Collection[str]
) -> Sequence[Field]:
    """Return the fields of a form, and one for a person's own words where it has none."""
    found: list[Field] = []
    for section in form.sections:
        for line in section.lines:
            found += _of_line(line, results, corrected)
        own = f"{section.name}/{OWN}"
        if section.name in OWN_SECTIONS and own not in {each.id for each in found}:
            found.append(Field(id=own, text="", made="", mark=Mark.EMPTY))
    return found


def _of_line(
    line: FilledLine, results: Mapping[str, Result], corrected: Collection[str]
) -> Sequence[Field]:
    found: list[Field] = []
    label = ""
    for part in line.parts:
        if isinstance(part, str):
            label += part
            continue
        field = _field(part, label.strip())
        result = results.get(str(part.finding.tracking_uid)) if part.finding else None
        found.append(field if result is None else _of_result(field, part, result, corrected))
        label = ""
    return found


def _field(part: FilledField, label: str) -> Field:
    is_kept = part.whose is Whose.TYPED and bool(part.made) and part.text == part.made
    return Field(
        id=part.id,
        text=part.text,
        made=part.made,
        mark=Mark.MACHINE if is_kept else _MARKS[part.whose],
        label=label or _label(part),
        kind=part.kind.value,
        options=part.options,
        unit=part.unit,
        required=part.required,
        reason=part.reason,
        is_unseen=part.whose is Whose.DEFAULT and bool(part.text.strip()),
    )


def _label(part: FilledField) -> str:
    """Return what a field without words on its line is called: a sentence needs no name."""
    is_own = part.id.endswith(f"/{OWN}")
    is_sentence = part.kind is FieldKind.TEXT and bool(part.made)
    return "" if is_own or is_sentence else part.label


def _of_result(
    field: Field, part: FilledField, result: Result, corrected: Collection[str]
) -> Field:
    assert part.finding is not None
    evidence = part.finding.evidence
    is_unseen = "accepted_by" not in result.document and part.whose is Whose.MACHINE
    return replace(
        field,
        result=result.id,
        segment=evidence.segment_number,
        slice_index=evidence.key_slice_index,
        mark=Mark.STALE if result.id in corrected else field.mark,
        is_unseen=field.is_unseen or is_unseen,
    )

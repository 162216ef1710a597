"""What stands in a report: fields that fill themselves from what was accepted, and what was typed.

What the machine writes follows its findings until a person has typed into the field; from then on
the person's words stand, and the field says when what they were typed over has changed, or the mask
it tells of is being corrected.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
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
from copilot.results import Result, Results
from copilot.results import State as ResultState
from domain.errors import InputError
from domain.ports import Clock
from domain.uids import SeriesUID, StudyUID

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

SECTIONS: Final = ("technique", "comparison", "findings", "impression")
_NO_PRIOR: Final = "No prior study was compared."
_OWN: Final = "own"  # the field that a person alone writes
_OWN_SECTIONS: Final = ("findings", "impression")
_BEING_CORRECTED: Final = frozenset({ResultState.RUNNING, ResultState.WAITING})
_ACCEPTED: Final = frozenset({ResultState.ACCEPTED, ResultState.SENT})
_LONGEST: Final = 10_000


class Mark(StrEnum):
    """Whose words a field holds."""

    MACHINE = "machine"
    EDITED = "edited"
    STALE = "stale"  # its mask is being corrected; or typed over words that have changed or gone


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a report.

    Attributes
    ----------
    made
        What the machine writes now; empty where it writes nothing.
    result, segment, slice_index
        The finding it tells of; None for other fields.
    is_unseen
        Whether a rule accepted what it tells of, and no person has kept the words since.
    """

    id: str
    text: str
    made: str
    mark: Mark
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
            "result": self.result,
            "segment": self.segment,
            "slice": self.slice_index,
            "unseen": self.is_unseen,
        }


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What a person typed into a field, and what the machine had written there."""

    field: str
    text: str
    over: str = ""


@dataclass(frozen=True, kw_only=True)
class Fields:
    """Every field of a report as it stands now.

    Attributes
    ----------
    waiting
        Results that wait for a yes or no.
    running
        Commands that are not finished.
    """

    fields: tuple[Field, ...]
    waiting: tuple[Result, ...] = ()
    running: tuple[Result, ...] = ()

    def in_section(self, section: str) -> tuple[Field, ...]:
        """Return the fields of a section, in their order."""
        return tuple(field for field in self.fields if field.section == section)


class Reports:
    """Reports of studies: what results say, and the table of what was typed."""

    def __init__(
        self, *, engine: Engine, results: Results, audit: SqlAuditLog, clock: Clock
    ) -> None:
        self._engine = engine
        self._results = results
        self._audit = audit
        self._clock = clock
        metadata.create_all(engine)

    def of(self, study: StudyUID, series: Sequence[SeriesUID]) -> Fields:
        """Return what stands in the report of a study with these series."""
        results = [each for uid in series for each in self._results.of_series(uid)]
        accepted = sorted(
            (each for each in results if each.state in _ACCEPTED), key=lambda each: each.at
        )
        corrected = {
            str(each.document["corrects"])
            for each in results
            if each.state in _BEING_CORRECTED and "corrects" in each.document
        }
        typed = self._typed(study)
        fields = [_while_corrected(_with(field, typed), corrected) for field in _made(accepted)]
        known = {field.id for field in fields}
        fields += [_left(name, typed[name]) for name in typed if name not in known]
        return Fields(
            fields=tuple(fields),
            waiting=tuple(each for each in results if each.state is ResultState.WAITING),
            running=tuple(each for each in results if each.state is ResultState.RUNNING),
        )

    def write(self, connection: Connection, study: StudyUID, typed: Typed, actor: str) -> None:
        """Keep what a person typed into a field, in the transaction of the caller.

        Raises
        ------
        InputError
            If there is no such field, or the text is too long.
        """
        field, text = typed.field, typed.text
        if field.partition("/")[0] not in SECTIONS or len(field) > 128:  # noqa: PLR2004 - the column
            raise InputError(f"a report has no field {field[:60]!r}: it has {', '.join(SECTIONS)}")
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

    def _typed(self, study: StudyUID) -> dict[str, tuple[str, str]]:
        query = select(table).where(table.c.study_instance_uid == study).order_by(table.c.at)
        with self._engine.begin() as connection:
            return {
                row["field"]: (row["text"], row["over"])
                for row in connection.execute(query).mappings()
            }

    def _note(self, connection: Connection, study: StudyUID, act: str, actor: str) -> None:
        self._audit.record_in(connection, actor=actor, act=act, subject=study)


def _is(study: StudyUID, field: str) -> ColumnElement[bool]:
    return (table.c.study_instance_uid == study) & (table.c.field == field)


def _made(accepted: Sequence[Result]) -> list[Field]:
    """Return what the machine writes, and fields for a person's own words."""
    fields: list[Field] = []
    techniques = {
        each.series_instance_uid: str(each.document["technique"])
        for each in accepted
        if each.document.get("technique")
    }
    fields += [_field(f"technique/{uid}", text) for uid, text in techniques.items()]
    fields.append(_field("comparison/prior", _NO_PRIOR))
    told = {  # the latest outline of a finding stands for it
        str(mask["tracking_uid"]): (result, mask)
        for result in accepted
        for mask in result.document["masks"]
        if "sentences" in mask
    }
    for section, sentence in (("findings", "finding"), ("impression", "impression")):
        fields += [_of_mask(section, sentence, *each) for each in told.values()]
    fields += [_field(f"{section}/{_OWN}", "") for section in _OWN_SECTIONS]
    return fields


def _field(name: str, made: str) -> Field:
    return Field(id=name, text=made, made=made, mark=Mark.MACHINE)


def _of_mask(section: str, sentence: str, result: Result, mask: Mapping[str, Any]) -> Field:
    made = str(mask["sentences"][sentence])
    return Field(
        id=f"{section}/{mask['tracking_uid']}",
        text=made,
        made=made,
        mark=Mark.MACHINE,
        result=result.id,
        segment=mask["segment"],
        slice_index=mask["key_slice"],
        is_unseen="accepted_by" not in result.document,
    )


def _with(field: Field, typed: Mapping[str, tuple[str, str]]) -> Field:
    if field.id not in typed:
        return field
    text, over = typed[field.id]
    mark = Mark.STALE if over != field.made else Mark.EDITED if text != over else Mark.MACHINE
    return replace(field, text=text, mark=mark, is_unseen=field.is_unseen and mark is Mark.STALE)


def _while_corrected(field: Field, corrected: Collection[str]) -> Field:
    """Return a field that says so while another outline of its finding is not decided."""
    return replace(field, mark=Mark.STALE) if field.result in corrected else field


def _left(name: str, typed: tuple[str, str]) -> Field:
    """Return a field that was typed into and whose finding is gone: the words are not lost."""
    return Field(id=name, text=typed[0], made="", mark=Mark.STALE)

"""What persons decided to leave out of the numbers that programs read, because a sentence differs.

A decision is for the sentence as it stood: typed again, it is open again.
"""

from typing import Final

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, Text, delete, select

from copilot.reports.fields import Fields
from domain.ports import Clock
from domain.report import LeftOut
from domain.uids import StudyUID
from reporting.disagreement import Disagreement, disagreements
from reporting.language import language

metadata: Final = MetaData()
table: Final = Table(
    "report_left_out",
    metadata,
    Column("study_instance_uid", String(64), primary_key=True),
    Column("field", String(128), primary_key=True),
    Column("text", Text, nullable=False),
    Column("at", String(40), nullable=False),
)


class Decisions:
    """The table of these decisions."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        metadata.create_all(engine)

    def of(self, study: StudyUID) -> dict[str, str]:
        """Return by field the sentence for which measured numbers are left out."""
        query = select(table).where(table.c.study_instance_uid == study)
        with self._engine.begin() as connection:
            return {row["field"]: row["text"] for row in connection.execute(query).mappings()}

    def put(self, connection: Connection, study: StudyUID, field: str, text: str) -> None:
        """Keep a decision, in the transaction of the caller."""
        connection.execute(
            delete(table).where(table.c.study_instance_uid == study, table.c.field == field)
        )
        connection.execute(
            table.insert().values(
                study_instance_uid=study, field=field, text=text, at=self._clock.now().isoformat()
            )
        )


def disagreements_in(found: Fields) -> tuple[Disagreement, ...]:
    """Return where a sentence of a report gives another number than was measured."""
    return disagreements(found.form.fields, language(found.form.template.language))


def left_out_of(found: Fields) -> tuple[LeftOut, ...]:
    """Return what is left out of the numbers of a report, as persons decided."""
    decided = [each for each in disagreements_in(found) if is_decided(each, found)]
    return tuple(dict.fromkeys(each.left_out() for each in decided))


def is_decided(each: Disagreement, found: Fields) -> bool:
    """Tell whether a person has decided for this very sentence."""
    return found.left_out.get(each.field.id) == each.field.text

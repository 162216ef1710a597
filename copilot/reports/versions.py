"""Versions of a report: how far the present one is, and every one that was signed."""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)

from domain.errors import InputError
from domain.report import LeftOut, ReportStatus, Signature
from domain.uids import InstanceUID, StudyUID

metadata: Final = MetaData()
standings: Final = Table(
    "reports",
    metadata,
    Column("study_instance_uid", String(64), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("template", String(64), nullable=False),
    Column("at", String(40), nullable=False),
)
versions: Final = Table(
    "report_versions",
    metadata,
    Column("study_instance_uid", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("signer", String(64), nullable=False),
    Column("at", String(40), nullable=False),
    Column("document", Text, nullable=False),
    Column("is_followed", Boolean, nullable=False),  # what follows from the signature was begun
)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far the present version of a report is.

    Attributes
    ----------
    reason
        Why an earlier version is amended; empty for the first.
    template
        The one that a person chose; empty for the most specific.
    """

    status: ReportStatus = ReportStatus.DRAFT
    version: int = 1
    reason: str = ""
    template: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A field of a version: its words behind a label, and the finding that they tell of."""

    id: str
    text: str
    label: str = ""
    unit: str = ""
    result: str | None = None
    segment: int | None = None
    slice_index: int | None = None


@dataclass(frozen=True, kw_only=True)
class Said:
    """A sentence: the finding it tells of, and the places of its numbers among that one's."""

    text: str
    tracking_uid: str | None = None
    measured: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Part:
    """A section under its heading."""

    name: str
    title: str
    said: tuple[Said, ...]


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version that was signed.

    Attributes
    ----------
    lines
        Its fields with words in them, in their order.
    parts
        Its sections as exports have them.
    context
        What its head says, as it was then.
    results
        What was accepted and is told of.
    language
        BCP 47.
    left_out
        Numbers that programs do not get.
    still_verified
        SR that an earlier version verified, of results that this one leaves out.
    """

    version: int
    status: ReportStatus
    signature: Signature
    lines: tuple[Line, ...]
    parts: tuple[Part, ...]
    context: Mapping[str, str]
    results: tuple[str, ...]
    language: str = "en"
    reason: str = ""
    left_out: tuple[LeftOut, ...] = ()
    still_verified: tuple[InstanceUID, ...] = ()

    def printed(self) -> dict[str, Any]:
        """Return plain JSON values of its head."""
        return {
            "version": self.version,
            "status": self.status.value,
            "signer": self.signature.name,
            "at": self.signature.at.isoformat(),
            "reason": self.reason,
        }


class Versions:
    """The tables of standings and of signed versions; a version is never changed or removed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        metadata.create_all(engine)

    def standing(self, study: StudyUID, connection: Connection | None = None) -> Standing:
        """Return how far a report is; that of one nobody has begun is a first draft."""
        query = select(standings).where(standings.c.study_instance_uid == study)
        if connection is not None:
            row = connection.execute(query).mappings().first()
        else:
            with self._engine.begin() as own:
                row = own.execute(query).mappings().first()
        if row is None:
            return Standing()
        return Standing(
            status=ReportStatus(row["status"]),
            version=row["version"],
            reason=row["reason"],
            template=row["template"],
        )

    def move(
        self,
        connection: Connection,
        study: StudyUID,
        now: Standing,
        at: datetime,
    ) -> None:
        """Write how far a report is, in the transaction of the act itself."""
        values = {
            "status": now.status.value,
            "version": now.version,
            "reason": now.reason,
            "template": now.template,
            "at": at.isoformat(),
        }
        changed = connection.execute(
            update(standings).where(standings.c.study_instance_uid == study).values(**values)
        )
        if not changed.rowcount:
            connection.execute(insert(standings).values(study_instance_uid=study, **values))

    def keep(self, connection: Connection, study: StudyUID, version: Version) -> None:
        """Keep a signed version, in the transaction of the signature."""
        document = {
            "lines": [asdict(each) for each in version.lines],
            "parts": [asdict(each) for each in version.parts],
            "language": version.language,
            "context": dict(version.context),
            "results": list(version.results),
            "reason": version.reason,
            "left_out": [asdict(each) for each in version.left_out],
            "still_verified": list(version.still_verified),
        }
        connection.execute(
            insert(versions).values(
                study_instance_uid=study,
                version=version.version,
                status=version.status.value,
                signer=version.signature.name,
                at=version.signature.at.isoformat(),
                document=json.dumps(document),
                is_followed=False,
            )
        )

    def unfollowed(self) -> tuple[tuple[StudyUID, Version], ...]:
        """Return signed versions of which a kill came before what follows from them."""
        query = select(versions).where(~versions.c.is_followed).order_by(versions.c.at)
        with self._engine.begin() as connection:
            rows = connection.execute(query).mappings().all()
        return tuple((StudyUID(row["study_instance_uid"]), _version(row)) for row in rows)

    def followed(self, study: StudyUID, version: int) -> None:
        """Write down that what follows from a signature was begun."""
        with self._engine.begin() as connection:
            connection.execute(
                update(versions)
                .where(versions.c.study_instance_uid == study, versions.c.version == version)
                .values(is_followed=True)
            )

    def of(self, study: StudyUID) -> tuple[Version, ...]:
        """Return every signed version of a report, the first first."""
        query = (
            select(versions)
            .where(versions.c.study_instance_uid == study)
            .order_by(versions.c.version)
        )
        with self._engine.begin() as connection:
            return tuple(_version(row) for row in connection.execute(query).mappings())

    def get(self, study: StudyUID, version: int) -> Version:
        """Return a signed version.

        Raises
        ------
        InputError
            If there is none of this number.
        """
        found = self.of(study)
        for each in found:
            if each.version == version:
                return each
        there = ", ".join(str(each.version) for each in found) or "none is signed yet"
        raise InputError(f"the report has no signed version {version}: there is {there}")

    def changes(self, most: int) -> dict[str, str]:
        """Return when each report last moved."""
        query = (
            select(standings.c.study_instance_uid, standings.c.at)
            .order_by(standings.c.at.desc())
            .limit(most)
        )
        with self._engine.begin() as connection:
            return {str(row[0]): str(row[1]) for row in connection.execute(query)}


def difference(earlier: Sequence[Line], later: Sequence[Line]) -> list[dict[str, str]]:
    """Return what changed between two versions, field by field, as a person reads it.

    Each entry has the field, ``was`` and ``now``, empty where there was or is none, and ``marked``:
    the words in order, a line each, with " ", "-" or "+" before those that stayed, went and came.
    """
    before, after = ({each.id: each.text for each in lines} for lines in (earlier, later))
    return [
        {
            "field": name,
            "was": before.get(name, ""),
            "now": after.get(name, ""),
            "marked": "\n".join(_words(before.get(name, ""), after.get(name, ""))),
        }
        for name in dict.fromkeys((*before, *after))
        if before.get(name, "") != after.get(name, "")
    ]


def _words(was: str, now: str) -> list[str]:
    compared = difflib.ndiff(was.split(), now.split())
    return [f"{line[0]}{line[2:]}" for line in compared if line[0] in " +-"]


def _version(row: RowMapping) -> Version:
    document = json.loads(row["document"])
    return Version(
        version=row["version"],
        status=ReportStatus(row["status"]),
        signature=Signature(name=row["signer"], at=datetime.fromisoformat(row["at"])),
        lines=tuple(Line(**each) for each in document["lines"]),
        parts=tuple(
            Part(
                name=part["name"],
                title=part["title"],
                said=tuple(
                    Said(**{**each, "measured": tuple(each["measured"])}) for each in part["said"]
                ),
            )
            for part in document["parts"]
        ),
        language=document["language"],
        context=document["context"],
        results=tuple(document["results"]),
        reason=document["reason"],
        left_out=tuple(LeftOut(**each) for each in document.get("left_out", ())),
        still_verified=tuple(map(InstanceUID, document.get("still_verified", ()))),
    )

"""A report's way to a signature: draft, in review, signed; amended, it goes the same way again.

Only a person with the right to sign signs, and signs what was shown: the words carry a digest, and
other words than those are not signed. Whatever nobody has looked at, or is out of date, stands in
the way. Each move and its audit row are one transaction.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, Final

from sqlalchemy import Connection, Engine

from copilot.access.roles import Person
from copilot.audit import SqlAuditLog
from copilot.polishing import Polished
from copilot.reports.composing import Composer, parts_of
from copilot.reports.fields import Fields, Reports
from copilot.reports.left_out import Decisions, disagreements_in, left_out_of
from copilot.reports.obstacles import obstacles_of
from copilot.reports.shown import check_signer, digest_of, frozen, lines_of
from copilot.reports.versions import Standing, Version, Versions, difference
from domain.errors import InputError, RadcopilotError
from domain.ports import Archive, Clock
from domain.report import Report, ReportStatus, Signature, StudyContext
from domain.uids import InstanceUID, StudyUID
from reporting.disagreement import without
from reporting.templates.composing import composed
from reporting.templates.fields import Typed

log: Final = logging.getLogger(__name__)

_OPEN: Final = (ReportStatus.DRAFT, ReportStatus.IN_REVIEW)
_LONGEST_REASON: Final = 1000

Polish = Callable[[str, StudyContext], Polished]
Head = Callable[[StudyUID], StudyContext]
Signed = Callable[[StudyUID, Version], None]
Taken = Callable[[str], Sequence[InstanceUID]]


class Lifecycle:
    """Moves reports, and keeps every version that was signed.

    Parameters
    ----------
    taken
        Returns the verified SR of a result that archives have, and nothing has replaced.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        reports: Reports,
        versions: Versions,
        archive: Archive,
        audit: SqlAuditLog,
        clock: Clock,
        head: Head,
        composer: Composer,
        signed: Signed,
        taken: Taken,
    ) -> None:
        self._engine = engine
        self._reports = reports
        self._versions = versions
        self._archive = archive
        self._audit = audit
        self._clock = clock
        self._head = head
        self._composer = composer
        self._decisions = Decisions(engine, clock)
        self._signed = signed
        self._taken = taken

    def fields(self, study: StudyUID, standing: Standing | None = None) -> Fields:
        """Return what stands in a report now, signed or not."""
        template = (standing or self._versions.standing(study)).template
        try:
            head = self._head(study)
        except InputError:  # the images are gone: what was typed and accepted is shown all the same
            head = StudyContext()
        found = self._reports.of(study, self._archive.series_of(study), head, template)
        return replace(found, left_out=self._decisions.of(study))

    def printed(self, study: StudyUID) -> dict[str, Any]:
        """Return a report as plain JSON values.

        One that is signed reads as it was signed, whatever was accepted or typed since; ``changed``
        says that it would read otherwise now.
        """
        standing = self._versions.standing(study)
        found = self.fields(study, standing)
        kept = self._versions.of(study)
        shown, titles, changed = found.fields, found.titles, False
        if standing.status.is_final:
            shown = tuple(frozen(line) for line in kept[-1].lines)
            titles = {each.name: each.title for each in kept[-1].parts}
            changed = lines_of(found) != kept[-1].lines
        return {
            "study_instance_uid": study,
            "status": standing.status.value,
            "version": standing.version,
            "reason": standing.reason,
            "digest": digest_of(study, standing, found),
            "changed": changed,
            "undecided": len(found.waiting),
            "still_verified": list(self._still_verified(study, found)),
            "obstacles": [asdict(each) for each in obstacles_of(found)],
            "versions": [each.printed() for each in kept],
            "template": {
                "name": found.choice.template.name,
                "title": found.choice.template.title,
                "reason": found.choice.reason,
                "others": [
                    {"name": each.name, "title": each.title}
                    for each in self._reports.templates.all
                    if each.language == found.choice.template.language
                    and each.name != found.choice.template.name
                ],
            },
            "notes": list(found.form.notes),
            "sections": [
                {
                    "name": name,
                    "title": title,
                    "fields": [each.printed() for each in shown if each.section == name],
                }
                for name, title in titles.items()
            ],
        }

    def report(self, study: StudyUID, version: int | None = None) -> Report:
        """Return a signed version of a report, or what stands there now: for every export.

        Raises
        ------
        InputError
            If there is no such version, or what it was made of is not kept here any more.
        """
        return self.exported(study, version)[0]

    def exported(
        self, study: StudyUID, version: int | None = None
    ) -> tuple[Report, tuple[str, ...]]:
        """Return a report as ``report`` does, and the ids of the results that it tells of.

        Raises
        ------
        InputError
            As ``report``.
        """
        standing = self._versions.standing(study)
        if version is None and standing.status.is_final:
            version = standing.version
        if version is not None:
            kept = self._versions.get(study, version)
            return self._composer.signed(study, kept), kept.results
        found = self.fields(study, standing)
        report = composed(
            found.form,
            study,
            status=standing.status,
            version=standing.version,
            reason=standing.reason,
        )
        report = replace(report, still_verified=self._still_verified(study, found))
        return without(report, left_out_of(found)), found.results

    def write(self, study: StudyUID, field: str, typed: Typed, actor: str) -> None:
        """Keep what a person typed into a field.

        Raises
        ------
        InputError
            If the report is signed, or the field's name or text is too long.
        """
        with self._moving(study, _OPEN, "edited") as (connection, _):
            self._reports.write(connection, study, field, typed, actor)

    def leave_out(self, study: StudyUID, field: str, text: str, actor: str) -> None:
        """Leave measured numbers out of what programs read, for a sentence that gives others.

        Raises
        ------
        InputError
            If the report is signed, or no sentence there reads so and gives other numbers.
        """
        with self._moving(study, _OPEN, "edited") as (connection, _):
            there = disagreements_in(self.fields(study))
            if not any((each.field.id, each.field.text) == (field, text) for each in there):
                raise InputError(
                    f"no sentence {field[:60]!r} of the report gives other numbers than were "
                    "measured, or it has changed: read the report again"
                )
            self._note(connection, study, "report.left_out", actor)
            self._decisions.put(connection, study, field, text)

    def polished(self, study: StudyUID, field: str, polish: Polish, actor: str) -> Polished:
        """Return a field's words reworded, or as they are with the reason; nothing is written.

        Raises
        ------
        InputError
            If the report has no such field.
        """
        found = self.fields(study)
        for each in found.fields:
            if each.id == field:
                self._audit.record(actor=actor, act="report.polished", subject=study)
                return polish(each.text, found.form.case.context)
        raise InputError(f"the report has no field {field[:60]!r}: read the report again")

    def take_back(self, study: StudyUID, field: str, actor: str) -> None:
        """Let the machine write a field again.

        Raises
        ------
        InputError
            If the report is signed.
        """
        with self._moving(study, _OPEN, "edited") as (connection, _):
            self._reports.take_back(connection, study, field, actor)

    def choose(self, study: StudyUID, template: str, actor: str) -> None:
        """Fill another template; empty for the most specific. What was typed stays.

        Raises
        ------
        InputError
            If the report is signed, or there is no such template.
        """
        if template:
            self._reports.templates.choose(StudyContext(), (), template)
        with self._moving(study, _OPEN, "given a template") as (connection, standing):
            self._note(connection, study, "report.template", actor)
            self._move(connection, study, replace(standing, template=template))

    def review(self, study: StudyUID, actor: str) -> None:
        """Put a draft up for review.

        Raises
        ------
        InputError
            If it is no draft.
        """
        with self._moving(study, _OPEN, "put up for review") as (connection, standing):
            self._note(connection, study, "report.in_review", actor)
            self._move(connection, study, replace(standing, status=ReportStatus.IN_REVIEW))

    def revise(self, study: StudyUID, actor: str) -> None:
        """Take a report back from review.

        Raises
        ------
        InputError
            If it is not in review.
        """
        allowed = (ReportStatus.IN_REVIEW,)
        with self._moving(study, allowed, "taken back from review") as (connection, standing):
            self._note(connection, study, "report.revised", actor)
            self._move(connection, study, replace(standing, status=ReportStatus.DRAFT))

    def sign(self, study: StudyUID, digest: str, person: Person) -> Version:
        """Sign a report in review, as it was shown.

        Raises
        ------
        InputError
            If the person may not sign, the report is not in review, something stands in the way, or
            it reads otherwise than what was shown.
        """
        check_signer(person)
        self._head(study)  # a report of nobody is not signed
        with self._moving(study, (ReportStatus.IN_REVIEW,), "signed") as (connection, standing):
            # the audit row's lock keeps everyone else from writing until this is written
            self._note(connection, study, "report.signed", person.name)
            found = self.fields(study, standing)
            if obstacles := obstacles_of(found):
                raise InputError(
                    f"the report cannot be signed yet: {'; '.join(each.says for each in obstacles)}"
                )
            if digest != digest_of(study, standing, found):
                raise InputError(
                    "the report has changed since it was shown: read it again, then sign"
                )
            status = ReportStatus.SIGNED if standing.version == 1 else ReportStatus.AMENDED
            signature = Signature(name=person.name, at=self._clock.now())
            report = composed(
                found.form,
                study,
                status=status,
                version=standing.version,
                signature=signature,
                reason=standing.reason,
            )
            version = Version(
                version=standing.version,
                status=status,
                signature=signature,
                lines=lines_of(found),
                parts=parts_of(report),
                language=report.language,
                context=asdict(report.context),
                results=found.results,
                reason=standing.reason,
                left_out=left_out_of(found),
                still_verified=self._still_verified(study, found),
            )
            self._versions.keep(connection, study, version)
            self._move(connection, study, replace(standing, status=status))
        self._try_to_follow(study, version)
        return version

    def resume(self) -> None:
        """Take up what a kill between a signature and what follows from it left."""
        for study, version in self._versions.unfollowed():
            self._try_to_follow(study, version)

    def amend(self, study: StudyUID, reason: str, actor: str) -> None:
        """Begin the next version of a signed report; what was signed stays as it is.

        Raises
        ------
        InputError
            If it is not signed, or no reason is given.
        """
        if not reason.strip() or len(reason) > _LONGEST_REASON:
            raise InputError(
                f"an amendment says why, in 1 to {_LONGEST_REASON} characters: give the reason"
            )
        allowed = (ReportStatus.SIGNED, ReportStatus.AMENDED)
        with self._moving(study, allowed, "amended") as (connection, standing):
            self._note(connection, study, "report.amending", actor)
            again = Standing(
                version=standing.version + 1, reason=reason.strip(), template=standing.template
            )
            self._move(connection, study, again)

    def difference(self, study: StudyUID, earlier: int, later: int | None) -> list[dict[str, str]]:
        """Return what changed from a signed version to another, or to what stands there now.

        Raises
        ------
        InputError
            If there is no such version.
        """
        then = self._versions.get(study, earlier).lines
        now = (
            lines_of(self.fields(study))
            if later is None
            else self._versions.get(study, later).lines
        )
        return difference(then, now)

    def version(self, study: StudyUID, version: int) -> dict[str, Any]:
        """Return a signed version as plain JSON values, word for word.

        Raises
        ------
        InputError
            If there is no such version.
        """
        found = self._versions.get(study, version)
        return found.printed() | {"fields": [asdict(each) for each in found.lines]}

    def changes(self, most: int) -> dict[str, tuple[str, int]]:
        """Return when each report last changed, and how many of its fields were typed into."""
        typed = self._reports.changes(most)
        for uid, at in self._versions.changes(most).items():
            last, count = typed.get(uid, ("", 0))
            typed[uid] = (max(at, last), count)
        return typed

    def _still_verified(self, study: StudyUID, found: Fields) -> tuple[InstanceUID, ...]:
        """Return what earlier versions verified in archives, of results that are left out now."""
        earlier = [result for version in self._versions.of(study) for result in version.results]
        gone = [each for each in dict.fromkeys(earlier) if each not in found.results]
        return tuple(uid for each in gone for uid in self._taken(each))

    def _try_to_follow(self, study: StudyUID, version: Version) -> None:
        """Do what follows from a signature; what fails is tried again at the next start."""
        try:
            self._signed(study, version)
        except RadcopilotError:
            log.exception("report.not_followed version=%d", version.version)
            actor = version.signature.name
            self._audit.record(actor=actor, act="report.not_followed", subject=study)
        else:
            self._versions.followed(study, version.version)

    @contextmanager
    def _moving(
        self, study: StudyUID, allowed: tuple[ReportStatus, ...], act: str
    ) -> Iterator[tuple[Connection, Standing]]:
        """Open the transaction of an act that a report allows in these states alone."""
        with self._engine.begin() as connection:
            self._audit.hold(connection)
            standing = self._versions.standing(study, connection)
            if standing.status not in allowed:
                words = {
                    ReportStatus.DRAFT: "a draft: put it up for review first",
                    ReportStatus.IN_REVIEW: "in review: sign it or take it back",
                }
                says = words.get(standing.status, "signed: begin an amendment first")
                raise InputError(f"the report cannot be {act}, it is {says}")
            yield connection, standing

    def _move(self, connection: Connection, study: StudyUID, now: Standing) -> None:
        self._versions.move(connection, study, now, self._clock.now())

    def _note(self, connection: Connection, study: StudyUID, act: str, actor: str) -> None:
        self._audit.record_in(connection, actor=actor, act=act, subject=study)

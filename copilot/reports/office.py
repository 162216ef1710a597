"""The reports of a server put together: how they move, how they are exported, and who gets them."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from copilot.desk import Desk
from copilot.reports.composing import Composer
from copilot.reports.exporting import Exports
from copilot.reports.fields import Reports, confirmed
from copilot.reports.kept import KeptFindings
from copilot.reports.lifecycle import Lifecycle
from copilot.reports.signatures import keep_verification, report_file, verified_reports_in
from copilot.reports.versions import Version, Versions
from copilot.results import State
from copilot.system import SystemClock
from copilot.twins import FOLDER
from copilot.wiring.house import House
from dicom_node.context import study_head
from dicom_node.files import headers, write_whole
from domain.errors import InputError
from domain.report import StudyContext
from domain.uids import InstanceUID, StudyUID
from reporting.sr_signing import Verification

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Office:
    """Reports on their way to a signature, and as files."""

    lifecycle: Lifecycle
    exports: Exports


def open_office(home: House, desk: Desk) -> Office:
    """Return the reports of a house; what is signed goes to where its measurements are."""
    follower = _Follower(home, desk)
    kept = KeptFindings(home.results, home.concepts)
    lifecycle = Lifecycle(
        engine=home.database,
        reports=Reports(
            engine=home.database,
            results=home.results,
            audit=home.audit,
            clock=SystemClock(),
            templates=home.templates,
            findings=kept.of,
        ),
        versions=Versions(home.database),
        archive=home.store,
        audit=home.audit,
        clock=SystemClock(),
        head=lambda study: _head(home, study),
        composer=Composer(lambda identity: confirmed(kept.called(identity))),
        signed=lambda study, version: follower.follow(office, study, version),
        taken=lambda identity: _taken(home, identity),
    )
    exports = Exports(
        lifecycle=lifecycle,
        results=home.results,
        kept=kept,
        concepts=home.concepts,
        volume_of=lambda series: home.volumes.load(home.store.instance_paths(series)),
        clock=SystemClock(),
    )
    office = Office(lifecycle=lifecycle, exports=exports)
    home.report_of = lambda study, version: lifecycle.report(StudyUID(study), version)
    return office


class _Follower:
    """Does what follows from a signature; done again, it changes nothing."""

    def __init__(self, home: House, desk: Desk) -> None:
        self._home = home
        self._desk = desk

    def follow(self, office: Office, study: StudyUID, version: Version) -> None:
        """Write who signed beside each result, and send what was signed."""
        organization = self._home.settings.reporting.organization or "Not stated"
        verification = Verification(
            signature=version.signature,
            organization=organization,
            reason=version.reason,
            left_out=version.left_out,
        )
        if version.results:  # one of them carries the whole report
            made = office.exports.export(study, "pdf", version.version)
            write_whole(
                report_file(self._objects(version.results[0]), version.version), made.content
            )
        for result in version.results:
            keep_verification(self._objects(result), version.version, verification)
        self._desk.deliver_signed(version.results)
        for destination in self._home.settings.report_destinations:
            self._send(study, version, destination.name)

    def _objects(self, result: str) -> Path:
        folder = self._home.results.folder(result) / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _send(self, study: StudyUID, version: Version, destination: str) -> None:
        """Queue a version for a system that takes reports; what cannot go is written down."""
        actor = version.signature.name
        try:
            self._home.report_courier.deliver(study, version.version, destination, actor)
        except InputError as error:
            log.warning("report.not_queued destination=%s reason=%s", destination, error)
            subject = f"version {version.version} of report {study} for {destination}"
            self._home.audit.record(actor=actor, act="report.not_queued", subject=subject)


def _taken(home: House, identity: str) -> tuple[InstanceUID, ...]:
    if home.results.get(identity).state is State.REPLACED:  # the one that replaces it says so
        return ()
    return verified_reports_in(home.results.folder(identity) / FOLDER)


def _head(home: House, study: StudyUID) -> StudyContext:
    for series in home.store.series_of(study):
        for path in home.store.instance_paths(series)[:1]:
            return study_head(*headers([path]))
    raise InputError("no image of the study is stored here any more: its head is not known")

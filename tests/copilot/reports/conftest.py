"""A report on its way to a signature, on a real database."""

from dataclasses import dataclass, field

import pytest
from sqlalchemy import create_engine

from copilot.access.roles import How, Person, Role
from copilot.audit import SqlAuditLog
from copilot.concepts import load_concepts
from copilot.reports.composing import Composer
from copilot.reports.fields import Reports, confirmed
from copilot.reports.lifecycle import Lifecycle
from copilot.reports.versions import Versions
from copilot.results import Result, Results, State
from copilot.settings import load_settings
from copilot.system import SystemClock
from copilot.templates import Templates
from domain.codes import LESION, MILLILITRE, VOLUME
from domain.measurement import Evidence, Finding, Measurement
from domain.report import StudyContext
from domain.segment import AlgorithmType, Provenance
from domain.uids import InstanceUID, SeriesUID, StudyUID
from reporting.templates.fields import Typed

STUDY, SERIES = StudyUID("1.2.3"), SeriesUID("1.2.3.4")
ROE = Person(name="Dr. Rolf Roe", roles=frozenset({Role.RADIOLOGIST}), how=How.SESSION)


def lesion(volume_ml):
    """Return what the report says of a lesion, in full and in short alike."""
    return f"Lesion: volume {volume_ml:.2f} mL."


def findings(result):
    """Return what a result of these tests holds."""
    return [
        Finding(
            tracking_id="Finding 1",
            tracking_uid=InstanceUID(each["tracking_uid"]),
            concept=None,
            code=LESION,
            provenance=Provenance(
                engine="rules", version="1", algorithm_type=AlgorithmType.AUTOMATIC
            ),
            evidence=Evidence(segment_number=1, key_slice_index=4),
            measurements=(Measurement(concept=VOLUME, value=each["volume_ml"], unit=MILLILITRE),),
        )
        for each in result.document["masks"]
    ]


class Archive:
    """Knows one study."""

    def series_of(self, study):
        return (SERIES,) if study == STUDY else ()


@dataclass
class Site:
    """Results and reports, and the signatures that something followed from."""

    results: Results
    trail: SqlAuditLog
    lifecycle: Lifecycle = None
    signed: list = field(default_factory=list)
    archived: dict = field(default_factory=dict)
    is_down: bool = False

    def put(self, identity, volume_ml, *, uid="1.2.9", state=State.WAITING, **more):
        document = {
            "text": f"ask for {identity}",
            "command": {"action": "segment"},
            "masks": [{"tracking_uid": uid, "volume_ml": volume_ml}],
            "technique": "CT.",
            **more,
        }
        at = f"2026-01-01T00:00:{len(identity):02}"
        self.results.add(
            Result(id=identity, at=at, series_instance_uid=SERIES, state=state, document=document),
            "reader",
        )

    def accepted(self, identity, volume_ml, **more):
        self.put(identity, volume_ml, **more)
        self.results.accept(identity, "Dr. Rolf Roe")

    def type(self, name, text, over=""):
        self.lifecycle.write(STUDY, name, Typed(text=text, over=over), "Dr. Rolf Roe")

    @property
    def report(self):
        return self.lifecycle.printed(STUDY)

    @property
    def fields(self):
        return {each["id"]: each for part in self.report["sections"] for each in part["fields"]}

    @property
    def obstacles(self):
        return [each["kind"] for each in self.report["obstacles"]]

    def sign(self, person=ROE, digest=None):
        return self.lifecycle.sign(STUDY, digest or self.report["digest"], person)

    def follow(self, study, version):
        if self.is_down:
            raise SystemExit
        self.signed.append((study, version.version))


@pytest.fixture
def site(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'site.db'}")
    audit = SqlAuditLog(engine, SystemClock())
    results = Results(engine, audit, tmp_path / "results")
    made = Site(results=results, trail=audit)
    made.lifecycle = Lifecycle(
        engine=engine,
        reports=Reports(
            engine=engine,
            results=results,
            audit=audit,
            clock=SystemClock(),
            templates=Templates(load_settings().reporting, load_concepts()),
            findings=findings,
        ),
        versions=Versions(engine),
        archive=Archive(),
        audit=audit,
        clock=SystemClock(),
        composer=Composer(lambda identity: confirmed(findings(results.get(identity)))),
        head=lambda _study: StudyContext(patient_name="Doe, Jane", accession_number="A-1"),
        signed=made.follow,
        taken=lambda identity: made.archived.get(identity, ()),
    )
    yield made
    engine.dispose()

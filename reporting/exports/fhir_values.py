"""What a FHIR bundle is made of besides findings: study, standing, and the names of its entries."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from domain.measurement import Finding
from domain.report import ReportStatus, Signature
from domain.segment import Provenance
from domain.uids import SeriesUID, StudyUID
from reporting.exports.enclosed import StoredObject


@dataclass(frozen=True, kw_only=True)
class ReportedStudy:
    """What the bundle says of patient and study; patient data: never logged, never in an error.

    Attributes
    ----------
    series_instance_uid
        The one that was measured; None where that is not one.
    patient_id, accession_number
        Empty where the images state none.
    study_date
        ISO 8601, or anything else, which is left out.
    """

    study_instance_uid: StudyUID
    series_instance_uid: SeriesUID | None
    modality: str
    patient_id: str = ""
    accession_number: str = ""
    study_date: str = ""
    objects: tuple[StoredObject, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a report is, who signed it, and its words.

    Attributes
    ----------
    narrative
        Every sentence with its headings, as XHTML; empty for none.
    remark
        Says a note of the program in the language of the report.
    """

    status: ReportStatus = ReportStatus.DRAFT
    version: int = 1
    signature: Signature | None = None
    language: str = ""
    narrative: str = ""
    remark: Callable[[str], str] = str

    @property
    def code(self) -> str:
        """As the status of a DiagnosticReport and of its observations."""
        match self.status:
            case ReportStatus.SIGNED:
                return "final"
            case ReportStatus.AMENDED:
                return "amended"
            case _:
                return "preliminary"


class Names:
    """Names of the entries, ``urn:uuid:``, that follow from the study and the findings."""

    def __init__(self, study: ReportedStudy, stands: Standing) -> None:
        made_of = [str(each.sop_instance_uid) for each in study.objects]
        series = study.series_instance_uid
        of = [str(study.study_instance_uid), *([str(series)] if series else []), *made_of]
        if stands.signature is not None:
            of.append(f"version {stands.version}")
        self._of = "/".join(of)
        self.report = self._name("report")
        self.study = self._name("study")

    def device(self, provenance: Provenance) -> str:
        """Return the name of an engine."""
        return self._name("device", repr(provenance))

    def finding(self, finding: Finding) -> str:
        """Return the name of a finding."""
        return self._name("finding", str(finding.tracking_uid))

    def measurement(self, finding: Finding, number: int) -> str:
        """Return the name of a finding's measurement, from 0."""
        return self._name("finding", str(finding.tracking_uid), str(number))

    def _name(self, *what: str) -> str:
        said = "/".join((self._of, *what))
        return uuid.uuid5(uuid.NAMESPACE_OID, said).urn

"""What a command led to, as a FHIR bundle for the hospital's information system."""

import json
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from copilot.analysis import Analysis
from dicom_node.equipment import device_uid
from dicom_node.files import write_whole
from domain.uids import InstanceUID, SeriesUID, SopClassUID
from reporting.exports.fhir import ReportedStudy, StoredObject, report_bundle

FILE: Final = "report.fhir.json"


def write_fhir(analysis: Analysis, folder: Path) -> dict[str, Path]:
    """Write the bundle of a draft and return the file by kind; none where there is no draft.

    Raises
    ------
    InputError
        If a code cannot be named in FHIR.
    """
    if analysis.draft is None or analysis.volume is None or analysis.volume.source is None:
        return {}
    context, source = analysis.draft.context, analysis.volume.source
    findings = [marked.finding for marked in analysis.marked]
    bundle = report_bundle(
        ReportedStudy(
            study_instance_uid=source.study_instance_uid,
            series_instance_uid=source.series_instance_uid,
            modality=context.modality,
            patient_id=context.patient_id,
            accession_number=context.accession_number,
            study_date=context.study_date,
            objects=tuple(
                _stored(each)
                for each in (analysis.segmentation, analysis.report)
                if each is not None
            ),
        ),
        findings,
        {finding.provenance: device_uid(finding.provenance) for finding in findings},
        [statement.text for statement in analysis.draft.impression],
    )
    path = folder.resolve() / FILE
    write_whole(path, (json.dumps(bundle, ensure_ascii=False, indent=1) + "\n").encode())
    return {"fhir": path}


def _stored(dataset: Dataset) -> StoredObject:
    return StoredObject(
        modality=str(dataset.Modality),
        series_instance_uid=SeriesUID(str(dataset.SeriesInstanceUID)),
        sop_class_uid=SopClassUID(str(dataset.SOPClassUID)),
        sop_instance_uid=InstanceUID(str(dataset.SOPInstanceUID)),
    )

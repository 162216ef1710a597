"""A report, its status and its words as a FHIR R4B bundle."""

import html
import json
from collections.abc import Iterator
from typing import Final

from domain.report import Report
from reporting.exports.enclosed import Enclosed
from reporting.exports.fhir import report_bundle
from reporting.exports.fhir_values import ReportedStudy, Standing
from reporting.exports.words import standing

_IMPRESSION: Final = "impression"


def report_fhir(report: Report, enclosed: Enclosed) -> bytes:
    """Return the report as a bundle in UTF-8 JSON.

    Its conclusion is the impression, or every sentence where it has none; all sentences stand in
    the narrative.

    Raises
    ------
    InputError
        As ``report_bundle``.
    """
    context = report.context
    study = ReportedStudy(
        study_instance_uid=report.study_instance_uid,
        series_instance_uid=enclosed.series_instance_uid,
        modality=context.modality,
        patient_id=context.patient_id,
        accession_number=context.accession_number,
        study_date=context.study_date,
        objects=enclosed.objects,
    )
    impressions = [each for each in report.sections if each.name.lower() == _IMPRESSION]
    bundle = report_bundle(
        study,
        report.findings,
        enclosed.devices,
        [each.text for section in impressions or report.sections for each in section.statements],
        Standing(
            status=report.status,
            version=report.version,
            signature=report.signature,
            language=report.language,
            narrative=_narrative(report),
        ),
    )
    return (json.dumps(bundle, ensure_ascii=False, indent=1) + "\n").encode()


def _narrative(report: Report) -> str:
    """Return every sentence under its heading, as the XHTML that FHIR allows."""

    def parts() -> Iterator[str]:
        stands = f"<p><b>{html.escape(standing(report))}</b></p>"
        yield stands
        for section in report.sections:
            if section.statements:
                yield f"<h2>{html.escape(section.title)}</h2><ul>"
                for each in section.statements:
                    lines = (html.escape(line) for line in each.text.splitlines())
                    yield f"<li>{'<br/>'.join(lines)}</li>"
                yield "</ul>"
        yield stands

    return f'<div xmlns="http://www.w3.org/1999/xhtml">{"".join(parts())}</div>'

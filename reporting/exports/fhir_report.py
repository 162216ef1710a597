"""A report, its status and its words as a FHIR R4B bundle."""

import html
import json
from collections.abc import Iterator
from typing import Final

from domain.report import Report
from reporting.exports.enclosed import Enclosed
from reporting.exports.fhir import report_bundle
from reporting.exports.fhir_values import ReportedStudy, Standing
from reporting.exports.words import amendment, language_of, standing
from reporting.phrasebook import phrasebook

_IMPRESSION: Final = "impression"


def report_fhir(report: Report, enclosed: Enclosed) -> bytes:
    """Return the report as a bundle in UTF-8 JSON.

    Its conclusion is the impression, or every sentence where it has none, behind the reason of an
    amendment; all stand in the narrative.

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
    amended = amendment(report)
    bundle = report_bundle(
        study,
        report.findings,
        enclosed.devices,
        [
            *([amended] if amended else []),
            *(each.text for part in impressions or report.sections for each in part.statements),
        ],
        Standing(
            status=report.status,
            version=report.version,
            signature=report.signature,
            language=report.language,
            remark=phrasebook(language_of(report).code).said,
            narrative=_narrative(report, amended),
        ),
    )
    return (json.dumps(bundle, ensure_ascii=False, indent=1) + "\n").encode()


def _narrative(report: Report, amended: str) -> str:
    """Return every sentence under its heading, as the XHTML that FHIR allows."""

    def parts() -> Iterator[str]:
        stands = f"<p><b>{html.escape(standing(report))}</b></p>"
        yield stands
        if amended:
            yield f"<p>{'<br/>'.join(html.escape(line) for line in amended.splitlines())}</p>"
        for section in report.sections:
            if section.statements:
                yield f"<h2>{html.escape(section.title)}</h2><ul>"
                for each in section.statements:
                    lines = (html.escape(line) for line in each.text.splitlines())
                    yield f"<li>{'<br/>'.join(lines)}</li>"
                yield "</ul>"
        yield stands

    return f'<div xmlns="http://www.w3.org/1999/xhtml">{"".join(parts())}</div>'

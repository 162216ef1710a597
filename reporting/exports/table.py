"""The measurements of a report as CSV, a row a number, for spreadsheets and programs.

Numbers have every digit, with a point. What was found without a number, or said of none, has a
row too: a table of numbers alone would not tell "nothing found" from "not looked for".
"""

import csv
import io
from collections.abc import Iterator
from typing import Final

from domain.codes import Code
from domain.measurement import Finding, Measurement
from domain.report import Report
from reporting.exports.enclosed import Enclosed
from reporting.exports.words import amendment, standing

COLUMNS: Final = (
    "status",
    "version",
    "row",
    "tracking_id",
    "tracking_uid",
    "finding",
    "finding_code",
    "site",
    "site_code",
    "side",
    "measurement",
    "measurement_code",
    "derivation",
    "derivation_code",
    "value",
    "unit",
    "uncertainty_95",
    "method",
    "method_code",
    "rule",
    "image",
    "note",
)
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


def report_csv(report: Report, enclosed: Enclosed) -> bytes:
    """Return the numbers as UTF-8 CSV with a header.

    ``status`` says DRAFT in each row until the report is signed. ``image`` counts from 1. A text
    that a spreadsheet would take for a formula has an apostrophe before it.
    """
    del enclosed
    written = io.StringIO()
    table = csv.DictWriter(written, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    every = {"status": _text(standing(report)), "version": str(report.version)}
    for row in _rows(report):
        table.writerow(every | row)
    return written.getvalue().encode()


def _rows(report: Report) -> Iterator[dict[str, str]]:
    if report.reason:
        yield {"row": "amendment", "note": _text(amendment(report))}
    for finding in report.findings:
        shared = _finding(finding)
        yield shared | {"row": "finding", "note": _text("; ".join(_notes(finding)))}
        for measurement in finding.measurements:
            yield shared | {"row": "measurement"} | _measurement(measurement)
    for section in report.sections:
        for statement in section.statements:
            if not statement.measurements:
                of = {} if statement.finding is None else _finding(statement.finding)
                yield of | {"row": _text(section.name), "note": _text(statement.text)}


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "tracking_id": _text(finding.tracking_id),
        "tracking_uid": str(finding.tracking_uid),
        **_coded("finding", finding.code),
        **_coded("site", finding.site),
        "side": _text(finding.side or ""),
    }


def _measurement(measurement: Measurement) -> dict[str, str]:
    uncertainty, index = measurement.uncertainty, measurement.slice_index
    return {
        **_coded("measurement", measurement.concept),
        **_coded("derivation", measurement.derivation),
        "value": repr(float(measurement.value)),
        "unit": measurement.unit.value,
        "uncertainty_95": "" if uncertainty is None else repr(float(uncertainty)),
        **_coded("method", measurement.method),
        "rule": _text(measurement.rule or ""),
        "image": "" if index is None else str(index + 1),
    }


def _notes(finding: Finding) -> Iterator[str]:
    if finding.is_proposal:
        yield "proposal: nobody has confirmed the place yet"
    yield from finding.warnings
    yield from (reason for reason in finding.absent if reason not in finding.warnings)


def _coded(column: str, code: Code | None) -> dict[str, str]:
    if code is None:
        return {}
    return {column: _text(code.meaning), f"{column}_code": f"{code.scheme} {code.value}"}


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) else text

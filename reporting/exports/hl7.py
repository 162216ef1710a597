"""A report as an HL7 v2.5 message ORU^R01, for RIS and HIS.

Each finding is a group of OBX with one sub-ID (OBX-4): ``F1`` names it, its type, site and side,
``F1.1`` its first number, ``F1.2`` the next. v2.5 has no place for a site in OBX itself (OBX-20
came later): the side is an OBX of its own, and stands in words beside each number (OBX-3.5). Mean,
maximum and the like stand with the method in OBX-17, and in those words.

Status is that of the report in each OBX-11 and in OBR-25: P until a person has signed, then F, and
C for one that replaces a signed one. OBX-8 is left empty: nothing is called abnormal here.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from domain.codes import BILATERAL, LEFT, RIGHT, Code, dcm, sct
from domain.errors import InputError
from domain.measurement import Finding, Measurement
from domain.report import Report, ReportStatus, Section
from reporting.exports import er7
from reporting.exports.enclosed import Enclosed, Envelope
from reporting.exports.words import amendment, language_of, standing
from reporting.phrasebook import phrasebook
from reporting.wording import name

CODING_SYSTEMS: Final = {  # HL7 table 0396; IBSI is not in it
    "SCT": "SCT",
    "LN": "LN",
    "DCM": "DCM",
    "UCUM": "UCUM",
    "IBSI": "99IBSI",
}
SECTIONS: Final = {  # PS3.16 CID 7001
    "technique": ("55111-9", "Current Procedure Descriptions"),
    "comparison": ("18834-2", "Previous Findings"),
    "findings": ("59776-5", "Findings"),
    "impression": ("19005-8", "Impressions"),
    "recommendations": ("18783-1", "Recommendations"),
    "history": ("11329-0", "History"),
}
LOCAL: Final = "L"
_SIDES: Final = {"left": LEFT, "right": RIGHT, "both": BILATERAL}
_REPORT: Final = Code(value="18748-4", scheme="LN", meaning="Diagnostic imaging study")
_STUDY: Final = dcm("113014", "DICOM Study")
_TRACKING_ID: Final = dcm("112039", "Tracking Identifier")
_TRACKING_UID: Final = dcm("112040", "Tracking Unique Identifier")
_FINDING: Final = dcm("121071", "Finding")
_SITE: Final = sct("363698007", "Finding Site")
_SIDE: Final = sct("272741003", "Laterality")
_CONTROL_ID: Final = 20  # ST of MSH-10
_SEPARATOR: Final = "\r"


def report_hl7(report: Report, enclosed: Enclosed) -> bytes:
    """Return the message in UTF-8, its segments ended by carriage returns.

    The same report gives the same message, control ID included: a receiver knows a message that
    comes again. Numbers have every digit.

    Raises
    ------
    InputError
        If a code's scheme or a side has no name in HL7.
    """
    body = [_patient(report, enclosed.envelope), *_order(report, enclosed)]
    said = phrasebook(language_of(report).code).said
    for number, observation in enumerate(_observations(report, enclosed), start=1):
        body.append(_observation(report, number, observation))
        body += [
            er7.segment("NTE", {1: str(at), 2: LOCAL, 3: _text(note)[1]})
            for at, note in enumerate(observation.notes(said), start=1)
        ]
    message = [_header(report, enclosed.envelope, body), *body]
    return "".join(line + _SEPARATOR for line in message).encode()


def result_status(report: Report) -> str:
    """Return P, F or C (HL7 tables 0085 and 0123)."""
    match report.status:
        case ReportStatus.SIGNED:
            return "F"
        case ReportStatus.AMENDED:
            return "C"
        case _:
            return "P"


def control_id(message: bytes) -> str:
    """Return the control ID (MSH-10) of a message."""
    return er7.unescaped(er7.fields_of(message.decode().partition(_SEPARATOR)[0])[9])


@dataclass(frozen=True, kw_only=True)
class _Observation:
    """One OBX: its fields encoded, and the notes behind it.

    Attributes
    ----------
    remarks
        The program's own, in English.
    typed
        What stands behind it word for word.
    """

    kind: str
    concept: str
    value: str
    sub_id: str = ""
    unit: str = ""
    method: str = ""
    device: str = ""
    remarks: tuple[str, ...] = field(default=())
    typed: tuple[str, ...] = field(default=())

    def notes(self, said: Callable[[str], str]) -> Iterator[str]:
        """Yield what stands behind it, the program's own in the language of the report."""
        yield from map(said, self.remarks)
        yield from self.typed


def _header(report: Report, envelope: Envelope, body: Sequence[str]) -> str:
    signature = report.signature
    at = signature.at if signature else envelope.at
    digest = hashlib.sha256("\n".join([str(report.version), *body]).encode()).hexdigest()
    return er7.segment(
        "MSH",
        {
            1: er7.DELIMITERS,
            2: er7.field(envelope.sending_application),
            3: er7.field(envelope.sending_facility),
            4: er7.field(envelope.receiving_application),
            5: er7.field(envelope.receiving_facility),
            6: er7.timestamp(at) if at else "",
            8: er7.field("ORU", "R01", "ORU_R01"),
            9: digest[:_CONTROL_ID].upper(),
            10: er7.field(envelope.processing),
            11: "2.5",
            14: "AL",
            15: "NE",
            17: "UNICODE UTF-8",
        },
    )


def _patient(report: Report, envelope: Envelope) -> str:
    context = report.context
    family, _, given = context.patient_name.partition(", ")
    return er7.segment(
        "PID",
        {
            1: "1",
            3: er7.field(context.patient_id, "", "", envelope.assigning_authority, "MR")
            if context.patient_id
            else "",
            5: er7.field(family, given) if family else er7.field("", "", "", "", "", "", "U"),
        },
    )


def _order(report: Report, enclosed: Enclosed) -> Iterator[str]:
    del enclosed
    context = report.context
    accession = er7.field(context.accession_number)
    yield er7.segment("ORC", {1: "RE", 3: accession})
    described = (*_parts(_REPORT), "", context.study_description, LOCAL)
    signature = report.signature
    yield er7.segment(
        "OBR",
        {
            1: "1",
            3: accession,
            4: er7.field(*(described if context.study_description else _parts(_REPORT))),
            7: er7.date(context.study_date),
            18: accession,
            22: er7.timestamp(signature.at) if signature else "",
            24: "RAD",
            25: result_status(report),
            32: f"&{er7.escaped(signature.name)}" if signature else "",
        },
    )


def _observations(report: Report, enclosed: Enclosed) -> Iterator[_Observation]:
    stands = _said("STATUS", "Report status", LOCAL, standing(report))
    amended = amendment(report)
    yield replace(stands, typed=(amended,)) if amended else stands
    yield _Observation(
        kind="HD",
        concept=_coded(_STUDY),
        value=er7.field("", str(report.study_instance_uid), "ISO"),
    )
    for section in report.sections:
        yield from _sentences(section)
    for number, finding in enumerate(report.findings, start=1):
        yield from _finding(finding, f"F{number}", enclosed)
    yield stands


def _sentences(section: Section) -> Iterator[_Observation]:
    code, meaning = SECTIONS.get(section.name.lower(), (section.name, section.title))
    system = "LN" if section.name.lower() in SECTIONS else LOCAL
    for number, statement in enumerate(section.statements, start=1):
        yield _said(code, meaning, system, statement.text, sub_id=str(number), title=section.title)


def _said(
    code: str, meaning: str, system: str, text: str, *, sub_id: str = "", title: str = ""
) -> _Observation:
    kind, value = _text(text)
    words = ("", title, LOCAL) if title and title != meaning else ()
    return _Observation(
        kind=kind, concept=er7.field(code, meaning, system, *words), value=value, sub_id=sub_id
    )


def _text(text: str) -> tuple[str, str]:
    """Return a text's type and itself, encoded: TX, or FT where it has several lines."""
    if er7.is_one_line(text):
        return "TX", er7.escaped(text)
    return "FT", er7.escaped_lines(text)


def _finding(finding: Finding, group: str, enclosed: Enclosed) -> Iterator[_Observation]:
    device = _device(finding, enclosed)
    named = (
        ("ST", _TRACKING_ID, er7.escaped(finding.tracking_id)),
        ("ST", _TRACKING_UID, er7.escaped(str(finding.tracking_uid))),
        ("CE", _FINDING, _coded(finding.code)),
        ("CE", _SITE, _coded(finding.site) if finding.site else ""),
        ("CE", _SIDE, _coded(_side(finding)) if finding.side else ""),
    )
    for kind, concept, value in named:
        if value:
            yield _Observation(
                kind=kind,
                concept=_coded(concept),
                value=value,
                sub_id=group,
                device=device,
                remarks=tuple(_remarks(finding)) if concept == _FINDING else (),
            )
    for number, measurement in enumerate(finding.measurements, start=1):
        yield _Observation(
            kind="NM",
            concept=er7.field(*_parts(measurement.concept), "", _worded(finding, measurement), "L"),
            value=er7.decimal(measurement.value),
            sub_id=f"{group}.{number}",
            unit=_coded(measurement.unit),
            method=_method(measurement),
            device=device,
            remarks=tuple(_limits(measurement)),
        )


def _worded(finding: Finding, measurement: Measurement) -> str:
    """Return whose number it is, with the side: "right lung lesion (Finding 1): Long axis"."""
    derived = f", {measurement.derivation.meaning}" if measurement.derivation else ""
    return f"{name(finding)} ({finding.tracking_id}): {measurement.concept.meaning}{derived}"


def _method(measurement: Measurement) -> str:
    found = [_coded(code) for code in (measurement.derivation, measurement.method) if code]
    if measurement.rule is not None:
        found.append(er7.field("", measurement.rule, LOCAL))
    return "~".join(found)


def _limits(measurement: Measurement) -> Iterator[str]:
    if measurement.uncertainty is not None:
        yield (
            f"95 % interval: the value plus or minus {er7.decimal(measurement.uncertainty)} "
            f"{measurement.unit.value}"
        )
    if measurement.slice_index is not None:
        yield f"measured on image {measurement.slice_index + 1} of the series, in volume order"


def _remarks(finding: Finding) -> Iterator[str]:
    evidence = finding.evidence
    if finding.is_proposal:
        yield "The outline is a proposal: no person has confirmed where it is."
    if evidence.segmentation_instance_uid is not None:
        yield f"segment {evidence.segment_number} of SEG {evidence.segmentation_instance_uid}"
    if evidence.key_instance_uid is not None:
        yield f"largest on image {evidence.key_instance_uid}"
    yield from dict.fromkeys((*finding.warnings, *finding.absent))


def _side(finding: Finding) -> Code:
    """Return the code of a side; one that has none must not be lost."""
    assert finding.side is not None
    if finding.side not in _SIDES:
        raise InputError(
            f"side {finding.side!r} of {finding.tracking_id} has no code: one of "
            f"{', '.join(_SIDES)}"
        )
    return _SIDES[finding.side]


def _device(finding: Finding, enclosed: Enclosed) -> str:
    made = finding.provenance
    uid = enclosed.devices.get(made)
    unique = ("", str(uid), "ISO") if uid else ()
    return er7.field(f"{made.engine} {made.version}", *unique)


def _coded(code: Code) -> str:
    return er7.field(*_parts(code))


def _parts(code: Code) -> tuple[str, str, str]:
    try:
        return code.value, code.meaning, CODING_SYSTEMS[code.scheme]
    except KeyError:
        raise InputError(
            f"code {code.value!r} is of scheme {code.scheme!r}, which has no name in HL7 here: "
            f"use one of {', '.join(CODING_SYSTEMS)}"
        ) from None


def _observation(report: Report, number: int, observation: _Observation) -> str:
    signature = report.signature
    return er7.segment(
        "OBX",
        {
            1: str(number),
            2: observation.kind,
            3: observation.concept,
            4: observation.sub_id,
            5: observation.value,
            6: observation.unit,
            11: result_status(report),
            14: er7.date(report.context.study_date),
            16: f"^{er7.escaped(signature.name)}" if signature else "",
            17: observation.method,
            18: observation.device,
        },
    )

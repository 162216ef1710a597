"""What is exported beside a report: pictures, and what stands for it elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.segment import Provenance
from domain.uids import InstanceUID, SeriesUID, SopClassUID


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """A DICOM object of the study that the report is made of: SEG, SR."""

    modality: str
    series_instance_uid: SeriesUID
    sop_class_uid: SopClassUID
    sop_instance_uid: InstanceUID


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """Between which systems an HL7 message goes (MSH-3 to MSH-6, MSH-11).

    Attributes
    ----------
    assigning_authority
        Who gave the patient's number (PID-3.4).
    processing
        "P" production, "T" training, "D" debugging.
    at
        Time of a message whose report has no signature; a signed one has its own.
    """

    sending_application: str = "RADCOPILOT"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    assigning_authority: str = ""
    processing: str = "P"
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Enclosed:
    """Beside the report; it adds no sentence, number or side.

    Attributes
    ----------
    pictures
        PNG of a finding's outline on its largest image, by tracking UID.
    series_instance_uid
        The series that was measured, where it is one.
    objects
        SEG and SR of the findings.
    devices
        Device UID of each engine, as in SEG and SR.
    """

    pictures: Mapping[InstanceUID, bytes] = field(default_factory=dict)
    series_instance_uid: SeriesUID | None = None
    objects: tuple[StoredObject, ...] = ()
    devices: Mapping[Provenance, InstanceUID] = field(default_factory=dict)
    envelope: Envelope = field(default_factory=Envelope)

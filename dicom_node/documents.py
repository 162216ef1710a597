"""A draft as Encapsulated PDF, and what is said of an earlier result that a new one replaces."""

import copy
from collections.abc import Sequence
from typing import Final

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import EncapsulatedPDFStorage

from dicom_node.equipment import MANUFACTURER, MODEL_NAME, SERIAL_NUMBER, software_version
from dicom_node.twins import (
    UTF8,
    Origin,
    as_the_source_has_it,
    begun,
    coded,
    reference,
    reference_to,
    settled,
)
from domain.ports import UidSource

PDF_SERIES_NUMBER: Final = 9007
REJECTION_SERIES_NUMBER: Final = 9008
_REJECTED: Final = Code("113001", "DCM", "Rejected for Quality Reasons")  # PS3.16 CID 7011


def encapsulated_pdf(
    origin: Origin,
    pdf: bytes,
    uids: UidSource,
    title: str,
    *,
    is_verified: bool = False,
) -> Dataset:
    """Return a PDF of a report as a DICOM object that names the images it speaks of.

    Parameters
    ----------
    is_verified
        Whether a person has signed it: else it is a draft, and says so outside the PDF, too.
    """
    named = "radcopilot report" if is_verified else "radcopilot report draft"
    made = begun(
        origin,
        uids,
        sop_class_uid=str(EncapsulatedPDFStorage),
        modality="DOC",
        series=(PDF_SERIES_NUMBER, named),
    )
    made.ConversionType = "WSD"
    made.ContentDate = made.ContentTime = None
    made.AcquisitionDateTime = None
    made.BurnedInAnnotation = "YES"  # its head names the patient
    made.RecognizableVisualFeatures = "NO"
    seen: dict[str, Dataset] = {}
    for frame in origin.frames:
        item = reference(frame)
        if "ReferencedFrameNumber" in item:
            del item.ReferencedFrameNumber
        seen[str(frame.sop_instance_uid)] = item
    made.SourceInstanceSequence = list(seen.values())
    made.DocumentTitle = title
    made.ConceptNameCodeSequence = [coded("18748-4", "LN", "Diagnostic Imaging Report")]
    made.VerificationFlag = "VERIFIED" if is_verified else "UNVERIFIED"
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    made.EncapsulatedDocumentLength = len(pdf)
    return settled(made, origin.segmentation)


def amended(
    report: Dataset,
    uids: UidSource,
    *,
    predecessor: Dataset | None = None,
    instead: tuple[Dataset, Dataset] | None = None,
) -> Dataset:
    """Return an SR that names the one it replaces, or another object in the place of its SEG.

    Another content is another instance.

    Parameters
    ----------
    instead
        The SEG that the report refers to, and its label map, whose segments have the same numbers.
    """
    made = copy.deepcopy(report)
    made.SOPInstanceUID = uids.new_uid()
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    if predecessor is not None:
        made.PredecessorDocumentsSequence = [_studies(predecessor)]
    if instead is not None:
        _redirect(made, *instead)
    return made


def _redirect(item: Dataset, before: Dataset, after: Dataset) -> None:
    """Make every reference to an object one to another, and to its series."""
    for element in item:
        if element.VR != "SQ":
            continue
        for child in element.value:
            _redirect(child, before, after)
    if str(item.get("ReferencedSOPInstanceUID", "")) == before.SOPInstanceUID:
        item.ReferencedSOPInstanceUID = after.SOPInstanceUID
        item.ReferencedSOPClassUID = after.SOPClassUID
    if "ReferencedSOPSequence" in item and item.get("SeriesInstanceUID") == (
        before.SeriesInstanceUID
    ):
        item.SeriesInstanceUID = after.SeriesInstanceUID


def rejection_note(earlier: Sequence[Dataset], segmentation: Dataset, uids: UidSource) -> Dataset:
    """Return a note that rejects objects which a result replaces (IHE RAD, Imaging Object Change).

    "For quality reasons": what it names was not good enough, and another stands in its place. The
    code for patient safety is left to people: it says that nobody may see the object at all.

    Parameters
    ----------
    segmentation
        Of the new result, whose time and makers the note takes.
    """
    with as_the_source_has_it():
        content = hd.ko.KeyObjectSelection(
            document_title=_REJECTED,
            referenced_objects=list(earlier),
            observer_device_context=hd.sr.ObserverContext(
                observer_type=hd.sr.CodedConcept("121007", "DCM", "Device"),
                observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
                    uid=_device(segmentation),
                    name=MODEL_NAME,
                    manufacturer_name=MANUFACTURER,
                    model_name=MODEL_NAME,
                    serial_number=software_version(),
                ),
            ),
            description="Replaced by a corrected result.",
        )
        made = hd.ko.KeyObjectSelectionDocument(
            evidence=list(earlier),
            content=content,
            series_instance_uid=uids.new_uid(),
            series_number=REJECTION_SERIES_NUMBER,
            sop_instance_uid=uids.new_uid(),
            instance_number=1,
            manufacturer=MANUFACTURER,
            specific_character_set=UTF8,
            series_description="radcopilot rejection note",
        )
    made.ManufacturerModelName = MODEL_NAME
    made.DeviceSerialNumber = SERIAL_NUMBER
    made.SoftwareVersions = software_version()
    return settled(made, segmentation)


def _device(segmentation: Dataset) -> str:
    """Return the Device UID of the engine that a SEG names."""
    makers = segmentation.ContributingEquipmentSequence
    return next(str(each.DeviceUID) for each in makers if "DeviceUID" in each)


def _studies(dataset: Dataset) -> Dataset:
    """Return the item of Hierarchical SOP Instance Reference for an object (PS3.3 table 10-1)."""
    series = Dataset()
    series.SeriesInstanceUID = dataset.SeriesInstanceUID
    series.ReferencedSOPSequence = [reference_to(dataset)]
    study = Dataset()
    study.StudyInstanceUID = dataset.StudyInstanceUID
    study.ReferencedSeriesSequence = [series]
    return study

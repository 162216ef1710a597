"""Surfaces as Encapsulated STL (PS3.3 section A.85.1), for 3D printing and planning."""

import copy
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedSTLStorage

from dicom_node.equipment import software_version
from dicom_node.twins import Origin, begun, coded, reference, reference_to, settled
from domain.errors import CannotDoError, InputError
from domain.ports import UidSource
from domain.uids import SeriesUID

SERIES_NUMBER: Final = 9009
_STL: Final = "model/stl"
_MODEL_OF: Final = {  # CID 7061, 3D Model Source Data
    "CT": ("85040-4", "LN", "CT 3D CAM model"),
    "MR": ("85041-2", "LN", "MR 3D CAM model"),
}


@dataclass(frozen=True, kw_only=True)
class StlModel:
    """One surface to be encapsulated.

    Attributes
    ----------
    stl
        Binary STL in LPS millimetres.
    segment_number
        Of the SEG it was made from.
    name
        Of the segment, as the SEG has it.
    series_instance_uid
        Of the series that all surfaces of a SEG make.
    """

    stl: bytes
    segment_number: int
    name: str
    series_instance_uid: SeriesUID


def encapsulated_stl(origin: Origin, model: StlModel, uids: UidSource) -> Dataset:
    """Return a surface as a DICOM object in the frame of reference of its images.

    Raises
    ------
    CannotDoError
        If the images have no frame of reference.
    InputError
        If the SEG is of another study or frame of reference than the images.
    """
    _refuse_strangers(origin)
    frame_of_reference = origin.volume.grid.frame_of_reference_uid
    if frame_of_reference is None:
        raise CannotDoError(
            "the images have no frame of reference, which an encapsulated surface needs: export "
            "it without --encapsulated"
        )
    header = origin.headers[0]
    made = begun(
        origin,
        uids,
        sop_class_uid=str(EncapsulatedSTLStorage),
        modality="M3D",
        series=(SERIES_NUMBER, "radcopilot surfaces (draft)"),
    )
    made.SeriesInstanceUID = model.series_instance_uid
    made.InstanceNumber = model.segment_number
    made.FrameOfReferenceUID = frame_of_reference
    made.PositionReferenceIndicator = header.get("PositionReferenceIndicator")
    made.ContentDate = made.ContentTime = None
    made.AcquisitionDateTime = None
    made.BurnedInAnnotation = "NO"
    made.RecognizableVisualFeatures = "NO"
    made.SourceInstanceSequence = [reference_to(origin.segmentation), *_images(origin)]
    made.ReferencedSeriesSequence = _series(origin)
    made.DocumentTitle = f"{model.name} (draft)"[:64]
    made.ConceptNameCodeSequence = [coded(*_model_of(origin.volume.modality))]
    made.MIMETypeOfEncapsulatedDocument = _STL
    made.EncapsulatedDocument = model.stl + b"\0" * (len(model.stl) % 2)
    made.EncapsulatedDocumentLength = len(model.stl)
    made.MeasurementUnitsCodeSequence = [coded("mm", "UCUM", "millimeter")]
    made.ModelModification = "NO"
    made.ModelMirroring = "NO"
    return settled(made, _with_makers(origin.segmentation))


def _refuse_strangers(origin: Origin) -> None:
    """Refuse images that only happen to lie where the SEG's own do."""
    made, header = origin.segmentation, origin.headers[0]
    for keyword in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        theirs, ours = str(made.get(keyword) or ""), str(header.get(keyword) or "")
        if theirs and ours and theirs != ours:
            raise InputError(
                f"SEG and images differ in {keyword}: give the images that the SEG was made on"
            )


def _model_of(modality: str) -> tuple[str, str, str]:
    return _MODEL_OF.get(modality, ("121324", "DCM", "Source image"))


def _images(origin: Origin) -> list[Dataset]:
    items: dict[str, Dataset] = {}
    for frame in origin.frames:
        item = reference(frame)
        if "ReferencedFrameNumber" in item:
            del item.ReferencedFrameNumber
        items[str(frame.sop_instance_uid)] = item
    return list(items.values())


def _series(origin: Origin) -> list[Dataset]:
    """Return the items of Common Instance Reference: the SEG's series, and that of the images."""
    items = []
    for series, instances in (
        (origin.segmentation.SeriesInstanceUID, [reference_to(origin.segmentation)]),
        (origin.headers[0].SeriesInstanceUID, _images(origin)),
    ):
        item = Dataset()
        item.SeriesInstanceUID = series
        item.ReferencedInstanceSequence = instances
        items.append(item)
    return items


def _with_makers(segmentation: Dataset) -> Dataset:
    """Return what ``settled`` reads of a SEG; one that names no maker's device is named itself."""
    if segmentation.get("ContributingEquipmentSequence"):
        return segmentation
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [coded("109102", "DCM", "Processing Equipment")]
    for keyword in ("Manufacturer", "ManufacturerModelName", "SoftwareVersions"):
        if segmentation.get(keyword):
            item[keyword] = copy.deepcopy(segmentation[keyword])
    if "Manufacturer" not in item:
        item.Manufacturer = "unknown"
    item.ContributionDescription = f"Segmentation; surface by radcopilot {software_version()}"
    known = Dataset()
    known.ContentDate, known.ContentTime = segmentation.ContentDate, segmentation.ContentTime
    known.ContributingEquipmentSequence = [item]
    return known

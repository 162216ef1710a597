"""Our SEG as an RT Structure Set: closed planar contours, for planning systems."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import RTStructureSetStorage

from dicom_node.contours import outlines
from dicom_node.twins import Origin, begun, reference, segment_items, settled
from domain.errors import CannotDoError
from domain.ports import UidSource
from domain.volume import Mask

SERIES_NUMBER: Final = 9004
_STUDY_CLASS: Final = (
    "1.2.840.10008.3.1.2.3.1"  # Detached Study Management, as every RT object says
)
_COLOURS: Final = ((0, 229, 255), (255, 170, 60), (120, 220, 90), (230, 110, 220), (250, 230, 80))
_DECIMALS: Final = 3
_ANATOMICAL: Final = ("123037004", "91723000")  # SCT: Anatomical Structure, as DICOM has had it
_HALF: Final = 0.5
_LABEL: Final = "RADCOPILOT DRAFT"


def structure_set(origin: Origin, uids: UidSource) -> Dataset:
    """Return the structure set of a SEG: a ROI for each segment, along the edges of its voxels.

    Raises
    ------
    CannotDoError
        If the images have no frame of reference.
    """
    grid = origin.volume.grid
    if grid.is_time or grid.frame_of_reference_uid is None:
        raise CannotDoError("the images have no frame of reference, which contours need")
    made = begun(
        origin,
        uids,
        sop_class_uid=str(RTStructureSetStorage),
        modality="RTSTRUCT",
        series=(SERIES_NUMBER, "radcopilot contours (draft)"),
    )
    made.StructureSetLabel = _LABEL
    made.StructureSetDate = made.StructureSetTime = None
    made.ApprovalStatus = "UNAPPROVED"
    made.OperatorsName = None
    made.FrameOfReferenceUID = grid.frame_of_reference_uid
    made.PositionReferenceIndicator = origin.headers[0].get("PositionReferenceIndicator")
    made.ReferencedFrameOfReferenceSequence = [_frame_of_reference(origin)]
    items = list(enumerate(segment_items(origin), start=1))
    made.StructureSetROISequence = [
        _roi(number, item, str(grid.frame_of_reference_uid)) for number, item in items
    ]
    made.ROIContourSequence = [
        _contours(number, origin, mask) for number, mask in enumerate(origin.masks, start=1)
    ]
    made.RTROIObservationsSequence = [_observation(number, item) for number, item in items]
    return settled(made, origin.segmentation)


def _frame_of_reference(origin: Origin) -> Dataset:
    header = origin.headers[0]
    series = Dataset()
    series.SeriesInstanceUID = header.SeriesInstanceUID
    series.ContourImageSequence = [reference(frame) for frame in origin.frames]
    study = Dataset()
    study.ReferencedSOPClassUID = _STUDY_CLASS
    study.ReferencedSOPInstanceUID = header.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    found = Dataset()
    found.FrameOfReferenceUID = origin.volume.grid.frame_of_reference_uid
    found.RTReferencedStudySequence = [study]
    return found


def _roi(number: int, segment: Dataset, frame_of_reference: str) -> Dataset:
    roi = Dataset()
    roi.ROINumber = number
    roi.ReferencedFrameOfReferenceUID = frame_of_reference
    roi.ROIName = segment.SegmentLabel
    roi.ROIDescription = f"{segment.get('TrackingID', '')}, draft".removeprefix(", ")
    roi.ROIGenerationAlgorithm = segment.SegmentAlgorithmType
    return roi


def _observation(number: int, segment: Dataset) -> Dataset:
    """Return what a ROI is; a lesion is called no target volume, since nobody plans to treat it."""
    category = segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue
    observation = Dataset()
    observation.ObservationNumber = number
    observation.ReferencedROINumber = number
    observation.RTROIInterpretedType = "ORGAN" if category in _ANATOMICAL else ""
    observation.ROIInterpreter = None
    observation.RTROIIdentificationCodeSequence = segment.SegmentedPropertyTypeCodeSequence
    return observation


def _contours(number: int, origin: Origin, mask: Mask) -> Dataset:
    made = Dataset()
    made.ROIDisplayColor = list(_COLOURS[(number - 1) % len(_COLOURS)])
    made.ReferencedROINumber = number
    made.ContourSequence = [
        _contour(origin, slice_index, polygon)
        for slice_index in mask.slice_indices()
        for polygon in outlines(mask.voxels[slice_index])
    ]
    return made


def _contour(origin: Origin, slice_index: int, polygon: NDArray[np.int64]) -> Dataset:
    corners = np.column_stack([np.full(len(polygon), slice_index), polygon - _HALF])
    contour = Dataset()
    contour.ContourImageSequence = [reference(origin.frames[slice_index])]
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(polygon)
    contour.ContourData = [
        _decimal(value) for value in origin.volume.grid.to_lps_mm(corners).ravel().tolist()
    ]
    return contour


def _decimal(value: float) -> str:
    """Return millimetres to a thousandth: DS has room for 16 characters."""
    text = f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text

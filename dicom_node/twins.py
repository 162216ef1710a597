"""What the objects made beside a SEG have in common: its patient, its images, its makers, its time.

Nothing in them comes from the clock or from chance, so that one made again after a crash is the
same instance.
"""

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.equipment import MANUFACTURER, MODEL_NAME, SERIAL_NUMBER, software_version
from domain.errors import CannotDoError
from domain.ports import UidSource
from domain.volume import Mask, SourceFrame, Volume

UTF8: Final = "ISO_IR 192"
_TIMES: Final = (
    ("InstanceCreationDate", "InstanceCreationTime"),
    ("SeriesDate", "SeriesTime"),
    ("ContentDate", "ContentTime"),
    ("StructureSetDate", "StructureSetTime"),
    ("PresentationCreationDate", "PresentationCreationTime"),
    ("DateOfSecondaryCapture", "TimeOfSecondaryCapture"),
)
_LOSSY: Final = (
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)
_LETTERS: Final = (("R", "L"), ("A", "P"), ("F", "H"))
_LEAST_SHARE: Final = 1 / 3


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What an object is made of.

    Attributes
    ----------
    segmentation
        Our SEG, whose pixels are not looked at.
    masks
        Of its segments, in their order, on the grid of ``volume``.
    headers
        Of the images, one for each instance, in the order of the volume.
    """

    segmentation: Dataset
    masks: tuple[Mask, ...]
    volume: Volume
    headers: tuple[Dataset, ...]

    @property
    def frames(self) -> tuple[SourceFrame, ...]:
        """Where each slice came from.

        Raises
        ------
        CannotDoError
            If the volume is not from DICOM.
        """
        if self.volume.source is None:
            raise CannotDoError("the images are not from DICOM: nothing can refer to them")
        return self.volume.source.frames

    def header_of(self, slice_index: int) -> Dataset:
        """Return the header of the image that holds a slice."""
        wanted = self.frames[slice_index].sop_instance_uid
        return next(each for each in self.headers if each.SOPInstanceUID == wanted)


def begun(
    origin: Origin, uids: UidSource, *, sop_class_uid: str, modality: str, series: tuple[int, str]
) -> Dataset:
    """Return an object with patient, study, series (number and description) and equipment."""
    header = origin.headers[0]
    made = hd.base.SOPClass(
        study_instance_uid=str(header.StudyInstanceUID),
        series_instance_uid=uids.new_uid(),
        series_number=series[0],
        series_description=series[1],
        sop_instance_uid=uids.new_uid(),
        instance_number=1,
        sop_class_uid=sop_class_uid,
        modality=modality,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        device_serial_number=SERIAL_NUMBER,
        software_versions=software_version(),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set=UTF8,
    )
    with as_the_source_has_it():
        made.copy_patient_and_study_information(header)
    made.SpecificCharacterSet = UTF8
    return made


def settled(made: Dataset, segmentation: Dataset) -> Dataset:
    """Return an object with the times of the SEG and everyone who had a part in that."""
    date, time = segmentation.ContentDate, segmentation.ContentTime
    for of_date, of_time in _TIMES:
        if of_date in made or of_time in made:
            setattr(made, of_date, date)
            setattr(made, of_time, time)
    made.InstanceCreationDate, made.InstanceCreationTime = date, time
    made.ContributingEquipmentSequence = copy.deepcopy(
        list(segmentation.ContributingEquipmentSequence)
    )
    return made


def with_laterality(made: Dataset, header: Dataset) -> Dataset:
    """Return an image-like object with the series' laterality, empty where the source says none."""
    made.Laterality = header.get("Laterality")
    return made


def with_lossy_history(made: Dataset, header: Dataset) -> Dataset:
    """Return an image that says so where its source once was compressed with loss."""
    for keyword in _LOSSY:
        if header.get("LossyImageCompression") == "01" and keyword in header:
            made[keyword] = copy.deepcopy(header[keyword])
    return made


def reference(frame: SourceFrame) -> Dataset:
    """Return an item that refers to the image, and frame, of a slice."""
    item = Dataset()
    item.ReferencedSOPClassUID = frame.sop_class_uid
    item.ReferencedSOPInstanceUID = frame.sop_instance_uid
    if frame.frame_number is not None:
        item.ReferencedFrameNumber = frame.frame_number
    return item


def reference_to(dataset: Dataset) -> Dataset:
    """Return an item that refers to an object."""
    item = Dataset()
    item.ReferencedSOPClassUID = dataset.SOPClassUID
    item.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    return item


def coded(value: str, scheme: str, meaning: str) -> Dataset:
    """Return a code item."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def orientation_of(direction_lps: NDArray[np.float64]) -> str:
    """Return a direction in the letters of Patient Orientation, the strongest first.

    Those above a third are named, and head and foot are H and F (PS3.3 section C.7.6.1.1.1).
    """
    unit = direction_lps / np.linalg.norm(direction_lps)
    order = np.argsort(-np.abs(unit), kind="stable")
    return "".join(
        _LETTERS[axis][int(unit[axis] > 0)] for axis in order if abs(unit[axis]) > _LEAST_SHARE
    )


def segment_items(origin: Origin) -> Sequence[Dataset]:
    """Return the descriptions of the segments, one for each mask."""
    items: Sequence[Dataset] = origin.segmentation.SegmentSequence
    assert len(items) == len(origin.masks)
    return items


@contextmanager
def as_the_source_has_it() -> Iterator[None]:
    """Take patient and study as the source has them, odd values too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield

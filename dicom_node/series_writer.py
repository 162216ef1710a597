"""A volume to a classic DICOM series, for sample studies and phantoms of invented identity."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
)

from dicom_node.files import write_dataset
from domain.errors import InputError
from domain.grid import Grid
from domain.ports import UidSource
from domain.volume import Volume

_SOP_CLASSES: Final = {
    "CT": CTImageStorage,
    "MR": MRImageStorage,
    "PT": PositronEmissionTomographyImageStorage,
}
_LONGEST_DS: Final = 16
_CT_INTERCEPT: Final = -1024


@dataclass(frozen=True, kw_only=True)
class SeriesIdentity:
    """The invented patient and study of a series; dates as YYYYMMDD, times as HHMMSS."""

    patient_name: str
    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    frame_of_reference_uid: str
    study_date: str
    study_description: str
    series_description: str
    study_time: str = "120000"
    series_number: int = 1


def write_series(
    volume: Volume, identity: SeriesIdentity, uids: UidSource, folder: Path
) -> tuple[Path, ...]:
    """Write a grey volume as one file a slice and return the files in slice order.

    Raises
    ------
    InputError
        For colour, a modality without a classic image class, or values beyond 16 bits.
    """
    if volume.is_colour or volume.modality not in _SOP_CLASSES:
        raise InputError(f"a {volume.modality} volume cannot be written as a classic series")
    intercept = _CT_INTERCEPT if volume.modality == "CT" else 0
    stored = np.rint(volume.voxels).astype(np.int64) - intercept
    if stored.min() < 0 or stored.max() > np.iinfo(np.uint16).max:
        raise InputError("values do not fit 16 bits: rescale them first")
    written = []
    for index in range(volume.grid.shape[0]):
        dataset = _image(volume, identity, index)
        dataset.SOPInstanceUID = uids.new_uid()
        dataset.RescaleSlope = "1"
        dataset.RescaleIntercept = str(intercept)
        if volume.modality == "CT":
            dataset.RescaleType = "HU"
        dataset.PixelData = stored[index].astype("<u2").tobytes()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        written.append(write_dataset(dataset, folder / f"{index + 1:04d}.dcm"))
    return tuple(written)


def _image(volume: Volume, identity: SeriesIdentity, index: int) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if volume.modality == "CT" else "OTHER"]
    dataset.SOPClassUID = _SOP_CLASSES[volume.modality]
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = identity.study_date
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = identity.study_time
    dataset.AccessionNumber = ""
    dataset.Modality = volume.modality
    dataset.Manufacturer = "radcopilot sample data"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = identity.study_description
    dataset.SeriesDescription = identity.series_description
    dataset.PatientName = identity.patient_name
    dataset.PatientID = identity.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = ""
    dataset.StudyInstanceUID = identity.study_instance_uid
    dataset.SeriesInstanceUID = identity.series_instance_uid
    dataset.StudyID = "1"
    dataset.SeriesNumber = identity.series_number
    dataset.AcquisitionNumber = 1
    dataset.InstanceNumber = index + 1
    dataset.FrameOfReferenceUID = identity.frame_of_reference_uid
    dataset.PositionReferenceIndicator = ""
    _place(dataset, volume.grid, index)
    if volume.modality == "CT":
        dataset.KVP = None
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = volume.grid.shape[1:]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    return dataset


def _place(dataset: Dataset, grid: Grid, index: int) -> None:
    spacing_mm, row_mm, column_mm = grid.spacing_mm
    directions = [*(grid.affine[:3, 2] / column_mm), *(grid.affine[:3, 1] / row_mm)]
    dataset.ImagePositionPatient = _decimals(grid.to_lps_mm((index, 0, 0)))
    dataset.ImageOrientationPatient = _decimals(directions)
    dataset.PixelSpacing = _decimals((row_mm, column_mm))
    dataset.SliceThickness = _decimals((spacing_mm,))[0]


def _decimals(values: Iterable[float]) -> list[str]:
    """Return decimal strings of at most 16 characters, as precise as that allows (PS3.5)."""
    texts = []
    for value in values:
        digits = _LONGEST_DS
        while len(text := f"{float(value):.{digits}g}") > _LONGEST_DS:
            digits -= 1
        texts.append(text)
    return texts

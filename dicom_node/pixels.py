"""Stored pixels to values that mean something."""

import warnings
from typing import Any, Final

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import JPEGExtended12Bit

from dicom_node.files import PARSE_ERRORS
from dicom_node.frames import frame_groups
from domain.codes import HOUNSFIELD_UNIT, NO_UNITS, Code
from domain.errors import UnreadableFileError

_GREY_FRAME_AXES: Final = 2
_TWELVE_BITS: Final = 12


def decoded_frames(dataset: FileDataset, name: str) -> NDArray[Any]:
    """Return grey (frames, rows, columns) in real-world values, or colour (..., 3) as uint8.

    Raises
    ------
    UnreadableFileError
        If the pixel data are missing, cut short, or in a syntax that cannot be decoded here.
    """
    if "PixelData" not in dataset:
        raise UnreadableFileError(f"{name} has no pixel data: it is not an image, or cut short")
    stored = stored_frames(dataset, name)
    if dataset.get("SamplesPerPixel", 1) > 1:
        return stored if stored.ndim > _GREY_FRAME_AXES + 1 else stored[np.newaxis]
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        coloured = apply_color_lut(stored, dataset)
        return (coloured >> 8 if coloured.dtype == np.uint16 else coloured).astype(np.uint8)
    frames = stored if stored.ndim > _GREY_FRAME_AXES else stored[np.newaxis]
    values = np.stack([_real_world(dataset, frame, n + 1) for n, frame in enumerate(frames)])
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        values = values.max() + values.min() - values
    return values


def stored_frames(dataset: FileDataset, name: str) -> NDArray[Any]:
    """Return pixels as stored, colour turned to RGB.

    Raises
    ------
    UnreadableFileError
        Naming the transfer syntax and what the decoder said.
    """
    try:
        if _is_twelve_bit_jpeg(dataset):
            return _by_gdcm(dataset)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # padding and length oddities that decode all the same
            return np.asarray(pixel_array(dataset))
    except (*PARSE_ERRORS, RuntimeError, MemoryError) as error:
        syntax = getattr(dataset.file_meta, "TransferSyntaxUID", None)
        said = "; ".join(line.strip() for line in str(error).splitlines()) or type(error).__name__
        raise UnreadableFileError(
            f"{name}: pixel data in {syntax.name if syntax else 'no transfer syntax'} cannot be "
            f"decoded ({said}); ask the archive for it uncompressed, or complete"
        ) from error


def _is_twelve_bit_jpeg(dataset: FileDataset) -> bool:
    return bool(
        dataset.file_meta.get("TransferSyntaxUID") == JPEGExtended12Bit
        and dataset.get("BitsStored") == _TWELVE_BITS
    )


def _by_gdcm(dataset: FileDataset) -> NDArray[Any]:
    """Decode 12-bit lossy JPEG, which pydicom does not ask GDCM for though GDCM can."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(dataset.filename))
    if not reader.Read():
        raise ValueError("GDCM cannot read it")
    content = reader.GetImage().GetBuffer().encode("utf-8", errors="surrogateescape")
    shape = (int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns))
    frames = np.frombuffer(content, dtype="<u2").reshape(shape)
    return frames if shape[0] > 1 else frames[0]


def unit_of(dataset: Dataset) -> Code:
    """Return the unit of the values of :func:`decoded_frames`; for PET see dicom_node.suv."""
    modality = dataset.get("Modality")
    if modality == "CT" and dataset.get("RescaleType", "HU") in {"HU", ""}:
        return HOUNSFIELD_UNIT
    return NO_UNITS


def notes_on(dataset: Dataset) -> tuple[str, ...]:
    """Say what a reader of the numbers must know of this image."""
    notes: list[str] = []
    if dataset.get("LossyImageCompression") == "01":
        notes.append("the image was compressed with loss")
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        notes.append("MONOCHROME1 turned round: bright means more")
    if dataset.get("Modality") in {"MR", "CT"} and not _has_rescale(dataset):
        notes.append("no rescale slope: stored values are used")
    if dataset.get("BurnedInAnnotation") == "YES":
        notes.append("text is burned into the pixels")
    return tuple(notes)


def _has_rescale(dataset: Dataset) -> bool:
    if "RescaleSlope" in dataset or "ModalityLUTSequence" in dataset:
        return True
    return any("PixelValueTransformationSequence" in group for group in frame_groups(dataset, 1))


def _real_world(dataset: Dataset, frame: NDArray[Any], frame_number: int) -> NDArray[Any]:
    """Apply slope and intercept, or the lookup table, of one frame (PS3.3 C.11.1)."""
    for group in frame_groups(dataset, frame_number):
        if "PixelValueTransformationSequence" in group:
            transform = group.PixelValueTransformationSequence[0]
            return _rescaled(
                frame, float(transform.RescaleSlope), float(transform.RescaleIntercept)
            )
    if "RescaleSlope" in dataset and "ModalityLUTSequence" not in dataset:
        return _rescaled(
            frame, float(dataset.RescaleSlope), float(dataset.get("RescaleIntercept") or 0.0)
        )
    return np.asarray(apply_modality_lut(frame, dataset))


def _rescaled(frame: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    if slope == 1.0 and intercept.is_integer():
        wide = frame.astype(np.int32) + int(intercept)
        limits = np.iinfo(np.int16)
        if wide.size and limits.min <= wide.min() and wide.max() <= limits.max:
            return wide.astype(np.int16)
        return wide
    return (frame.astype(np.float64) * slope + intercept).astype(np.float32)

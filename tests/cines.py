"""A multi-frame ultrasound of an invented patient: a bright disc that grows and moves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage

from dicom_node.files import write_dataset
from dicom_node.volumes import load_series
from domain.volume import Volume
from tests.phantoms import UIDS

ROWS, COLUMNS, FRAMES = 96, 120, 8
SPACING_MM = (0.4, 0.5)  # between rows, between columns: not the same, so that neither passes
FRAME_TIME_MS = 40.0
BRIGHT, DARK = 220, 40


@dataclass(frozen=True, kw_only=True)
class Disc:
    """Where the disc is on each frame, in pixels, and how much of it is marked there."""

    centres: tuple[tuple[float, float], ...]
    radii_px: tuple[float, ...]

    def inside(self, frame: int) -> NDArray[np.bool_]:
        rows, columns = np.mgrid[:ROWS, :COLUMNS]
        row, column = self.centres[frame]
        return np.hypot(rows - row, columns - column) <= self.radii_px[frame]

    def voxels(self) -> NDArray[np.bool_]:
        return np.stack([self.inside(frame) for frame in range(len(self.radii_px))])

    def areas_mm2(self) -> list[float]:
        return [each.sum() * SPACING_MM[0] * SPACING_MM[1] for each in self.voxels()]


def beating(frames: int = FRAMES) -> Disc:
    """Return a disc that grows and shrinks once, and drifts by a pixel a frame."""
    phase = np.linspace(0, 2 * np.pi, frames, endpoint=False)
    radii = 16 + 5 * np.sin(phase)
    return Disc(
        centres=tuple((46.0 + 0.5 * n, 52.0 + 1.0 * n) for n in range(frames)),
        radii_px=tuple(float(radius) for radius in radii),
    )


def region(
    rows: tuple[int, int] = (4, 92),
    columns: tuple[int, int] = (5, 115),
    spacing_mm: tuple[float, float] = SPACING_MM,
    **changed: Any,
) -> Dataset:
    """Return an item of Sequence of Ultrasound Regions: rows and columns are half-open here."""
    item = Dataset()
    item.RegionSpatialFormat = 1
    item.RegionDataType = 1
    item.RegionFlags = 0
    item.RegionLocationMinX0, item.RegionLocationMaxX1 = columns[0], columns[1] - 1
    item.RegionLocationMinY0, item.RegionLocationMaxY1 = rows[0], rows[1] - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaY, item.PhysicalDeltaX = spacing_mm[0] / 10, spacing_mm[1] / 10
    for keyword, value in changed.items():
        setattr(item, keyword, value)
    return item


def cine(
    folder: Path,
    disc: Disc | None = None,
    regions: tuple[Dataset, ...] | None = None,
    seed: int = 0,
    **changed: Any,
) -> Path:
    """Write the cine and return its file; ``None`` takes an attribute out."""
    disc = beating() if disc is None else disc
    inside = disc.voxels()
    noise = np.random.default_rng(seed).normal(0, 4, inside.shape)
    pixels = np.clip(np.where(inside, BRIGHT, DARK) + noise, 0, 255).astype(np.uint8)
    dataset = _header(len(inside))
    items = (region(),) if regions is None else regions
    if items:
        dataset.SequenceOfUltrasoundRegions = list(items)
    for keyword, value in changed.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.PixelData = pixels.tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return write_dataset(dataset, folder / "cine.dcm")


def loaded(folder: Path, *args: Any, **named: Any) -> Volume:
    return load_series([cine(folder, *args, **named)])


def _header(frames: int) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "", "0001"]
    dataset.SOPClassUID = UltrasoundMultiFrameImageStorage
    dataset.SOPInstanceUID = UIDS.new_uid()
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = "20200102"
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "120000"
    dataset.AccessionNumber = ""
    dataset.Modality = "US"
    dataset.Manufacturer = "phantom"
    dataset.ReferringPhysicianName = ""
    dataset.PatientName, dataset.PatientID = "PHANTOM^TEST", "PHANTOM"
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = UIDS.new_uid(), UIDS.new_uid()
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, 1
    dataset.PatientOrientation = ""
    dataset.FrameTime = str(FRAME_TIME_MS)
    dataset.FrameIncrementPointer = tag_for_keyword("FrameTime")
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames, ROWS, COLUMNS
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    return dataset

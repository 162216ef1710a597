"""A series of files to one Volume."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from dicom_node.cine import frame_times_ms, is_cine
from dicom_node.files import read_dataset
from dicom_node.frames import FramePlane, pixel_spacing_mm, planes
from dicom_node.pixels import decoded_frames, notes_on, unit_of
from dicom_node.stacking import stack
from dicom_node.suv import PetValues, pet_values
from dicom_node.ultrasound import Scales, scales
from domain.errors import (
    GeometryError,
    InputError,
    MixedOrientationError,
    UnreadableFileError,
)
from domain.ports import Progress, no_progress
from domain.uids import FrameOfReferenceUID, InstanceUID, SeriesUID, SopClassUID, StudyUID
from domain.volume import SeriesReference, SourceFrame, Volume

_PROJECTIONS: Final = frozenset({"CR", "DX", "MG", "IO", "PX", "RF", "XA", "RG"})
_SAME_SPACING_MM: Final = 1e-4
_DETECTOR_SPACING: Final = (
    "pixel spacing is that of the detector, not at the patient: lengths and areas need a "
    "calibrated image"
)


def load_series(paths: Sequence[Path], progress: Progress = no_progress) -> Volume:
    """Return the volume of one series, slices ascending along the normal.

    Geometry is checked on the headers before any pixel is decoded.

    Raises
    ------
    UnreadableFileError
        If a file cannot be read or decoded.
    GeometryError
        If the frames make no regular volume; its subclasses name why.
    InputError
        If the files are of several series, or lack UIDs.
    """
    if not paths:
        raise InputError("a series without files cannot be loaded")
    datasets = [read_dataset(path, with_pixels=False) for path in paths]
    first = datasets[0]
    _check_one_series(datasets, paths)
    frames = planes_of(datasets)
    frame_of_reference = str(first.get("FrameOfReferenceUID") or "") or None
    grid, order = stack(
        frames,
        FrameOfReferenceUID(frame_of_reference) if frame_of_reference else None,
        is_cine=is_cine(first),
    )
    decoded = []
    for number, path in enumerate(paths):
        progress(number / len(paths), "reading images")
        decoded.append(decoded_frames(read_dataset(path, with_pixels=True), path.name))
    if len({pixels.ndim for pixels in decoded}) > 1:
        raise MixedOrientationError("grey and colour images in one series: split the series")
    ordered = [frames[place] for place in order]
    voxels = np.stack([decoded[f.dataset_index][f.frame_number - 1] for f in ordered])
    if voxels.shape[:3] != grid.shape:
        raise GeometryError(f"pixels {voxels.shape[:3]} do not match the header's {grid.shape}")
    progress(1.0, "reading images")
    values = values_of(datasets)
    if values.factor != 1.0:
        voxels = (voxels * np.float64(values.factor)).astype(np.float32)
    return Volume(
        voxels=voxels,
        grid=grid,
        modality=str(first.get("Modality", "OT")),
        unit=values.unit,
        source=SeriesReference(
            study_instance_uid=StudyUID(str(first.get("StudyInstanceUID", ""))),
            series_instance_uid=SeriesUID(str(first.SeriesInstanceUID)),
            frames=tuple(_source(datasets[f.dataset_index], f) for f in ordered),
        ),
        notes=(*notes_on(first), *values.notes, *spacing_notes(datasets)),
        burned_in_text=_burned_in_text(datasets),
        frame_times_ms=frame_times_ms(first) if grid.is_time else (),
        regions=_scales(first).regions,
    )


def _burned_in_text(datasets: Sequence[Dataset]) -> bool | None:
    said = {str(dataset.get("BurnedInAnnotation") or "") for dataset in datasets}
    if "YES" in said:
        return True
    return False if said == {"NO"} else None


def planes_of(datasets: Sequence[Dataset]) -> list[FramePlane]:
    """Return the plane of every frame of a series, spacings as they are at the patient."""
    return [
        _at_patient(plane, header)
        for n, header in enumerate(datasets)
        for plane in planes(header, n)
    ]


def values_of(datasets: Sequence[Dataset]) -> PetValues:
    """Return what the decoded values of a series mean, and what they are multiplied by."""
    if datasets[0].get("Modality") == "PT":
        return pet_values(datasets)
    return PetValues(unit=unit_of(datasets[0]))


def _at_patient(plane: FramePlane, dataset: Dataset) -> FramePlane:
    """Take the spacing from a projection whose Pixel Spacing is that of the detector."""
    return replace(plane, spacing_mm=None) if _is_detector_spacing(dataset) else plane


def _is_detector_spacing(dataset: Dataset) -> bool:
    """Tell whether Pixel Spacing of a projection is not known to be at the patient.

    It is when a calibration is stated, or when it differs from Imager Pixel Spacing: then it was
    corrected for magnification (PS3.3 section 10.7.1.3).
    """
    if dataset.get("Modality") not in _PROJECTIONS or not dataset.get("PixelSpacing"):
        return False
    if dataset.get("PixelSpacingCalibrationType"):
        return False
    detector = dataset.get("ImagerPixelSpacing")
    if not detector:
        return True
    apart = np.subtract(dataset.PixelSpacing, detector).astype(np.float64)
    return bool(np.abs(apart).max() <= _SAME_SPACING_MM)


def spacing_notes(datasets: Sequence[Dataset]) -> tuple[str, ...]:
    """Say what a reader of lengths must know of the pixel spacing."""
    if any(_is_detector_spacing(dataset) for dataset in datasets):
        return (_DETECTOR_SPACING,)
    note = _scales(datasets[0]).note
    return () if note is None else (note,)


def _scales(dataset: Dataset) -> Scales:
    return scales(dataset, pixel_spacing_mm(dataset))


def _check_one_series(datasets: Sequence[Dataset], paths: Sequence[Path]) -> None:
    seen: set[str] = set()
    instances: dict[str, str] = {}
    for dataset, path in zip(datasets, paths, strict=True):
        if "Rows" not in dataset:
            raise UnreadableFileError(f"{path.name} is no image, or cut short: export it again")
        series = str(dataset.get("SeriesInstanceUID") or "")
        instance = str(dataset.get("SOPInstanceUID") or "")
        if not series or not instance or not dataset.get("StudyInstanceUID"):
            raise InputError(
                f"{path.name} has an empty Study, Series or SOP Instance UID: results could not be "
                "tied to it; let the archive assign UIDs and export again"
            )
        if instance in instances:
            raise InputError(
                f"{path.name} and {instances[instance]} are the same image (SOP Instance UID "
                f"{instance}): give each file once"
            )
        instances[instance] = path.name
        seen.add(series)
    if len(seen) > 1:
        raise InputError(
            f"files of {len(seen)} series were given as one: {', '.join(sorted(seen))}"
        )


def _source(dataset: Dataset, frame: FramePlane) -> SourceFrame:
    multi = int(dataset.get("NumberOfFrames") or 1) > 1
    return SourceFrame(
        sop_class_uid=SopClassUID(str(dataset.SOPClassUID)),
        sop_instance_uid=InstanceUID(str(dataset.SOPInstanceUID)),
        frame_number=frame.frame_number if multi else None,
    )

"""What a report's head says, read from the headers of a series."""

from dataclasses import replace

from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName

from domain.report import StudyContext
from domain.volume import Volume


def study_context(header: Dataset, volume: Volume) -> StudyContext:
    """Return patient, study and technique as the images state them; patient data: never logged."""
    return replace(study_head(header), modality=volume.modality, technique=_technique(volume))


def study_head(header: Dataset) -> StudyContext:
    """Return patient and study as an image states them; patient data: never logged."""
    return StudyContext(
        patient_name=PersonName(str(header.get("PatientName") or ""))
        .family_comma_given()
        .strip(", "),
        patient_id=str(header.get("PatientID") or ""),
        accession_number=str(header.get("AccessionNumber") or ""),
        study_date=_dashed(str(header.get("StudyDate") or "")),
        study_description=str(header.get("StudyDescription") or ""),
        modality=str(header.get("Modality") or ""),
    )


def _technique(volume: Volume) -> str:
    slices, rows, columns = volume.grid.shape
    spacing_mm, row_mm, column_mm = volume.grid.spacing_mm
    noun = "frame" if volume.grid.is_time else "image"
    said = [f"{volume.modality}, {slices} {noun}{'s' if slices > 1 else ''} of {rows} x {columns}"]
    if volume.grid.is_time:
        said.append(_duration(volume))
    if volume.grid.slice_spacing_known:
        said.append(f"{spacing_mm:.2f} mm apart")
    if volume.grid.in_plane_calibrated:
        said.append(f"pixels of {row_mm:.2f} x {column_mm:.2f} mm")
    else:
        said.append("without pixel spacing at the patient")
    return ", ".join(said) + "." + "".join(f" Note: {note}." for note in volume.notes)


def _duration(volume: Volume) -> str:
    if not volume.frame_times_ms:
        return "frame times not stated"
    return f"in time, over {volume.frame_times_ms[-1]:.0f} ms"


def _dashed(date: str) -> str:
    """Return a DICOM date as ISO 8601; anything else as it is."""
    if len(date) == len("YYYYMMDD") and date.isdigit():
        return f"{date[:4]}-{date[4:6]}-{date[6:]}"
    return date

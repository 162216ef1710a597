"""A phantom with a SEG, and what is made beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from copilot.system import NamedUids
from dicom_node.captures import KeyPicture, secondary_captures
from dicom_node.documents import amended, encapsulated_pdf, rejection_note
from dicom_node.files import headers, write_dataset
from dicom_node.labelmap import label_map
from dicom_node.rtstruct import structure_set
from dicom_node.seg_writer import SegWriter
from dicom_node.softcopy import Caliper, presentation_state
from dicom_node.twins import Origin
from dicom_node.volumes import load_series
from domain.codes import LESION, MORPHOLOGICALLY_ABNORMAL, VOLUME, sct
from domain.concepts import Concept, Window
from domain.measurement import Finding
from domain.segment import Segment
from domain.volume import Mask, Volume
from reporting.findings import Tracking, located, measured
from reporting.pdf import Picture, draft_pdf
from reporting.pictures import View, outline_png
from reporting.sr import SrAuthor, measurement_report
from tests.phantoms import UIDS, ct, ellipsoid, grid, segment, series

LESION_OF_LUNG = Concept(
    phrase="lung lesion",
    category=MORPHOLOGICALLY_ABNORMAL,
    code=LESION,
    site=sct("39607008", "Lung"),
    paired=True,
)
AUTHOR = SrAuthor(
    manufacturer="radcopilot", model_name="radcopilot", version="0.1.0", device_uid="2.25.1"
)
Described = tuple[Segment, Concept | None, str, str]
"""A segment, what it is, and its tracking identifier and UID."""
CENTRE = (4.0, 13.0, 30.0)
"""In voxels; its place in the patient is to the left of the image's middle."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A result on a phantom."""

    folder: Path
    files: tuple[Path, ...]
    origin: Origin
    report: Dataset
    calipers: tuple[Caliper, ...]
    pictures: tuple[KeyPicture, ...]
    volume_mm3: float

    def uids(self, kind: str) -> NamedUids:
        return NamedUids("", str(self.origin.segmentation.SOPInstanceUID), kind)

    def all(self) -> dict[str, Dataset]:
        """Return every kind of object."""
        origin = self.origin
        pdf = draft_pdf("# Draft", [Picture(png=self.pictures[0].png, caption="Finding 1")])
        note = rejection_note(
            [origin.segmentation, self.report], origin.segmentation, self.uids("rejection")
        )
        return {
            "labelmap": label_map(origin, self.uids("labelmap")),
            "rtstruct": structure_set(origin, self.uids("rtstruct")),
            "gsps": presentation_state(
                origin,
                self.uids("gsps"),
                calipers=self.calipers,
                window=Window(center=-600.0, width=1500.0),
            ),
            "secondary_capture": secondary_captures(origin, self.pictures, self.uids("sc"))[0],
            "pdf": encapsulated_pdf(origin, pdf, self.uids("pdf"), "Report draft"),
            "rejection": note,
            "amended": amended(self.report, self.uids("sr"), predecessor=self.report),
        }


def result(
    folder: Path,
    masks: list[Mask] | None = None,
    name: str = "PHANTOM^TEST",
    **places: object,
) -> Made:
    """Return a ball in an oblique CT, its SEG and SR; or other masks, or another patient."""
    on = grid(
        **{"shape": (9, 26, 44), "spacing_mm": (3.0, 0.7, 0.8), "turn_deg": (10.0, -15.0, 5.0)}
        | places
    )
    ball = ellipsoid(on, (8.0, 6.0, 5.0), np.array(CENTRE))
    files = series(folder / "series", ct(on, ball))
    for path in files:
        dataset = pydicom.dcmread(path)
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.PatientName = name
        write_dataset(dataset, path)
    volume = load_series(files)
    chosen = [ball.voxels] if masks is None else [each.voxels for each in masks]
    segments = [
        segment(Mask(voxels=voxels, grid=volume.grid), side="left" if number == 1 else None)
        for number, voxels in enumerate(chosen, start=1)
    ]
    described = [
        (each, LESION_OF_LUNG, f"Finding {number}", UIDS.new_uid())
        for number, each in enumerate(segments, start=1)
    ]
    seg = SegWriter(UIDS).build(volume, described, files)
    seg = pydicom.dcmread(write_dataset(seg, folder / "seg.dcm"))
    findings = findings_of(volume, described, seg)
    report = measurement_report(findings, seg, headers(files), AUTHOR, UIDS)
    report = pydicom.dcmread(write_dataset(report, folder / "sr.dcm"))
    calipers = tuple(
        Caliper(ends_lps_mm=m.points_lps_mm, slice_index=m.slice_index, text=f"{m.value:.1f} mm")
        for finding in findings
        for m in finding.measurements
        if len(m.points_lps_mm) == 2 and m.slice_index is not None
    )
    pictures = tuple(
        KeyPicture(
            png=outline_png(
                volume,
                each.mask,
                View(slice_index=f.evidence.key_slice_index, caption=("Finding",)),
            ),
            slice_index=f.evidence.key_slice_index,
            title=f.tracking_id,
        )
        for each, f in zip(segments, findings, strict=True)
    )
    return Made(
        folder=folder,
        files=files,
        origin=Origin(
            segmentation=seg,
            masks=tuple(each.mask for each in segments),
            volume=volume,
            headers=headers(files),
        ),
        report=report,
        calipers=calipers,
        pictures=pictures,
        volume_mm3=findings[0].measurement(VOLUME).value * 1000,
    )


def findings_of(volume: Volume, described: Sequence[Described], seg: Dataset) -> list[Finding]:
    """Return what the segments of a SEG measure, each with its place in it."""
    return [
        located(
            measured(
                volume,
                each,
                concept,
                Tracking(tracking_id=name, tracking_uid=uid, segment_number=number),
            ),
            seg.SOPInstanceUID,
        )
        for number, (each, concept, name, uid) in enumerate(described, start=1)
    ]

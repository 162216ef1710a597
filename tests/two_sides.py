"""A study with a lesion on each side, its SEG and SR: what other readers must read the same."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from dicom_node.files import headers, write_dataset
from dicom_node.seg_writer import SegWriter
from dicom_node.volumes import load_series
from domain.codes import VOLUME
from domain.measurement import Finding
from domain.volume import Volume
from reporting.sr import measurement_report
from tests import twins
from tests.phantoms import UIDS, ct, ellipsoid, grid, segment, series

RADII_MM = {"left": (6.0, 5.0, 4.0), "right": (4.0, 3.0, 5.0)}
COLUMNS = {"left": 45.0, "right": 14.0}


@dataclass(frozen=True, kw_only=True)
class TwoSides:
    """Images, SEG and SR as files, and the findings that they tell of: left, then right."""

    images: tuple[Path, ...]
    seg: Path
    sr: Path
    report: Dataset
    findings: tuple[Finding, ...]

    def volumes_ml(self) -> list[float]:
        """Return the volume of each finding."""
        return [each.measurement(VOLUME).value for each in self.findings]


def two_sides(folder: Path, files: tuple[Path, ...] | None = None) -> TwoSides:
    """Write a study; or a SEG and SR for a series that is there."""
    on = grid(shape=(12, 48, 60), spacing_mm=(2.0, 0.7, 0.8))
    balls = {
        side: ellipsoid(on, radii, np.array([5.0, 24.0, COLUMNS[side]]))
        for side, radii in RADII_MM.items()
    }
    files = files or series(folder / "images", _image(balls["left"].voxels | balls["right"].voxels))
    volume = load_series(files)
    made = [
        (
            segment(type(ball)(voxels=ball.voxels, grid=volume.grid), side=side),
            twins.LESION_OF_LUNG,
            f"Finding {number}",
            UIDS.new_uid(),
        )
        for number, (side, ball) in enumerate(balls.items(), start=1)
    ]
    seg = SegWriter(UIDS).build(volume, made, files)
    findings = twins.findings_of(volume, made, seg)
    report = measurement_report(findings, seg, headers(files), twins.AUTHOR, UIDS)
    return TwoSides(
        images=files,
        seg=write_dataset(seg, folder / "seg.dcm"),
        sr=write_dataset(report, folder / "sr.dcm"),
        report=report,
        findings=tuple(findings),
    )


def _image(inside: object) -> Volume:
    on = grid(shape=(12, 48, 60), spacing_mm=(2.0, 0.7, 0.8))
    mask = ellipsoid(on, (1.0, 1.0, 1.0))
    return ct(on, type(mask)(voxels=np.asarray(inside), grid=on))

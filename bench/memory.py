"""Measure the peak memory of `radcopilot ask` on a large CT, one process for each command.

The series is a phantom of 512 x 512 x 600 voxels (a trunk of fat and muscle with lungs, liver, a
spine and a nodule), written to a temporary folder::

    radcopilot models install default
    python -m bench.memory

Peak resident memory is that of the child process, as the system counts it.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

_SHAPE: Final = (600, 512, 512)
_SPACING_MM: Final = (0.7, 0.75, 0.75)
_NODULE: Final = (430, 230, 150)
_NODULE_PX: Final = 12
_LIMIT_GB: Final = 4.0
_COMMANDS: Final = (
    ("segment both lungs", ()),
    ("segment the body", ()),
    ("segment the fat", ()),
    ("segment the liver", ()),
    ("find the lung nodules", ()),
    ("segment the lung nodule", ("--box", "430,216,136,244,164", "--slices", "414:446")),
    ("segment the mass", ("--box", "200,180,120,320,260", "--slices", "190:210")),
)


def phantom_slice(index: int, random: np.random.Generator) -> NDArray[np.int16]:
    """Return one slice in Hounsfield units."""
    rows, columns = np.ogrid[: _SHAPE[1], : _SHAPE[2]]

    def inside(centre: tuple[float, float], radii: tuple[float, float]) -> NDArray[np.bool_]:
        return np.asarray(
            ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 <= 1
        )

    image = np.full(_SHAPE[1:], -1000.0)
    image[inside((260, 256), (170, 235))] = -100
    image[inside((260, 256), (145, 205))] = 50
    image[inside((360, 256), (28, 30))] = 300
    up = (index - 420) / 160
    if abs(up) < 1:
        size = np.sqrt(1 - up**2)
        for column in (150, 362):
            image[inside((240, column), (95 * size, 75 * size))] = -850
    low = (index - 180) / 100
    if abs(low) < 1:
        size = np.sqrt(1 - low**2)
        image[inside((250, 180), (80 * size, 110 * size))] = 110
    deep = (index - _NODULE[0]) * _SPACING_MM[0] / _SPACING_MM[1]
    if abs(deep) < _NODULE_PX:
        radius = np.sqrt(_NODULE_PX**2 - deep**2)
        image[inside(_NODULE[1:], (radius, radius))] = 40
    image += random.normal(0, 12, image.shape)
    return np.clip(np.rint(image), -1024, 3000).astype(np.int16)


def write_series(folder: Path) -> None:
    """Write the phantom as uncompressed CT images."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    random = np.random.default_rng(1)
    for index in range(_SHAPE[0]):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image = Dataset()
        image.file_meta = meta
        image.SOPClassUID = CTImageStorage
        image.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        image.StudyInstanceUID, image.SeriesInstanceUID = study, series
        image.FrameOfReferenceUID = frame
        image.Modality = "CT"
        image.PatientName, image.PatientID = "PHANTOM^TRUNK", "PHANTOM"
        image.PatientBirthDate, image.PatientSex = "", ""
        image.StudyDate = image.StudyTime = image.AccessionNumber = image.StudyID = ""
        image.ReferringPhysicianName, image.Manufacturer = "", ""
        image.SeriesNumber, image.InstanceNumber = 1, index + 1
        image.ImagePositionPatient = [
            -_SHAPE[2] * _SPACING_MM[2] / 2,
            -_SHAPE[1] * _SPACING_MM[1] / 2,
            round(index * _SPACING_MM[0], 3),
        ]
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.PixelSpacing = list(_SPACING_MM[1:])
        image.SliceThickness = _SPACING_MM[0]
        image.RescaleSlope, image.RescaleIntercept = 1, 0
        image.Rows, image.Columns = _SHAPE[1:]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
        image.PixelRepresentation = 1
        image.PixelData = phantom_slice(index, random).tobytes()
        image.save_as(folder / f"{index:04}.dcm", enforce_file_format=True)


def asked(series: Path, sentence: str, hints: tuple[str, ...], output: Path) -> tuple[int, float]:
    """Run one command as its own process; return its exit status and its peak in gigabytes."""
    command = [
        sys.executable, "-c", "from copilot.cli.main import main; main()",
        "ask", str(series), sentence, *hints, "--output", str(output), "--json",
    ]  # fmt: skip
    child = subprocess.Popen(  # noqa: S603 - our own interpreter
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_maxrss * 1024 / 1e9


def main() -> int:
    """Run from the command line; exit with 1 where a command needs more than the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, help="where to write the series (300 MB)")
    arguments = parser.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        series, output = Path(name) / "series", Path(name) / "output"
        series.mkdir()
        write_series(series)
        print(f"{_SHAPE[1]} x {_SHAPE[2]} x {_SHAPE[0]} voxels; limit {_LIMIT_GB:g} GB")
        print(f"{'command':28}{'exit':>6}{'peak, GB':>10}{'wall, s':>9}")
        for sentence, hints in _COMMANDS:
            started = time.perf_counter()
            status, peak_gb = asked(series, sentence, hints, output)
            wall_s = time.perf_counter() - started
            peaks.append(peak_gb)
            print(f"{sentence:28}{status:6}{peak_gb:10.2f}{wall_s:9.1f}", flush=True)
    print(f"this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9:.2f} GB")
    return int(max(peaks) > _LIMIT_GB)


if __name__ == "__main__":
    sys.exit(main())

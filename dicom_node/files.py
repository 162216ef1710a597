"""DICOM files: found, read with clear errors, and written whole or not at all."""

import contextlib
import os
import struct
import tempfile
import warnings
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from domain.errors import InputError, StorageError, UnreadableFileError
from domain.uids import SeriesUID

PARSE_ERRORS: Final = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    struct.error,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    zlib.error,
)
"""What pydicom raises on bytes that are not a sound data set."""

_SHOWN: Final = 5


def read_dataset(path: Path, *, with_pixels: bool) -> FileDataset:
    """Return the data set of a DICOM file.

    Raises
    ------
    UnreadableFileError
        If it is missing, not DICOM, or cut short.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd values are judged where they are used
            dataset = pydicom.dcmread(path, stop_before_pixels=not with_pixels)
            str(dataset.get("SOPInstanceUID"))
    except (*PARSE_ERRORS, OSError) as error:
        if isinstance(error, OSError) and error.strerror:  # else pydicom's: a sequence cut short
            raise UnreadableFileError(f"{path.name} cannot be opened: {error.strerror}") from error
        raise UnreadableFileError(
            f"{path.name} is not a readable DICOM file ({str(error) or type(error).__name__}): "
            "export it again from the archive"
        ) from error
    if "SOPClassUID" not in dataset:
        raise UnreadableFileError(
            f"{path.name} is cut short or no DICOM object (no SOP Class UID): "
            "export it again from the archive"
        )
    return dataset


def dicom_files(folder: Path) -> tuple[Path, ...]:
    """Return the files below a folder, or the file itself, in name order; DICOMDIR is left out.

    Raises
    ------
    InputError
        If nothing is there.
    """
    if folder.is_file():
        return (folder,)
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist: give a DICOM file or a folder of them")
    found = tuple(
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name.upper() != "DICOMDIR" and not path.name.startswith(".")
    )
    if not found:
        raise InputError(f"{folder} holds no file: give a folder with a DICOM series")
    return found


def image_series(paths: Iterable[Path]) -> Mapping[SeriesUID, tuple[Path, ...]]:
    """Group the image files by series; files with other suffixes that are no DICOM are left out.

    A file named ``.dcm`` that cannot be read is an error, since a series without it would be
    measured wrong; a text or licence file beside the images is not.

    Raises
    ------
    UnreadableFileError
        Naming the first broken file.
    InputError
        If an image has no Series Instance UID, or no image is left.
    """
    series: dict[SeriesUID, list[Path]] = defaultdict(list)
    others: list[str] = []
    for path in paths:
        if path.suffix.lower() != ".dcm" and not _has_preamble(path):
            others.append(path.name)
            continue
        header = read_dataset(path, with_pixels=False)
        if "Rows" not in header and "Image Storage" in header.SOPClassUID.name:
            raise UnreadableFileError(
                f"{path.name} is cut short (an image without rows): export it again"
            )
        if "Rows" not in header or header.get("Modality") == "SEG":
            others.append(path.name)
            continue
        if not header.get("SeriesInstanceUID") or not header.get("SOPInstanceUID"):
            raise InputError(
                f"{path.name} has an empty Series or SOP Instance UID: results could not be tied "
                "to it; let the archive assign UIDs and export again"
            )
        series[SeriesUID(str(header.SeriesInstanceUID))].append(path)
    if not series:
        raise InputError(f"no DICOM image among the files ({', '.join(others[:_SHOWN])})")
    return {uid: tuple(files) for uid, files in series.items()}


def one_series(paths: Iterable[Path], wanted: SeriesUID | None = None) -> tuple[Path, ...]:
    """Return the files of the only image series, or of the wanted one.

    Raises
    ------
    InputError
        If there are several and none is named, or the named one is not there.
    """
    series = image_series(paths)
    listed = ", ".join(f"{uid} ({len(files)} images)" for uid, files in series.items())
    if wanted is not None:
        if wanted not in series:
            raise InputError(f"series {wanted} is not among {listed}")
        return series[wanted]
    if len(series) > 1:
        raise InputError(f"the folder holds {len(series)} image series: name one of {listed}")
    return next(iter(series.values()))


class Aside:
    """A file written where nobody looks: it becomes the file that is meant, or goes."""

    def __init__(self, folder: Path) -> None:
        """Begin a file in a folder of the file system where it shall be.

        Raises
        ------
        StorageError
            If the folder cannot be written.
        """
        try:
            handle, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
        except OSError as error:
            raise StorageError(f"cannot write in {folder}: {error.strerror}") from error
        self.path = Path(name)
        self._stream = os.fdopen(handle, "wb")
        self._is_durable = False

    def write(self, content: bytes | bytearray | memoryview) -> None:
        """Add bytes.

        Raises
        ------
        StorageError
            If the disk is full; nothing half-written remains.
        """
        try:
            self._stream.write(content)
        except OSError as error:
            self.discard()
            raise _cannot_write("what arrives", error) from error

    def content(self) -> bytes:
        """Return what was written so far."""
        self._stream.flush()
        return self.path.read_bytes()

    def flush(self) -> None:
        """Wait until what was written is on the disk.

        Raises
        ------
        StorageError
            If the disk is full; nothing half-written remains.
        """
        try:
            self._sync()
        except OSError as error:
            self.discard()
            raise _cannot_write("what arrives", error) from error

    def _sync(self) -> None:
        if not self._is_durable:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._is_durable = True

    def become(self, path: Path) -> None:
        """Rename to the file that is meant, when it is on the disk.

        Raises
        ------
        StorageError
            If the disk is full or the folder cannot be written; nothing half-written remains.
        """
        try:
            self._sync()
            self._stream.close()
            try:
                self.path.replace(path)
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                self.path.replace(path)
        except OSError as error:
            self.discard()
            raise _cannot_write(path.name, error) from error

    def discard(self) -> None:
        """Forget it; where it became the file that is meant, nothing happens."""
        with contextlib.suppress(OSError):  # what could not be flushed is not wanted
            self._stream.close()
        self.path.unlink(missing_ok=True)


def _cannot_write(what: str, error: OSError) -> StorageError:
    return StorageError(f"cannot write {what}: {error.strerror}; free some space and send it again")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file aside, flush it to disk, and rename it into place.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written; nothing half-written remains.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from error
    aside = Aside(path.parent)
    aside.write(content)
    aside.become(path)


def same_object(first: bytes, second: bytes) -> bool:
    """Tell whether two DICOM files hold the same data set, byte by byte.

    The file meta information names who sent it, and may differ: the same object comes from the
    modality and again from the archive.
    """
    return first == second or first[_data_set(first) :] == second[_data_set(second) :]


def _data_set(content: bytes) -> int:
    """Return where the data set of a DICOM file begins; 0 where it is not plain to see."""
    if content[128:140] != b"DICM\x02\x00\x00\x00UL\x04\x00":
        return 0
    return 144 + int.from_bytes(content[140:144], "little")


def write_dataset(dataset: Dataset, path: Path) -> Path:
    """Write a data set as a DICOM file, whole or not at all, and return its path."""
    buffer = pydicom.filebase.DicomBytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # values copied from the source as they are
        dataset.save_as(buffer, enforce_file_format=True)
    write_whole(path, buffer.getvalue())
    return path


def headers(paths: Sequence[Path]) -> tuple[FileDataset, ...]:
    """Return the data sets without their pixels, in the order given."""
    return tuple(read_dataset(path, with_pixels=False) for path in paths)


def _has_preamble(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"

"""A series slice by slice, for the page: in the order and the values that engines get.

Where ``load_series`` makes a volume, slice *n* here is slice *n* there, voxel for voxel. Where it
refuses, the images can still be looked at one by one, and the reason is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_node.cine import frame_times_ms, is_cine
from dicom_node.dicomweb.rendering import own_window
from dicom_node.files import read_dataset
from dicom_node.frames import FramePlane
from dicom_node.pixels import decoded_frames, notes_on
from dicom_node.stacking import stack
from dicom_node.volumes import planes_of, spacing_notes, values_of
from domain.codes import Code
from domain.errors import GeometryError, InputError, UnreadableFileError
from domain.grid import Grid
from domain.uids import FrameOfReferenceUID

_MONOCHROME1: Final = "MONOCHROME1"
_OBJECTS_HELD: Final = 2


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One image of a series: its file, its frame from 1, and its plane."""

    path: Path
    frame_number: int
    plane: FramePlane


@dataclass(frozen=True, kw_only=True)
class SeriesSlices:
    """A series as it is looked at.

    Attributes
    ----------
    grid
        Of the volume that engines get; None where the series makes none.
    refusal
        Why it makes none, in words; empty where it does.
    window
        Centre and width that the first image states; None where it states none that fit the values.
    factor
        From decoded values to ``unit``: that of PET, else 1.
    """

    slices: tuple[Slice, ...]
    grid: Grid | None
    refusal: str
    header: Dataset
    unit: Code
    factor: float
    window: tuple[float, float] | None
    frame_times_ms: tuple[float, ...]
    notes: tuple[str, ...]

    def values(self, index: int) -> NDArray[Any]:
        """Return one slice: grey (rows, columns) in ``unit``, or colour (rows, columns, 3) uint8.

        Raises
        ------
        InputError
            If there is no such slice.
        UnreadableFileError
            If it cannot be decoded.
        """
        if not 0 <= index < len(self.slices):
            raise InputError(f"slice {index} does not exist: there are {len(self.slices)}, from 0")
        chosen = self.slices[index]
        try:
            frames = _decoded(chosen.path, chosen.path.stat().st_mtime_ns)
        except FileNotFoundError as error:
            raise UnreadableFileError("the image was removed: open the study again") from error
        if len(frames) < chosen.frame_number:
            raise UnreadableFileError(
                f"frame {chosen.frame_number} is missing: the object has {len(frames)}"
            )
        frame = frames[chosen.frame_number - 1]
        if self.factor == 1.0:
            return np.asarray(frame)
        return np.asarray(frame * np.float64(self.factor), dtype=np.float32)


def open_slices(paths: Sequence[Path]) -> SeriesSlices:
    """Return a series for looking at; pixels are decoded when a slice is asked for.

    Raises
    ------
    UnreadableFileError
        If a header cannot be read, or no file is an image.
    """
    headers = [(path, read_dataset(path, with_pixels=False)) for path in paths]
    images = [(path, header) for path, header in headers if "Rows" in header]
    if not images:
        raise UnreadableFileError("the series holds no image: there is nothing to show")
    datasets = [header for _, header in images]
    first = datasets[0]
    planes = planes_of(datasets)
    reference = str(first.get("FrameOfReferenceUID") or "")
    cine = is_cine(first)
    grid, refusal = None, ""
    try:
        grid, order = stack(
            planes, FrameOfReferenceUID(reference) if reference else None, is_cine=cine
        )
    except GeometryError as error:
        refusal, order = str(error), _order(planes)
    values = values_of(datasets)
    stated = own_window(first, 1)
    turned = first.get("PhotometricInterpretation") == _MONOCHROME1 or values.factor != 1.0
    return SeriesSlices(
        slices=tuple(
            Slice(
                path=images[planes[place].dataset_index][0],
                frame_number=planes[place].frame_number,
                plane=planes[place],
            )
            for place in order
        ),
        grid=grid,
        refusal=refusal,
        header=first,
        unit=values.unit,
        factor=values.factor,
        window=None if turned or stated is None else (stated.centre, stated.width),
        frame_times_ms=frame_times_ms(first) if cine else (),
        notes=(*notes_on(first), *values.notes, *spacing_notes(datasets)),
    )


def _order(planes: Sequence[FramePlane]) -> tuple[int, ...]:
    """Return along the first image's normal where all have a place, else as they are stored."""
    first = planes[0]
    positions = [plane.position_lps_mm for plane in planes]
    if first.row_direction is None or first.column_direction is None:
        return tuple(range(len(planes)))
    normal = np.cross(first.row_direction, first.column_direction)
    along = [0.0 if position is None else float(position @ normal) for position in positions]
    if any(position is None for position in positions):
        return tuple(range(len(planes)))
    return tuple(sorted(range(len(planes)), key=along.__getitem__))


@lru_cache(maxsize=_OBJECTS_HELD)
def _decoded(path: Path, _changed_ns: int) -> NDArray[Any]:
    """Return all frames of a file; the last ones are held, for multi-frame objects."""
    frames = decoded_frames(read_dataset(path, with_pixels=True), path.name)
    frames.setflags(write=False)
    return frames

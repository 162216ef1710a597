"""The segments of a SEG, or a mask of another format, as surfaces in files."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydicom.dataset import Dataset

from copilot.evaluation.images import read_mask
from copilot.system import NamedUids
from dicom_node.equipment import software_version
from dicom_node.files import (
    dicom_files,
    headers,
    one_series,
    read_dataset,
    write_dataset,
    write_whole,
)
from dicom_node.models import StlModel, encapsulated_stl
from dicom_node.seg_reader import LoadedSegment, read_segmentation
from dicom_node.twins import Origin
from dicom_node.volumes import load_series
from domain.errors import CannotDoError, EmptyMaskError, InputError
from domain.uids import SeriesUID
from domain.volume import Volume
from reporting.exports.surface import Surface, centroid_lps_mm, surface_of
from reporting.exports.surface_files import SurfaceFormat, stl, surface_bytes

_PLAIN: Final = (".nii", ".nii.gz", ".nrrd")
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME: Final = 40


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be exported.

    Attributes
    ----------
    path
        A SEG, or a mask as NIfTI or NRRD.
    source
        Folder of the images it was made on; None for a file that stands alone.
    segment
        Number of the segment, or the value in a plain mask; None for all of a SEG.
    encapsulated
        Whether STL goes into a DICOM object, which needs the images.
    """

    path: Path
    source: Path | None
    series: SeriesUID | None
    segment: int | None
    kind: SurfaceFormat
    encapsulated: bool
    uid_root: str = ""


def export_surfaces(request: Request, output: Path) -> dict[str, Any]:
    """Write a file for each segment and return what was written, and what was not and why.

    Raises
    ------
    InputError
        If the segment is not there, or what --encapsulated needs is missing.
    CannotDoError
        If no segment has a surface: with the reason for each.
    """
    files, volume = _images(request)
    segments, notes = _segments(request, volume)
    origin = _origin(request, segments, volume, files) if request.encapsulated else None
    written: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    for segment in segments:
        try:
            made = surface_of(segment.mask)
        except (CannotDoError, EmptyMaskError) as error:
            refused.append(_named(segment) | {"reason": str(error)})
            continue
        path = output / f"{_file_name(segment)}.{_ending(request)}"
        if origin is None:
            write_whole(path, surface_bytes(made.mesh, request.kind, segment.label))
        else:
            write_dataset(_encapsulated(request, origin, segment, made), path)
        written.append(_described(segment, made, path))
    if not written:
        raise CannotDoError(
            "; ".join(f"segment {each['segment']}: {each['reason']}" for each in refused)
        )
    return {
        "source": str(request.path),
        "format": str(request.kind),
        "encapsulated": request.encapsulated,
        "surfaces": written,
        "refused": refused,
        "notes": notes,
    } | _axes(request.kind)


def _images(request: Request) -> tuple[tuple[Path, ...], Volume | None]:
    if request.encapsulated:
        if request.kind is not SurfaceFormat.STL:
            raise InputError(f"{request.kind} is not encapsulated here: only --format stl is")
        if request.source is None:
            raise InputError("--encapsulated needs the images: give their folder with --source")
        if _is_plain(request.path):
            raise InputError(f"{request.path.name} is not a SEG, which --encapsulated needs")
    if request.source is None:
        return (), None
    files = one_series(dicom_files(request.source), request.series)
    return files, load_series(files)


def _segments(
    request: Request, volume: Volume | None
) -> tuple[tuple[LoadedSegment, ...], list[str]]:
    grid = volume.grid if volume is not None else None
    wanted = request.segment
    if _is_plain(request.path):
        mask = read_mask(request.path, grid, wanted)
        label = f"mask {wanted}" if wanted is not None else "mask"
        return (
            LoadedSegment(number=wanted or 1, label=label, category=None, code=None, mask=mask),
        ), []
    found = read_segmentation(request.path, grid)
    chosen = tuple(each for each in found.segments if wanted in {None, each.number})
    if not chosen:
        there = ", ".join(str(each.number) for each in found.segments) or "none"
        raise InputError(f"{request.path.name} has no segment {wanted}: there are {there}")
    return chosen, list(found.notes)


def _is_plain(path: Path) -> bool:
    return path.name.lower().endswith(_PLAIN)


def _origin(
    request: Request,
    segments: Sequence[LoadedSegment],
    volume: Volume | None,
    files: Sequence[Path],
) -> Origin:
    assert volume is not None
    assert volume.source is not None
    by_uid = {str(each.SOPInstanceUID): each for each in headers(files)}
    wanted = dict.fromkeys(frame.sop_instance_uid for frame in volume.source.frames)
    return Origin(
        segmentation=read_dataset(request.path, with_pixels=False),
        masks=tuple(each.mask for each in segments),
        volume=volume,
        headers=tuple(by_uid[uid] for uid in wanted),
    )


def _encapsulated(
    request: Request, origin: Origin, segment: LoadedSegment, made: Surface
) -> Dataset:
    """Return the object of one segment: made again by this version, it is the same instance."""
    names = (str(origin.segmentation.SOPInstanceUID), software_version(), "surface")
    model = StlModel(
        stl=stl(made.mesh),
        segment_number=segment.number,
        name=segment.label,
        series_instance_uid=SeriesUID(NamedUids(request.uid_root, *names).new_uid()),
    )
    return encapsulated_stl(origin, model, NamedUids(request.uid_root, *names, str(segment.number)))


def _axes(kind: SurfaceFormat) -> dict[str, str]:
    if kind is SurfaceFormat.GLB:
        return {"axes": "x = L, y = S, z = -P", "unit": "m"}
    return {"axes": "LPS", "unit": "mm"}


def _ending(request: Request) -> str:
    return "stl.dcm" if request.encapsulated else str(request.kind)


def _file_name(segment: LoadedSegment) -> str:
    words = _NOT_IN_NAMES.sub("-", segment.label.lower()).strip("-")[:_LONGEST_NAME].strip("-")
    return f"surface-{segment.number}-{words}".rstrip("-")


def _named(segment: LoadedSegment) -> dict[str, Any]:
    return {"segment": segment.number, "label": segment.label}


def _described(segment: LoadedSegment, made: Surface, path: Path) -> dict[str, Any]:
    return _named(segment) | {
        "file": str(path),
        "voxels": segment.mask.voxel_count,
        "volume_ml": made.mask_volume_ml,
        "mesh_volume_ml": made.volume_ml,
        "overlap": made.overlap,
        "vertices": len(made.mesh.vertices_lps_mm),
        "triangles": len(made.mesh.faces),
        "centroid_lps_mm": centroid_lps_mm(made.mesh).tolist(),
        "notes": list(made.notes),
    }

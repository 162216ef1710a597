"""``radcopilot measure``: the numbers of a SEG, ours or another tool's."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from copilot.cli.console import emit, say
from copilot.printing import printed_measurement
from dicom_node.files import dicom_files, one_series
from dicom_node.seg_reader import LoadedSegment, read_segmentation
from dicom_node.volumes import load_series
from domain.errors import CannotDoError, EmptyMaskError, UncalibratedError
from domain.measurement import Measurement
from domain.uids import SeriesUID
from domain.volume import Volume
from reporting.diameters import diameters
from reporting.volumetry import density, volume
from reporting.wording import number


def measure(
    seg: Annotated[Path, typer.Argument(help="A DICOM SEG file.")],
    *,
    source: Annotated[
        Path | None, typer.Option(help="Folder of the images it was made on.")
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="Series Instance UID, where the folder holds several.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure every segment of a SEG, from positions, never from slice thickness."""
    image = None
    if source is not None:
        image = load_series(one_series(dicom_files(source), SeriesUID(series) if series else None))
    found = read_segmentation(seg, image.grid if image else None)
    segments = [_measured(segment, image) for segment in found.segments]
    document = {"seg": str(seg), "segments": segments, "notes": list(found.notes)}
    if as_json:
        emit(document)
        return
    for segment in segments:
        said = ", ".join(f"{m['name']} {m['text']}" for m in segment["measurements"])
        say(f"{segment['segment']} {segment['label']}: {said or 'nothing measurable'}")
        for warning in segment["warnings"]:
            say(f"  Note: {warning}")


def _measured(segment: LoadedSegment, image: Volume | None) -> dict[str, Any]:
    warnings: list[str] = []
    measurements: list[Measurement] = []
    makers: tuple[Callable[[], tuple[Measurement, ...]], ...] = (
        lambda: (volume(segment.mask),),
        lambda: diameters(segment.mask),
        lambda: density(image, segment.mask) if image is not None else (),
    )
    for make in makers:
        try:
            measurements.extend(make())
        except (UncalibratedError, EmptyMaskError, CannotDoError) as error:
            warnings.append(str(error))
    by_name = {m.concept.meaning: m for m in measurements if m.derivation is None}
    millilitres = by_name.get("Volume")
    return {
        "segment": segment.number,
        "label": segment.label,
        "code": segment.code.value if segment.code else None,
        "meaning": segment.code.meaning if segment.code else None,
        "voxels": segment.mask.voxel_count,
        "volume_ml": millilitres.value if millilitres else None,
        "spacing_mm": list(segment.mask.grid.spacing_mm),
        "measurements": [
            printed_measurement(m, segment.number) | {"text": number(m)} for m in measurements
        ],
        "warnings": list(dict.fromkeys(warnings)),
    }

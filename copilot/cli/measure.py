"""``radcopilot measure``: the numbers of a SEG, ours or another tool's."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from copilot.cli.console import emit, say
from copilot.keys import measurement_name
from copilot.printing import printed_measurement, printed_statistics
from dicom_node.files import dicom_files, one_series
from dicom_node.seg_reader import LoadedSegment, read_segmentation
from dicom_node.volumes import load_series
from domain.command import Measure
from domain.errors import EmptyMaskError
from domain.uids import SeriesUID
from domain.volume import Volume
from reporting.findings import Numbers, numbers_of
from reporting.wording import number

_SIZE: Final = (Measure.VOLUME, Measure.DIAMETER)
_DENSITY: Final = Measure.DENSITY


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
    try:
        numbers = numbers_of(image, segment.mask, _SIZE if image is None else (*_SIZE, _DENSITY))
    except EmptyMaskError as error:
        numbers = Numbers(measurements=(), warnings=(str(error),))
    sizes = {measurement_name(each): each.value for each in numbers.measurements}
    return {
        "segment": segment.number,
        "label": segment.label,
        "code": segment.code.value if segment.code else None,
        "meaning": segment.code.meaning if segment.code else None,
        "voxels": segment.mask.voxel_count,
        "volume_ml": sizes.get("volume"),
        "spacing_mm": list(segment.mask.grid.spacing_mm),
        "measurements": [
            printed_measurement(each, segment.number) | {"text": number(each)}
            for each in numbers.measurements
        ],
        "statistics": printed_statistics(numbers.statistics),
        "not_measured": list(numbers.absent),
        "warnings": list(numbers.warnings),
    }

"""``radcopilot surface``: masks as surfaces, for printing, planning and other viewers."""

from pathlib import Path
from typing import Annotated

import typer

from copilot.cli.console import emit, say
from copilot.settings import load_settings
from copilot.surfaces import Request, export_surfaces
from domain.uids import SeriesUID
from reporting.exports.surface_files import SurfaceFormat


def surface(
    seg: Annotated[Path, typer.Argument(help="A DICOM SEG, or a mask as NIfTI or NRRD.")],
    *,
    output: Annotated[Path, typer.Option(help="Folder for the files.")],
    source: Annotated[
        Path | None, typer.Option(help="Folder of the images it was made on.")
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="Series Instance UID, where the folder holds several.")
    ] = None,
    segment: Annotated[
        int | None, typer.Option(help="Number of one segment, or a value of the mask.")
    ] = None,
    kind: Annotated[
        SurfaceFormat, typer.Option("--format", help="stl and obj are in LPS mm, glb is in metres.")
    ] = SurfaceFormat.STL,
    encapsulated: Annotated[
        bool, typer.Option("--encapsulated", help="STL inside a DICOM object, for the PACS.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="The site's settings.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write closed surfaces that enclose the volume of their voxels."""
    document = export_surfaces(
        Request(
            path=seg,
            source=source,
            series=SeriesUID(series) if series else None,
            segment=segment,
            kind=kind,
            encapsulated=encapsulated,
            uid_root=load_settings(config).objects.uid_root,
        ),
        output,
    )
    if as_json:
        emit(document)
        return
    for each in document["surfaces"]:
        say(f"{each['file']}: {each['label']}, {each['volume_ml']:.2f} mL")
        for note in each["notes"]:
            say(f"  Note: {note}")
    for each in document["refused"]:
        say(f"segment {each['segment']} {each['label']} has no surface: {each['reason']}")
    for note in document["notes"]:
        say(f"Note: {note}")

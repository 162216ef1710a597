"""``radcopilot compare``: two segmentations of one patient, lesion by lesion."""

from pathlib import Path
from typing import Annotated, Any

import typer

from copilot.cli.console import emit, progress_bar, say
from copilot.comparing.outlines import compared_outlines
from copilot.comparing.printing import printed_comparison
from dicom_node.files import dicom_files, one_series
from domain.errors import CannotDoError


def compare(
    prior_seg: Annotated[Path, typer.Argument(help="DICOM SEG file of the prior study.")],
    current_seg: Annotated[Path, typer.Argument(help="DICOM SEG file of the current study.")],
    *,
    prior_source: Annotated[Path, typer.Option(help="Folder of the prior's images.")],
    source: Annotated[Path, typer.Option(help="Folder of the current images.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare the lesions of two SEGs: aligned by their images, matched, each with a verdict.

    What is in one of them alone is said to be so: no engine looks for it on the other study.
    """
    with progress_bar() as progress:
        made = compared_outlines(
            (one_series(dicom_files(prior_source), None), prior_seg),
            (one_series(dicom_files(source), None), current_seg),
            progress,
        )
    document: dict[str, Any] = {
        "prior_seg": str(prior_seg),
        "current_seg": str(current_seg),
        **printed_comparison(made),
    }
    if as_json:
        emit(document)
    else:
        for lesion in document["lesions"]:
            say(lesion["sentence"])
        for note in document["notes"]:
            say(f"Note: {note}")
    if made.refusal is not None:
        raise CannotDoError(made.refusal)

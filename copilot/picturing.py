"""The picture of a finding: its outline on the image where it is largest."""

from typing import Final

from domain.concepts import Concept, Window
from domain.measurement import Finding
from domain.volume import Mask, Volume
from reporting.pictures import View, outline_png

_CT_WINDOW: Final = Window(center=40, width=400)


def shown_window(modality: str, concept: Concept | None) -> Window | None:
    """Return the grey levels in which a mask is shown; None for those of the volume's values."""
    if modality != "CT":
        return None
    return concept.window if concept and concept.window else _CT_WINDOW


def picture_of(
    volume: Volume, mask: Mask, concept: Concept | None, finding: Finding, *, is_draft: bool = True
) -> bytes:
    """Return a PNG; it says DRAFT until a person has signed for what it shows."""
    key_slice = finding.evidence.key_slice_index
    noun = "frame" if volume.grid.is_time else "image"
    view = View(
        slice_index=key_slice,
        window=shown_window(volume.modality, concept),
        caption=(finding.tracking_id, f"{noun} {key_slice + 1} of {volume.grid.shape[0]}"),
        is_draft=is_draft,
    )
    return outline_png(volume, mask, view)

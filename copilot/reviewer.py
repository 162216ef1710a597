"""A look at a mask before the radiologist's: warns, never hides, never repairs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.concepts import ConceptTable
from domain.prompt import Prompt
from domain.segment import Segment
from domain.volume import Volume

_CLEARLY_MM: Final = 15.0
_MM3_PER_ML: Final = 1000.0
_BODY_LEVEL: Final = 0.2
_EVERY: Final = 7


class RuleReviewer:
    """The ``Reviewer`` port: side against the body's midline, volume against the concept table."""

    def __init__(self, concepts: ConceptTable) -> None:
        self._concepts = concepts

    def review(
        self,
        volume: Volume,
        prompt: Prompt,  # noqa: ARG002 - the port's
        segment: Segment,
    ) -> tuple[str, ...]:
        """Return warnings to be shown with the mask."""
        said = (side_contradiction(volume, segment), self._size(segment))
        return tuple(warning for warning in said if warning is not None)

    def _size(self, segment: Segment) -> str | None:
        concept = self._concepts.find(segment.concept) if segment.concept else None
        grid = segment.mask.grid
        if concept is None or not (grid.slice_spacing_known and grid.in_plane_calibrated):
            return None
        volume_ml = segment.mask.voxel_count * grid.voxel_volume_mm3 / _MM3_PER_ML
        low, high = concept.smallest_ml, concept.largest_ml
        if low is not None and volume_ml < low:
            return f"{volume_ml:.2f} mL is small for {concept.phrase} (usually above {low:g} mL)"
        if high is not None and volume_ml > high:
            return f"{volume_ml:.1f} mL is large for {concept.phrase} (usually below {high:g} mL)"
        return None


def reviewed(segment: Segment, volume: Volume, warnings: Sequence[str]) -> Segment:
    """Return the segment with its warnings; a contradicted side is taken off."""
    fresh = tuple(warning for warning in warnings if warning not in segment.warnings)
    return replace(
        segment,
        warnings=(*segment.warnings, *fresh),
        side=None if side_contradiction(volume, segment) else segment.side,
    )


def side_contradiction(volume: Volume, segment: Segment) -> str | None:
    """Return what speaks against a segment's side, or None."""
    if segment.side not in {"left", "right"} or segment.mask.is_empty:
        return None
    offset_mm = left_of_midline_mm(volume, segment)
    if offset_mm is None or abs(offset_mm) < _CLEARLY_MM:
        return None
    found = "left" if offset_mm > 0 else "right"
    if found == segment.side:
        return None
    return (
        f"the command says {segment.side}, but the mask lies {abs(offset_mm):.0f} mm to the "
        f"{found} of the body's middle: check the side; none was recorded"
    )


def left_of_midline_mm(volume: Volume, segment: Segment) -> float | None:
    """Return how far the mask's centre lies to the patient's left of the body's, on its slices.

    None where the image has no patient coordinates, or is too narrow to hold a body.
    """
    grid = volume.grid
    if grid.frame_of_reference_uid is None or volume.is_colour:
        return None
    slices = segment.mask.slice_indices()
    image: NDArray[Any] = volume.voxels[slices[0] : slices[-1] + 1]
    body = image > (image.min() + (np.percentile(image, 99) - image.min()) * _BODY_LEVEL)
    if not body.any():
        return None
    start = np.array([slices[0], 0, 0])
    body_centre = grid.to_lps_mm(np.argwhere(body)[::_EVERY].mean(axis=0) + start)
    mask_centre = grid.to_lps_mm(np.argwhere(segment.mask.voxels).mean(axis=0))
    return float(mask_centre[0] - body_centre[0])

"""A look at a mask before the radiologist's: warns, never hides, never repairs."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from copilot.doubt import doubts
from copilot.plausibility import implausible_density, implausible_size
from domain.concepts import ConceptTable
from domain.prompt import Prompt
from domain.segment import Segment
from domain.volume import Volume

_BODY_ABOVE_HU: Final = -300.0
_LEAST_WIDTH_MM: Final = 200.0
_MIDDLE_MM: Final = 20.0


class RuleReviewer:
    """The ``Reviewer`` port: side, size and density by the concept table, ends, signals."""

    def __init__(self, concepts: ConceptTable) -> None:
        self._concepts = concepts

    def review(self, volume: Volume, prompt: Prompt, segment: Segment) -> tuple[str, ...]:
        """Return warnings to be shown with the mask."""
        concept = self._concepts.find(segment.concept) if segment.concept else None
        said = (
            side_contradiction(volume, prompt, segment),
            implausible_size(segment, concept),
            implausible_density(volume, segment, concept),
            cut_off(segment),
        )
        signals = () if segment.confidence is None else doubts(segment.confidence)
        return (*(warning for warning in said if warning is not None), *signals)

    def reviewed(self, volume: Volume, prompt: Prompt, segment: Segment) -> Segment:
        """Return the segment with the warnings of ``review``; a contradicted side is taken off."""
        fresh = [w for w in self.review(volume, prompt, segment) if w not in segment.warnings]
        wrong = side_contradiction(volume, prompt, segment) is not None
        return replace(
            segment,
            warnings=(*segment.warnings, *fresh),
            side=None if wrong else segment.side,
        )


def cut_off(segment: Segment) -> str | None:
    """Return that a mask reaches the end of its series, where it may go on unseen, or None."""
    voxels = segment.mask.voxels
    if segment.mask.is_empty or voxels.shape[0] == 1 or segment.mask.grid.is_time:
        return None
    ends = [name for name, index in (("first", 0), ("last", -1)) if voxels[index].any()]
    if not ends:
        return None
    return (
        f"it reaches the {' and the '.join(ends)} image of the series and may go on beyond: "
        "the volume is that of the part shown"
    )


def side_contradiction(volume: Volume, prompt: Prompt, segment: Segment) -> str | None:
    """Return what speaks against the side that was said with a box or click, or None.

    Only where the series shows enough of both sides to have a middle: that of the body on the
    slice in the middle of the mask. Engines that find a side by name do so by position already.
    """
    said = prompt.side if prompt.side in {"left", "right"} and not prompt.is_text_only else None
    if said is None or segment.mask.is_empty or not volume.grid.in_plane_calibrated:
        return None
    side = side_of(volume, segment)
    if side in {None, said}:
        return None
    return (
        f"this lies on the patient's {side}, but {said} was said: check the side; none was recorded"
    )


def side_of(volume: Volume, segment: Segment) -> str | None:
    """Return "left" or "right", the patient's, by the middle of the body; None where not clear."""
    if segment.mask.is_empty or not volume.grid.in_plane_calibrated:
        return None
    if volume.is_colour or volume.grid.frame_of_reference_uid is None:
        return None
    marked = segment.mask.slice_indices()
    index = marked[len(marked) // 2]
    image = np.asarray(volume.voxels[index], dtype=np.float32)
    body = image > (_BODY_ABOVE_HU if volume.modality == "CT" else image.mean())
    if not body.any():
        return None
    body_mm = _left_mm(volume, index, body)
    place_mm = float(_left_mm(volume, index, segment.mask.voxels[index]).mean())
    apart_mm = place_mm - float(np.median(body_mm))
    if float(np.ptp(body_mm)) < _LEAST_WIDTH_MM or abs(apart_mm) < _MIDDLE_MM:
        return None
    return "left" if apart_mm > 0 else "right"


def _left_mm(volume: Volume, index: int, voxels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how far to the patient's left each marked pixel of a slice is."""
    rows, columns = np.nonzero(voxels)
    indices = np.column_stack([np.full(rows.size, index), rows, columns])
    return np.asarray(volume.grid.to_lps_mm(indices)[:, 0])

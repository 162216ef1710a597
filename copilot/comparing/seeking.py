"""One lesion sought on the other study, by the engine that outlined it."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from copilot.comparing.marks import prompt_on
from domain.errors import CannotDoError, InputError, ModelMissingError
from domain.ports import Progress, Segmenter, no_progress
from domain.prompt import Prompt
from domain.segment import Segment
from domain.volume import Mask, Volume
from reporting.priors.presence import Points, Seen, Sight, seen_on

_BESIDE_MM: Final = 5.0

_ROUNDS: Final = 2
_SHRUNK: Final = 0.8


class Found(Enum):
    """What the search came to."""

    OUTLINED = "outlined"
    ABSENT = "absent"
    OUT_OF_FIELD = "out of field"
    UNSURE = "unsure"


@dataclass(frozen=True, kw_only=True, eq=False)
class Sought:
    """A lesion looked for on the other study."""

    found: Found
    says: str
    segment: Segment | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One of two studies: its volume, and the way from its millimetres to the other's and back."""

    volume: Volume
    name: str
    there: Points
    back: Points


def outline(
    segmenter: Segmenter, volume: Volume, prompt: Prompt, progress: Progress = no_progress
) -> Segment | str:
    """Return what an engine outlines, or the reason why nothing.

    Raises
    ------
    PromptError
        For a hint outside the volume.
    ModelMissingError
        If the engine's weights are not installed.
    """
    reason = segmenter.supports(volume, prompt)
    if reason is not None:
        return reason
    try:
        with segmenter.open(volume) as session:
            segments = list(session.segment([prompt], progress))
    except CannotDoError as error:
        return str(error)
    for segment in segments:
        if segment.absent_reason is None:
            return segment
    return segments[0].absent_reason or "nothing was outlined" if segments else "nothing was found"


def sought(
    segmenter: Segmenter,
    segment: Segment,
    prompt: Prompt,
    here: Side,
    other: Side,
    *,
    any_engine: bool = False,
) -> Sought:
    """Return what becomes of a lesion of ``here`` on the other study.

    It is absent when its place holds nothing of half its contrast, or hardly anything that the
    engine takes for the same kind of thing. An outline by another engine, or one that lies beside
    the place, decides nothing.

    Parameters
    ----------
    any_engine
        Of a lesion that another tool outlined: no engine of ours is the same.
    """
    seen = seen_on(here.volume, segment.mask, other.volume, here.there, here.back)
    if seen.sight is Sight.OUT_OF_FIELD:
        says = f"its place is outside the images of the {other.name}: nothing can be said"
        return Sought(found=Found.OUT_OF_FIELD, says=says)
    if seen.core is None or seen.region is None:
        says = f"not found on the {other.name}, which shows its place: {seen.says}"
        return Sought(found=Found.ABSENT, says=says)
    found = _outlined(segmenter, seen.core, prompt, other.volume, seen.region)
    is_same = isinstance(found, Segment) and (
        any_engine or found.provenance.engine == segment.provenance.engine
    )
    if isinstance(found, Segment) and is_same:
        apart = _apart_mm(found.mask, seen.region)
        if (found.mask.voxels & seen.region.voxels).any() and apart <= _reach_mm(seen.region):
            says = f"outlined on the {other.name} with the same engine"
            return Sought(found=Found.OUTLINED, says=says, segment=found)
        reason = f"what was outlined there lies {apart:.0f} mm beside the place"
    elif isinstance(found, Segment):
        reason = f"only another engine ({found.provenance.engine}) outlines anything there"
    else:
        reason = found
    return _open_or_absent(seen, other, reason)


def _open_or_absent(seen: Seen, other: Side, reason: str) -> Sought:
    if seen.sight is Sight.LITTLE:
        says = f"not found on the {other.name}, which shows its place: {seen.says}, and {reason}"
        return Sought(found=Found.ABSENT, says=says)
    says = f"not clear on the {other.name}: {seen.says}, but {reason}"
    return Sought(found=Found.UNSURE, says=says)


def _outlined(
    segmenter: Segmenter, core: Mask, prompt: Prompt, volume: Volume, region: Mask
) -> Segment | str:
    """Return the outline of what is at the place; a box that was too large is drawn again."""
    slices = region.slice_indices()
    reach = (max(0, slices[0] - 1), min(volume.grid.shape[0], slices[-1] + 2))
    found: Segment | str = "nothing was outlined"
    for _ in range(_ROUNDS):
        try:
            found = outline(segmenter, volume, prompt_on(core, prompt, reach))
        except (InputError, ModelMissingError) as error:
            return str(error)
        if isinstance(found, str) or prompt.points or prompt.scribbles:
            return found
        if found.mask.voxel_count >= _SHRUNK * core.voxel_count:
            return found
        core = found.mask
    return found


def _reach_mm(region: Mask) -> float:
    radius = np.cbrt(region.voxel_count * region.grid.voxel_volume_mm3 * 3.0 / (4.0 * np.pi))
    return max(_BESIDE_MM, float(radius))


def _apart_mm(one: Mask, other: Mask) -> float:
    return float(np.linalg.norm(centre_lps_mm(one) - centre_lps_mm(other)))


def centre_lps_mm(mask: Mask) -> NDArray[np.float64]:
    """Return the centre of gravity (3,) of a mask."""
    return mask.grid.to_lps_mm(np.argwhere(mask.voxels).mean(axis=0))

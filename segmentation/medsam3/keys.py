"""Which prompts point at one image from which their thing is to be followed."""

from typing import Final

from domain.grid import Grid
from domain.prompt import Prompt
from domain.volume import Volume

ONE_KEY_FRAME: Final = (
    "point at one frame of a cine: the thing is followed from there through time, as far as "
    "--slices lets it"
)
ONE_FRAME_ALONE: Final = "without its tracker MedSAM-3 outlines one frame of a cine"


def key_to_follow(prompt: Prompt, grid: Grid) -> int | None:
    """Return the one image pointed at, where nothing says how far the thing reaches; else None.

    In space a range says it, and so do hints on several slices. In time a range says how far it is
    looked for. Images at no known distance from one another are not followed.
    """
    pointed = _pointed(prompt)
    in_space = grid.slice_spacing_known and prompt.slice_range is None
    is_followed = grid.shape[0] > 1 and prompt.mask is None and (grid.is_time or in_space)
    return next(iter(pointed)) if is_followed and len(pointed) == 1 else None


def refused_in_time(volume: Volume, prompt: Prompt, no_tracker: str | None) -> str | None:
    """Return why hints on a cine cannot be answered, or None."""
    if not volume.grid.is_time:
        return None
    pointed = _pointed(prompt)
    if len(pointed) > 1:
        return ONE_KEY_FRAME
    span = range(*prompt.slice_range) if prompt.slice_range is not None else range(1)
    if no_tracker is not None and pointed and len(span) > 1:
        return f"{ONE_FRAME_ALONE}: give no range; {no_tracker}"
    return None


def _pointed(prompt: Prompt) -> set[int]:
    """Return the slices with something positive on them."""
    pointed = {
        index
        for box in prompt.boxes
        if box.positive
        for index in range(box.slice_start, box.slice_stop)
    }
    pointed |= {point.slice_index for point in prompt.points if point.positive}
    return pointed | (set() if prompt.mask is None else set(prompt.mask.slice_indices()))

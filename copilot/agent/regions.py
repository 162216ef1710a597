"""Where and with which grey levels a tool looks: part of what the radiologist asked for."""

from dataclasses import replace

import numpy as np

from copilot.agent.calls import BadCallError, Region
from domain.concepts import Window
from domain.prompt import Box, Prompt


def in_region(prompt: Prompt, region: Region) -> Prompt:
    """Return a prompt for part of the volume; what the radiologist set is never widened."""
    if region.slices is not None:
        start, stop = region.slices
        if prompt.slice_range is not None:
            start, stop = max(start, prompt.slice_range[0]), min(stop, prompt.slice_range[1])
        prompt = replace(prompt, slice_range=(start, stop))
    if region.box is not None:
        if not prompt.is_text_only:
            raise BadCallError("the radiologist pointed at it: leave the box out")
        index, row, column, row_stop, column_stop = region.box
        box = Box.on_slice(index, (row, row_stop), (column, column_stop))
        prompt = replace(prompt, boxes=(box,))
    if region.window is not None:
        prompt = replace(prompt, window=window_of(region.window))
    return prompt


def window_of(numbers: list[float]) -> Window:
    """Return the window of [centre, width].

    Raises
    ------
    BadCallError
        For a width that is none.
    """
    center, width = numbers
    if not (np.isfinite(numbers).all() and width > 0):
        raise BadCallError(f"window {numbers} is none: give [centre, width], the width above 0")
    return Window(center=center, width=width)


def in_words(prompt: Prompt) -> str:
    """Say what was searched, where, and with which grey levels."""
    where = "all slices"
    if prompt.slice_range is not None:
        where = f"slices {prompt.slice_range[0]} to {prompt.slice_range[1] - 1}"
    seen = ""
    if prompt.window is not None:
        seen = f", grey levels {prompt.window.low:g} to {prompt.window.high:g}"
    return f'"{prompt.concept}" on {where}{seen}'

"""Resizing of single slices, exact and without a third party's idea of pixel centres."""

import numpy as np
from numpy.typing import NDArray


def resize_matrix(before: int, after: int) -> NDArray[np.float32]:
    """Return the (after, before) matrix that resizes one axis; its rows sum to one.

    Smaller by the mean over the area a new pixel covers, larger by linear interpolation between
    pixel centres: both keep the image's edges where they are.
    """
    step = before / after
    if step > 1:
        edges = np.arange(after + 1) * step
        lower = np.maximum(edges[:-1, None], np.arange(before)[None, :])
        upper = np.minimum(edges[1:, None], np.arange(1, before + 1)[None, :])
        weights = np.clip(upper - lower, 0.0, None) / step
        return np.asarray(weights, dtype=np.float32)
    centres = np.clip((np.arange(after) + 0.5) * step - 0.5, 0, before - 1)
    lower_index = np.minimum(centres.astype(np.int64), before - 1)
    upper_index = np.minimum(lower_index + 1, before - 1)
    share = centres - lower_index
    weights = np.zeros((after, before))
    rows = np.arange(after)
    np.add.at(weights, (rows, lower_index), 1 - share)
    np.add.at(weights, (rows, upper_index), share)
    return weights.astype(np.float32)


def resize(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize the last two axes (rows, columns)."""
    rows = resize_matrix(image.shape[-2], shape[0])
    columns = resize_matrix(image.shape[-1], shape[1])
    return np.ascontiguousarray(rows @ image @ columns.T, dtype=np.float32)

"""Grey levels a network sees: the window table."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from domain.concepts import Concept, Window
from domain.prompt import Box
from domain.volume import Volume

LUNG_WINDOW: Final = Window(center=-600, width=1500)
SOFT_TISSUE_WINDOW: Final = Window(center=40, width=400)

AIR_BELOW_HU: Final = -500.0
EMPTY_AIR_HU: Final = (
    -930.0
)  # median; lung holds tissue; the air round a patient and in bowel does not
_LEAST_LUNG_PX: Final = 10
_LUNG_SHARE: Final = 0.25
_SLICE_SHARE: Final = 0.02
_FITS: Final = 0.6  # overlap of its box with the one drawn
_BEYOND: Final = 0.25  # of a side, at each edge
_HANDS: Final = 0.1  # of a side: how far hands differ at each edge
_SURROUNDINGS: Final = 2.0
_DARKEST_PERCENT: Final = 0.5
_BRIGHTEST_PERCENT: Final = 99.5
_LUMINANCE: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def window_for(volume: Volume, concept: Concept | None, *, in_lung: bool = False) -> Window:
    """Return the grey levels for one concept on one volume.

    CT has absolute numbers: the concept's own window, else lung or soft tissue. Every other
    modality is stretched between percentiles of the whole volume, so that one window serves all
    slices; zeros round a masked or cropped patient do not count.
    """
    if volume.is_colour:
        return Window(center=127.5, width=255)
    if volume.modality == "CT":
        if in_lung:
            return LUNG_WINDOW
        if concept is not None and concept.window is not None:
            return concept.window
        return SOFT_TISSUE_WINDOW
    values = volume.voxels
    if values.size and values.min() >= 0:
        inside = values[values > 0]
        values = inside if inside.size else values
    low, high = np.percentile(values, (_DARKEST_PERCENT, _BRIGHTEST_PERCENT))
    return Window(center=float(low + high) / 2, width=max(float(high - low), 1e-6))


def applied(image: NDArray[np.generic], window: Window) -> NDArray[np.float32]:
    """Return grey levels 0..255 of an image; colour becomes luminance."""
    grey = np.asarray(image, dtype=np.float32)
    if grey.ndim and grey.shape[-1] == len(_LUMINANCE) and image.dtype == np.uint8:
        grey = grey @ _LUMINANCE
    scaled = (grey - np.float32(window.low)) / np.float32(window.width)
    return np.asarray(np.clip(scaled, 0, 1) * np.float32(255), dtype=np.float32)


def is_in_lung(volume: Volume, box: Box) -> bool:
    """Tell whether what surrounds a box on a CT is aerated lung, at least in part."""
    if volume.modality != "CT" or volume.is_colour:
        return False
    image = _middle_slice(volume, box)
    frame = _frame(image.shape, box)
    return bool(_lung_like(image)[frame].mean() >= _LUNG_SHARE) if frame.any() else False


def is_lung(volume: Volume, box: Box) -> bool:
    """Tell whether what a box on a CT fits tightly round is a piece of aerated lung."""
    if volume.modality != "CT" or volume.is_colour:
        return False
    rows = slice(box.row_start, box.row_stop)
    columns = slice(box.column_start, box.column_stop)
    return lung_piece(_middle_slice(volume, box), rows, columns) is not None


def lung_piece(image: NDArray[np.float32], rows: slice, columns: slice) -> NDArray[np.bool_] | None:
    """Return the piece of aerated lung that a box on a slice (rows, columns) in HU fits round.

    It is looked for well beyond the box: lung that runs on is what surrounds a thing, and a box
    drawn a little too tight does not cut a piece in two. What is returned ends where hands do. None
    where no piece is about as high and wide as the box.
    """
    beyond = _grown(rows, image.shape[0], _BEYOND), _grown(columns, image.shape[1], _BEYOND)
    near = _grown(rows, image.shape[0], _HANDS), _grown(columns, image.shape[1], _HANDS)
    labels, _ = ndimage.label(_lung_like(image)[beyond])
    corner = beyond[0].start, beyond[1].start
    for number, span in enumerate(ndimage.find_objects(labels), start=1):
        found = [slice(p.start + at, p.stop + at) for p, at in zip(span, corner, strict=True)]
        if _overlap(found, (rows, columns)) >= _FITS:
            whole = np.zeros(image.shape, dtype=np.bool_)
            whole[beyond] = labels == number
            piece = np.zeros(image.shape, dtype=np.bool_)
            piece[near] = whole[near]
            return piece
    return None


def _grown(edges: slice, length: int, share: float) -> slice:
    reach = math.ceil(share * (edges.stop - edges.start))
    return slice(max(0, edges.start - reach), min(length, edges.stop + reach))


def _overlap(one: Sequence[slice], other: Sequence[slice]) -> float:
    """Return intersection over union of two boxes."""
    shared = math.prod(
        max(0, min(a.stop, b.stop) - max(a.start, b.start)) for a, b in zip(one, other, strict=True)
    )
    areas = [math.prod(part.stop - part.start for part in box) for box in (one, other)]
    return float(shared / (sum(areas) - shared))


def shows_lung(volume: Volume, index: int) -> bool:
    """Tell whether a slice of a CT shows a fair piece of aerated lung."""
    if volume.modality != "CT" or volume.is_colour:
        return False
    image = np.asarray(volume.voxels[index], dtype=np.float32)
    return bool(_lung_like(image).mean() >= _SLICE_SHARE)


def _lung_like(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the air on a slice that is lung: not the nearly empty air round the patient."""
    labels, count = ndimage.label(image < AIR_BELOW_HU)
    if not count:
        return np.zeros(image.shape, dtype=np.bool_)
    filled = np.bincount(labels[image > EMPTY_AIR_HU], minlength=count + 1)
    halves = 2 * filled - np.bincount(labels.ravel(), minlength=count + 1)
    is_lung = halves > 0  # the median lies above
    is_lung[0] = False
    for even in np.flatnonzero(halves[1:] == 0) + 1:  # it lies between the two in the middle
        is_lung[even] = np.median(image[labels == even]) > EMPTY_AIR_HU
    return np.asarray(is_lung[labels], dtype=np.bool_)


def _middle_slice(volume: Volume, box: Box) -> NDArray[np.float32]:
    index = (box.slice_start + box.slice_stop - 1) // 2
    return np.asarray(volume.voxels[index], dtype=np.float32)


def _frame(shape: tuple[int, ...], box: Box) -> NDArray[np.bool_]:
    """Return the pixels in a frame about a box, without the box itself."""
    rows, columns = box.row_stop - box.row_start, box.column_stop - box.column_start
    reach = (_SURROUNDINGS - 1) / 2
    grown_rows, grown_columns = int(rows * reach) + 2, int(columns * reach) + 2
    frame = np.zeros(shape, dtype=np.bool_)
    frame[
        max(0, box.row_start - grown_rows) : box.row_stop + grown_rows,
        max(0, box.column_start - grown_columns) : box.column_stop + grown_columns,
    ] = True
    frame[box.row_start : box.row_stop, box.column_start : box.column_stop] = False
    return frame


def lung_level_hu(volume: Volume, box: Box) -> float | None:
    """Return the median of the lung in a frame about a box, or None where there is too little."""
    image = _middle_slice(volume, box)
    lung = image[_frame(image.shape, box) & _lung_like(image)]
    return float(np.median(lung)) if lung.size >= _LEAST_LUNG_PX else None

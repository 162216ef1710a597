"""Three opinions on every pixel, added as log-odds: network, place and grey level.

Each is clipped, so that none can overrule the two others alone. The network knows outlines, the
ellipse knows where the person pointed, the grey levels know what the thing looked like on the key
slice. Measured side by side in ``bench/segmentation.py``.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from domain.prompt import Scribble
from segmentation.slicewise.slices import SliceBox, SlicePoint
from segmentation.slicewise.strokes import distance_px
from segmentation.slicewise.targets import ellipse

_NETWORK_LIMIT: Final = 4.0
_PLACE_LIMIT: Final = 4.0
_GREY_LIMIT: Final = 3.0
_PLACE_SOFTNESS: Final = 0.175  # of the box's half side: one unit of log-odds
_DRAWN_SOFTNESS: Final = 1.0  # where a person drew the box, the thing need not be an ellipse
_CLICK_STRENGTH: Final = 2 * (_NETWORK_LIMIT + _PLACE_LIMIT + _GREY_LIMIT)
_CLICK_REACH: Final = 0.1  # of the box's side
_LEAST_CLICK_PX: Final = 1.5
_GREY_BINS: Final = 32
_GREY_SMOOTHING: Final = 1.5  # bins
_GREY_FLOOR: Final = 0.1  # share of a flat histogram: what was never seen is not impossible
_IMAGE_SMOOTHING_PX: Final = 0.7
_LEAST_CORE_PX: Final = 20


def place_log_odds(
    shape: tuple[int, int], box: SliceBox, *, is_drawn: bool = False, tilt: float = 0.0
) -> NDArray[np.float32]:
    """Return the opinion of the place: positive inside the ellipse in the box.

    It is softer in a box that a person drew: there it need not keep the outline from drifting.
    """
    softness = np.float32(_DRAWN_SOFTNESS if is_drawn else _PLACE_SOFTNESS)
    return np.asarray((1 - ellipse(shape, box, tilt)) / softness, dtype=np.float32)


def distance_log_odds(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the opinion of a distance to an outline, where 1 is half a side of the box."""
    return np.asarray(distance / np.float32(_PLACE_SOFTNESS), dtype=np.float32)


def known_log_odds(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the opinion of an outline that the image's own numbers give: sure to the pixel."""
    return np.where(inside, _PLACE_LIMIT, -_PLACE_LIMIT).astype(np.float32)


def shape_log_odds(shape: NDArray[np.bool_], box: SliceBox) -> NDArray[np.float32]:
    """Return the opinion of an earlier outline: its distance, as soft as the ellipse in its box."""
    within = ndimage.distance_transform_edt(shape)
    beyond = ndimage.distance_transform_edt(~shape)
    softness_px = _PLACE_SOFTNESS * (box.rows + box.columns) / 4
    return np.asarray((within - beyond) / softness_px, dtype=np.float32)


def click_log_odds(
    shape: tuple[int, int], points: tuple[SlicePoint, ...], box: SliceBox
) -> NDArray[np.float32]:
    """Return what clicks say, which overrules everything else at their own pixel."""
    total = np.zeros(shape, dtype=np.float32)
    reach_px = max(_LEAST_CLICK_PX, _CLICK_REACH * (box.rows + box.columns) / 2)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    for point in points:
        apart = ((rows - point.row) ** 2 + (columns - point.column) ** 2) / reach_px**2
        said = _CLICK_STRENGTH if point.positive else -_CLICK_STRENGTH
        total += (said * np.exp(-apart / 2)).astype(np.float32)
    return total


def stroke_log_odds(
    shape: tuple[int, int], strokes: tuple[Scribble, ...], box: SliceBox
) -> NDArray[np.float32]:
    """Return what scribbles say, which overrules everything else under the brush.

    Beside it the opinion fades as a click's does; where strokes of both signs meet, the nearer.
    """
    reach_px = max(_LEAST_CLICK_PX, _CLICK_REACH * (box.rows + box.columns) / 2)
    total = np.zeros(shape, dtype=np.float32)
    for is_positive in (True, False):
        for stroke in strokes:
            if stroke.positive is not is_positive:
                continue
            beyond = np.maximum(distance_px(shape, stroke.path) - stroke.radius_px, 0) / reach_px
            said = np.float32(_CLICK_STRENGTH) * np.exp(-(beyond**2) / 2)
            total = np.where(said > np.abs(total), said if is_positive else -said, total)
    return np.asarray(total, dtype=np.float32)


class GreyLevels:
    """What the thing and its neighbourhood look like on the key slice.

    Parameters
    ----------
    image
        (rows, columns) grey levels 0..255 of the key slice's neighbourhood.
    inside
        The thing on it.
    """

    def __init__(self, image: NDArray[np.float32], inside: NDArray[np.bool_]) -> None:
        core = ndimage.binary_erosion(inside)
        # Of a thing of few pixels most are edge: what lies beside them is not inside.
        is_small = np.count_nonzero(core) <= _LEAST_CORE_PX
        core = inside if is_small else core
        outside = ~inside if is_small else ~ndimage.binary_dilation(inside)
        self._log_ratio = np.zeros(_GREY_BINS, dtype=np.float32)
        if core.any() and outside.any():
            smooth = _smoothed(image)
            ratio = _histogram(smooth[core]) / _histogram(smooth[outside])
            self._log_ratio = np.log(ratio).astype(np.float32)

    def log_odds(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the opinion of the grey levels 0..255 on a slice."""
        return np.asarray(self._log_ratio[_bins(_smoothed(image))], dtype=np.float32)


def _smoothed(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(ndimage.gaussian_filter(image, _IMAGE_SMOOTHING_PX), dtype=np.float32)


def _bins(image: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.clip((image * (_GREY_BINS / 255)).astype(np.int64), 0, _GREY_BINS - 1)


def _histogram(values: NDArray[np.float32]) -> NDArray[np.float64]:
    counts = np.bincount(_bins(values), minlength=_GREY_BINS).astype(np.float64)
    counts = ndimage.gaussian_filter1d(counts, _GREY_SMOOTHING, mode="nearest")
    share = counts / counts.sum()
    return np.asarray(share * (1 - _GREY_FLOOR) + _GREY_FLOOR / _GREY_BINS)


def fused(
    network: NDArray[np.float32], place: NDArray[np.float32], grey: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Return the sum of the clipped opinions; above 0 is inside."""
    total = np.clip(network, -_NETWORK_LIMIT, _NETWORK_LIMIT)
    total = total + np.clip(place, -_PLACE_LIMIT, _PLACE_LIMIT)
    if grey is not None:
        total = total + np.clip(grey, -_GREY_LIMIT, _GREY_LIMIT)
    return np.asarray(total, dtype=np.float32)


def connected_to(voxels: NDArray[np.bool_], seed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the parts of a slice's mask that overlap the seed; the largest where none does."""
    labels, count = ndimage.label(voxels, structure=np.ones((3, 3)))
    if count <= 1:
        return voxels
    touched = np.unique(labels[seed & voxels])
    touched = touched[touched > 0]
    if not touched.size:
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        touched = np.array([int(sizes.argmax())])
    return np.asarray(np.isin(labels, touched), dtype=np.bool_)

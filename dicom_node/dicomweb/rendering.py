"""One frame as a picture anyone can show (PS3.18 section 8.3.5, PS3.3 section C.11)."""

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi

from dicom_node.dicomweb.pixels import Pixels
from dicom_node.dicomweb.refusal import bad_request
from dicom_node.frames import frame_groups

JPEG: Final = "image/jpeg"
PNG: Final = "image/png"
PICTURES: Final = (JPEG, PNG)
THUMBNAIL_PX: Final = 128
_FUNCTIONS: Final = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
_WHITE: Final = 255.0
_DEFAULT_QUALITY: Final = 90
_LARGEST_VIEWPORT: Final = 8192
_GREY_AXES: Final = 2
_BYTE_BITS: Final = 8


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which values become black and white (PS3.3 section C.11.2.1.2)."""

    centre: float
    width: float
    function: str = "LINEAR"

    def grey(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return values from 0 (black) to 255 (white), as the function of the window says."""
        centre, width = self.centre, self.width
        if self.function == "SIGMOID":
            exponent = np.clip(-4 * (values - centre) / width, -700, 700)
            return np.asarray(_WHITE / (1 + np.exp(exponent)))
        if self.function == "LINEAR":
            centre, width = centre - 0.5, width - 1
        if width <= 0:
            return np.where(values > centre, _WHITE, 0.0)
        return np.asarray(np.clip((values - centre) / width + 0.5, 0, 1) * _WHITE)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """How a picture is wanted."""

    window: Window | None = None
    viewport: tuple[int, int] | None = None
    quality: int = _DEFAULT_QUALITY


def picture_wanted(parameters: Iterable[tuple[str, str]]) -> Picture:
    """Return what the parameters of a rendering ask for.

    Raises
    ------
    RequestRefusedError
        Naming the first that is not known or cannot be read.
    """
    window, viewport, quality = None, None, _DEFAULT_QUALITY
    for name, value in parameters:
        match name:
            case "window":
                window = _window(value)
            case "viewport":
                viewport = _viewport(value)
            case "quality":
                if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 100:  # noqa: PLR2004 - per cent
                    raise bad_request(f"quality={value!r} is not from 1 to 100")
                quality = int(value)
            case "accept":  # read where media types are
                continue
            case _:
                raise bad_request(
                    f"parameter {name!r} is not known here: there are window, viewport, quality, "
                    "accept"
                )
    return Picture(window=window, viewport=viewport, quality=quality)


def rendered(pixels: Pixels, index: int, wanted: Picture, kind: str) -> bytes:
    """Return one frame as JPEG or PNG of 8 bits.

    The window is the one asked for, else the image's own table or window, else all its values.

    Raises
    ------
    UnreadableFileError
        If the frame cannot be decoded.
    """
    picture = Image.fromarray(_eight_bits(pixels, index, wanted.window))
    if wanted.viewport is not None:
        width, height = wanted.viewport
        scale = min(width / picture.width, height / picture.height)
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    if kind == PNG:
        picture.save(buffer, "PNG")
    else:
        picture.save(buffer, "JPEG", quality=wanted.quality)
    return buffer.getvalue()


def _eight_bits(pixels: Pixels, index: int, window: Window | None) -> NDArray[np.uint8]:
    header = pixels.header
    stored = pixels.array(index)
    if header.get("PhotometricInterpretation") == "PALETTE COLOR":
        coloured = apply_color_lut(stored, header)
        shift = _BYTE_BITS if coloured.dtype == np.uint16 else 0
        return np.asarray(coloured >> shift, dtype=np.uint8)
    if stored.ndim > _GREY_AXES:
        shift = max(0, int(header.get("BitsStored") or _BYTE_BITS) - _BYTE_BITS)
        return np.asarray(stored >> shift, dtype=np.uint8)
    grey = _grey(header, stored, index + 1, window)
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        grey = _WHITE - grey
    return np.rint(grey).astype(np.uint8)


def _grey(
    header: Dataset, stored: NDArray[Any], number: int, window: Window | None
) -> NDArray[np.float64]:
    values = _real_world(header, stored, number)
    if window is not None:
        return window.grey(values)
    if header.get("VOILUTSequence"):
        looked_up = apply_voi(np.rint(values).astype(np.int64), header)
        bits = int(header.VOILUTSequence[0].LUTDescriptor[2])
        return np.asarray(looked_up * (_WHITE / (2**bits - 1)), dtype=np.float64)
    own = own_window(header, number)
    if own is not None:
        return own.grey(values)
    low, high = float(values.min()), float(values.max())
    return np.asarray((values - low) * (_WHITE / (high - low) if high > low else 0.0))


def _real_world(header: Dataset, stored: NDArray[Any], number: int) -> NDArray[np.float64]:
    for group in frame_groups(header, number):
        for transform in group.get("PixelValueTransformationSequence") or ():
            slope, intercept = float(transform.RescaleSlope), float(transform.RescaleIntercept)
            return np.asarray(stored * slope + intercept, dtype=np.float64)
    return np.asarray(apply_modality_lut(stored, header), dtype=np.float64)


def own_window(header: Dataset, number: int) -> Window | None:
    """Return the grey levels that an image states for a frame, from 1; None where it has none."""
    for group in (*frame_groups(header, number), Dataset()):
        items = group.get("FrameVOILUTSequence")
        place = items[0] if items else header
        centre, width = _first(place.get("WindowCenter")), _first(place.get("WindowWidth"))
        if centre is None or width is None or width <= 0:
            continue
        function = str(place.get("VOILUTFunction") or "LINEAR")
        return Window(centre=centre, width=width, function=function)
    return None


def _first(value: Any) -> float | None:  # noqa: ANN401 - one number, several, or none
    if isinstance(value, (MultiValue, list)):
        value = value[0] if value else None
    return None if value in {None, ""} else float(value)


def _window(value: str) -> Window:
    parts = [part.strip() for part in value.split(",")]
    example = "window=40,400,linear (or linear-exact, sigmoid)"
    if len(parts) not in {2, 3}:
        raise bad_request(f"window={value!r} cannot be read: write {example}")
    function = _FUNCTIONS.get(parts[2].lower().replace("_", "-") if len(parts) > 2 else "linear")  # noqa: PLR2004 - the third
    try:
        centre, width = float(parts[0]), float(parts[1])
    except ValueError as error:
        raise bad_request(f"window={value!r} cannot be read: write {example}") from error
    if function is None or not math.isfinite(centre) or not 0 < width < math.inf:
        raise bad_request(f"window={value!r} cannot be used: write {example}")
    return Window(centre=centre, width=width, function=function)


def _viewport(value: str) -> tuple[int, int]:
    parts = value.split(",")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):  # noqa: PLR2004 - a pair
        raise bad_request(f"viewport={value!r} cannot be read: write viewport=WIDTH,HEIGHT")
    width, height = int(parts[0]), int(parts[1])
    if not 1 <= min(width, height) <= max(width, height) <= _LARGEST_VIEWPORT:
        raise bad_request(f"viewport={value!r} is not from 1 to {_LARGEST_VIEWPORT}")
    return width, height

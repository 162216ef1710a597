"""Multi-frame images whose frames follow one another in time, not in space."""

from typing import Final

import numpy as np
from pydicom import uid
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

_FRAME_TIME: Final = "FrameTime"
_FRAME_TIME_VECTOR: Final = "FrameTimeVector"
_TIMES: Final = frozenset({_FRAME_TIME, _FRAME_TIME_VECTOR})
_CINE_CLASSES: Final = frozenset(
    {
        uid.UltrasoundMultiFrameImageStorage,
        uid.XRayAngiographicImageStorage,
        uid.XRayRadiofluoroscopicImageStorage,
        uid.EnhancedXAImageStorage,
        uid.EnhancedXRFImageStorage,
        uid.VideoEndoscopicImageStorage,
        uid.VideoMicroscopicImageStorage,
        uid.VideoPhotographicImageStorage,
        "1.2.840.10008.5.1.4.1.1.3",  # Ultrasound Multi-frame Image Storage, retired
    }
)


def is_cine(dataset: Dataset) -> bool:
    """Tell whether the frames of an image without positions follow one another in time.

    Frame Increment Pointer says what its frames count: time, or pages, slices and the like. Where
    it is missing a frame time, or the SOP class, decides.
    """
    if int(dataset.get("NumberOfFrames") or 1) == 1:
        return False
    pointed = _pointed(dataset)
    if pointed:
        return pointed <= _TIMES
    return dataset.get("SOPClassUID") in _CINE_CLASSES or any(name in dataset for name in _TIMES)


def frame_times_ms(dataset: Dataset) -> tuple[float, ...]:
    """Return when each frame was taken, from the first; empty where the image does not say.

    From Frame Time or Frame Time Vector (PS3.3 section C.7.6.5); rates for display are no times.
    """
    count = int(dataset.get("NumberOfFrames") or 1)
    increments = dataset.get(_FRAME_TIME_VECTOR)
    if increments is not None and _pointed(dataset) != {_FRAME_TIME}:
        steps = np.atleast_1d(np.asarray(increments, dtype=np.float64))
        if steps.size == count and np.isfinite(steps).all() and (steps[1:] > 0).all():
            times = np.cumsum(steps) - steps[0]
            return tuple(float(time) for time in times)
        return ()
    step = float(dataset.get(_FRAME_TIME) or 0.0)
    if not np.isfinite(step) or step <= 0:
        return ()
    return tuple(step * number for number in range(count))


def _pointed(dataset: Dataset) -> frozenset[str]:
    """Return the attributes that Frame Increment Pointer names."""
    pointer = dataset.get("FrameIncrementPointer")
    if pointer is None or pointer == "":
        return frozenset()
    tags = pointer if isinstance(pointer, list) or hasattr(pointer, "append") else [pointer]
    return frozenset(keyword_for_tag(tag) for tag in tags)

"""Where to begin an alignment: all shifts tried at once on coarse copies."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import SimpleITK as sitk  # noqa: N813 - as its documentation does
from numpy.typing import NDArray

from reporting.priors.images import WorkingCopy

_COARSE_MM: Final = 8.0
_LEAST_OVERLAP: Final = 0.2
_APART: Final = 3  # voxels between starts
_FLAT: Final = 1e-3


@dataclass(frozen=True, kw_only=True)
class Start:
    """A shift in LPS mm from the current study to the prior, and its correlation."""

    shift_mm: tuple[float, float, float]
    correlation: float


def starts(current: WorkingCopy, prior: WorkingCopy, most: int = 2) -> tuple[Start, ...]:
    """Return the shifts under which the images correlate best, best first.

    The correlation inside both fields of view, air round the bodies included, is computed for
    every shift by Fourier transform (Padfield, Masked object registration in the Fourier domain,
    2012). Inside the bodies alone one lung would lie as well on the other. A shift must leave a
    fifth of the smaller body in the other: a study that shows half of what the other shows is found
    as well.
    """
    step = max(_COARSE_MM, current.step_mm)
    fixed, moving = _coarse(current, step), _coarse(prior, step)
    score = _correlation(fixed, moving)
    offset = np.array(prior.image.GetOrigin()) - np.array(current.image.GetOrigin())
    found: list[Start] = []
    for _ in range(most):
        peak = np.unravel_index(int(score.argmax()), score.shape)
        if score[peak] <= -1.0:
            break
        voxels = np.array(peak) - np.array(moving.image.shape) + 1
        shift = offset - step * voxels[::-1]
        found.append(
            Start(
                shift_mm=(float(shift[0]), float(shift[1]), float(shift[2])),
                correlation=float(score[peak]),
            )
        )
        near = tuple(slice(max(0, int(at) - _APART), int(at) + _APART + 1) for at in peak)
        score[near] = -1.0
    return tuple(found)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Coarse:
    """An image on large voxels, its body and its field of view, all float64."""

    image: NDArray[np.float64]
    body: NDArray[np.float64]
    seen: NDArray[np.float64]


def _coarse(copy: WorkingCopy, step: float) -> _Coarse:
    size = [max(1, round(n * copy.step_mm / step)) for n in copy.image.GetSize()]

    def made(image: sitk.Image, interpolator: int) -> NDArray[np.float64]:
        resampled = sitk.Resample(
            image,
            size,
            sitk.Transform(),
            interpolator,
            image.GetOrigin(),
            [step] * 3,
            image.GetDirection(),
            0.0,
        )
        return np.asarray(sitk.GetArrayFromImage(resampled), dtype=np.float64)

    return _Coarse(
        image=made(sitk.SmoothingRecursiveGaussian(copy.image, step / 2), sitk.sitkLinear),
        body=made(copy.body, sitk.sitkNearestNeighbor),
        seen=made(copy.seen, sitk.sitkNearestNeighbor),
    )


def _correlation(fixed: _Coarse, moving: _Coarse) -> NDArray[np.float64]:
    pairs = zip(fixed.image.shape, moving.image.shape, strict=True)
    shape = [one + other - 1 for one, other in pairs]

    def to(values: NDArray[np.float64]) -> NDArray[np.complex128]:
        return np.fft.rfftn(values, shape, axes=(0, 1, 2))

    def back(spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
        return np.asarray(np.fft.irfftn(spectrum, shape, axes=(0, 1, 2)), dtype=np.float64)

    def turned(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values[::-1, ::-1, ::-1]

    one = (fixed.image - fixed.image[fixed.seen > 0].mean()) * fixed.seen
    other = turned((moving.image - moving.image[moving.seen > 0].mean()) * moving.seen)
    where, where_moving = to(fixed.seen), to(turned(moving.seen))
    common = np.maximum(back(where * where_moving), 1.0)
    sum_one, sum_other = back(to(one) * where_moving), back(where * to(other))
    product = back(to(one) * to(other)) - sum_one * sum_other / common
    spread = back(to(one**2) * where_moving) - sum_one**2 / common
    spread_other = back(where * to(other**2)) - sum_other**2 / common
    scale = np.sqrt(np.maximum(spread, 0.0) * np.maximum(spread_other, 0.0))
    bodies = back(to(fixed.body) * to(turned(moving.body)))
    enough = bodies >= _LEAST_OVERLAP * min(fixed.body.sum(), moving.body.sum())
    usable = enough & (scale > _FLAT * scale.max())
    return np.where(usable, product / np.maximum(scale, _FLAT), -1.0)

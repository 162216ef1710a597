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
    """Return the shifts under which the bodies correlate best, best first.

    The correlation inside both bodies is computed for every shift by Fourier transform (Padfield,
    Masked object registration in the Fourier domain, 2012). A shift must leave a fifth of the
    smaller body in the other: a study that shows half of what the other shows is found as well.
    """
    step = max(_COARSE_MM, current.step_mm)
    fixed, inside = _coarse(current, step)
    moving, moving_inside = _coarse(prior, step)
    score = _correlation(fixed, inside, moving, moving_inside)
    offset = np.array(prior.image.GetOrigin()) - np.array(current.image.GetOrigin())
    found: list[Start] = []
    for _ in range(most):
        peak = np.unravel_index(int(score.argmax()), score.shape)
        if score[peak] <= -1.0:
            break
        voxels = np.array(peak) - np.array(moving.shape) + 1
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


def _coarse(copy: WorkingCopy, step: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    size = [max(1, round(n * copy.step_mm / step)) for n in copy.image.GetSize()]
    smooth = sitk.SmoothingRecursiveGaussian(copy.image, step / 2)
    arrays = []
    for image, interpolator in ((smooth, sitk.sitkLinear), (copy.body, sitk.sitkNearestNeighbor)):
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
        arrays.append(sitk.GetArrayFromImage(resampled).astype(np.float64))
    return arrays[0], arrays[1]


def _correlation(
    fixed: NDArray[np.float64],
    inside: NDArray[np.float64],
    moving: NDArray[np.float64],
    moving_inside: NDArray[np.float64],
) -> NDArray[np.float64]:
    shape = [a + b - 1 for a, b in zip(fixed.shape, moving.shape, strict=True)]

    def to(values: NDArray[np.float64]) -> NDArray[np.complex128]:
        return np.fft.rfftn(values, shape, axes=(0, 1, 2))

    def back(spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
        return np.asarray(np.fft.irfftn(spectrum, shape, axes=(0, 1, 2)), dtype=np.float64)

    fixed = (fixed - fixed[inside > 0].mean()) * inside
    moving = (moving - moving[moving_inside > 0].mean()) * moving_inside
    moving, turned = moving[::-1, ::-1, ::-1], moving_inside[::-1, ::-1, ::-1]
    where, where_moving = to(inside), to(turned)
    common = np.maximum(back(where * where_moving), 1.0)
    sum_fixed, sum_moving = back(to(fixed) * where_moving), back(where * to(moving))
    product = back(to(fixed) * to(moving)) - sum_fixed * sum_moving / common
    spread = back(to(fixed**2) * where_moving) - sum_fixed**2 / common
    spread_moving = back(where * to(moving**2)) - sum_moving**2 / common
    scale = np.sqrt(np.maximum(spread, 0.0) * np.maximum(spread_moving, 0.0))
    enough = common >= _LEAST_OVERLAP * min(inside.sum(), moving_inside.sum())
    usable = enough & (scale > _FLAT * scale.max())
    return np.where(usable, product / np.maximum(scale, _FLAT), -1.0)

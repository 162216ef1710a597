"""The current study laid on the prior: rigid, then deformable, with numbers that may refuse it.

Deterministic: no random sampling, and the result is cut to steps far below a voxel, since sums of
several threads differ in their last digits.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import SimpleITK as sitk  # noqa: N813 - as its documentation does
from numpy.typing import NDArray

from domain.alignment import Alignment, AlignmentQuality, Displacement
from domain.errors import CannotDoError
from domain.ports import Progress, no_progress
from domain.volume import Volume
from reporting.priors.images import WorkingCopy, grid_of, step_mm, working_copy
from reporting.priors.quality import (
    LEAST_OUTLINE,
    LEAST_OVERLAP,
    LEAST_STRUCTURE,
    MOST_INVERSE_MM,
    outline,
    overlap,
    structure,
)
from reporting.priors.starts import starts

_BINS: Final = 40
_SAMPLED: Final = 0.3
_LEVELS: Final = ((4, 2.0), (2, 1.0), (1, 0.0))  # shrink factor, blur in voxels
_STEPS: Final = 60
_FIRST_STEP_MM: Final = 2.0
_LAST_STEP_MM: Final = 0.02
_RELAXATION: Final = 0.6
_THREADS: Final = 2
_DIGITS: Final = (7, 5)  # of radians and millimetres
_STARTS: Final = 2
_SURE_START: Final = 0.85
_DEFORM_MM: Final = 4.0
_DEFORM_LEVELS: Final = ((4, 60), (2, 60), (1, 20))
_DEFORM_BLUR: Final = 2.0  # voxels, of the field
_LEAST_GAIN: Final = 0.005
_UNFOLDED: Final = 0.05
_PLACES: Final = 200
_RIGID_ENOUGH: Final = 0.99

Points = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def aligned(current: Volume, prior: Volume, progress: Progress = no_progress) -> Alignment:
    """Return where the places of a study lie in its prior, with the quality of that.

    Mutual information (Mattes 2003) is maximised over rotation and shift on copies of 2 to 3 mm,
    from the shifts under which the bodies correlate best. Then, in one modality, a smooth
    displacement (symmetric demons, Vercauteren 2009) is kept where it makes the images more alike
    and folds nothing: breathing and posture. It carries places from study to study; no volume is
    ever measured on deformed images.

    The result may refuse itself: ``quality.refusal``.

    Raises
    ------
    CannotDoError
        If a volume cannot be aligned at all: modalities differ, no scale, no body.
    """
    if current.modality != prior.modality:
        raise CannotDoError(
            f"the prior is {prior.modality}, the current study {current.modality}: choose a prior "
            "series of the same modality"
        )
    step = step_mm(current, prior)
    progress(0.0, "aligning with the prior")
    here, there = working_copy(current, step), working_copy(prior, step)
    progress(0.15, "aligning with the prior")
    forward = _rigid(here, there)
    progress(0.4, "aligning with the prior")
    backward = _rigid(there, here)
    progress(0.65, "aligning with the prior")
    quality = _quality(here, there, forward, backward)
    field = None
    if quality.is_good and quality.structure < _RIGID_ENOUGH:
        field = _deformed(here, there, forward)
    displacement = None
    if field is not None:
        better = structure(here, there, sitk.CompositeTransform([forward, _field(field)]))
        if better > quality.structure + _LEAST_GAIN:
            quality = replace(quality, structure=better)
            vectors = sitk.GetArrayFromImage(field).astype(np.float32)
            displacement = Displacement(vectors_mm=vectors, grid=grid_of(field))
    progress(1.0, "aligning with the prior")
    return Alignment(matrix=_matrix(forward), quality=quality, displacement=displacement)


def checked(alignment: Alignment) -> Alignment:
    """Return an alignment that may be used.

    Raises
    ------
    CannotDoError
        With its numbers and their limits, if it may not.
    """
    if alignment.quality.refusal is not None:
        raise CannotDoError(alignment.quality.refusal)
    return alignment


def _rigid(current: WorkingCopy, prior: WorkingCopy) -> sitk.Euler3DTransform:
    found = starts(current, prior, _STARTS)
    if not found:
        raise CannotDoError(
            "the two studies share no region: choose a prior that shows the same part of the body"
        )
    sure = found[0].correlation >= _SURE_START
    best: tuple[float, sitk.Euler3DTransform] | None = None
    for start in found[:1] if sure else found:
        transform, value = _refined(current, prior, start.shift_mm)
        if best is None or value < best[0]:
            best = (value, transform)
    assert best is not None
    return best[1]


def _refined(
    current: WorkingCopy, prior: WorkingCopy, shift_mm: tuple[float, float, float]
) -> tuple[sitk.Euler3DTransform, float]:
    """Return the rigid transform from a start, and the negative mutual information."""
    transform = sitk.Euler3DTransform()
    transform.SetCenter(current.body_centre_lps_mm.tolist())
    transform.SetTranslation(shift_mm)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricFixedMask(current.near)
    method.SetMetricMovingMask(prior.seen)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(_SAMPLED, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        _FIRST_STEP_MM, _LAST_STEP_MM, _STEPS, _RELAXATION
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([factor for factor, _ in _LEVELS])
    method.SetSmoothingSigmasPerLevel([blur * current.step_mm for _, blur in _LEVELS])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetNumberOfThreads(_THREADS)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(current.image, prior.image)
    except RuntimeError as error:  # ITK's only kind: all samples outside
        raise CannotDoError(
            "the two studies share too little to be aligned: choose a prior that shows the same "
            "part of the body"
        ) from error
    turned, moved = transform.GetParameters()[:3], transform.GetParameters()[3:]
    transform.SetParameters(
        [
            *(round(each, _DIGITS[0]) for each in turned),
            *(round(each, _DIGITS[1]) for each in moved),
        ]
    )
    return transform, float(method.GetMetricValue())


def _matrix(transform: sitk.Euler3DTransform) -> NDArray[np.float64]:
    turn = np.array(transform.GetMatrix()).reshape(3, 3)
    centre = np.array(transform.GetCenter())
    made = np.eye(4)
    made[:3, :3] = turn
    made[:3, 3] = centre + np.array(transform.GetTranslation()) - turn @ centre
    return made


def _quality(
    current: WorkingCopy,
    prior: WorkingCopy,
    forward: sitk.Euler3DTransform,
    backward: sitk.Euler3DTransform,
) -> AlignmentQuality:
    places = current.body_points_lps_mm(_PLACES)
    there, back = _matrix(forward), _matrix(backward)
    both = back @ there
    returned = places @ both[:3, :3].T + both[:3, 3]
    shared = overlap(current, prior, forward)
    quality = AlignmentQuality(
        overlap=shared,
        outline=outline(current, prior, forward),
        structure=structure(current, prior, forward),
        structure_before=_before(current, prior),
        inverse_error_mm=float(np.median(np.linalg.norm(returned - places, axis=1))),
    )
    return replace(quality, refusal=_refusal(quality))


def _before(current: WorkingCopy, prior: WorkingCopy) -> float | None:
    nothing = sitk.Transform(3, sitk.sitkIdentity)
    if overlap(current, prior, nothing) < LEAST_OVERLAP:
        return None
    return structure(current, prior, nothing)


def _refusal(quality: AlignmentQuality) -> str | None:
    reasons = []
    if quality.overlap < LEAST_OVERLAP:
        reasons.append(f"overlap {quality.overlap:.2f}, at least {LEAST_OVERLAP} is needed")
    if quality.outline < LEAST_OUTLINE:
        reasons.append(f"outline {quality.outline:.2f}, at least {LEAST_OUTLINE} is needed")
    if quality.structure < LEAST_STRUCTURE:
        reasons.append(f"structure {quality.structure:.2f}, at least {LEAST_STRUCTURE} is needed")
    if quality.inverse_error_mm > MOST_INVERSE_MM:
        reasons.append(
            f"there and back {quality.inverse_error_mm:.1f} mm, at most {MOST_INVERSE_MM} mm is "
            "allowed"
        )
    if not reasons:
        return None
    return (
        f"the prior does not lie on the current study ({'; '.join(reasons)}): nothing is compared; "
        "check that it shows the same part of the same patient, in a like series"
    )


def _deformed(
    current: WorkingCopy, prior: WorkingCopy, forward: sitk.Euler3DTransform
) -> sitk.Image | None:
    """Return a displacement in mm on the current study's axes, or None where it would fold."""
    step = max(_DEFORM_MM, current.step_mm)
    size = [max(1, round(n * current.step_mm / step)) for n in current.image.GetSize()]
    air = float(sitk.GetArrayViewFromImage(current.image).min())

    def made(image: sitk.Image, transform: sitk.Transform) -> sitk.Image:
        smooth = sitk.SmoothingRecursiveGaussian(image, step / 3)
        origin, turn = current.image.GetOrigin(), current.image.GetDirection()
        return sitk.Resample(
            smooth, size, transform, sitk.sitkLinear, origin, [step] * 3, turn, air
        )

    fixed = made(current.image, sitk.Transform())
    moving = made(prior.image, forward)
    field: sitk.Image | None = None
    for factor, rounds in _DEFORM_LEVELS:
        if min(size) // factor < 4:  # noqa: PLR2004 - the least a filter takes
            continue
        pair = [_shrunk(image, factor, step) for image in (fixed, moving)]
        demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
        demons.SetNumberOfIterations(rounds)
        demons.SetStandardDeviations(_DEFORM_BLUR)
        demons.SetSmoothDisplacementField(True)
        if field is None:
            field = demons.Execute(*pair)
        else:
            field = sitk.Resample(field, pair[0], sitk.Transform(), sitk.sitkLinear, 0.0)
            field = demons.Execute(*pair, field)
    if field is None:
        return None
    field = sitk.Cast(field, sitk.sitkVectorFloat64)
    stretch = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(field))
    return field if float(stretch.min()) > _UNFOLDED else None


def _shrunk(image: sitk.Image, factor: int, step: float) -> sitk.Image:
    if factor == 1:
        return image
    shrunk: sitk.Image = sitk.Shrink(
        sitk.SmoothingRecursiveGaussian(image, factor * step / 2), [factor] * 3
    )
    return shrunk


def _field(field: sitk.Image) -> sitk.Transform:
    return sitk.DisplacementFieldTransform(sitk.Image(field))

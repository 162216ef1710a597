"""Copies of a volume to align by: of even voxels, along the patient's axes, without the table."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import SimpleITK as sitk  # noqa: N813 - as its documentation does
from numpy.typing import NDArray
from scipy import ndimage

from domain.codes import HOUNSFIELD_UNIT
from domain.errors import CannotDoError
from domain.grid import Grid
from domain.volume import Volume

_LARGEST_STEP_MM: Final = 3.0
_MOST_VOXELS: Final = 600_000
_CT_LIMITS_HU: Final = (-1000.0, 300.0)
_BODY_FROM_HU: Final = -300.0
_BRIGHT_PERCENTILE: Final = 99.5
_BRIGHT: Final = 1000.0
_BRIGHTEST: Final = 1200.0
_BODY_SHARE: Final = 0.5  # of the mean: air of MR and PET is far below
_OUTSIDE: Final = -1e6
_LEAST_BODY_ML: Final = 20.0
_LEAST_VOXELS: Final = 6
_NEAR_MM: Final = 8.0


@dataclass(frozen=True, kw_only=True, eq=False)
class WorkingCopy:
    """A volume on even voxels.

    Attributes
    ----------
    image
        float32; Hounsfield units clipped, or grey levels scaled to about 1000; air outside the
        body.
    body
        uint8, 1 inside the patient: the table stays where it is when the patient moves.
    near
        uint8, 1 inside the patient and 8 mm round it: an edge is seen from both sides.
    seen
        uint8, 1 inside the field of view.
    """

    image: sitk.Image
    body: sitk.Image
    near: sitk.Image
    seen: sitk.Image
    step_mm: float

    @property
    def body_centre_lps_mm(self) -> NDArray[np.float64]:
        """Return the middle of the body (3,)."""
        marked = np.argwhere(sitk.GetArrayViewFromImage(self.body)).mean(axis=0)
        place = self.body.TransformContinuousIndexToPhysicalPoint(marked[::-1].tolist())
        return np.array(place)

    def body_points_lps_mm(self, most: int) -> NDArray[np.float64]:
        """Return at most so many places (n, 3) spread evenly over the body."""
        marked = np.argwhere(sitk.GetArrayViewFromImage(self.body))
        marked = marked[:: max(1, len(marked) // most)]
        origin, step = np.array(self.image.GetOrigin()), self.step_mm
        return np.asarray(origin + marked[:, ::-1] * step, dtype=np.float64)


def step_mm(volume: Volume, other: Volume) -> float:
    """Return the voxel size at which two volumes are aligned: 2 to 3 mm, more where huge."""
    finest = min(min(each.grid.spacing_mm) for each in (volume, other))
    step = float(np.clip(2.0 * finest, 2.0, _LARGEST_STEP_MM))
    for each in (volume, other):
        extent = np.ptp(each.grid.corners_lps_mm(), axis=0) + step
        step = max(step, float(np.cbrt(np.prod(extent) / _MOST_VOXELS)))
    return step


def working_copy(volume: Volume, step: float) -> WorkingCopy:
    """Return the copy of a volume by which it is aligned.

    Raises
    ------
    CannotDoError
        If there are no slices in space, no scale, or no body.
    """
    _check(volume)
    fine = _smoothed(sitk.Cast(to_sitk(volume), sitk.sitkFloat32), step)
    corners = volume.grid.corners_lps_mm()
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = [int(np.ceil(length / step)) + 1 for length in high - low]
    if min(size) < _LEAST_VOXELS:
        raise CannotDoError(
            f"the series is {min(high - low):.0f} mm thin: at least {_LEAST_VOXELS * step:.0f} mm "
            "are needed to align it; choose a series of the whole region"
        )
    image = sitk.Resample(
        fine,
        size,
        sitk.Transform(),
        sitk.sitkLinear,
        low.tolist(),
        [step] * 3,
        np.eye(3).ravel().tolist(),
        _OUTSIDE,
        sitk.sitkFloat32,
    )
    values = sitk.GetArrayFromImage(image)
    seen = values > _OUTSIDE / 2
    levels, body = _levels(volume, values, seen)
    if body.sum() * step**3 / 1000.0 < _LEAST_BODY_ML:
        raise CannotDoError(
            f"less than {_LEAST_BODY_ML:.0f} mL of a body is in the images: there is nothing to "
            "align by; choose another series"
        )
    near = np.asarray(ndimage.binary_dilation(body, iterations=round(_NEAR_MM / step)))
    return WorkingCopy(
        image=like(image, np.where(near, levels, levels.min()).astype(np.float32)),
        near=like(image, (near & seen).astype(np.uint8)),
        body=like(image, body.astype(np.uint8)),
        seen=like(image, seen.astype(np.uint8)),
        step_mm=step,
    )


def to_sitk(volume: Volume) -> sitk.Image:
    """Return a grey volume as an ITK image at the same place."""
    return on_grid(volume.voxels, volume.grid)


def on_grid(voxels: NDArray[np.generic], grid: Grid) -> sitk.Image:
    """Return an array (slices, rows, columns) as an ITK image on a grid."""
    spacing = grid.spacing_mm
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels))
    image.SetOrigin(grid.affine[:3, 3].tolist())
    image.SetSpacing(spacing[::-1])
    directions = grid.affine[:3, :3] / np.array(spacing)
    image.SetDirection(directions[:, ::-1].ravel().tolist())
    return image


def like(image: sitk.Image, values: NDArray[np.generic]) -> sitk.Image:
    """Return an array as an ITK image where another one lies."""
    made = sitk.GetImageFromArray(values)
    made.CopyInformation(image)
    return made


def grid_of(image: sitk.Image) -> Grid:
    """Return the grid of an ITK image."""
    axes = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3] = axes[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    columns, rows, slices = image.GetSize()
    return Grid(affine=affine, shape=(slices, rows, columns))


def _check(volume: Volume) -> None:
    grid = volume.grid
    if grid.is_time or not grid.slice_spacing_known or not grid.in_plane_calibrated:
        raise CannotDoError(
            "only volumes with known spacing can be aligned: a cine, a single image or one without "
            "pixel spacing has no place in the patient"
        )
    if volume.is_colour:
        raise CannotDoError("colour images cannot be aligned: choose a grey series")


def _smoothed(image: sitk.Image, step: float) -> sitk.Image:
    """Blur along the axes that are finer than the copy, so that nothing aliases."""
    for axis, spacing in enumerate(image.GetSpacing()):
        sigma = 0.5 * np.sqrt(max(step**2 - spacing**2, 0.0))
        if sigma > 0.1 * spacing and image.GetSize()[axis] > 3:  # noqa: PLR2004 - the filter's least
            image = sitk.RecursiveGaussian(
                image, float(sigma), False, sitk.RecursiveGaussianImageFilter.ZeroOrder, axis
            )
    return image


def _levels(
    volume: Volume, values: NDArray[np.float32], seen: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return comparable grey levels and the body."""
    if volume.unit == HOUNSFIELD_UNIT:
        levels = np.clip(np.where(seen, values, _CT_LIMITS_HU[0]), *_CT_LIMITS_HU)
        body = _largest(seen & (levels > _BODY_FROM_HU))
    else:
        inside = values[seen]
        low, high = float(inside.min()), float(np.percentile(inside, _BRIGHT_PERCENTILE))
        if high <= low:
            raise CannotDoError("the images show one grey level: there is nothing to align by")
        scaled = (values - low) / (high - low) * _BRIGHT
        levels = np.clip(np.where(seen, scaled, 0.0), 0.0, _BRIGHTEST)
        body = _largest(seen & (levels > _BODY_SHARE * levels[seen].mean()))
    return levels.astype(np.float32), body & seen


def _largest(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest part, freed of what hangs on it by a thread, its holes filled."""
    opened = ndimage.binary_opening(marked)
    labels, count = ndimage.label(opened)
    if not count:
        return np.zeros_like(marked)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    part = labels == sizes.argmax()
    return np.stack([ndimage.binary_fill_holes(image) for image in part])

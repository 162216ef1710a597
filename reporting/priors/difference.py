"""What became brighter or darker between two MR series of one kind, by subtraction.

The prior is laid on the current series by the rigid alignment alone and brought to its grey levels
and slice thickness. What differs by more than noise and misplaced edges explain is a proposal.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import edt
import numpy as np
import SimpleITK as sitk  # noqa: N813 - as its documentation does
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from domain.alignment import Alignment
from domain.errors import CannotDoError
from domain.segment import AlgorithmType, Provenance, Segment
from domain.volume import Mask, Volume
from reporting.priors.images import on_grid

ENGINE: Final = "subtraction"
VERSION: Final = "1.0.0"
_LEAST_LIKENESS: Final = 0.9
_INNER_MM: Final = 4.0
_DARK: Final = 0.6  # of Otsu's threshold: what is tissue
_EVEN_MM: Final = 20.0
_BLUR_MM: Final = 2.0
_FWHM: Final = 2.355
_CORE_SIGMAS: Final = 6.0
_EXTENT_SIGMAS: Final = 3.0
_EDGE_MM: Final = 3.0
_LEAST_MM: Final = 3.0
_MANY: Final = 40
_BINS: Final = 12
_MAD: Final = 1.4826
_SMALL: Final = 1e-3
_HALF: Final = 0.5

_Array = NDArray[np.float32]
_Marked = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One place that changed: its volume, where, and how far above the noise it stands.

    ``reach_ml`` is all of it beyond noise, blurred edges included.
    """

    volume_ml: float
    centre_lps_mm: tuple[float, float, float]
    sigmas: float
    reach_ml: float


@dataclass(frozen=True, kw_only=True, eq=False)
class BrightnessChange:
    """What became brighter or darker, as proposals.

    Attributes
    ----------
    brighter_ml, brighter_reach_ml
        What is brighter by half of its part's median change or more, where the edge of a blurred
        thing lies; and all that is brighter beyond noise.
    likeness
        Correlation of the two series inside the tissue that was searched.
    segments
        One of all that is brighter, one of all that is darker; none where there is nothing.
    """

    brighter_ml: float
    brighter_reach_ml: float
    darker_ml: float
    brighter: tuple[Part, ...]
    darker: tuple[Part, ...]
    searched_ml: float
    likeness: float
    segments: tuple[Segment, ...]

    def in_words(self) -> str:
        """Say it in a sentence."""
        return (
            f"Subtraction of the prior, proposed for confirmation: {self.brighter_ml:.2f} mL "
            f"became brighter in {len(self.brighter)} places ({self.brighter_reach_ml:.2f} mL "
            f"with its blurred edge), {self.darker_ml:.2f} mL darker in {len(self.darker)}; "
            f"{self.searched_ml:.0f} mL were searched, likeness of the series {self.likeness:.2f}."
        )


def brightness_change(current: Volume, prior: Volume, alignment: Alignment) -> BrightnessChange:
    """Return what became brighter or darker.

    The noise of a voxel is fitted to the pair itself: variance of the difference against the
    squared gradient of the prior, so that an edge counts less the more edges are misplaced. A part
    has a voxel of six standard deviations (five would be chance once among a million, and the
    tails are heavier), is followed down to three, ends at half of its median, and is at least a
    ball of 3 mm (Wattjes et al., Lancet Neurol 2021;20:653: the least new lesion). It is brighter
    than the tissue's median on the study where it is bright. Parts next to the field's edge or the
    surface do not count.

    Raises
    ------
    CannotDoError
        If the two series are too unlike, or so much differs that it cannot be lesions.
    """
    now, then, tissue = _on_one_scale(current, prior, alignment)
    inside = now[tissue], then[tissue]
    likeness = float(np.corrcoef(*inside)[0, 1])
    if not likeness >= _LEAST_LIKENESS:
        raise CannotDoError(
            f"the two series are too unlike to be subtracted (likeness {likeness:.2f}, at least "
            f"{_LEAST_LIKENESS} is needed; alignment: {alignment.quality.in_words()}): mark the "
            "lesions on both, or choose a prior series of the same kind"
        )
    spacing = current.grid.spacing_mm
    difference = now - then
    difference -= np.float32(np.median(difference[tissue]))
    sigmas = difference / _noise(difference, _gradient(then, spacing), tissue)
    median = float(np.median(inside[0]))
    inner = _away(tissue, spacing) > _EDGE_MM
    grown = _parts(current, difference, sigmas, tissue & (now > median), inner)
    faded = _parts(current, -difference, -sigmas, tissue & (then > median), inner)
    if max(len(grown[0]), len(faded[0])) > _MANY:
        raise CannotDoError(
            f"{len(grown[0])} places are brighter and {len(faded[0])} darker than on the prior, "
            f"more than {_MANY}: the series differ in more than lesions (likeness {likeness:.2f}, "
            f"alignment: {alignment.quality.in_words()}); mark the lesions on both"
        )
    segments = [
        _segment(current, voxels, name)
        for name, (_, voxels) in (("brighter", grown), ("darker", faded))
        if voxels.any()
    ]
    return BrightnessChange(
        brighter_ml=sum(part.volume_ml for part in grown[0]),
        brighter_reach_ml=sum(part.reach_ml for part in grown[0]),
        darker_ml=sum(part.volume_ml for part in faded[0]),
        brighter=grown[0],
        darker=faded[0],
        searched_ml=float(tissue.sum()) * current.grid.voxel_volume_mm3 / 1000.0,
        likeness=likeness,
        segments=tuple(segments),
    )


def _on_one_scale(
    current: Volume, prior: Volume, alignment: Alignment
) -> tuple[_Array, _Array, _Marked]:
    """Return both series on the current grid at one scale and thickness, and the tissue."""
    spacing = current.grid.spacing_mm
    mine, theirs = spacing[0], prior.grid.spacing_mm[0]
    now = _thickened(current, mine, theirs)
    moving = on_grid(_thickened(prior, theirs, mine), prior.grid)
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(alignment.matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(alignment.matrix[:3, 3].tolist())
    still = on_grid(now, current.grid)
    laid = sitk.Resample(moving, still, transform, sitk.sitkBSpline, -1.0, sitk.sitkFloat32)
    linear = sitk.Resample(moving, still, transform, sitk.sitkLinear, -1e6, sitk.sitkFloat32)
    seen = sitk.GetArrayFromImage(linear) > -1.0
    then = np.where(seen, sitk.GetArrayFromImage(laid), 0.0).astype(np.float32)
    thickest = max(mine, theirs)
    field = _away(np.pad(seen, 1), spacing)[1:-1, 1:-1, 1:-1] > thickest
    tissue = _tissue(now, spacing) & _tissue(then, spacing) & field
    if not tissue.any():
        raise CannotDoError("no tissue is seen on both series: choose a prior of the same region")
    weight = tissue.astype(np.float32)
    even = _blurred(now * weight, _EVEN_MM, spacing) / np.maximum(
        _blurred(then * weight, _EVEN_MM, spacing), _SMALL
    )
    sharp = _BLUR_MM / _FWHM
    sigma = [0.0, sharp / spacing[1], sharp / spacing[2]]
    smooth = [
        np.asarray(ndimage.gaussian_filter(each, sigma), dtype=np.float32)
        for each in (now, then * even)
    ]
    return smooth[0], smooth[1], tissue


def _thickened(volume: Volume, own_mm: float, other_mm: float) -> _Array:
    """Return the voxels as thick as the thicker of both series: variances of slices add."""
    values = np.asarray(volume.voxels, dtype=np.float32)
    sigma = np.sqrt(max(other_mm**2 - own_mm**2, 0.0) / 12.0) / own_mm
    return np.asarray(ndimage.gaussian_filter1d(values, sigma, axis=0)) if sigma > 0 else values


def _tissue(values: _Array, spacing: tuple[float, float, float]) -> _Marked:
    """Return the largest part after a shell of 4 mm is taken off: brain without skull and scalp."""
    bright = values > _DARK * threshold_otsu(values)
    labels, count = ndimage.label(_away(bright, spacing) > _INNER_MM)
    if not count:
        return np.zeros(values.shape, dtype=np.bool_)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    core = labels == sizes.argmax()
    grown = _away(~core, spacing) <= _INNER_MM
    return np.stack([ndimage.binary_fill_holes(image) for image in grown])


def _away(marked: _Marked, spacing: tuple[float, float, float]) -> NDArray[np.float32]:
    """Return the distance in mm of what is marked to what is not."""
    return np.asarray(edt.edt(np.ascontiguousarray(marked), anisotropy=spacing))


def _blurred(values: _Array, sigma_mm: float, spacing: tuple[float, float, float]) -> _Array:
    sigma = [sigma_mm / mm for mm in spacing]
    return np.asarray(ndimage.gaussian_filter(values, sigma, truncate=3.0), dtype=np.float32)


def _gradient(values: _Array, spacing: tuple[float, float, float]) -> _Array:
    squared = [np.gradient(values, mm, axis=axis) ** 2 for axis, mm in enumerate(spacing)]
    return np.asarray(np.sqrt(sum(squared)), dtype=np.float32)


def _noise(difference: _Array, gradient: _Array, tissue: _Marked) -> _Array:
    """Return the standard deviation expected of each voxel."""
    edges, values = gradient[tissue], difference[tissue]
    limits = np.quantile(edges, np.linspace(0.0, 1.0, _BINS + 1))
    squared, variance = [], []
    for low, high in pairwise(limits):
        chosen = (edges >= low) & (edges <= high)
        squared.append(float(np.median(edges[chosen])) ** 2)
        variance.append((_MAD * float(np.median(np.abs(values[chosen])))) ** 2)
    slope, base = np.polyfit(squared, variance, 1)
    base = max(float(base), min(variance), _SMALL)
    return np.asarray(np.sqrt(base + max(float(slope), 0.0) * gradient**2), dtype=np.float32)


def _parts(
    current: Volume, difference: _Array, sigmas: _Array, allowed: _Marked, inner: _Marked
) -> tuple[tuple[Part, ...], _Marked]:
    grid = current.grid
    labels, _ = ndimage.label((sigmas > _EXTENT_SIGMAS) & allowed)
    core = np.unique(labels[(sigmas > _CORE_SIGMAS) & inner & allowed])
    voxel_ml = grid.voxel_volume_mm3 / 1000.0
    least_ml = np.pi / 6.0 * _LEAST_MM**3 / 1000.0
    kept: list[Part] = []
    voxels = np.zeros(labels.shape, dtype=np.bool_)
    places = ndimage.find_objects(labels)
    for number in core[core > 0]:
        place = places[number - 1]
        reach = labels[place] == number
        own = difference[place]
        marked = reach & (own >= _HALF * np.median(own[reach]))
        if marked.sum() * voxel_ml < least_ml:
            continue
        voxels[place] |= marked
        corner = np.array([part.start for part in place])
        x, y, z = grid.to_lps_mm(np.argwhere(marked).mean(axis=0) + corner)
        kept.append(
            Part(
                volume_ml=float(marked.sum()) * voxel_ml,
                centre_lps_mm=(float(x), float(y), float(z)),
                sigmas=float(sigmas[place][marked].max()),
                reach_ml=float(reach.sum()) * voxel_ml,
            )
        )
    kept.sort(key=lambda part: -part.volume_ml)
    return tuple(kept), voxels


def _segment(current: Volume, voxels: _Marked, name: str) -> Segment:
    return Segment(
        mask=Mask(voxels=voxels, grid=current.grid),
        concept=None,
        provenance=Provenance(
            engine=ENGINE,
            version=VERSION,
            algorithm_type=AlgorithmType.AUTOMATIC,
            prompt=f"{name} than on the aligned prior",
        ),
        is_proposal=True,
        warnings=(f"{name} than on the prior by subtraction: each place is to be confirmed",),
    )

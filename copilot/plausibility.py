"""What speaks against a mask being what it is called, from size, density, parts and scores."""

from typing import Final

import numpy as np
from scipy import ndimage

from domain.concepts import Concept
from domain.segment import Segment
from domain.volume import Volume
from reporting.volumetry import density_is_known

_MM3_PER_ML: Final = 1000.0
_LARGEST_PART: Final = 0.8
_UNSURE: Final = 0.3
_ALL_NEIGHBOURS: Final = np.ones((3, 3, 3), dtype=np.bool_)


def implausible_size(segment: Segment, concept: Concept | None) -> str | None:
    """Return that a volume lies outside what the concept table expects, or None."""
    grid = segment.mask.grid
    measurable = grid.in_plane_calibrated and grid.slice_spacing_known
    if concept is None or segment.mask.is_empty or not measurable:
        return None
    volume_ml = segment.mask.voxel_count * grid.voxel_volume_mm3 / _MM3_PER_ML
    if concept.smallest_ml is not None and volume_ml < concept.smallest_ml:
        return (
            f"{volume_ml:.2g} mL is less than a {concept.phrase} usually has "
            f"({concept.smallest_ml:g} mL): check that all of it is on the series and marked"
        )
    if concept.largest_ml is not None and volume_ml > concept.largest_ml:
        return (
            f"{volume_ml:.1f} mL is more than a {concept.phrase} usually has "
            f"({concept.largest_ml:g} mL): check that nothing beside it is marked"
        )
    return None


def implausible_density(volume: Volume, segment: Segment, concept: Concept | None) -> str | None:
    """Return that the mean density on CT lies outside what the concept table expects, or None."""
    if concept is None or concept.mean_hu is None or segment.mask.is_empty:
        return None
    if volume.modality != "CT" or not density_is_known(volume):
        return None
    mean_hu = float(np.mean(volume.voxels[segment.mask.voxels], dtype=np.float64))
    low, high = concept.mean_hu
    if low <= mean_hu <= high:
        return None
    return (
        f"a mean of {mean_hu:.0f} HU is not that of a {concept.phrase} ({low:g} to {high:g} HU): "
        "check that it is marked and nothing else"
    )


def parts_of(segment: Segment) -> tuple[int, float]:
    """Return how many parts a mask has, joined at corners too, and the share of the largest."""
    box = ndimage.find_objects(segment.mask.voxels.astype(np.int8))[0]
    labels, count = ndimage.label(segment.mask.voxels[box], structure=_ALL_NEIGHBOURS)
    sizes = np.bincount(labels.ravel())[1:]
    return int(count), float(sizes.max() / sizes.sum())


def in_pieces(segment: Segment) -> str | None:
    """Return that no part of a mask is most of it, or None."""
    if segment.mask.is_empty or segment.mask.grid.is_time:
        return None
    count, share = parts_of(segment)
    if share >= _LARGEST_PART:
        return None
    return f"it is in {count} parts, the largest {share:.0%} of it: check that they are one thing"


def unsure_slices(segment: Segment) -> str | None:
    """Return that the engine is unsure on most slices of a mask, or None."""
    profile = segment.slice_profile
    unsure = sum(score < _UNSURE for score in profile)
    if not profile or 2 * unsure <= len(profile):
        return None
    return f"the engine's score is below {_UNSURE:g} on {unsure} of its {len(profile)} slices"

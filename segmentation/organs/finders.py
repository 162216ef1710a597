"""The finders by route: what is found first narrows what is left for the next."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.organs.anatomy import Anatomy
from segmentation.organs.growing import Absent, Found
from segmentation.organs.kidneys import find_kidney
from segmentation.organs.liver import find_liver
from segmentation.organs.spleen import find_spleen


def liver(anatomy: Anatomy, side: str | None) -> Mapping[str | None, Found | Absent]:  # noqa: ARG001 - the finder's
    """Find the liver."""
    return {None: find_liver(anatomy)}


def spleen(anatomy: Anatomy, side: str | None) -> Mapping[str | None, Found | Absent]:  # noqa: ARG001 - the finder's
    """Find the spleen beside the liver."""
    liver_found = find_liver(anatomy)
    if isinstance(liver_found, Absent) and liver_found.sides_unsure:
        return {None: liver_found}
    voxels = _voxels(liver_found)
    return {None: find_spleen(anatomy, voxels, _taken(anatomy, voxels))}


def kidneys(anatomy: Anatomy, side: str | None) -> Mapping[str | None, Found | Absent]:
    """Find the asked kidney, or both, beside liver and spleen."""
    sides = ("left", "right") if side is None else (side,)
    liver_found = find_liver(anatomy)
    if isinstance(liver_found, Absent) and liver_found.sides_unsure:
        return dict.fromkeys(sides, liver_found)
    voxels = _voxels(liver_found)
    taken = _taken(anatomy, voxels)
    taken = taken | _taken(anatomy, _voxels(find_spleen(anatomy, voxels, taken)))
    return {each: find_kidney(anatomy, each, taken) for each in sides}


def _voxels(finding: Found | Absent) -> NDArray[np.bool_] | None:
    return finding.voxels if isinstance(finding, Found) else None


def _taken(anatomy: Anatomy, voxels: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Return an organ with its blurred edge."""
    if voxels is None:
        return np.zeros_like(anatomy.body)
    return np.asarray(ndimage.binary_dilation(voxels), dtype=np.bool_)

"""Fat and air of the body on CT by rules: density inside the body's outline."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from domain.concepts import ConceptTable
from domain.ports import Progress
from domain.volume import Volume
from segmentation.coarse import (
    ball,
    block_means,
    coarse_body,
    coarse_spacing_mm,
    fine,
    opened,
    steps_of,
)
from segmentation.rules.lungs_and_body import RuleSegmenter, body_voxels

FAT_NOTE: Final = (
    "all adipose tissue of the body on the series, under the skin and deeper, by its density of "
    "-190 to -30 HU: a lipoma or a fatty organ is not told apart"
)
AIR_NOTE: Final = (
    "all air in the body outside aerated lung: gas in bowel and stomach, airways, pneumothorax, "
    "free gas and large bullae are marked together and not told apart"
)

_FAT_HU: Final = (-190, -30)
_LEAST_NEIGHBOURS: Final = 0.4  # of a square of nine, itself one of them
_AIR_BELOW_HU: Final = -400
_EMPTY_BELOW_HU: Final = -940.0  # lung, even emphysema in most places, holds more tissue
_RIM_MM: Final = 4.5
_LEAST_LUNG_ML: Final = 5.0


def fat_rule(concepts: ConceptTable) -> RuleSegmenter:
    """Return the engine for the route "fat"."""
    return RuleSegmenter("fat-rule", "fat", concepts, _fat, notes=(FAT_NOTE,))


def air_rule(concepts: ConceptTable) -> RuleSegmenter:
    """Return the engine for the route "air"."""
    return RuleSegmenter("air-rule", "air", concepts, _air, notes=(AIR_NOTE,))


def _fat(volume: Volume, progress: Progress) -> dict[str | None, NDArray[np.bool_]]:
    """Return voxels of fat's density, without the mixed ones between air and tissue."""
    found = body_voxels(volume, progress)
    progress(0.8, "taking the fat")
    for index, body in enumerate(found):
        image = volume.voxels[index]
        airy = _together((image < _FAT_HU[0]) | ~body)
        beside_air = ndimage.binary_dilation(airy, np.ones((3, 3)))
        found[index] = body & ~beside_air & (image >= _FAT_HU[0]) & (image <= _FAT_HU[1])
    return {None: found}


def _together(image: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Drop single pixels, which noise makes of fat too."""
    neighbours = ndimage.uniform_filter(image.astype(np.float32), 3, mode="nearest")
    return np.asarray(image & (neighbours > _LEAST_NEIGHBOURS), dtype=np.bool_)


def _air(volume: Volume, progress: Progress) -> dict[str | None, NDArray[np.bool_]]:
    steps = steps_of(volume)
    spacing_mm = coarse_spacing_mm(volume, steps)
    progress(0.1, "finding the body")
    values = block_means(volume, steps)
    body = coarse_body(values, spacing_mm)
    progress(0.5, "telling air from lung")
    lung = _aerated_lung(values, body, spacing_mm)
    progress(0.8, "taking the air")
    core = ndimage.binary_erosion(body, border_value=1)
    place = fine(np.asarray(core & ~lung, dtype=np.bool_), steps, volume.grid.shape)
    return {None: place & (volume.voxels < _AIR_BELOW_HU)}


def _aerated_lung(
    values: NDArray[np.float32],
    body: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.bool_]:
    """Return lung with its edge: air that holds some tissue, thicker than the rim of a gas bubble.

    The nearly empty air that hangs together with it is left out.
    """
    smooth = ndimage.median_filter(values, 3)
    holds_tissue = body & (smooth > _EMPTY_BELOW_HU) & (smooth < _AIR_BELOW_HU)
    labels, _ = ndimage.label(opened(holds_tissue, ball(_RIM_MM, spacing_mm)))
    large = np.bincount(labels.ravel()) * (float(np.prod(spacing_mm)) / 1000) >= _LEAST_LUNG_ML
    large[0] = False
    return np.asarray(ndimage.binary_dilation(large[labels], iterations=2), dtype=np.bool_)

"""Pictures for the agent: a slice with outline, directions, scale and rulers; who may see them."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.concepts import Window
from domain.volume import Mask, Volume
from reporting.pictures import View, outline_png

_NO_TEXT_EXPECTED: Final = frozenset({"CT", "MR", "PT", "NM"})
_SHOWN: Final = {  # LPS directions of (normal, down, right), as radiologists look at them
    "axial": ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
    "coronal": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
    "sagittal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
}


def kept_back(volume: Volume) -> str | None:
    """Return why no picture of a volume may leave this machine, or None where none speaks against.

    Pixels may show a name. On the cross-sections of CT, MR, PET and nuclear medicine none is
    expected, unless the header says so; on any other picture, unless the header says not.
    """
    if volume.burned_in_text:
        return "the header says that text is burned into the pixels"
    if volume.burned_in_text is None and (
        volume.is_colour or volume.modality not in _NO_TEXT_EXPECTED
    ):
        return (
            f"{volume.modality} images may hold text in their pixels, and the header does not "
            "say that they do not (Burned In Annotation)"
        )
    return None


def planes_of(volume: Volume, mask: Mask, plane: str) -> tuple[Volume, Mask]:
    """Return a volume and its mask with slices along a plane: axial, coronal, sagittal, acquired.

    Nothing is resampled: on an oblique series it is the nearest of the three.
    """
    if plane == "acquired":
        return volume, mask
    directions: NDArray[np.float64] = volume.grid.affine[:3, :3] / volume.grid.spacing_mm
    axes: list[int] = []
    flips: list[bool] = []
    for wanted in _SHOWN[plane]:
        along = np.asarray(wanted, dtype=np.float64) @ directions
        along[axes] = 0.0
        axis = int(np.argmax(np.abs(along)))
        axes.append(axis)
        flips.append(bool(along[axis] < 0))
    order, turn = (axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2])
    voxels: NDArray[Any] = volume.voxels
    extra = (3,) if volume.is_colour else ()
    flipped = tuple(axis for axis, flip in enumerate(turn) if flip)
    turned = Volume(
        voxels=np.flip(np.transpose(voxels, (*order, *extra)), flipped),
        grid=volume.grid.turned(order, turn),
        modality=volume.modality,
        unit=volume.unit,
    )
    return turned, mask.turned(order, turn)


def picture(
    volume: Volume, mask: Mask, *, plane: str, index: int | None, window: Window
) -> tuple[bytes, int]:
    """Return a PNG of one slice, and its index along the plane's normal.

    Without an index it is the slice where the mask is largest, else the middle one. The picture
    holds pixels, outline, directions, scale and its number; nothing of a header but geometry.

    Raises
    ------
    PromptError
        For a slice that does not exist.
    """
    shown, outlined = planes_of(volume, mask, plane)
    slices = shown.grid.shape[0]
    if index is None:
        areas = outlined.voxels.sum(axis=(1, 2))
        index = int(np.argmax(areas)) if areas.any() else slices // 2
    view = View(
        slice_index=index,
        window=window,
        caption=(f"{plane}, slice {index} of 0 to {slices - 1}",),
        rulers=plane == "acquired",
    )
    return outline_png(shown, outlined, view), index

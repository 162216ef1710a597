"""The public lesions with an expert's mask that ships beside the repository, as volumes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import SimpleITK

from dicom_node.volumes import load_series
from domain.grid import Grid
from domain.prompt import Box
from domain.volume import Mask, Volume


@dataclass(frozen=True, kw_only=True)
class Case:
    """One lesion: the series, the expert's mask on its grid, and what it is called."""

    name: str
    concept: str | None
    volume: Volume
    expert: Mask

    def tight_box(self, slice_index: int | None = None) -> Box:
        """Return the half-open box of the expert's mask, by default where it is largest."""
        areas = self.expert.voxels.sum(axis=(1, 2))
        index = int(areas.argmax()) if slice_index is None else slice_index
        rows = np.flatnonzero(self.expert.voxels[index].any(axis=1))
        columns = np.flatnonzero(self.expert.voxels[index].any(axis=0))
        return Box.on_slice(
            index, (int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)
        )

    def slice_range(self) -> tuple[int, int]:
        """Return the half-open range of slices the expert marked."""
        indices = self.expert.slice_indices()
        return indices[0], indices[-1] + 1


@dataclass(frozen=True, kw_only=True)
class _Place:
    name: str
    concept: str | None
    series: str
    mask: str


_PLACES: Final = (
    _Place(
        name="ct_lung1",
        concept="lung lesion",
        series="ct_lung1/dicom",
        mask="ct_lung1/mask.nrrd",
    ),
    _Place(
        name="mr_brain1",
        concept="brain tumor",
        series="mr_brain1/dicom",
        mask="mr_brain1/mask.nrrd",
    ),
    *(
        _Place(
            name=f"sts_019 {modality}",
            concept="soft tissue tumor",
            series=f"sts_019/{modality}/image",
            mask=f"sts_019/{modality}_mask.nii.gz",
        )
        for modality in ("CT", "MR_T1", "PET")
    ),
)


def shared_cases(data: Path) -> list[Case]:
    """Return the five lesions measured in ``bench.prompted``."""
    cases = []
    for place in _PLACES:
        volume = load_series(sorted((data / place.series).iterdir()))
        expert = read_mask(data / place.mask, volume.grid)
        cases.append(Case(name=place.name, concept=place.concept, volume=volume, expert=expert))
    return cases


def read_mask(path: Path, grid: Grid, label: int | None = None) -> Mask:
    """Return a mask file's voxels on an equal grid of another axis order or handedness.

    Any value above zero is inside, unless one label is asked for.
    """
    image: Any = SimpleITK.ReadImage(str(path))
    values = np.asarray(SimpleITK.GetArrayFromImage(image))
    directions = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3] = directions[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    shape = (values.shape[0], values.shape[1], values.shape[2])
    inside = values > 0 if label is None else values == label
    return Mask(voxels=inside, grid=Grid(affine=affine, shape=shape)).on(grid)


def dice(one: Mask, other: Mask) -> float:
    """Return twice the overlap over the sum: 1 for equal masks, also when both are empty."""
    total = one.voxel_count + other.voxel_count
    return 1.0 if not total else 2 * int(np.count_nonzero(one.voxels & other.voxels)) / total


def volume_error(mask: Mask, expert: Mask) -> float:
    """Return how much larger a mask is than the expert's, as a fraction."""
    return mask.voxel_count / expert.voxel_count - 1

"""The public lesions with an expert's mask that ships beside the repository, as volumes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from copilot.evaluation.agreement import dice, volume_error
from copilot.evaluation.gestures import range_of, tight_box
from copilot.evaluation.images import read_mask
from dicom_node.volumes import load_series
from domain.prompt import Box
from domain.volume import Mask, Volume

__all__ = ["Case", "dice", "shared_cases", "volume_error"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One lesion: the series, the expert's mask on its grid, and what it is called."""

    name: str
    concept: str | None
    volume: Volume
    expert: Mask

    def tight_box(self, slice_index: int | None = None) -> Box:
        """Return the half-open box of the expert's mask, by default where it is largest."""
        return tight_box(self.expert, slice_index)

    def slice_range(self) -> tuple[int, int]:
        """Return the half-open range of slices the expert marked."""
        return range_of(self.expert)


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
    """Return the five lesions with an expert's mask."""
    cases = []
    for place in _PLACES:
        volume = load_series(sorted((data / place.series).iterdir()))
        expert = read_mask(data / place.mask, volume.grid)
        cases.append(Case(name=place.name, concept=place.concept, volume=volume, expert=expert))
    return cases

"""Targets in the public data beside the repository: lesions, inserted nodules, organs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from scipy import ndimage

from copilot.evaluation.agreement import dice, volume_error
from copilot.evaluation.gestures import key_slice, range_of, tight_box
from copilot.evaluation.images import read_mask
from dicom_node.volumes import load_series
from domain.concepts import ConceptTable
from domain.prompt import Box
from domain.volume import Mask, Volume

__all__ = ["Case", "dice", "inserted_nodules", "organs", "shared_cases", "volume_error"]


LEAST_ORGAN_MM2: Final = 400.0
LEAST_ORGAN_SHARE: Final = 0.8
NOT_ORGANS: Final = ("rib_", "costal_", "autochthon_", "iliopsoas_")
"""Ribs, cartilage and muscles: thin or without an outline of their own on a slice."""

_SAME_LESION: Final = "real-lesion"  # that of ct_lung1 once more
_SIDES: Final = ("_left", "_right")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One target: the series, the reference mask on its grid, and what it is called."""

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


def inserted_nodules(data: Path) -> list[Case]:
    """Return the synthetic nodules of ``ct_chest_pair`` at both times."""
    folder = data / "ct_chest_pair"
    truth = json.loads((folder / "truth.json").read_text())
    cases = []
    for time in truth["timepoints"]:
        volume = load_series(sorted((folder / time["series"]).iterdir()))
        for lesion in time["lesions"]:
            if lesion["id"] == _SAME_LESION:
                continue
            cases.append(
                Case(
                    name=f"nodule {lesion['id']} {time['series'][:2]}",
                    concept="lung nodule",
                    volume=volume,
                    expert=read_mask(folder / time["mask"], volume.grid, lesion["label"]),
                )
            )
    return cases


def organs(data: Path, concepts: ConceptTable) -> list[Case]:
    """Return the organs of ``ct_multiorgan`` that a box on one slice can mean.

    On its largest slice an organ covers at least 400 mm2, and one connected part of it at least
    80 % of that; ribs, cartilage and muscles are left out. The masks are TotalSegmentator's.
    """
    folder = data / "ct_multiorgan"
    volume = load_series(sorted((folder / "dicom").iterdir()))
    _, row_mm, column_mm = volume.grid.spacing_mm
    cases = []
    for name, entry in json.loads((folder / "labels.json").read_text()).items():
        if name.startswith(NOT_ORGANS):
            continue
        mask = read_mask(folder / "labels.nii.gz", volume.grid, entry["label"])
        image = mask.voxels[key_slice(mask)]
        area = int(np.count_nonzero(image))
        parts, _ = ndimage.label(image)
        largest = int(np.bincount(parts[image]).max())
        if area * row_mm * column_mm < LEAST_ORGAN_MM2 or largest < LEAST_ORGAN_SHARE * area:
            continue
        cases.append(Case(name=name, concept=_concept(name, concepts), volume=volume, expert=mask))
    return cases


def _concept(name: str, concepts: ConceptTable) -> str | None:
    """Return the concept of a label's name, or of its first word: a lobe of the lung is lung."""
    for side in _SIDES:
        name = name.removesuffix(side)
    if name.startswith("vertebrae_"):
        name = "vertebra"
    wordings = (name.replace("_", " "), name.split("_")[0])
    found = [concept for concept in map(concepts.find, wordings) if concept is not None]
    return found[0].phrase if found else None

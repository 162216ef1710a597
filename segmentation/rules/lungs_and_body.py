"""Lungs and body outline on CT by rules: density, connection and the patient's axes."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from domain.concepts import ConceptTable
from domain.ports import Capabilities, Progress
from domain.prompt import Prompt
from domain.segment import AlgorithmType, Provenance, Segment
from domain.volume import Mask, Volume
from segmentation.answers import CheckedSession, not_by_name, not_taken
from segmentation.coarse import (
    BODY_ABOVE_HU,
    ball,
    block_means,
    coarse_body,
    coarse_spacing_mm,
    filled,
    fine,
    largest,
    steps_of,
)
from segmentation.upright import Upright

VERSION: Final = "1.0.0"

_AIR_BELOW_HU: Final = -400.0
_LEAST_LUNG_ML: Final = 100.0
_LUNG_MEAN_HU: Final = (-970.0, -500.0)  # bowel gas is emptier, collapsed lung fuller
_CLOSING_MM: Final = 6.0
_NECK_MM: Final = 9.0
_LEAST_AIRWAY_ML: Final = 2.0
_AIRWAY_BELOW_HU: Final = -940.0
_AIR_ROUND_AIRWAY: Final = 0.6  # of a shell about it


class RuleSegmenter:
    """One concept of a route, found without a hint."""

    def __init__(
        self,
        name: str,
        route: str,
        concepts: ConceptTable,
        rule: Callable[[Volume, Progress], dict[str | None, NDArray[np.bool_]]],
        *,
        notes: tuple[str, ...] = (),
        least: str = "",
    ) -> None:
        self._notes = notes
        self._least = least
        self._name = name
        self._route = route
        self._concepts = concepts
        self._rule = rule

    @property
    def capabilities(self) -> Capabilities:
        """Words alone, on CT."""
        return Capabilities(
            name=self._name,
            version=VERSION,
            prompts=frozenset({"text"}),
            modalities=frozenset({"CT"}),
        )

    def supports(self, volume: Volume, prompt: Prompt) -> str | None:
        """Return None for the concept of this rule on a CT of several slices."""
        concept = self._concepts.find(prompt.concept) if prompt.concept else None
        refused = not_by_name(volume, prompt, concept, self._route)
        if refused is not None:
            return refused
        return not_taken(f"the {self._name} rule", self.capabilities.prompts, prompt)

    def open(self, volume: Volume) -> CheckedSession:
        """Prepare to answer prompts; nothing is kept."""
        return CheckedSession(self, volume, self._answer)

    def _answer(self, volume: Volume, prompt: Prompt, progress: Progress) -> Iterator[Segment]:
        upright = Upright.of(volume)
        found = self._rule(upright.volume, progress)
        for side, voxels in found.items():
            if prompt.side in ("left", "right") and side is not None and side != prompt.side:
                continue
            mask = upright.back(Mask(voxels=voxels, grid=upright.volume.grid))
            kept = np.array(mask.voxels)
            if prompt.slice_range is not None:
                kept[: prompt.slice_range[0]] = False
                kept[prompt.slice_range[1] :] = False
            what = f"{side} {prompt.concept}" if side else f"{prompt.concept}"
            yield Segment(
                mask=Mask(voxels=kept, grid=volume.grid),
                concept=prompt.concept,
                side=side,
                provenance=Provenance(
                    engine=self._name,
                    version=VERSION,
                    algorithm_type=AlgorithmType.AUTOMATIC,
                    prompt=f"{what}, by name",
                ),
                absent_reason=None
                if kept.any()
                else f"no {what}{self._least} was found on the series: draw a box if it is there",
                warnings=self._notes if kept.any() else (),
            )


def lungs_rule(concepts: ConceptTable) -> RuleSegmenter:
    """Return the engine for the route "lungs"."""
    least = f" of {_LEAST_LUNG_ML:.0f} mL or more"
    return RuleSegmenter("lung-rule", "lungs", concepts, lungs_by_side, least=least)


def body_rule(concepts: ConceptTable) -> RuleSegmenter:
    """Return the engine for the route "body"."""
    return RuleSegmenter("body-rule", "body", concepts, _body)


def _body(volume: Volume, progress: Progress) -> dict[str | None, NDArray[np.bool_]]:
    return {None: body_voxels(volume, progress)}


def body_voxels(volume: Volume, progress: Progress) -> NDArray[np.bool_]:
    """Return the body, filled, without table and clothes, of an upright CT."""
    steps = steps_of(volume)
    spacing_mm = coarse_spacing_mm(volume, steps)
    progress(0.1, "finding the body")
    coarse = coarse_body(block_means(volume, steps), spacing_mm)
    progress(0.6, "refining the outline")
    one = ndimage.generate_binary_structure(3, 1)
    inner = fine(ndimage.binary_erosion(coarse, one, border_value=1), steps, volume.grid.shape)
    outer = fine(ndimage.binary_dilation(coarse, one), steps, volume.grid.shape)
    return inner | (outer & (volume.voxels > BODY_ABOVE_HU))


def lungs_by_side(volume: Volume, progress: Progress) -> dict[str | None, NDArray[np.bool_]]:
    """Return the patient's right and left lung; the columns of ``volume`` ascend to the left."""
    steps = steps_of(volume)
    spacing_mm = coarse_spacing_mm(volume, steps)
    progress(0.05, "finding the body")
    values = block_means(volume, steps)
    body = coarse_body(values, spacing_mm)
    progress(0.3, "finding air in the body")
    air = (values < _AIR_BELOW_HU) & body
    air &= ~_airways(values, air, spacing_mm)
    lungs = _lung_parts(values, air, spacing_mm)
    progress(0.6, "telling right from left")
    right, left = _split(lungs, body, spacing_mm)
    found: dict[str | None, NDArray[np.bool_]] = {}
    closing = ball(_CLOSING_MM, spacing_mm)
    for side, part in (("right", right), ("left", left)):
        progress(0.8, "closing over vessels")
        closed = _closed(part, closing) & body
        near = fine(closed, steps, volume.grid.shape)
        core = ndimage.binary_erosion(closed, ndimage.generate_binary_structure(3, 1))
        inside = fine(np.asarray(core, dtype=np.bool_), steps, volume.grid.shape)
        found[side] = (near & (volume.voxels < _AIR_BELOW_HU)) | inside
    return found


def _closed(voxels: NDArray[np.bool_], ball: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Close without eating from the edges of the array."""
    reach = [(length // 2, length // 2) for length in ball.shape]
    closed = ndimage.binary_closing(np.pad(voxels, reach), ball)
    cut = tuple(
        slice(before, closed.shape[axis] - after) for axis, (before, after) in enumerate(reach)
    )
    return filled(np.asarray(closed[cut], dtype=np.bool_))


def _airways(
    values: NDArray[np.float32], air: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Return trachea and main bronchi, grown by a voxel over their blurred edge.

    Their air is nearly empty, as in emphysema; but they lie in tissue, and emphysema in lung.
    """
    empty = (values < _AIRWAY_BELOW_HU) & air
    labels, _ = ndimage.label(empty)
    sizes_ml = np.bincount(labels.ravel()) * (float(np.prod(spacing_mm)) / 1000)
    found = np.zeros_like(air)
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        if not _LEAST_AIRWAY_ML < sizes_ml[number] < _LEAST_LUNG_ML:
            continue
        near = tuple(slice(max(0, part.start - 3), part.stop + 3) for part in place)
        part = labels[near] == number
        ring = ndimage.binary_dilation(part, iterations=3) & ~ndimage.binary_dilation(part)
        if air[near][ring].mean() < _AIR_ROUND_AIRWAY:
            found[near] |= ndimage.binary_dilation(part) & air[near]
    return found


def _lung_parts(
    values: NDArray[np.float32], air: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Return connected air that is as large and as dense as lung."""
    labels, count = ndimage.label(air)
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    kept = np.zeros_like(air)
    if not count:
        return kept
    numbers = range(1, count + 1)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:] * voxel_ml
    means = ndimage.mean(values, labels, numbers)
    low, high = _LUNG_MEAN_HU
    lungs = [
        number
        for number, size, mean in zip(numbers, sizes, means, strict=True)
        if size >= _LEAST_LUNG_ML and low < mean < high
    ]
    return np.asarray(np.isin(labels, lungs), dtype=np.bool_)


def _split(
    lungs: NDArray[np.bool_], body: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the right and the left part, cut at the thin junction where the lungs touch."""
    nothing = np.zeros_like(lungs)
    if not lungs.any():
        return nothing, nothing
    columns = np.flatnonzero(body.any(axis=(0, 1)))
    middle = (columns[0] + columns[-1]) / 2
    cores = lungs
    if _largest_share(lungs, middle) < 1:
        cores = np.asarray(ndimage.binary_erosion(lungs, ball(_NECK_MM / 2, spacing_mm)))
    labels, count = ndimage.label(cores)
    if not count:
        labels, count = ndimage.label(lungs)
    centres = ndimage.center_of_mass(cores if cores.any() else lungs, labels, range(1, count + 1))
    left_numbers = [n for n, centre in enumerate(centres, start=1) if centre[2] > middle]
    left_core = np.isin(labels, left_numbers)
    right_core = (labels > 0) & ~left_core
    if not left_core.any() or not right_core.any():
        return (lungs, nothing) if right_core.any() else (nothing, lungs)
    to_left = ndimage.distance_transform_edt(~left_core, sampling=spacing_mm)
    to_right = ndimage.distance_transform_edt(~right_core, sampling=spacing_mm)
    is_left = lungs & (to_left < to_right)
    return lungs & ~is_left, is_left


def _largest_share(lungs: NDArray[np.bool_], middle: float) -> float:
    """Return the share of the largest part on its own side of the middle; 1 when well apart."""
    most = largest(lungs)
    columns = np.flatnonzero(most.any(axis=(0, 1)))
    counts = np.count_nonzero(most, axis=(0, 1))
    right = counts[: int(middle) + 1].sum()
    left = counts[int(middle) + 1 :].sum()
    share = float(max(right, left) / max(counts.sum(), 1))
    return 1.0 if share > 0.95 or not columns.size else share  # noqa: PLR2004 - nearly one side

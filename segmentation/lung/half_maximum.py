"""Solid lung lesions on CT by the half-maximum rule.

An edge blurred by the scanner lies where the value is half-way between the two sides; so does the
outline of a solid lesion in aerated lung, whatever the dose or kernel. The region of half-maximum
that hangs together with the box's centre is kept inside the ellipsoid the box and range suggest,
grown a little, and freed of thin vessels. From one click alone its extent is read off the image.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from domain.ports import Capabilities, Progress, no_progress
from domain.prompt import Box, Point, Prompt
from domain.segment import AlgorithmType, Confidence, Provenance, Segment
from domain.volume import Mask, Volume
from segmentation.answers import CheckedSession, not_taken
from segmentation.confidence import Looked, cleared, jittered_boxes
from segmentation.lung.clicked import SOLID_FROM_HU, SOLID_LIMITS_HU, Outline, outlined
from segmentation.lung.slicing import slicing_error
from segmentation.slicewise.segmenter import PROPOSED_BOX, PROPOSED_RANGE, PROPOSED_SCRIBBLE
from segmentation.slicewise.slices import SliceBox
from segmentation.slicewise.strokes import painted
from segmentation.slicewise.targets import Target, box_of, ellipse, pointed_boxes, target_of
from segmentation.windows import LUNG_WINDOW, applied, is_in_lung, lung_level_hu

NAME: Final = "half-maximum"
VERSION: Final = "1.1.0"

_CORE: Final = 0.6  # of the box: surely lesion, unless it is hollow
_CORE_PERCENTILE: Final = 75.0
_LUNG_HU: Final = -850.0
_GROWTH: Final = 1.2
_MARGIN_PX: Final = 1.0
_LEAST_PROFILE: Final = 0.5
_OPEN_FROM_PX: Final = 25
_WORTH_SAYING: Final = 0.1


class HalfMaximumSegmenter:
    """A box, or one click, on a solid lesion in aerated lung to its mask."""

    @property
    def capabilities(self) -> Capabilities:
        """Boxes, lines, clicks and strokes on CT, without weights."""
        return Capabilities(
            name=NAME,
            version=VERSION,
            prompts=frozenset({"box", "point", "line", "scribble"}),
            modalities=frozenset({"CT"}),
        )

    def supports(self, volume: Volume, prompt: Prompt) -> str | None:
        """Return None for a box, line or click on a solid lesion with lung round it on CT."""
        unknown = not_taken("the half-maximum rule", self.capabilities.prompts, prompt)
        if volume.modality != "CT" or volume.is_colour:
            unknown = (
                f"the half-maximum rule is for CT, this series is {volume.modality}: "
                "use the default engine"
            )
        boxes = pointed_boxes(prompt, volume.grid)
        if unknown is None and boxes and prompt.scribbles:
            unknown = "the half-maximum rule corrects nothing by scribbles: use the default engine"
        if unknown is not None:
            return unknown
        if not boxes:
            click = _only_mark(prompt, volume)
            if click is None:
                return (
                    "I need one click on the lung lesion, or a box on one slice and the slice range"
                )
            found = outlined(volume, click)
            return found if isinstance(found, str) else None
        if not any(is_in_lung(volume, box) for box in boxes):
            return (
                "there is no aerated lung round the box, so the half-maximum rule does not hold: "
                "use the default engine"
            )
        if max(_core_hu(volume, box) for box in boxes) < SOLID_FROM_HU:
            return (
                "what is in the box is not solid (ground glass): the half-maximum rule does not "
                "hold there, use the default engine"
            )
        return None

    def open(self, volume: Volume) -> CheckedSession:
        """Prepare to answer prompts; nothing is kept."""
        return CheckedSession(self, volume, _answer)


def _core_hu(volume: Volume, box: Box) -> float:
    """Return the level of what fills the middle of a box, on its middle slice."""
    index = (box.slice_start + box.slice_stop - 1) // 2
    rows, columns = box.row_stop - box.row_start, box.column_stop - box.column_start
    row_margin, column_margin = int(rows * (1 - _CORE) / 2), int(columns * (1 - _CORE) / 2)
    core = volume.voxels[
        index,
        box.row_start + row_margin : box.row_stop - row_margin,
        box.column_start + column_margin : box.column_stop - column_margin,
    ]
    return float(np.percentile(core, _CORE_PERCENTILE))


def _only_mark(prompt: Prompt, volume: Volume) -> Point | None:
    """Return the one click of a prompt, or the middle of its one stroke; None for any other."""
    if len(prompt.points) + len(prompt.scribbles) != 1 or prompt.mask is not None:
        return None
    if prompt.points:
        return prompt.points[0] if prompt.points[0].positive else None
    (mark,) = prompt.scribbles
    if not mark.positive:
        return None
    rows, columns = np.nonzero(painted((volume.grid.shape[1], volume.grid.shape[2]), mark))
    apart = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
    middle = int(apart.argmin())
    return Point(slice_index=mark.slice_index, row=int(rows[middle]), column=int(columns[middle]))


def _answer(volume: Volume, prompt: Prompt, progress: Progress) -> Iterator[Segment]:
    if prompt.lines or any(box.positive for box in prompt.boxes):
        yield _answer_to_box(volume, prompt, progress)
    else:
        yield _answer_to_click(volume, prompt, progress)


def _answer_to_click(volume: Volume, prompt: Prompt, progress: Progress) -> Segment:
    click = _only_mark(prompt, volume)
    assert click is not None
    progress(0.1, "finding what is solid")
    found = outlined(volume, click)
    voxels = np.zeros(volume.grid.shape, dtype=np.bool_)
    words = f"{'scribble' if prompt.scribbles else 'click'} on slice {click.slice_index}"
    reason = found if isinstance(found, str) else f"nothing is left of what is under the {words}"
    warnings: tuple[str, ...] = ()
    if isinstance(found, Outline):
        voxels[found.place] = found.voxels
        for scribble in prompt.scribbles:
            voxels[click.slice_index] |= painted(voxels.shape[1:], scribble)
        proposed = PROPOSED_SCRIBBLE if prompt.scribbles else PROPOSED_BOX
        warnings = (proposed, *_slicing_warning(found, volume))
        words = f"{words}, threshold {found.threshold_hu:.0f} HU"
    _keep_inside(voxels, prompt)
    is_empty = not voxels.any()
    return Segment(
        mask=Mask(voxels=voxels, grid=volume.grid),
        concept=prompt.concept,
        provenance=Provenance(
            engine=NAME, version=VERSION, algorithm_type=AlgorithmType.SEMIAUTOMATIC, prompt=words
        ),
        side=prompt.side if prompt.side in ("left", "right") and not is_empty else None,
        is_proposal=True,
        absent_reason=reason if is_empty else None,
        warnings=() if is_empty else warnings,
        confidence=None if is_empty else _confidence(volume, voxels, None),
    )


def _keep_inside(voxels: NDArray[np.bool_], prompt: Prompt) -> None:
    """Clear, in place, what lies outside the slice range or inside a negative box."""
    if prompt.slice_range is not None:
        voxels[: prompt.slice_range[0]] = False
        voxels[prompt.slice_range[1] :] = False
    for box in prompt.boxes:
        voxels[
            box.slice_start : box.slice_stop,
            box.row_start : box.row_stop,
            box.column_start : box.column_stop,
        ] = False


def _slicing_warning(found: Outline, volume: Volume) -> tuple[str, ...]:
    grid = volume.grid
    if not (grid.in_plane_calibrated and grid.slice_spacing_known):
        return ()
    low, high = slicing_error(found.volume_ml(grid), grid)
    if max(-low, high) < _WORTH_SAYING:
        return ()
    warning = (
        f"slices {grid.spacing_mm[0]:g} mm apart cannot show the volume of so small a thing well: "
        f"even a perfect outline may be off by {low:+.0%} to {high:+.0%}"
    )
    return (warning,)


def _answer_to_box(volume: Volume, prompt: Prompt, progress: Progress) -> Segment:
    target = target_of(prompt, volume.grid)
    box = next(
        each
        for each in sorted(pointed_boxes(prompt, volume.grid), key=_area, reverse=True)
        if is_in_lung(volume, each)
    )
    progress(0.1, "finding the half-maximum")
    threshold_hu = half_maximum_hu(volume, box)
    voxels = _grown(volume, target, threshold_hu, progress)
    words = f"{target.in_words()}, threshold {threshold_hu:.0f} HU"
    provenance = Provenance(
        engine=NAME, version=VERSION, algorithm_type=AlgorithmType.SEMIAUTOMATIC, prompt=words
    )
    is_empty = not voxels.any()
    return Segment(
        mask=Mask(voxels=voxels, grid=volume.grid),
        concept=prompt.concept,
        provenance=provenance,
        side=prompt.side if prompt.side in ("left", "right") and not is_empty else None,
        is_proposal=not target.is_range_given,
        absent_reason=f"nothing solid was found in the {words}" if is_empty else None,
        warnings=() if target.is_range_given or is_empty else (PROPOSED_RANGE,),
        confidence=None if is_empty else _confidence(volume, voxels, target),
    )


def _confidence(volume: Volume, voxels: NDArray[np.bool_], target: Target | None) -> Confidence:
    """Return the signals of a mask: from the box drawn, or from its own for a click."""
    if target is None:
        main = int(np.count_nonzero(voxels, axis=(1, 2)).argmax())
        box = box_of(voxels[main])
    else:
        main = target.main_key
        box = target.keys[main]
    alone = _alone(volume, main)
    rivals = []
    for other in jittered_boxes(box):
        found = _grown(
            alone, _flat(other), half_maximum_hu(alone, _whole(other, volume)), no_progress
        )[0]
        rivals.append(found if target is None else cleared(found, target, main))
    return Looked(
        voxels=voxels,
        main=main,
        box=box,
        image=lambda index: applied(volume.voxels[index], LUNG_WINDOW),
        rivals=rivals,
        is_drawn=target is not None and not target.tilts,
    ).confidence()


def _alone(volume: Volume, index: int) -> Volume:
    """Return one slice as a volume of its own."""
    _, rows, columns = volume.grid.shape
    affine = volume.grid.affine.copy()
    affine[:3, 3] = volume.grid.to_lps_mm((index, 0, 0))
    grid = replace(volume.grid, affine=affine, shape=(1, rows, columns))
    return replace(volume, voxels=volume.voxels[index : index + 1], grid=grid, source=None)


def _flat(box: SliceBox) -> Target:
    return Target(keys={0: box}, start=0, stop=1, is_range_given=True, points={})


def _whole(box: SliceBox, volume: Volume) -> Box:
    """Return a box in whole pixels inside the slice, on a volume of one slice."""
    inside = box.clipped((volume.grid.shape[1], volume.grid.shape[2]))
    rows, columns = (
        (round(start), max(round(stop), round(start) + 1))
        for start, stop in (
            (inside.row_start, inside.row_stop),
            (inside.column_start, inside.column_stop),
        )
    )
    return Box.on_slice(0, rows, columns)


def _area(box: Box) -> int:
    return (box.row_stop - box.row_start) * (box.column_stop - box.column_start)


def half_maximum_hu(volume: Volume, box: Box) -> float:
    """Return the level half-way between the lesion and the lung round it."""
    lesion_hu = float(np.clip(_core_hu(volume, box), *SOLID_LIMITS_HU))
    lung_hu = lung_level_hu(volume, box)
    return (lesion_hu + (_LUNG_HU if lung_hu is None else lung_hu)) / 2


@dataclass(frozen=True, kw_only=True)
class _Allowed:
    """Where the lesion may be, and where it surely is."""

    region: NDArray[np.bool_]
    seed: NDArray[np.bool_]


def _grown(
    volume: Volume, target: Target, threshold_hu: float, progress: Progress
) -> NDArray[np.bool_]:
    allowed = _allowed(target, volume)
    voxels = allowed.region & (volume.voxels >= threshold_hu)
    target.exclude(voxels)
    corner = _bounding(allowed.region)
    inner = _hanging_together(voxels[corner], allowed.seed[corner])
    progress(0.6, "freeing it of vessels")
    opened = np.stack([_opened(image) for image in inner]) if inner.any() else inner
    freed = _hanging_together(opened, allowed.seed[corner])
    inner = freed if freed.any() else inner
    result = np.zeros_like(voxels)
    if inner.any():
        result[corner] = np.stack([ndimage.binary_fill_holes(image) for image in inner])
    target.exclude(result)
    return result


def _allowed(target: Target, volume: Volume) -> _Allowed:
    shape = volume.grid.shape
    region = np.zeros(shape, dtype=np.bool_)
    seed = np.zeros(shape, dtype=np.bool_)
    first, last = target.key_slices[0], target.key_slices[-1]
    for index in range(target.start, target.stop):
        box = target.expected_box(index)
        if not first <= index <= last:
            key = target.keys[first if index < first else last]
            box = key.scaled(max(target.profile(index), _LEAST_PROFILE))
        distance = ellipse((shape[1], shape[2]), box, target.expected_tilt(index))
        growth = _GROWTH + 2 * _MARGIN_PX / max(min(box.rows, box.columns), 1.0)
        region[index] = distance <= growth
        if index in target.keys:
            seed[index] = distance <= max(_CORE, 1.5 / max(min(box.rows, box.columns), 1.0))
    return _Allowed(region=region, seed=seed)


def _bounding(voxels: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    ends = []
    for axis in range(3):
        others = tuple(each for each in range(3) if each != axis)
        marked = np.flatnonzero(voxels.any(axis=others))
        ends.append(slice(int(marked[0]), int(marked[-1]) + 1))
    return ends[0], ends[1], ends[2]


def _hanging_together(voxels: NDArray[np.bool_], seed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the connected part that has most of the seed, or nothing."""
    labels, count = ndimage.label(voxels, structure=np.ones((3, 3, 3)))
    if not count:
        return voxels
    touched = np.bincount(labels[seed & voxels], minlength=count + 1)
    touched[0] = 0
    if not touched.any():
        return np.zeros_like(voxels)
    return np.asarray(labels == touched.argmax(), dtype=np.bool_)


def _opened(image: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if np.count_nonzero(image) <= _OPEN_FROM_PX:
        return image
    return np.asarray(ndimage.binary_opening(image), dtype=np.bool_)

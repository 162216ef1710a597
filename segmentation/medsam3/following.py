"""One thing followed from the image where its outline is known, until it is lost.

The tracker always answers: what it says is believed only as long as nothing speaks against it. In
space it ends at the first image where something does. In time a thing may be gone for a moment and
come back.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from domain.ports import Progress
from domain.prompt import Prompt
from domain.segment import Segment
from domain.volume import Mask
from segmentation.answers import part_of
from segmentation.medsam3.asking import SliceAnswer
from segmentation.medsam3.linking import NOT_UNSURE, SURE
from segmentation.medsam3.tracker import PRESENT, Key, MaskTracker, Tracked
from segmentation.slicewise.views import SeriesView

# From one image to the next a thing seen in full changes little. Twice the larger of the image
# before and the key is a leak into what lies beside it: a ball never grows beyond its key by more.
_MOST_GROWTH: Final = 2.0
# A tenth of the image before is a remnant, not the thing: what is lost by leaving out the last
# sliver of a ball is below the uncertainty of its sampling.
_MOST_SHRINKING: Final = 10.0
# Of the diameter of a disc of the same area: moved by half of it, two discs share less than 40 %.
_MOST_DRIFT: Final = 0.5
# Where words are sure of a thing elsewhere and see nothing here, the tracker has changed things.
# That words see nothing at all stops nothing: by words alone they miss more than they find.
_LEAST_AGREEMENT: Final = 0.3
# Frames on end without the thing after which it is not waited for any longer: a third of a second.
_MOST_FRAMES_GONE: Final = 10
# The edge of a thing leans by less than 45 degrees from slice to slice, or it is another thing; and
# beyond 5 mm two things may lie side by side.
_FURTHEST_MM: Final = 5.0
# Holes and specks the tracker's own masks, of 288 x 288 for any image, are known to have.
_SPECK_PX: Final = 16
_MASK_PX: Final = 288

_LOOK: Final = {
    "slice": "confirm first and last slice, and the outlines between, before using a volume",
    "frame": "look through the frames before using an area",
}

Words = Callable[[int], SliceAnswer]
"""What words alone find on an image."""


@dataclass(kw_only=True, eq=False)
class Followed:
    """What was followed.

    Attributes
    ----------
    outlines, scores
        By image, the key's included; in time there may be images without.
    ends
        Why it was not followed further, below and above the key; empty where the series ends.
    """

    outlines: dict[int, NDArray[np.bool_]]
    scores: dict[int, float]
    ends: dict[str, str] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """First image with an outline."""
        return min(self.outlines)

    @property
    def last(self) -> int:
        """Last image with an outline."""
        return max(self.outlines)

    def profile(self, first: int, last: int) -> tuple[float, ...]:
        """Return the score from one image to another; 0 where it was not seen."""
        return tuple(self.scores.get(index, 0.0) for index in range(first, last + 1))

    def voxels(self, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
        """Return its mask on a volume."""
        marked = np.zeros(shape, dtype=np.bool_)
        for index, inside in self.outlines.items():
            marked[index] = inside
        return marked

    def in_words(self, key: int, noun: str) -> str:
        """Say how far it was followed, and why no further."""
        gone = self.last - self.first + 1 - len(self.outlines)
        missing = f", not seen on {gone} of them" if gone else ""
        ends = "".join(f"; {side}: {reason}" for side, reason in self.ends.items())
        return (
            f"followed by the tracker from {noun} {key} over {noun}s {self.first} to "
            f"{self.last}{missing}{ends}"
        )


@dataclass(frozen=True, kw_only=True)
class Pursuit:
    """What is followed, where, and by what.

    Attributes
    ----------
    span
        Half-open range of images it may be followed over.
    words
        What words find on an image; None where none were said.
    """

    view: SeriesView
    tracker: MaskTracker
    key: Key
    key_score: float
    span: tuple[int, int]
    words: Words | None = None

    def run(self, progress: Progress) -> Followed:
        """Return what was followed from the key both ways."""
        key = self.key
        found = Followed(outlines={key.index: key.inside}, scores={key.index: self.key_score})
        below = range(key.index - 1, self.span[0] - 1, -1)
        above = range(key.index + 1, self.span[1])
        for part, (side, order) in enumerate((("below", below), ("above", above))):
            reason = self._one_way(order, found, part_of(progress, part, 2))
            if reason is not None:
                found.ends[side] = reason
        return found

    def _one_way(self, order: Sequence[int], found: Followed, progress: Progress) -> str | None:
        """Follow in one direction and return why it ended before the span does."""
        is_time = self.view.volume.grid.is_time
        noun = "frame" if is_time else "slice"
        if not order:
            return None
        before, gone = self.key.inside, 0
        count = self.view.volume.grid.shape[0]
        seen = self.tracker.track(self.key, order, count, self.view.whole)
        for done, tracked in enumerate(seen):
            progress(done / len(order), f"{noun} {tracked.index}")
            part = self._part(tracked, before)
            if part is None:
                gone += 1
                if is_time and gone < _MOST_FRAMES_GONE:
                    continue
                return f"not seen on {noun} {tracked.index}"
            reason = self._against(tracked.index, part, before)
            if reason is not None:
                return f"{reason} on {noun} {tracked.index}"
            found.outlines[tracked.index] = part
            found.scores[tracked.index] = tracked.score
            before, gone = part, 0
        return None

    def _part(self, tracked: Tracked, before: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Return what of an image hangs together with the image before, or None for nothing."""
        if tracked.score < PRESENT:
            return None
        inside = without_specks(tracked.logits > 0)
        grid = self.view.volume.grid
        part = largest_part(inside) if grid.is_time else joined(inside, before, self._reach())
        return part if part.any() else None

    def _reach(self) -> tuple[float, tuple[float, float]]:
        """Return how far the edge may move in plane to the next slice, and the spacing of pixels.

        Without a scale only what overlaps is joined.
        """
        grid = self.view.volume.grid
        slice_mm, row_mm, column_mm = grid.spacing_mm
        is_known = grid.slice_spacing_known and grid.in_plane_calibrated
        return (min(slice_mm, _FURTHEST_MM) if is_known else 0.0), (row_mm, column_mm)

    def _against(
        self, index: int, part: NDArray[np.bool_], before: NDArray[np.bool_]
    ) -> str | None:
        """Return what speaks against an outline, or None."""
        area, old = np.count_nonzero(part), np.count_nonzero(before)
        if area > _MOST_GROWTH * max(old, np.count_nonzero(self.key.inside)):
            return f"it grew from {old} to {area} pixels"
        if area * _MOST_SHRINKING < old:
            return f"it shrank from {old} to {area} pixels"
        drift = np.subtract(ndimage.center_of_mass(part), ndimage.center_of_mass(before))
        if np.hypot(*drift) > _MOST_DRIFT * np.sqrt(4 * old / np.pi):
            return "it moved by more than half of its width"
        if self.words is not None and is_elsewhere(self.words(index), part):
            return "the words find it elsewhere"
        return None


def is_elsewhere(answer: SliceAnswer, part: NDArray[np.bool_]) -> bool:
    """Tell whether words are sure of a thing on an image, and see none where the outline is."""
    if answer.score < SURE:
        return False
    return not any(
        _overlap(each.logits > 0, part) >= _LEAST_AGREEMENT
        for each in answer.instances
        if each.score >= NOT_UNSURE
    )


def joined(
    inside: NDArray[np.bool_],
    before: NDArray[np.bool_],
    reach: tuple[float, tuple[float, float]],
) -> NDArray[np.bool_]:
    """Return the parts of an outline (rows, columns) no further from another than a reach in mm."""
    reach_mm, spacing_mm = reach
    labels, count = ndimage.label(inside, np.ones((3, 3)))
    if not count:
        return inside
    apart = edt.edt(np.ascontiguousarray(~before), anisotropy=spacing_mm, black_border=False)
    nearest = np.asarray(ndimage.minimum(apart, labels, range(1, count + 1)))
    kept = np.concatenate([[False], nearest <= reach_mm])
    return np.asarray(kept[labels], dtype=np.bool_)


def largest_part(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest part of an outline."""
    labels, count = ndimage.label(inside, np.ones((3, 3)))
    if not count:
        return inside
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax(), dtype=np.bool_)


def without_specks(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return an outline without holes and specks of a few pixels of the tracker's own mask."""
    limit = _SPECK_PX * inside.size / _MASK_PX**2
    filled = inside | _small(~inside, limit)
    return np.asarray(filled & ~_small(filled, limit), dtype=np.bool_)


def _small(marked: NDArray[np.bool_], limit: float) -> NDArray[np.bool_]:
    labels, _ = ndimage.label(marked)
    sizes = np.bincount(labels.ravel())
    is_small = sizes <= limit
    is_small[0] = False
    return np.asarray(is_small[labels], dtype=np.bool_)


def extended(
    segment: Segment, prompt: Prompt, found: Followed, tracker_sha256: str | None
) -> Segment:
    """Return the segment of one image with what was followed from it: a proposal, until seen."""
    grid = segment.mask.grid
    noun = "frame" if grid.is_time else "slice"
    (key,) = segment.mask.slice_indices()
    voxels = found.voxels(grid.shape)
    for box in prompt.boxes:
        if not box.positive:
            voxels[
                box.slice_start : box.slice_stop,
                box.row_start : box.row_stop,
                box.column_start : box.column_stop,
            ] = False
    mask = Mask(voxels=voxels, grid=grid)
    marked = mask.slice_indices()
    said = found.in_words(key, noun)
    made_by = segment.provenance
    return replace(
        segment,
        mask=mask,
        provenance=replace(
            made_by,
            weights_sha256=both_sha256(made_by.weights_sha256, tracker_sha256),
            prompt=f"{made_by.prompt}, {said}",
        ),
        score=float(np.mean(list(found.scores.values()))),
        slice_profile=found.profile(marked[0], marked[-1]),
        is_proposal=True,
        warnings=(*segment.warnings, f"{said}: {_LOOK[noun]}"),
    )


def both_sha256(network: str | None, tracker: str | None) -> str | None:
    """Return one digest of the weights of network and tracker: a mask of both changes with both."""
    if network is None or tracker is None:
        return network
    return hashlib.sha256(f"{network}\n{tracker}".encode()).hexdigest()


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 0.0

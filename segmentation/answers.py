"""What all engines' sessions share: checks before work, and segments with their warnings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from domain.concepts import Concept
from domain.errors import CannotDoError
from domain.ports import Progress, Segmenter
from domain.prompt import Prompt
from domain.segment import Segment
from domain.volume import Volume

_BODY_ABOVE_HU: Final = -300.0
_LEAST_WIDTH_MM: Final = 200.0
_MIDDLE_MM: Final = 20.0


class Answer(Protocol):
    """How one engine answers one prompt that was checked before."""

    def __call__(self, volume: Volume, prompt: Prompt, progress: Progress) -> Iterator[Segment]:
        """Yield the segments of one prompt."""
        ...


class CheckedSession:
    """A session that checks every prompt before it starts on the first."""

    def __init__(
        self,
        engine: Segmenter,
        volume: Volume,
        answer: Answer,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._volume = volume
        self._answer = answer
        self._close = close

    def segment(self, prompts: Sequence[Prompt], progress: Progress) -> Iterator[Segment]:
        """Yield the segments of each prompt, in order.

        Raises
        ------
        PromptError
            For a hint outside the volume.
        CannotDoError
            For a prompt the engine does not support.
        """
        check(self._engine, self._volume, prompts)
        return self._answers(tuple(prompts), progress)

    def _answers(self, prompts: tuple[Prompt, ...], progress: Progress) -> Iterator[Segment]:
        for index, prompt in enumerate(prompts):
            part = part_of(progress, index, len(prompts))
            part(0.0, "starting")
            yield from self._answer(self._volume, prompt, part)
            part(1.0, "done")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free what the engine kept for this session alone."""
        self._close()


def check(engine: Segmenter, volume: Volume, prompts: Sequence[Prompt]) -> None:
    """Refuse prompts outside the volume, then those the engine cannot answer.

    Raises
    ------
    PromptError, CannotDoError
        Naming what is wrong and what would help.
    """
    for prompt in prompts:
        prompt.check_inside(volume.grid.shape)
    for prompt in prompts:
        reason = engine.supports(volume, prompt)
        if reason is not None:
            raise CannotDoError(reason)


def part_of(progress: Progress, index: int, count: int) -> Progress:
    """Return a progress callback for one of several equal parts."""

    def report(fraction: float, stage: str) -> None:
        progress((index + min(max(fraction, 0.0), 1.0)) / count, stage)

    return report


def volume_warnings(segment: Segment, concept: Concept | None) -> tuple[str, ...]:
    """Return what is implausible about a segment's volume, in words for the user."""
    grid = segment.mask.grid
    measurable = grid.in_plane_calibrated and grid.slice_spacing_known
    if concept is None or segment.mask.is_empty or not measurable:
        return ()
    volume_ml = segment.mask.voxel_count * grid.voxel_volume_mm3 / 1000
    if concept.smallest_ml is not None and volume_ml < concept.smallest_ml:
        return (
            (
                f"{volume_ml:.1f} mL is less than a {concept.phrase} usually has "
                f"({concept.smallest_ml:g} mL): check that all of it is on the series and marked"
            ),
        )
    if concept.largest_ml is not None and volume_ml > concept.largest_ml:
        return (
            (
                f"{volume_ml:.1f} mL is more than a {concept.phrase} usually has "
                f"({concept.largest_ml:g} mL): check that nothing beside it is marked"
            ),
        )
    return ()


def side_warnings(volume: Volume, prompt: Prompt, segment: Segment) -> tuple[str, ...]:
    """Return a warning when what was pointed at lies on the other side than was said.

    Only where the series shows enough of both sides to have a middle: that of the body on the
    slices that are marked.
    """
    said = prompt.side if prompt.side in ("left", "right") and not prompt.is_text_only else None
    if said is None or segment.mask.is_empty or not volume.grid.in_plane_calibrated:
        return ()
    side = _side_of(volume, segment)
    if side in (None, said):
        return ()
    return (f"this lies on the patient's {side}, but {said} was said: check the side",)


def _side_of(volume: Volume, segment: Segment) -> str | None:
    """Return "left" or "right" by the middle of the body, or None where it is not clear."""
    marked = segment.mask.slice_indices()
    index = marked[len(marked) // 2]
    image = np.asarray(volume.voxels[index], dtype=np.float32)
    body = image > (_BODY_ABOVE_HU if volume.modality == "CT" else image.mean())
    if volume.is_colour or not body.any():
        return None
    body_mm = _left_mm(volume, index, body)
    place_mm = float(_left_mm(volume, index, segment.mask.voxels[index]).mean())
    apart_mm = place_mm - float(np.median(body_mm))
    if float(np.ptp(body_mm)) < _LEAST_WIDTH_MM or abs(apart_mm) < _MIDDLE_MM:
        return None
    return "left" if apart_mm > 0 else "right"


def _left_mm(volume: Volume, index: int, voxels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how far to the patient's left each marked pixel of a slice is."""
    rows, columns = np.nonzero(voxels)
    indices = np.column_stack([np.full(rows.size, index), rows, columns])
    return np.asarray(volume.grid.to_lps_mm(indices)[:, 0])


def with_warnings(segment: Segment, warnings: tuple[str, ...]) -> Segment:
    """Return the segment with more warnings, each once."""
    added = tuple(each for each in warnings if each not in segment.warnings)
    return replace(segment, warnings=segment.warnings + added) if added else segment

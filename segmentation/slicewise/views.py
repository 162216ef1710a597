"""A volume as a network for slices sees it: window, crop, and what it already looked at."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.concepts import Window
from domain.volume import Volume
from segmentation.slicewise.embeddings import Answer, EmbeddingCache, Recent
from segmentation.slicewise.slices import (
    Embedding,
    SliceBox,
    SliceHint,
    SlicePoint,
    SliceSegmenter,
)
from segmentation.windows import applied, lung_piece

_CROP_BELOW_PX: Final = 16
_CROP_SIZE: Final = 2.5
_LEAST_CROP_PX: Final = 32
_FAR_OUTSIDE: Final = -12.0


@dataclass(frozen=True, kw_only=True)
class SeriesView:
    """One volume as the network sees it."""

    volume: Volume
    network: SliceSegmenter
    cache: EmbeddingCache
    answers: Recent[Answer]
    series: str
    window: Window

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        return self.volume.grid.shape[1], self.volume.grid.shape[2]

    def image(self, index: int) -> NDArray[np.float32]:
        """Return a slice's grey levels 0..255."""
        return applied(self.volume.voxels[index], self.window)

    def logits(
        self, index: int, hints: Iterable[SliceHint], crop: tuple[slice, slice]
    ) -> NDArray[np.float32]:
        """Return the network's mean opinion (rows, columns) on hints in the slice's pixels."""
        return np.asarray(self.each_logits(index, hints, crop).mean(axis=0), dtype=np.float32)

    def each_logits(
        self, index: int, hints: Iterable[SliceHint], crop: tuple[slice, slice]
    ) -> NDArray[np.float32]:
        """Return the network's opinion (hints, rows, columns) on each hint, in one decoding.

        What was asked before with the same hints is not asked again.
        """
        rows, columns = crop
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        moved = tuple(_moved(hint, rows.start, columns.start, shape) for hint in hints)
        key = self.key(index, crop)
        answer = self.answers.get((*key, moved))
        if answer is None:
            embedding = self.cache.get(key, lambda: self.embedded(index, crop))
            answer = self.network.decode(embedding, moved).astype(np.float16)
            self.answers.put((*key, moved), answer, answer.nbytes)
        opinions = np.full((len(moved), *self.shape), _FAR_OUTSIDE, dtype=np.float32)
        opinions[:, rows, columns] = answer
        return opinions

    def embedded(self, index: int, crop: tuple[slice, slice]) -> Embedding:
        """Return what the network makes of a crop of a slice."""
        rows, columns = crop
        return self.network.embed(np.ascontiguousarray(self.image(index)[rows, columns]))

    def whole(self, index: int) -> Embedding:
        """Return what the network makes of a whole slice, kept on disk where it has UIDs."""
        crop = (slice(0, self.shape[0]), slice(0, self.shape[1]))
        if self.volume.source is not None:
            self.prepare(index)  # dear to make again: what has UIDs is kept on disk too
        return self.cache.get(self.key(index, crop), lambda: self.embedded(index, crop))

    def prepare(self, index: int) -> bool:
        """Look at a whole slice ahead; tell whether it was new."""
        crop = (slice(0, self.shape[0]), slice(0, self.shape[1]))
        return self.cache.prepare(self.key(index, crop), lambda: self.embedded(index, crop))

    def lung_in(self, index: int, box: SliceBox) -> NDArray[np.bool_] | None:
        """Return the piece of lung (rows, columns) on a CT that a box fits round, or None."""
        if self.volume.modality != "CT" or self.volume.is_colour:
            return None
        image = np.asarray(self.volume.voxels[index], dtype=np.float32)
        return lung_piece(image, *cut_out(box, self.shape))

    def key(self, index: int, crop: tuple[slice, slice]) -> tuple[Hashable, ...]:
        """Return what tells this image from every other: instances are unique, phantoms are not."""
        source = self.volume.source
        series: Hashable = self.series
        frame: Hashable = index
        if source is not None:
            series = source.series_instance_uid
            frame = (source.frames[index].sop_instance_uid, source.frames[index].frame_number)
        rows, columns = crop
        places = (rows.start, rows.stop, columns.start, columns.stop)
        network = (self.network.name, self.network.version, self.network.weights_sha256)
        return (series, frame, self.window.center, self.window.width, places, network)


def _moved(hint: SliceHint, row: int, column: int, shape: tuple[int, int]) -> SliceHint:
    """Return a hint in the pixels of a crop that starts at (row, column)."""
    box = hint.box
    if box is not None:
        box = SliceBox(
            row_start=box.row_start - row,
            row_stop=box.row_stop - row,
            column_start=box.column_start - column,
            column_stop=box.column_stop - column,
        ).clipped(shape)
    points = tuple(
        SlicePoint(row=each.row - row, column=each.column - column, positive=each.positive)
        for each in hint.points
        if 0 <= each.row - row < shape[0] and 0 <= each.column - column < shape[1]
    )
    return SliceHint(box=box, points=points)


def crop_round(box: SliceBox, shape: tuple[int, int], input_px: int) -> tuple[slice, slice]:
    """Return what of a slice the network sees: all of it, unless the box would be tiny there."""
    longest = max(box.rows, box.columns)
    if longest * input_px / max(shape) >= _CROP_BELOW_PX:
        return slice(0, shape[0]), slice(0, shape[1])
    side = max(longest * _CROP_SIZE, _LEAST_CROP_PX)
    return _window(box.centre[0], side, shape[0]), _window(box.centre[1], side, shape[1])


def _window(centre: float, side: float, length: int) -> slice:
    size = min(int(side), length)
    start = int(np.clip(round(centre - size / 2), 0, length - size))
    return slice(start, start + size)


def cut_out(box: SliceBox, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the whole pixels a box touches inside an image."""
    inside = box.clipped(shape)
    return (
        slice(int(inside.row_start), int(np.ceil(inside.row_stop))),
        slice(int(inside.column_start), int(np.ceil(inside.column_stop))),
    )

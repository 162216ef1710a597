"""What was pointed at with a command, before it is laid on the images."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dicom_node.seg_reader import LoadedSegment, Segmentation, read_segmentation
from domain.errors import EmptyMaskError, GeometryError, InputError
from domain.prompt import Box, Line, Point, Prompt, Scribble
from domain.uids import InstanceUID
from domain.volume import Mask, Volume

OTHER_SERIES = (
    "the earlier mask was made on another series of the same geometry: check that it lies on what "
    "it marks"
)


@dataclass(frozen=True, kw_only=True)
class LaidMask:
    """An earlier mask on a volume's grid, notes on how it was read, and how it is followed."""

    mask: Mask
    notes: tuple[str, ...]
    tracking_id: str | None = None
    tracking_uid: InstanceUID | None = None


@dataclass(frozen=True, kw_only=True)
class EarlierMask:
    """A segment of a SEG file to start from, or to correct.

    Attributes
    ----------
    segment
        Its number; None where the file holds a single one.
    """

    seg: Path
    segment: int | None = None

    def on(self, volume: Volume) -> LaidMask:
        """Return the mask on a volume's grid.

        Raises
        ------
        InputError
            If it is not of this volume's geometry, or it is not clear which segment is meant.
        """
        if volume.grid.is_time:
            raise InputError(
                "an earlier mask of a cine cannot be corrected yet: draw a box on a frame"
            )
        try:
            found = read_segmentation(self.seg, volume.grid)
        except GeometryError as error:
            raise GeometryError(
                f"{self.seg.name} does not lie on this series: {error}; give a SEG made on it"
            ) from error
        mine, other = volume.grid.frame_of_reference_uid, found.frame_of_reference_uid
        if mine is not None and other is not None and mine != other:
            raise GeometryError(
                f"{self.seg.name} is of frame of reference {other}, this series of {mine}: give a "
                "SEG made on this series"
            )
        chosen = self._chosen(found)
        if chosen.mask.is_empty:
            raise EmptyMaskError(
                f"segment {chosen.number} of {self.seg.name} is empty: there is nothing to correct"
            )
        source = volume.source
        referenced = found.referenced_series_uid
        is_other = (
            source is not None
            and referenced is not None
            and referenced != source.series_instance_uid
        )
        return LaidMask(
            mask=chosen.mask,
            notes=(*found.notes, *((OTHER_SERIES,) if is_other else ())),
            tracking_id=chosen.tracking_id,
            tracking_uid=chosen.tracking_uid,
        )

    def _chosen(self, found: Segmentation) -> LoadedSegment:
        by_number = {each.number: each for each in found.segments}
        listed = ", ".join(f"{each.number} ({each.label})" for each in found.segments)
        if self.segment is None and len(by_number) == 1:
            return next(iter(by_number.values()))
        if self.segment is None:
            raise InputError(
                f"{self.seg.name} holds {len(by_number)} segments, {listed}: say which with "
                "--segment N"
            )
        if self.segment not in by_number:
            raise InputError(
                f"{self.seg.name} has no segment {self.segment}: it holds {listed or 'none'}"
            )
        return by_number[self.segment]


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What was pointed at, with the command."""

    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()
    lines: tuple[Line, ...] = ()
    scribbles: tuple[Scribble, ...] = ()
    mask: EarlierMask | None = None
    slice_range: tuple[int, int] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was pointed at; a range alone points at nothing."""
        return self.mask is None and not any((self.boxes, self.points, self.lines, self.scribbles))

    def prompt(self, concept: str | None, side: str | None, mask: Mask | None) -> Prompt:
        """Return the prompt for one concept, the earlier mask laid on the images."""
        return Prompt(
            concept=concept,
            side=side,
            boxes=self.boxes,
            points=self.points,
            lines=self.lines,
            scribbles=self.scribbles,
            mask=mask,
            slice_range=self.slice_range,
        )

    def as_json(self) -> dict[str, Any]:
        """Return what was given, as plain values; what was not given is left out."""
        printed: dict[str, Any] = {
            name: [asdict(hint) for hint in hints]
            for name, hints in (
                ("boxes", self.boxes),
                ("points", self.points),
                ("lines", self.lines),
                ("scribbles", self.scribbles),
            )
            if hints
        }
        if self.mask is not None:
            printed["mask"] = {"seg": self.mask.seg.name, "segment": self.mask.segment}
        if self.slice_range is not None:
            printed["slices"] = list(self.slice_range)
        return printed

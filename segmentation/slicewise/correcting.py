"""An earlier mask to be corrected: which slices a correction touches, and how far it reaches."""

from dataclasses import dataclass

from domain.grid import Grid
from segmentation.slicewise.slices import SliceBox
from segmentation.slicewise.targets import Target, box_of, guessed_reach


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How much a correction says of a slice near it.

    Attributes
    ----------
    corrected
        The slice with the correction.
    share
        1 there, 0 beyond its reach.
    """

    corrected: int
    share: float


def reached(target: Target, grid: Grid) -> dict[int, Reach]:
    """Return the slices within reach of a correction, the nearest first.

    A correction reaches as far as half of a thing as deep as it is wide. Slices between the earlier
    mask and a correction beyond its end are reached in any case: the thing has no gap.
    """
    reaches: dict[int, Reach] = {}
    first, last = min(target.earlier), max(target.earlier)
    for corrected in sorted(target.corrected):
        reach = guessed_reach(target.keys[corrected], grid)
        beyond = max(first - corrected, corrected - last, 0)
        reach = max(reach, beyond - 1)
        for index in range(max(target.start, corrected - reach), corrected + reach + 1):
            is_free = index < target.stop and index not in target.corrected
            share = 1 - abs(index - corrected) / (reach + 1)
            if is_free and (index not in reaches or share > reaches[index].share):
                reaches[index] = Reach(corrected=corrected, share=share)
    nearest = sorted(reaches, key=lambda index: abs(index - reaches[index].corrected))
    return {index: reaches[index] for index in nearest}


def corrected_box(target: Target, index: int, reach: Reach, now: SliceBox | None) -> SliceBox:
    """Return where to look on a slice: the earlier box, each edge moved as the correction moved it.

    Parameters
    ----------
    now
        The box of the corrected outline; None where nothing is left of it.
    """
    earlier = target.earlier.get(index)
    before = target.earlier.get(reach.corrected)
    if earlier is None or before is None or now is None:
        return target.expected_box(index)
    old, there = box_of(before), box_of(earlier)
    scale_rows = reach.share * there.rows / old.rows
    scale_columns = reach.share * there.columns / old.columns
    row_start = there.row_start + scale_rows * (now.row_start - old.row_start)
    column_start = there.column_start + scale_columns * (now.column_start - old.column_start)
    row_stop = there.row_stop + scale_rows * (now.row_stop - old.row_stop)
    column_stop = there.column_stop + scale_columns * (now.column_stop - old.column_stop)
    return SliceBox(
        row_start=row_start,
        row_stop=max(row_stop, row_start + 1),
        column_start=column_start,
        column_stop=max(column_stop, column_start + 1),
    )

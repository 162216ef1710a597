"""Areas over time as a table for programs and spreadsheets."""

import csv
import io
from collections.abc import Sequence
from typing import Any, Final

from reporting.over_time import FrameArea

NOT_CALIBRATED: Final = "not calibrated"
NOT_MARKED: Final = "not marked"
NOT_STATED: Final = "not stated"
_COLUMNS: Final = (
    "frame",
    "frame_number",
    "time_ms",
    "pixels",
    "area_mm2",
    "long_axis_mm",
    "short_axis_mm",
)
_DIGITS: Final = 3


def printed_areas(areas: Sequence[FrameArea]) -> list[dict[str, Any]]:
    """Return the frames as plain JSON values: "frame" from 0, null for what is not known."""
    return [
        {
            "frame": each.frame_index,
            "time_ms": each.time_ms,
            "pixels": each.pixels,
            "area_mm2": each.area_mm2,
            "long_axis_mm": each.long_axis_mm,
            "short_axis_mm": each.short_axis_mm,
        }
        for each in areas
    ]


def areas_csv(areas: Sequence[FrameArea]) -> bytes:
    """Return the frames as CSV; what is not known says why in its place.

    ``frame`` counts from 0, as on the command line; ``frame_number`` from 1, as DICOM does.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for each in areas:
        absent = NOT_CALIBRATED if each.pixels else NOT_MARKED
        lengths = (each.area_mm2, each.long_axis_mm, each.short_axis_mm)
        rows.writerow(
            (
                each.frame_index,
                each.frame_index + 1,
                NOT_STATED if each.time_ms is None else round(each.time_ms, _DIGITS),
                each.pixels,
                *(absent if value is None else round(value, _DIGITS) for value in lengths),
            )
        )
    return text.getvalue().encode()

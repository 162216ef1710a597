"""A chest with something in it, stored, and the command that outlines it."""

from pathlib import Path
from typing import Any

import pydicom

from copilot.evaluation.gestures import range_of, tight_box
from dicom_node.store import Store
from domain.uids import InstanceUID
from tests.phantoms import ct, ellipsoid, grid, series


def stored_chest(store: Store, folder: Path) -> dict[str, Any]:
    """Store 12 images of 64 x 64, and return the body of the command."""
    on = grid(shape=(12, 64, 64), spacing_mm=(2.0, 1.0, 1.0))
    ball = ellipsoid(on, (8.0, 9.0, 10.0))
    files = series(folder / "chest", ct(on, ball, hu=50.0, background=-850.0))
    for path in files:
        store.keep(InstanceUID(str(pydicom.dcmread(path).SOPInstanceUID)), path.read_bytes())
    store.settle()
    box, slices = tight_box(ball), range_of(ball)
    return {
        "series_instance_uid": str(pydicom.dcmread(files[0]).SeriesInstanceUID),
        "text": "segment the lung lesion",
        "boxes": [
            {
                "slice": box.slice_start,
                "row_start": box.row_start,
                "column_start": box.column_start,
                "row_stop": box.row_stop,
                "column_stop": box.column_stop,
            }
        ],
        "slices": list(slices),
    }

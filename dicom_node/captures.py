"""Pictures of findings as Secondary Capture images: what any viewer shows, whatever else it reads.

One single-frame image a finding, all in one series: multi-frame true colour is not shown by all.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from dicom_node.twins import (
    Origin,
    begun,
    coded,
    orientation_of,
    reference,
    settled,
    with_laterality,
    with_lossy_history,
)
from domain.errors import CannotDoError
from domain.ports import UidSource

SERIES_NUMBER: Final = 9006
_BITS: Final = 8
_LONGEST_COMMENT: Final = 1024


@dataclass(frozen=True, kw_only=True)
class KeyPicture:
    """A picture of one slice, the whole of it, with what is drawn over it; as PNG."""

    png: bytes
    slice_index: int
    title: str


def secondary_captures(
    origin: Origin, pictures: Sequence[KeyPicture], uids: UidSource
) -> tuple[Dataset, ...]:
    """Return pictures of findings as images of one series.

    Raises
    ------
    CannotDoError
        If there is no picture.
    """
    if not pictures:
        raise CannotDoError("no picture was kept with this result")
    series_instance_uid = uids.new_uid()
    return tuple(
        _capture(origin, picture, number, series_instance_uid, uids)
        for number, picture in enumerate(pictures, start=1)
    )


def _capture(
    origin: Origin,
    picture: KeyPicture,
    number: int,
    series_instance_uid: str,
    uids: UidSource,
) -> Dataset:
    made = begun(
        origin,
        uids,
        sop_class_uid=str(SecondaryCaptureImageStorage),
        modality="OT",
        series=(SERIES_NUMBER, "radcopilot key images (draft)"),
    )
    made.SeriesInstanceUID = series_instance_uid
    made.InstanceNumber = number
    made.ConversionType = "WSD"
    made.DateOfSecondaryCapture = made.TimeOfSecondaryCapture = None
    made.ContentDate = made.ContentTime = None
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.BurnedInAnnotation = "YES"
    made.DerivationDescription = (
        f"Image {picture.slice_index + 1} of the source series with the outline of "
        f"{picture.title} drawn over it: a draft, not for measurement"
    )[:_LONGEST_COMMENT]
    made.DerivationCodeSequence = [coded("113085", "DCM", "Spatial resampling")]
    source = reference(origin.frames[picture.slice_index])
    source.PurposeOfReferenceCodeSequence = [
        coded("121322", "DCM", "Source image for image processing operation")
    ]
    made.SourceImageSequence = [source]
    _add_pixels(made, picture)
    _add_geometry(made, origin)
    with_laterality(made, origin.headers[0])
    with_lossy_history(made, origin.header_of(picture.slice_index))
    return settled(made, origin.segmentation)


def _add_pixels(made: Dataset, picture: KeyPicture) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB"))
    made.Rows, made.Columns = pixels.shape[:2]
    made.SamplesPerPixel = 3
    made.PhotometricInterpretation = "RGB"
    made.PlanarConfiguration = 0
    made.BitsAllocated = made.BitsStored = _BITS
    made.HighBit = _BITS - 1
    made.PixelRepresentation = 0
    content = pixels.tobytes()
    made.PixelData = content + b"\0" * (len(content) % 2)
    made["PixelData"].VR = "OB"


def _add_geometry(made: Dataset, origin: Origin) -> None:
    """Say sides and spacing where they are known: the picture shows the whole slice."""
    grid = origin.volume.grid
    has_place = grid.frame_of_reference_uid is not None and not grid.is_time
    made.PatientOrientation = (
        [orientation_of(grid.affine[:3, 2]), orientation_of(grid.affine[:3, 1])]
        if has_place
        else None
    )
    if grid.in_plane_calibrated:
        _, row_mm, column_mm = grid.spacing_mm
        made.PixelSpacing = [
            f"{grid.shape[1] * row_mm / made.Rows:.6f}",
            f"{grid.shape[2] * column_mm / made.Columns:.6f}",
        ]

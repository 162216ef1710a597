"""Our SEG as a Grayscale Softcopy Presentation State: outlines and diameters drawn over the images.

The images stay as they are, and a viewer that shows no SEG can draw this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_node.contours import outlines
from dicom_node.equipment import MANUFACTURER, MODEL_NAME, SERIAL_NUMBER, software_version
from dicom_node.twins import (
    UTF8,
    Origin,
    as_the_source_has_it,
    segment_items,
    settled,
    with_laterality,
)
from domain.codes import HOUNSFIELD_UNIT, NO_UNITS
from domain.concepts import Window
from domain.errors import CannotDoError
from domain.measurement import Position
from domain.ports import UidSource

SERIES_NUMBER: Final = 9005
_OUTLINES: Final = hd.pr.GraphicLayer(
    layer_name="OUTLINES",
    order=1,
    description="Outlines of a draft",
    display_color=hd.color.CIELabColor(l_star=84.0, a_star=-40.0, b_star=-30.0),
)
_MEASURES: Final = hd.pr.GraphicLayer(
    layer_name="MEASUREMENTS",
    order=2,
    description="Measurements of a draft",
    display_color=hd.color.CIELabColor(l_star=80.0, a_star=20.0, b_star=65.0),
)
_PIXEL: Final = hd.pr.AnnotationUnitsValues.PIXEL
_POLYLINE: Final = hd.pr.GraphicTypeValues.POLYLINE
_HALF: Final = 0.5
_PERCENTILES: Final = (1.0, 99.0)


@dataclass(frozen=True, kw_only=True)
class Caliper:
    """A length as it is drawn: its end points in LPS millimetres, the slice, and its words."""

    ends_lps_mm: tuple[Position, Position]
    slice_index: int
    text: str


def presentation_state(
    origin: Origin, uids: UidSource, *, calipers: Sequence[Caliper] = (), window: Window | None
) -> Dataset:
    """Return the presentation state of a SEG, over the images on which something is marked.

    Parameters
    ----------
    window
        As the masks were shown, in the unit of the volume; None for the middle 98 % of its values,
        or the images' own window where its unit is not that of the stored values.

    Raises
    ------
    CannotDoError
        If the images have colours, or are scaled one by one.
    """
    if origin.volume.is_colour:
        raise CannotDoError("the images have colours: a grayscale presentation state has none")
    drawn = _drawn(origin, calipers)
    headers = _marked_headers(origin, list(drawn))
    scales = {(each.get("RescaleSlope"), each.get("RescaleIntercept")) for each in headers}
    if len(scales) > 1:
        raise CannotDoError("the images are rescaled one by one: one presentation state has one")
    with as_the_source_has_it():
        made = hd.pr.GrayscaleSoftcopyPresentationState(
            referenced_images=headers,
            series_instance_uid=uids.new_uid(),
            series_number=SERIES_NUMBER,
            sop_instance_uid=uids.new_uid(),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=MODEL_NAME,
            software_versions=software_version(),
            device_serial_number=SERIAL_NUMBER,
            content_label="RADCOPILOT",
            content_description="radcopilot outlines (draft)",
            graphic_layers=[_OUTLINES, _MEASURES],
            graphic_annotations=[each for several in drawn.values() for each in several],
            modality_lut_transformation=_rescale(headers),
            voi_lut_transformations=_windows(origin, window, headers),
            series_description="radcopilot outlines (draft)",
            specific_character_set=UTF8,
        )
    for area in made.DisplayedAreaSelectionSequence:
        _set_aspect(area, headers[0])
    return settled(with_laterality(made, headers[0]), origin.segmentation)


def _drawn(
    origin: Origin, calipers: Sequence[Caliper]
) -> Mapping[int, list[hd.pr.GraphicAnnotation]]:
    """Return what is drawn, by slice."""
    items = segment_items(origin)
    slices = sorted({index for mask in origin.masks for index in mask.slice_indices()})
    return {
        slice_index: _on_slice(
            origin,
            slice_index,
            [
                (item, polygon)
                for item, mask in zip(items, origin.masks, strict=True)
                for polygon in outlines(mask.voxels[slice_index])
            ],
            [each for each in calipers if each.slice_index == slice_index],
        )
        for slice_index in slices
    }


def _on_slice(
    origin: Origin,
    slice_index: int,
    polygons: Sequence[tuple[Dataset, NDArray[np.int64]]],
    calipers: Sequence[Caliper],
) -> list[hd.pr.GraphicAnnotation]:
    header = origin.header_of(slice_index)
    frame = origin.frames[slice_index].frame_number
    lines = [_caliper_line(origin, each) for each in calipers]
    made = [
        hd.pr.GraphicAnnotation(
            referenced_images=[header],
            referenced_frame_number=frame,
            graphic_layer=_OUTLINES,
            graphic_objects=[
                hd.pr.GraphicObject(
                    graphic_type=_POLYLINE,
                    graphic_data=_closed(polygon),
                    units=_PIXEL,
                    tracking_id=item.get("TrackingID"),
                    tracking_uid=item.get("TrackingUID"),
                )
                for item, polygon in polygons
            ],
        )
    ]
    if lines:
        made.append(
            hd.pr.GraphicAnnotation(
                referenced_images=[header],
                referenced_frame_number=frame,
                graphic_layer=_MEASURES,
                graphic_objects=[
                    hd.pr.GraphicObject(graphic_type=_POLYLINE, graphic_data=line, units=_PIXEL)
                    for line in lines
                ],
                text_objects=[
                    hd.pr.TextObject(
                        text_value=each.text,
                        units=_PIXEL,
                        anchor_point=(float(line[1][0]), float(line[1][1])),
                        anchor_point_visible=False,
                    )
                    for each, line in zip(calipers, lines, strict=True)
                ],
            )
        )
    return made


def _closed(polygon: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return corners as (column, row), where the first pixel's first corner is (0, 0)."""
    return np.vstack([polygon, polygon[:1]])[:, ::-1].astype(np.float64)


def _caliper_line(origin: Origin, caliper: Caliper) -> NDArray[np.float64]:
    places = origin.volume.grid.to_index(np.array(caliper.ends_lps_mm))
    rows_and_columns = places[:, 1:] + _HALF
    return np.clip(rows_and_columns[:, ::-1], 0, origin.volume.grid.shape[:0:-1])


def _marked_headers(origin: Origin, slices: Sequence[int]) -> list[Dataset]:
    found = {str(h.SOPInstanceUID): h for h in (origin.header_of(each) for each in slices)}
    return list(found.values())


def _rescale(headers: Sequence[Dataset]) -> hd.ModalityLUTTransformation | None:
    """Return the images' own rescale; None leaves functional groups to highdicom.

    A cine without them has stored values, which highdicom has to be told.
    """
    header = headers[0]
    if "SharedFunctionalGroupsSequence" in header:
        return None
    if "RescaleSlope" not in header and "NumberOfFrames" not in header:
        return None
    kind = header.get("RescaleType") or ("HU" if header.get("Modality") == "CT" else "US")
    return hd.ModalityLUTTransformation(
        rescale_intercept=float(header.get("RescaleIntercept", 0.0)),
        rescale_slope=float(header.get("RescaleSlope", 1.0)),
        rescale_type=kind,
    )


def _windows(
    origin: Origin, window: Window | None, headers: Sequence[Dataset]
) -> list[hd.pr.SoftcopyVOILUTTransformation] | None:
    volume = origin.volume
    is_stored = volume.unit in {HOUNSFIELD_UNIT, NO_UNITS} and (
        headers[0].get("PhotometricInterpretation") == "MONOCHROME2"
    )
    if not is_stored:
        return None
    if window is None:
        low, high = (float(each) for each in np.percentile(volume.voxels, _PERCENTILES))
        window = Window(center=(low + high) / 2, width=max(high - low, 1.0))
    return [
        hd.pr.SoftcopyVOILUTTransformation(
            window_center=round(window.center, 3), window_width=round(window.width, 3)
        )
    ]


def _set_aspect(area: Dataset, header: Dataset) -> None:
    """Say how far apart pixels are, where the image does: they need not be square."""
    spacing = header.get("PixelSpacing")
    if spacing is not None:
        del area.PresentationPixelAspectRatio
        area.PresentationPixelSpacing = list(spacing)

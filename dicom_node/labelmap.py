"""Our BINARY SEG as a label map: one frame a slice, whatever the number of segments."""

from typing import Final

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.equipment import MANUFACTURER, MODEL_NAME, SERIAL_NUMBER, software_version
from dicom_node.twins import Origin, as_the_source_has_it, segment_items, settled
from domain.errors import CannotDoError
from domain.ports import UidSource

SERIES_NUMBER: Final = 9003


def label_map(origin: Origin, uids: UidSource) -> Dataset:
    """Return the label map of a SEG.

    Raises
    ------
    CannotDoError
        If segments overlap, or lie on a cine.
    """
    volume = origin.volume
    if volume.grid.is_time:
        raise CannotDoError("frames of a cine have no positions, which a label map needs")
    labels = np.zeros(volume.grid.shape, dtype=np.uint8)
    for number, mask in enumerate(origin.masks, start=1):
        shared = int(np.count_nonzero(labels[mask.voxels]))
        if shared:
            raise CannotDoError(
                f"segment {number} shares {shared} voxels with those before it: a label map holds "
                "one segment a voxel"
            )
        labels[mask.voxels] = number
    numbers = [frame.frame_number or 0 for frame in origin.frames]
    if len(origin.headers) == 1:  # one multi-frame object: back into its own frame order
        labels = labels[np.argsort(numbers, kind="stable")]
    seg = origin.segmentation
    with as_the_source_has_it():
        made = hd.seg.Segmentation(
            source_images=list(origin.headers),
            pixel_array=labels,
            segmentation_type=hd.seg.SegmentationTypeValues.LABELMAP,
            segment_descriptions=[
                hd.seg.SegmentDescription.from_dataset(item) for item in segment_items(origin)
            ],
            series_instance_uid=uids.new_uid(),
            series_number=SERIES_NUMBER,
            sop_instance_uid=uids.new_uid(),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=MODEL_NAME,
            software_versions=software_version(),
            device_serial_number=SERIAL_NUMBER,
            transfer_syntax_uid=ExplicitVRLittleEndian,
            omit_empty_frames=True,
            content_label="SEGMENTATION",
            content_description=str(seg.ContentDescription),
            series_description="radcopilot segmentation (label map)",
        )
    organization = uids.new_uid()
    made.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    for item in made.DimensionIndexSequence:
        item.DimensionOrganizationUID = organization
    return settled(made, seg)

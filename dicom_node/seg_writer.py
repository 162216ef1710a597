"""Masks to one DICOM SEG, BINARY, that any PACS and viewer reads."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code as PydicomCode
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.cine_seg import one_frame, with_frames
from dicom_node.equipment import (
    MANUFACTURER,
    MODEL_NAME,
    SERIAL_NUMBER,
    contributing_equipment,
    software_version,
)
from dicom_node.files import headers
from domain.codes import BILATERAL, LEFT, RIGHT, Code
from domain.concepts import Concept
from domain.errors import GeometryError, InputError
from domain.ports import UidSource
from domain.segment import Segment
from domain.uids import InstanceUID
from domain.volume import Volume

SERIES_NUMBER: Final = 9001
_LONGEST_LABEL: Final = 64
_MORPHOLOGIC: Final = Code(
    value="49755003", scheme="SCT", meaning="Morphologically Abnormal Structure"
)
_LESION: Final = Code(value="52988006", scheme="SCT", meaning="Lesion")
_SIDES: Final = {"left": LEFT, "right": RIGHT, "both": BILATERAL}


class SegWriter:
    """Writes the segments of one volume, with codes from the concept table."""

    def __init__(self, uids: UidSource) -> None:
        self._uids = uids

    def build(
        self,
        volume: Volume,
        segments: Sequence[tuple[Segment, Concept | None, str, InstanceUID]],
        source_files: Sequence[Path],
    ) -> Dataset:
        """Return the SEG of these segments, each with its concept, tracking id and tracking UID.

        Raises
        ------
        InputError
            If there is no segment with a voxel, or the volume is not from DICOM.
        """
        if volume.source is None:
            raise InputError("this volume is not from DICOM: a SEG must refer to its images")
        if not segments or any(segment.mask.is_empty for segment, *_ in segments):
            raise InputError("a SEG needs segments with at least one voxel each")
        sources = _in_volume_order(volume, headers(source_files))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # patient and study as the source has them
            return self._segmentation(volume, segments, sources)

    def _segmentation(
        self,
        volume: Volume,
        segments: Sequence[tuple[Segment, Concept | None, str, InstanceUID]],
        sources: Sequence[Dataset],
    ) -> Dataset:
        provenance = segments[0][0].provenance
        masks = _checked(volume, [segment for segment, *_ in segments])
        frames = _frames(volume, masks)
        header = sources[0]
        if volume.grid.is_time:  # highdicom writes no frames without positions but a single one
            sources = [one_frame(header)]
            frames = np.ones((1, *volume.grid.shape[1:], len(masks)), dtype=np.uint8)
        made = hd.seg.Segmentation(
            source_images=sources,
            pixel_array=frames,
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[
                _description(number, *each) for number, each in enumerate(segments, start=1)
            ],
            series_instance_uid=self._uids.new_uid(),
            series_number=SERIES_NUMBER,
            sop_instance_uid=self._uids.new_uid(),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=MODEL_NAME,
            software_versions=software_version(),
            device_serial_number=SERIAL_NUMBER,
            transfer_syntax_uid=ExplicitVRLittleEndian,
            omit_empty_frames=True,
            content_label="SEGMENTATION",
            content_description=_shortened(f"radcopilot draft, {provenance.engine}"),
            series_description="radcopilot segmentation",
            contributing_equipment=[
                contributing_equipment(made_by)
                for made_by in {segment.provenance: None for segment, *_ in segments}
            ],
        )
        if not volume.grid.is_time:
            return made
        made.SegmentsOverlap = "YES" if _overlap(masks) else "NO"
        return with_frames(made, header, masks)


def _in_volume_order(volume: Volume, datasets: Sequence[FileDataset]) -> list[FileDataset]:
    assert volume.source is not None
    by_uid = {str(dataset.SOPInstanceUID): dataset for dataset in datasets}
    wanted = list(dict.fromkeys(frame.sop_instance_uid for frame in volume.source.frames))
    missing = [uid for uid in wanted if uid not in by_uid]
    if missing:
        raise InputError(f"{len(missing)} source images are missing, first {missing[0]}")
    return [by_uid[uid] for uid in wanted]


def _checked(volume: Volume, segments: Sequence[Segment]) -> list[NDArray[np.bool_]]:
    for segment in segments:
        if not segment.mask.grid.matches(volume.grid):
            raise GeometryError("a mask lies on another grid than the image it is written for")
    return [segment.mask.voxels for segment in segments]


def _overlap(masks: Sequence[NDArray[np.bool_]]) -> bool:
    return bool((np.sum(masks, axis=0, dtype=np.uint16) > 1).any())


def _frames(volume: Volume, masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.uint8]:
    """Return masks as (frames, rows, columns, segments), or a label volume where none overlap."""
    assert volume.source is not None
    if _overlap(masks):
        array = np.stack(masks, axis=-1).astype(np.uint8)
    else:
        array = np.zeros(volume.grid.shape, dtype=np.uint8)
        for number, mask in enumerate(masks, start=1):
            array[mask] = number
    numbers = [frame.frame_number for frame in volume.source.frames]
    if numbers[0] is not None:  # one multi-frame object: back into its own frame order
        array = array[np.argsort([number or 0 for number in numbers], kind="stable")]
    return array


def _description(
    number: int,
    segment: Segment,
    concept: Concept | None,
    tracking_id: str,
    tracking_uid: InstanceUID,
) -> hd.seg.SegmentDescription:
    named = concept.phrase if concept else "lesion"
    label = f"{segment.side} {named}" if segment.side else named
    described = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=_shortened(label),
        segmented_property_category=_coded(concept.category if concept else _MORPHOLOGIC),
        segmented_property_type=_coded(concept.code if concept else _LESION),
        algorithm_type=segment.provenance.algorithm_type.value,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=_shortened(segment.provenance.engine),
            version=segment.provenance.version,
            family=codes.cid7162.ArtificialIntelligence
            if segment.provenance.weights_sha256
            else codes.cid7162.NeighborhoodAnalysis,
        ),
        tracking_uid=tracking_uid,
        tracking_id=tracking_id,
        anatomic_regions=[_coded(concept.site)] if concept and concept.site else None,
    )
    if segment.side in _SIDES:
        modifier = hd.sr.CodedConcept.from_code(_coded(_SIDES[segment.side]))
        if concept and concept.site:
            described.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [modifier]
        else:
            described.SegmentedPropertyTypeCodeSequence[
                0
            ].SegmentedPropertyTypeModifierCodeSequence = [modifier]
    return described


def _coded(code: Code) -> PydicomCode:
    return PydicomCode(code.value, code.scheme, code.meaning)


def _shortened(text: str) -> str:
    return text[:_LONGEST_LABEL]

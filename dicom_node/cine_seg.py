"""Masks on a cine to one DICOM SEG whose frames name the frames they were derived from.

A cine has no frame of reference, and its frames no positions. The Segmentation IOD asks for them
only where there is no Derivation Image Sequence (PS3.3 section A.51), and so none are made up: each
frame of the SEG refers to one frame of the source, and is of the same rows and columns.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pack_bits
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import SecondaryCaptureImageStorage

_NOT_OF_ONE_FRAME: Final = (
    "NumberOfFrames",
    "SOPClassUID",
    "FrameIncrementPointer",
    "FrameTime",
    "FrameTimeVector",
    "FrameOfReferenceUID",
)


def one_frame(header: Dataset) -> Dataset:
    """Return the header of a cine as that of a single image without a frame of reference.

    Its class is one of single frames: the references to it are put right by :func:`with_frames`.
    """
    single = Dataset()
    for element in header:
        if element.keyword not in _NOT_OF_ONE_FRAME:
            single.add(element)
    single.SOPClassUID = SecondaryCaptureImageStorage
    return single


def with_frames(single: Dataset, header: Dataset, masks: Sequence[NDArray[np.bool_]]) -> Dataset:
    """Return the SEG of one frame with the frames of all masks in its place.

    Parameters
    ----------
    single
        A BINARY SEG whose segments are described in the order of ``masks``.
    header
        Of the cine.
    masks
        (frames, rows, columns) each; frames where nothing is marked are left out.
    """
    places = [
        (number, int(frame))
        for number, mask in enumerate(masks, start=1)
        for frame in np.flatnonzero(mask.any(axis=(1, 2)))
    ]
    for references in (
        single.SourceImageSequence,
        single.ReferencedSeriesSequence[0].ReferencedInstanceSequence,
    ):
        references[0].ReferencedSOPClassUID = header.SOPClassUID
    organization = single.DimensionOrganizationSequence[0].DimensionOrganizationUID
    single.DimensionIndexSequence = [
        _dimension(organization, "ReferencedSegmentNumber", "SegmentIdentificationSequence"),
        _dimension(organization, "TemporalPositionIndex", "FrameContentSequence"),
    ]
    single.SharedFunctionalGroupsSequence = [Dataset()]
    single.PerFrameFunctionalGroupsSequence = [
        _group(header, number, frame, order) for number, frame, order in _ordered(places)
    ]
    single.NumberOfFrames = len(places)
    single.PatientOrientation = None
    single.PixelData = pack_bits(
        np.stack([masks[number - 1][frame] for number, frame in places]).astype(np.uint8)
    )
    return single


def _ordered(places: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Return each place with the order of its frame among those that are marked, from 1."""
    frames = sorted({frame for _, frame in places})
    return [(number, frame, frames.index(frame) + 1) for number, frame in places]


def _dimension(organization: str, keyword: str, group: str) -> Dataset:
    item = Dataset()
    item.DimensionOrganizationUID = organization
    item.DimensionIndexPointer = tag_for_keyword(keyword)
    item.FunctionalGroupPointer = tag_for_keyword(group)
    item.DimensionDescriptionLabel = keyword
    return item


def _group(header: Dataset, segment_number: int, frame: int, order: int) -> Dataset:
    content = Dataset()
    content.DimensionIndexValues = [segment_number, order]
    content.TemporalPositionIndex = order
    identification = Dataset()
    identification.ReferencedSegmentNumber = segment_number
    source = Dataset()
    source.ReferencedSOPClassUID = header.SOPClassUID
    source.ReferencedSOPInstanceUID = header.SOPInstanceUID
    source.ReferencedFrameNumber = frame + 1
    source.SpatialLocationsPreserved = "YES"
    source.PurposeOfReferenceCodeSequence = [
        _coded(codes.DCM.SourceImageForImageProcessingOperation)
    ]
    derivation = Dataset()
    derivation.SourceImageSequence = [source]
    derivation.DerivationCodeSequence = [_coded(codes.DCM.Segmentation)]
    group = Dataset()
    group.FrameContentSequence = [content]
    group.SegmentIdentificationSequence = [identification]
    group.DerivationImageSequence = [derivation]
    return group


def _coded(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item

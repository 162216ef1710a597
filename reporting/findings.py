"""A mask and its image to a finding: measured, placed, traceable."""

from dataclasses import dataclass, replace
from typing import Final

from domain.codes import LESION
from domain.command import Measure
from domain.concepts import Concept
from domain.errors import CannotDoError, UncalibratedError
from domain.measurement import Evidence, Finding, Measurement
from domain.segment import Segment
from domain.uids import InstanceUID
from domain.volume import Volume
from reporting.diameters import diameters
from reporting.volumetry import density, largest_slice, volume

_ALL: Final = (Measure.VOLUME, Measure.DIAMETER, Measure.DENSITY)


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """How a finding is named, and where its segment stands in the SEG."""

    tracking_id: str
    tracking_uid: InstanceUID
    segment_number: int


def measured(
    image: Volume,
    segment: Segment,
    concept: Concept | None,
    tracking: Tracking,
    asked: tuple[Measure, ...] = (),
) -> Finding:
    """Return the finding of a segment with every measurement its image allows.

    What the image does not allow is left out; a measure in ``asked`` that is left out is named in
    the warnings, with the reason.

    Raises
    ------
    EmptyMaskError
        If the segment is empty.
    """
    key_slice = largest_slice(segment.mask)
    measurements: list[Measurement] = []
    warnings = list(segment.warnings)
    for measure in _ALL:
        try:
            measurements.extend(_measure(measure, image, segment))
        except (UncalibratedError, CannotDoError) as error:
            if measure in asked or isinstance(error, UncalibratedError):
                warnings.append(f"no {measure}: {error}")
    frame = image.source.frames[key_slice] if image.source else None
    return Finding(
        tracking_id=tracking.tracking_id,
        tracking_uid=tracking.tracking_uid,
        concept=segment.concept,
        code=concept.code if concept else LESION,
        site=concept.site if concept else None,
        side=segment.side,
        measurements=tuple(measurements),
        evidence=Evidence(
            segment_number=tracking.segment_number,
            key_slice_index=key_slice,
            key_instance_uid=frame.sop_instance_uid if frame else None,
            key_frame_number=frame.frame_number if frame else None,
        ),
        provenance=segment.provenance,
        is_proposal=segment.is_proposal,
        warnings=tuple(warnings),
    )


def located(finding: Finding, segmentation: InstanceUID) -> Finding:
    """Return the finding with the SEG that now holds its mask."""
    evidence = replace(finding.evidence, segmentation_instance_uid=segmentation)
    return replace(finding, evidence=evidence)


def _measure(measure: Measure, image: Volume, segment: Segment) -> tuple[Measurement, ...]:
    match measure:
        case Measure.VOLUME:
            return (volume(segment.mask),)
        case Measure.DIAMETER:
            return diameters(segment.mask)
        case Measure.DENSITY:
            return density(image, segment.mask)

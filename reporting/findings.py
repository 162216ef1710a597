"""A mask and its image to a finding: measured, placed, traceable."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from domain.codes import LESION, SUV_BODY_WEIGHT
from domain.command import Measure
from domain.concepts import Concept
from domain.errors import CannotDoError, UncalibratedError
from domain.measurement import Evidence, Finding, Measurement, Statistic
from domain.segment import Segment
from domain.uids import InstanceUID
from domain.volume import Mask, Volume
from reporting.diameters import diameters
from reporting.over_time import area_extremes
from reporting.scale import on_scale
from reporting.shape import Mesh, maximum_3d_diameter, mesh, surface
from reporting.uptake import metabolic_volume, peak
from reporting.volumetry import area, density, density_is_known, largest_slice, percentiles, volume


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """How a finding is named, and where its segment stands in the SEG."""

    tracking_id: str
    tracking_uid: InstanceUID
    segment_number: int


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What could be measured of a mask, what not, and of that what a reader must know.

    Attributes
    ----------
    absent
        What was not measured, each with its reason.
    warnings
        Those reasons that are no detail.
    """

    measurements: tuple[Measurement, ...]
    statistics: tuple[Statistic, ...] = ()
    absent: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def measured(
    image: Volume,
    segment: Segment,
    concept: Concept | None,
    tracking: Tracking,
    asked: tuple[Measure, ...] = (),
) -> Finding:
    """Return the finding of a segment with every measurement its image allows.

    What the image does not allow is left out, with its reason in ``absent``. The reason is a
    warning too where the measure was ``asked`` for, where the image has no scale, and for PET
    without SUV.

    Raises
    ------
    EmptyMaskError
        If the segment is empty.
    """
    key_slice = largest_slice(segment.mask)
    numbers = numbers_of(image, segment.mask, asked)
    frame = image.source.frames[key_slice] if image.source else None
    return Finding(
        tracking_id=tracking.tracking_id,
        tracking_uid=tracking.tracking_uid,
        concept=segment.concept,
        code=concept.code if concept else LESION,
        site=concept.site if concept else None,
        side=segment.side,
        measurements=numbers.measurements,
        evidence=Evidence(
            segment_number=tracking.segment_number,
            key_slice_index=key_slice,
            key_instance_uid=frame.sop_instance_uid if frame else None,
            key_frame_number=frame.frame_number if frame else None,
        ),
        provenance=segment.provenance,
        is_proposal=segment.is_proposal,
        warnings=tuple(dict.fromkeys((*segment.warnings, *numbers.warnings))),
        statistics=numbers.statistics,
        absent=numbers.absent,
    )


def numbers_of(image: Volume | None, mask: Mask, asked: tuple[Measure, ...] = ()) -> Numbers:
    """Return every number of a mask that its image allows; without an image its size alone.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    """
    measurements: list[Measurement] = []
    warnings, absent = [], []
    sized, reason = (mask, None) if image is None else on_scale(image, mask)
    if reason is not None:
        warnings.append(reason)
    for name, measure, make in _makers(image, mask, sized):
        try:
            measurements.extend(make())
        except (UncalibratedError, CannotDoError) as error:
            absent.append(f"no {name}: {error}")
            if measure in asked or _is_grave(measure, image, mask):
                warnings.append(absent[-1])
    is_dense = image is not None and density_is_known(image)
    return Numbers(
        measurements=tuple(measurements),
        statistics=percentiles(image, mask) if image is not None and is_dense else (),
        absent=tuple(dict.fromkeys(absent)),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def located(finding: Finding, segmentation: InstanceUID) -> Finding:
    """Return the finding with the SEG that now holds its mask."""
    evidence = replace(finding.evidence, segmentation_instance_uid=segmentation)
    return replace(finding, evidence=evidence)


_Made = tuple[str, Measure | None, Callable[[], tuple[Measurement, ...]]]


def _makers(image: Volume | None, mask: Mask, sized: Mask) -> Iterator[_Made]:
    """Yield what is tried: its name, the measure that asks for it, and how it is made.

    Parameters
    ----------
    sized
        The mask on the scale that holds where it lies.
    """

    @cache
    def made() -> Mesh:
        return mesh(sized)

    is_flat = len(mask.slice_indices()) == 1
    yield "volume", Measure.VOLUME, lambda: (volume(sized),)
    in_time = Measure.DIAMETER if mask.grid.is_time else None  # without a scale there is neither
    if is_flat:
        yield "area", in_time, lambda: (area(sized),)
    elif mask.grid.is_time:
        yield "area", in_time, lambda: area_extremes(sized)
    yield "diameter", Measure.DIAMETER, lambda: diameters(sized)
    if not is_flat:
        yield "3D diameter", None, lambda: (maximum_3d_diameter(made()),)
        yield "surface", None, lambda: surface(sized, made())
    if image is None:
        return
    yield "density", Measure.DENSITY, lambda: density(image, mask)
    if image.unit == SUV_BODY_WEIGHT:
        yield "SUVpeak", None, lambda: (peak(image, mask),)
        yield "metabolic volume", None, lambda: (metabolic_volume(image, mask),)


def _is_grave(measure: Measure | None, image: Volume | None, mask: Mask) -> bool:
    """Tell whether a reader must know of a gap without having asked."""
    match measure:
        case Measure.DIAMETER:
            return True  # it fails only without a scale
        case Measure.DENSITY:
            return image is not None and image.modality == "PT"
        case Measure.VOLUME:
            return mask.grid.shape[0] > 1  # a single image has its area instead
        case None:
            return False

"""Outlines to lesions that can be compared."""

from typing import Final

from copilot.comparing.earlier import Earlier
from copilot.comparing.seeking import centre_lps_mm
from domain.codes import LONG_AXIS, SHORT_AXIS, VOLUME
from domain.comparison import Kind, Lesion, Origin
from domain.concepts import Concept
from domain.measurement import Measurement, Position
from domain.segment import Segment
from domain.volume import Volume
from reporting.findings import numbers_of

_IN_LUNG: Final = "half-maximum"  # it outlines nothing but what lies in aerated lung
_LUNG: Final = "lung"
_NODE: Final = "lymph node"


def lesion_of(
    volume: Volume,
    segment: Segment,
    concept: Concept | None,
    label: str,
    origin: Origin = Origin.OUTLINED,
) -> Lesion:
    """Return the lesion of an outline, measured as every finding is."""
    numbers = numbers_of(None, segment.mask).measurements

    def first(code: object) -> Measurement | None:
        return next((each for each in numbers if each.concept == code), None)

    size, long, short = first(VOLUME), first(LONG_AXIS), first(SHORT_AXIS)
    return Lesion(
        label=label,
        centre_lps_mm=position(segment),
        volume_ml=size.value if size else None,
        uncertainty_ml=size.uncertainty if size else None,
        long_axis_mm=long.value if long else None,
        short_axis_mm=short.value if short else None,
        slice_spacing_mm=volume.grid.spacing_mm[0],
        organ=organ_of(segment, concept),
        side=segment.side,
        kind=kind_of(segment, concept),
        origin=origin,
        outlined_by=segment.provenance.engine,
    )


def reported_lesion(volume: Volume, earlier: Earlier) -> Lesion | None:
    """Return a reported lesion, its own numbers before its outline's; None without a place."""
    if earlier.centre_lps_mm is None:
        return None
    said = earlier.reported
    measured = lesion_of(volume, earlier.segment, None, earlier.label) if earlier.segment else None
    site = (earlier.code_meaning or "").lower()
    has_volume = said is not None and said.volume_ml is not None
    return Lesion(
        label=earlier.label,
        centre_lps_mm=earlier.centre_lps_mm,
        volume_ml=(said.volume_ml if said else None) or (measured.volume_ml if measured else None),
        uncertainty_ml=measured.uncertainty_ml if measured else None,
        long_axis_mm=(said.long_axis_mm if said else None)
        or (measured.long_axis_mm if measured else None),
        short_axis_mm=(said.short_axis_mm if said else None)
        or (measured.short_axis_mm if measured else None),
        slice_spacing_mm=volume.grid.spacing_mm[0],
        organ=site or None,
        side=said.side if said else None,
        kind=Kind.LYMPH_NODE
        if _NODE in site
        else Kind.LUNG_NODULE
        if site == _LUNG
        else Kind.OTHER,
        origin=Origin.REPORTED if has_volume else Origin.REPORTED_OUTLINE,
        reported_by=earlier.made_by,
        outlined_by=earlier.outlined_by,
        tracking_uid=earlier.tracking_uid,
    )


def position(segment: Segment) -> Position:
    """Return the centre of gravity of an outline."""
    x, y, z = centre_lps_mm(segment.mask)
    return float(x), float(y), float(z)


def kind_of(segment: Segment, concept: Concept | None) -> Kind:
    """Return which limits hold for what was outlined."""
    phrase = concept.phrase if concept else ""
    if _NODE in phrase:
        return Kind.LYMPH_NODE
    if segment.provenance.engine == _IN_LUNG or phrase.startswith(_LUNG):
        return Kind.LUNG_NODULE
    return Kind.OTHER


def organ_of(segment: Segment, concept: Concept | None) -> str | None:
    """Return the organ as RECIST counts them; None where it is not known."""
    if concept is not None and concept.site is not None:
        return concept.site.meaning.lower()
    return _LUNG if segment.provenance.engine == _IN_LUNG else None

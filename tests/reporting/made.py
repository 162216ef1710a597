"""Findings with numbers that are given, not measured."""

from collections.abc import Iterable
from typing import Any

from copilot.concepts import load_concepts
from domain.codes import (
    LESION,
    LONG_AXIS,
    MILLILITRE,
    MILLIMETRE,
    SHORT_AXIS,
    VOLUME,
)
from domain.measurement import Evidence, Finding, Measurement
from tests.phantoms import MADE_BY, UIDS

TABLE = load_concepts()


def sized(
    volume_ml: float = 1.36, long_mm: float = 12.0, short_mm: float = 8.5, image: int = 4
) -> tuple[Measurement, ...]:
    return (
        Measurement(concept=VOLUME, value=volume_ml, unit=MILLILITRE, uncertainty=0.1),
        Measurement(concept=LONG_AXIS, value=long_mm, unit=MILLIMETRE, slice_index=image),
        Measurement(concept=SHORT_AXIS, value=short_mm, unit=MILLIMETRE, slice_index=image),
    )


def finding(
    concept: str | None,
    side: str | None = None,
    *,
    label: str = "Finding 1",
    measurements: Iterable[Measurement] | None = None,
    **named: Any,
) -> Finding:
    known = TABLE.find(concept) if concept else None
    return Finding(
        tracking_id=label,
        tracking_uid=UIDS.new_uid(),
        concept=concept,
        code=known.code if known else LESION,
        site=known.site if known else None,
        side=side,
        measurements=tuple(sized() if measurements is None else measurements),
        evidence=Evidence(segment_number=1, key_slice_index=4),
        provenance=MADE_BY,
        **named,
    )

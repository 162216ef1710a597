"""The JSON of a comparison back to domain values, for whoever writes sentences of it later.

What sentences are made of comes back as it was. The alignment and brightness do not: ``says`` is
the sentence of the first, and a comparison by brightness holds its own.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from domain.comparison import Change, DoublingTime, Kind, Lesion, Origin, Verdict
from domain.uids import InstanceUID
from reporting.priors.recist import Assessment, Response, Target

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ReadBack:
    """What a comparison came to, as ``printed_comparison`` wrote it.

    Attributes
    ----------
    says
        What the study was compared with, and how well the two lie on one another; empty where the
        document is older than this sentence.
    refusal
        Why nothing was compared; None where something was.
    """

    prior_date: date | None
    current_date: date | None
    days: int | None
    changes: tuple[Change, ...]
    recist: Assessment | None
    says: str
    refusal: str | None
    notes: tuple[str, ...]


def read_back(printed: Json) -> ReadBack:
    """Return the values of a result's "comparison".

    Raises
    ------
    KeyError, ValueError
        If it is no such document.
    """
    recist = printed["recist"]
    return ReadBack(
        prior_date=_date(printed["prior_date"]),
        current_date=_date(printed["current_date"]),
        days=printed["days_between"],
        changes=tuple(change_of(each) for each in printed["lesions"]),
        recist=None if recist is None else assessment_of(recist),
        says=printed.get("says", ""),
        refusal=printed["refusal"],
        notes=tuple(printed["notes"]),
    )


def change_of(printed: Json) -> Change:
    """Return what became of a lesion."""
    limits = printed["limits_percent"]
    return Change(
        verdict=Verdict(printed["verdict"]),
        current=_lesion(printed["current"]),
        prior=_lesion(printed["prior"]),
        reasons=tuple(printed["reasons"]),
        percent=printed["change_percent"],
        limit_percent=None if limits is None else (limits[0], limits[1]),
        doubling=_doubling(printed["doubling_time"]),
        question=printed["question"],
        warnings=tuple(printed["warnings"]),
    )


def assessment_of(printed: Json) -> Assessment:
    """Return a response by RECIST."""
    volumes = printed["volume_ml"]
    return Assessment(
        response=Response(printed["response"]),
        reasons=tuple(printed["reasons"]),
        targets=tuple(Target(**each) for each in printed["targets"]),
        baseline_mm=printed["baseline_mm"],
        nadir_mm=printed["nadir_mm"],
        current_mm=printed["current_mm"],
        prior_ml=volumes["prior"],
        current_ml=volumes["current"],
        not_targets=tuple(printed["not_targets"]),
        edition=printed["edition"],
    )


def _date(printed: str | None) -> date | None:
    return None if printed is None else date.fromisoformat(printed)


def _lesion(printed: Json | None) -> Lesion | None:
    if printed is None:
        return None
    x, y, z = printed["centre_lps_mm"]
    uid = printed["tracking_uid"]
    return Lesion(
        label=printed["label"],
        centre_lps_mm=(x, y, z),
        volume_ml=printed["volume_ml"],
        uncertainty_ml=printed["uncertainty_95_ml"],
        long_axis_mm=printed["long_axis_mm"],
        short_axis_mm=printed["short_axis_mm"],
        slice_spacing_mm=printed.get("slice_spacing_mm"),
        organ=printed["organ"],
        side=printed["side"],
        kind=Kind(printed["kind"]),
        origin=Origin(printed["origin"]),
        reported_by=printed["reported_by"],
        outlined_by=printed.get("outlined_by"),
        tracking_uid=None if uid is None else InstanceUID(uid),
    )


def _doubling(printed: Json | None) -> DoublingTime | None:
    if printed is None:
        return None
    shortest, longest = printed["interval_95_days"]
    return DoublingTime(
        days=printed["days"],
        shortest_days=math.inf if shortest is None else shortest,
        longest_days=longest,
    )

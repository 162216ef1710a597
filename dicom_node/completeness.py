"""Whether a study has arrived as a whole: a quiet period, and the archive's own count.

Rules only. Nothing in DICOM says that a study is complete: a sender that has been quiet for long
enough is believed, unless the archive it came from counts more than is here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from domain.errors import InputError
from domain.uids import SeriesUID


class State(StrEnum):
    """Of a study that arrives."""

    ARRIVING = "arriving"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, kw_only=True)
class QuietPeriods:
    """How long nothing may have come before a study is taken as sent, by modality."""

    default_s: float = 60.0
    by_modality: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, seconds in (("default", self.default_s), *self.by_modality.items()):
            if not 0 < seconds < float("inf"):
                raise InputError(f"quiet period of {name} is {seconds} s: give one above 0")

    def of(self, modalities: Sequence[str]) -> float:
        """Return the longest period of the modalities of a study, in seconds."""
        return max(
            (self.by_modality.get(each, self.default_s) for each in modalities),
            default=self.default_s,
        )


@dataclass(frozen=True, kw_only=True)
class SeriesHere:
    """A series as it is stored: how many instances, and when the last of them came."""

    series_instance_uid: SeriesUID
    modality: str
    instances: int
    last_arrival_s: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is known of a study at a moment.

    ``missing`` is by series, those that are not here at all among them; None where no archive was
    asked. ``reopened`` names the series that came or grew after the study had been complete: what
    was made of the others still holds.
    """

    state: State
    counts: Mapping[SeriesUID, int]
    missing: Mapping[SeriesUID, int] | None = None
    quiet_in_s: float = 0.0
    reopened: frozenset[SeriesUID] = frozenset()

    @property
    def says(self) -> str:
        """For people: no patient data."""
        late = f", reopened by {len(self.reopened)} series" if self.reopened else ""
        if self.state is State.ARRIVING:
            return f"arriving, quiet in {self.quiet_in_s:.0f} s{late}"
        if self.missing is None:
            return f"complete, by quiet alone: no archive was asked{late}"
        if self.state is State.COMPLETE:
            return f"complete, as the archive counts{late}"
        lacking = sum(self.missing.values())
        return f"incomplete, {lacking} missing in {len(self.missing)} series{late}"


def judge(
    here: Sequence[SeriesHere],
    now_s: float,
    periods: QuietPeriods,
    *,
    counted: Mapping[SeriesUID, int] | None = None,
    before: Verdict | None = None,
) -> Verdict:
    """Return what is known of a study.

    ``here`` are its series without those we made; ``counted`` is the archive's
    NumberOfSeriesRelatedInstances, a series without a number left out of the mapping; ``before``
    is the last verdict. More instances here than the archive counts is no fault: it may lag.

    Raises
    ------
    InputError
        If nothing of the study is here.
    """
    if not here:
        raise InputError("a study of which nothing is here is neither complete nor incomplete")
    counts = {each.series_instance_uid: each.instances for each in here}
    reopened = _reopened(counts, before)
    quiet_in_s = (
        max(each.last_arrival_s for each in here)
        + periods.of([each.modality for each in here])
        - now_s
    )
    missing = None if counted is None else _missing(counts, counted)
    if quiet_in_s > 0:
        state = State.ARRIVING
    elif missing:
        state = State.INCOMPLETE
    else:
        state = State.COMPLETE
    return Verdict(
        state=state,
        counts=counts,
        missing=missing,
        quiet_in_s=max(quiet_in_s, 0.0),
        reopened=reopened,
    )


def _missing(
    counts: Mapping[SeriesUID, int], counted: Mapping[SeriesUID, int]
) -> dict[SeriesUID, int]:
    lacking = {uid: number - counts.get(uid, 0) for uid, number in counted.items()}
    return {uid: number for uid, number in lacking.items() if number > 0}


def _reopened(counts: Mapping[SeriesUID, int], before: Verdict | None) -> frozenset[SeriesUID]:
    """Return the series that grew since the study was complete, until it is so again."""
    if before is None:
        return frozenset()
    grown = frozenset(uid for uid, number in counts.items() if number > before.counts.get(uid, 0))
    if before.state is State.COMPLETE:
        return grown
    return before.reopened | grown if before.reopened else frozenset()

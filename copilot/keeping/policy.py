"""Which studies go, by the site's limits: by age, by size, and when the disk runs short.

Pure: what is stored and how much is free come in, what should go comes out, the oldest first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from domain.uids import SeriesUID, StudyUID

_BYTES_PER_GB: Final = 1e9
_S_PER_DAY: Final = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A stored study, and whether it may go.

    Attributes
    ----------
    last_arrival_s, last_used_s
        When the last image of it came; when that, or the last command on it, was: since 1970.
    reasons
        Why it must stay, each with what would change that; none: it may go.
    kept_by
        Who keeps it; empty for nobody.
    arrival
        How far it has come: the reception's word, empty where it was never judged.
    """

    study_instance_uid: StudyUID
    study_date: str
    series: tuple[SeriesUID, ...]
    instances: int
    size_bytes: int
    last_arrival_s: float
    last_used_s: float
    reasons: tuple[str, ...] = ()
    kept_by: str = ""
    arrival: str = ""

    @property
    def may_go(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.reasons


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the site wants; 0 sets no limit, and without any nothing goes.

    Attributes
    ----------
    days
        Studies that were not used for longer go.
    most_bytes
        Of all studies together.
    wanted_free_bytes
        On the disk.
    least_days
        Size and disk never take what was used within so many days.
    """

    days: float = 0.0
    most_bytes: int = 0
    wanted_free_bytes: int = 0
    least_days: float = 1.0

    @property
    def is_any(self) -> bool:
        """Whether anything may ever go by itself."""
        return bool(self.days or self.most_bytes or self.wanted_free_bytes)


@dataclass(frozen=True, kw_only=True)
class Going:
    """A study that should go, and why."""

    standing: Standing
    why: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What should go, and what that leaves undone."""

    going: tuple[Going, ...] = ()
    short: str = ""


def choose(
    standings: Sequence[Standing], limits: Limits, *, free_bytes: int, now_s: float
) -> Choice:
    """Return what should go, the longest unused first."""
    going: list[Going] = []
    left: list[Standing] = []
    for each in sorted(standings, key=lambda standing: standing.last_used_s):
        age_days = (now_s - each.last_used_s) / _S_PER_DAY
        if each.may_go and limits.days and age_days > limits.days:
            why = f"not used for {age_days:.0f} days, more than {limits.days:g}"
            going.append(Going(standing=each, why=why))
        elif each.may_go and age_days >= limits.least_days:
            left.append(each)
    stored = sum(each.size_bytes for each in standings)
    gone = sum(each.standing.size_bytes for each in going)
    for each in left:
        why = _over(limits, stored - gone, free_bytes + gone)
        if not why:
            break
        going.append(Going(standing=each, why=why))
        gone += each.size_bytes
    return Choice(going=tuple(going), short=_over(limits, stored - gone, free_bytes + gone))


def _over(limits: Limits, stored: int, free: int) -> str:
    """Return which limit is not met; empty where each is."""
    if limits.most_bytes and stored > limits.most_bytes:
        return f"studies take {_gb(stored)}, more than {_gb(limits.most_bytes)}"
    if limits.wanted_free_bytes and free < limits.wanted_free_bytes:
        return f"{_gb(free)} are free, less than {_gb(limits.wanted_free_bytes)}"
    return ""


def _gb(size: float) -> str:
    return f"{size / _BYTES_PER_GB:.3g} GB"

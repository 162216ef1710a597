"""How fast a volume grows: doubling time with its interval."""

import math
from datetime import date
from typing import Final

from domain.comparison import DoublingTime
from domain.errors import CannotDoError, InputError

_LN2: Final = math.log(2.0)
_LEAST_DAYS: Final = 1


def days_between(prior: date | None, current: date | None) -> int:
    """Return the days from the prior to the current study.

    Raises
    ------
    CannotDoError
        If a date is missing, equal, or the prior is the later study.
    """
    if prior is None or current is None:
        which = "prior" if prior is None else "current study"
        raise CannotDoError(f"the {which} has no study date: no rate of growth can be given")
    days = (current - prior).days
    if days == 0:
        raise CannotDoError("both studies are of one day: no rate of growth can be given")
    if days < 0:
        raise CannotDoError(
            f"the prior is {-days} days later than the current study: exchange the two folders"
        )
    return days


def doubling_time(prior_ml: float, current_ml: float, days: int, half_width: float) -> DoublingTime:
    """Return days x ln 2 / ln(current / prior), with the interval of that logarithm.

    Exponential growth (Schwartz, Cancer 1961;14:1272). A shrinking volume has a negative doubling
    time: it halves.

    Parameters
    ----------
    half_width
        Half of the 95 % interval of the logarithm of the ratio: see ``limits``.

    Raises
    ------
    InputError
        If a volume or the time is not above zero.
    """
    if not (prior_ml > 0 and current_ml > 0 and days >= _LEAST_DAYS and half_width >= 0):
        raise InputError(
            f"no doubling time of {prior_ml} mL to {current_ml} mL in {days} days: all must be "
            "above zero"
        )
    grown = math.log(current_ml / prior_ml)
    slow, fast = grown - half_width, grown + half_width
    log_days = days * _LN2
    if slow > 0:
        shortest, longest = log_days / fast, log_days / slow
    elif fast < 0:
        shortest, longest = log_days / slow, log_days / fast
    else:
        return DoublingTime(
            days=log_days / grown if grown else None,
            shortest_days=log_days / fast if fast > 0 else math.inf,
            longest_days=None,
        )
    return DoublingTime(days=log_days / grown, shortest_days=shortest, longest_days=longest)

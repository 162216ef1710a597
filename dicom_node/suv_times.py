"""From administration to the moment a PET series is decay-corrected to, in seconds.

Series Time is that moment, unless post-processing has moved it behind the acquisition.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

import numpy as np
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, DT, TM

from domain.errors import CannotDoError

Value = TypeVar("Value")

_GE: Final = (0x0009, "GEMS_PETD_01", 0x0D)
_SAME_S: Final = 60.0
_CLOCK_S: Final = 1.0
_MS_PER_S: Final = 1000.0


def decay_seconds(headers: Sequence[Dataset], dose: Dataset, half_life_s: float) -> float:
    """Return the time from administration to the start of the scan, the reference of START.

    Parameters
    ----------
    dose
        The item of the Radiopharmaceutical Information Sequence.

    Raises
    ------
    CannotDoError
        Naming the date or time that is missing or contradicts another.
    """
    reference = _reference(headers)
    _check_decay_factor(headers, reference, half_life_s)
    return (reference - _administration(dose, reference, headers[0])).total_seconds()


def _reference(headers: Sequence[Dataset]) -> datetime:
    series = _moment(headers[0], "Series")
    acquired = [_acquired(header) for header in headers]
    earliest = min(acquired)
    if series <= earliest + timedelta(seconds=_CLOCK_S):
        return series
    group, creator, element = _GE
    try:
        stated = str(headers[0].private_block(group, creator)[element].value)
        return _date_time(stated, headers[0], "scan date and time (0009,xx0D)")
    except KeyError:
        return earliest


def _acquired(header: Dataset) -> datetime:
    whole = header.get("AcquisitionDateTime")
    if whole and not header.get("AcquisitionTime"):
        return _date_time(str(whole), header, "Acquisition DateTime (0008,002A)")
    return _moment(header, "Acquisition")


def _moment(header: Dataset, which: str) -> datetime:
    numbers = {"Series": ("0021", "0031"), "Acquisition": ("0022", "0032")}[which]
    date = _read(DA, header.get(f"{which}Date"), f"{which} Date (0008,{numbers[0]})")
    time = _read(TM, header.get(f"{which}Time"), f"{which} Time (0008,{numbers[1]})")
    return datetime.combine(date, time)


def _read(kind: Callable[[str], Value | None], value: object, name: str) -> Value:
    """Return a date, time or both of an attribute.

    Raises
    ------
    CannotDoError
        If it is missing or not readable.
    """
    text = str(value or "")
    if not text:
        raise CannotDoError(f"{name} is missing")
    try:
        found = kind(text)
    except ValueError:
        found = None
    if found is None:
        raise CannotDoError(f"{name} is not readable")
    return found


def _date_time(text: str, header: Dataset, name: str) -> datetime:
    """Return a DICOM date and time on the clock of the series."""
    stated = _read(DT, text, name)
    offset = str(header.get("TimezoneOffsetFromUTC") or "")
    if stated.tzinfo is not None and offset:
        zone = DT(f"20000101000000{offset}")
        assert zone is not None
        return stated.astimezone(zone.tzinfo).replace(tzinfo=None)
    return stated.replace(tzinfo=None)


def _administration(dose: Dataset, reference: datetime, header: Dataset) -> datetime:
    whole = str(dose.get("RadiopharmaceuticalStartDateTime") or "")
    clock = str(dose.get("RadiopharmaceuticalStartTime") or "")
    name = "Radiopharmaceutical Start Time (0018,1072)"
    if not whole and not clock:
        raise CannotDoError(
            f"{name} and Radiopharmaceutical Start DateTime (0018,1078) are missing"
        )
    timed = _on_day_of(clock, reference, name) if clock else None
    if not whole:
        assert timed is not None
        return timed
    stated = _date_time(whole, header, "Radiopharmaceutical Start DateTime (0018,1078)")
    if timed is not None:
        day_s = timedelta(days=1).total_seconds()
        apart_s = (stated - timed).total_seconds() % day_s
        if min(apart_s, day_s - apart_s) > _SAME_S:
            raise CannotDoError(
                f"{name} and Radiopharmaceutical Start DateTime (0018,1078) contradict each other"
            )
    return stated


def _on_day_of(clock: str, reference: datetime, name: str) -> datetime:
    """Return the last moment up to the reference at which the clock showed this: a night passes."""
    time = _read(TM, clock, name)
    moment = datetime.combine(reference.date(), time)
    return moment if moment <= reference else moment - timedelta(days=1)


def _check_decay_factor(
    headers: Sequence[Dataset], reference: datetime, half_life_s: float
) -> None:
    """Refuse a reference that the Decay Factor of the first acquired image contradicts.

    The factor (PS3.3 C.8.9.4) holds the decay from the reference to the start of the frame and,
    with most makers, that within it: the frame's duration is allowed for. 1 means not stated.
    """
    first = min(headers, key=_acquired)
    factor = float(first.get("DecayFactor") or 1.0)
    frame_s = float(first.get("ActualFrameDuration") or 0.0) / _MS_PER_S
    if factor <= 1.0 or frame_s <= 0.0:
        return
    rate = np.log(2.0) / half_life_s
    before_s = float(np.log(factor * -np.expm1(-rate * frame_s) / (rate * frame_s)) / rate)
    apart_s = (_acquired(first) - reference).total_seconds() - before_s
    if abs(apart_s) > _SAME_S + frame_s:
        raise CannotDoError(
            f"Decay Factor (0054,1321) is {factor:g}: it speaks of a start of the scan "
            f"{abs(apart_s) / 60.0:.0f} min {'after' if apart_s > 0 else 'before'} the one that "
            "Series Time and Acquisition Time give"
        )

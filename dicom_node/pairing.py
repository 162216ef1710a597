"""Whether two series may be compared, by their headers: one patient, and the days between."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from pydicom.dataset import Dataset

from domain.errors import InputError

_ANOTHER_PATIENT: Final = (
    "the prior is of another patient ({} differ): nothing is compared; choose the prior of this "
    "patient"
)
_UNKNOWN_PATIENT: Final = (
    "a study has no Patient ID: that both are of one patient is known from the images alone"
)
_IDENTITY: Final = (
    ("PatientID", "Patient IDs"),
    ("IssuerOfPatientID", "issuers of the Patient ID"),
    ("PatientBirthDate", "birth dates"),
)


@dataclass(frozen=True, kw_only=True)
class Dates:
    """When two studies were made; None where a header does not say."""

    current: date | None
    prior: date | None


def check_one_patient(current: Dataset, prior: Dataset) -> tuple[str, ...]:
    """Return what must be said of the patient's identity.

    Raises
    ------
    InputError
        If an identifier that both have differs; its values are not in the message.
    """
    differing = []
    for keyword, noun in _IDENTITY:
        mine, theirs = (str(each.get(keyword) or "").strip() for each in (current, prior))
        if mine and theirs and mine != theirs:
            differing.append(noun)
    if differing:
        raise InputError(_ANOTHER_PATIENT.format(" and ".join(differing)))
    if not (current.get("PatientID") and prior.get("PatientID")):
        return (_UNKNOWN_PATIENT,)
    return ()


def dates(current: Dataset, prior: Dataset) -> Dates:
    """Return the dates of two series."""
    return Dates(current=made_on(current), prior=made_on(prior))


def made_on(header: Dataset) -> date | None:
    """Return when a series was acquired: Acquisition Date, else Study Date."""
    for keyword in ("AcquisitionDate", "StudyDate"):
        said = str(header.get(keyword) or "")
        try:
            return date(int(said[:4]), int(said[4:6]), int(said[6:8]))
        except ValueError:
            continue
    return None

"""A measurement report that a person vouches for: complete, final, verified, with who and when."""

import copy
from dataclasses import dataclass
from typing import Final

import highdicom as hd
from pydicom.dataset import Dataset

from domain.report import LeftOut, Signature
from reporting.sr import (
    AMENDED,
    COMMENT,
    DRAFT_DESCRIPTION,
    IN_WORDS,
    NOT_MEASURED,
    PROPOSAL,
    comment,
)

_TITLE: Final = "radcopilot measurements"
_MEASUREMENT_GROUP: Final = "125007"
_DELIMITERS: Final = "^=\\"  # PS3.5 6.2.1
_LONGEST_NAME: Final = 63


@dataclass(frozen=True, kw_only=True)
class Verification:
    """A signature, and the organization that the person signs for (PS3.3 C.17.2).

    Attributes
    ----------
    reason
        Why an earlier version was amended; empty for the first.
    left_out
        Numbers that the signed sentences contradict: they are not verified, and not in it.
    """

    signature: Signature
    organization: str
    reason: str = ""
    left_out: tuple[LeftOut, ...] = ()


def verified(report: Dataset, verification: Verification) -> Dataset:
    """Return a measurement report as signed.

    What only was proposed is no proposal any more: a person has confirmed it.

    Parameters
    ----------
    report
        An instance of its own, which names the one it replaces.
    """
    made = copy.deepcopy(report)
    made.CompletionFlag, made.PreliminaryFlag, made.VerificationFlag = (
        "COMPLETE",
        "FINAL",
        "VERIFIED",
    )
    at = verification.signature.at
    observer = Dataset()
    observer.VerifyingOrganization = verification.organization
    observer.VerificationDateTime = at.strftime("%Y%m%d%H%M%S.%f%z")
    observer.VerifyingObserverName = _whole_name(verification.signature.name)
    observer.VerifyingObserverIdentificationCodeSequence = []
    made.VerifyingObserverSequence = [observer]
    made.ContentDate, made.ContentTime = at.strftime("%Y%m%d"), at.strftime("%H%M%S.%f")
    made.InstanceCreationDate, made.InstanceCreationTime = made.ContentDate, made.ContentTime
    if made.get("SeriesDescription") == DRAFT_DESCRIPTION:
        made.SeriesDescription = _TITLE
    _confirm(made)
    for left_out in verification.left_out:
        _leave_out(made, left_out)
    if verification.reason:
        _explain(made, verification)
    return made


def _whole_name(name: str) -> str:
    """Return a name that nobody has split as a Person Name: all in the first component."""
    plain = "".join(" " if letter in _DELIMITERS else letter for letter in name)
    return f"{plain[:_LONGEST_NAME]}^"


def _confirm(item: Dataset) -> None:
    """Take out the remarks that say nobody has confirmed a finding."""
    if "ContentSequence" not in item:
        return
    item.ContentSequence = [each for each in item.ContentSequence if not _is_proposal(each)]
    for each in item.ContentSequence:
        _confirm(each)


def _explain(item: Dataset, verification: Verification) -> None:
    """Say in each group of measurements when, by whom and why the report was amended."""
    for each in item.get("ContentSequence", ()):
        name = each.get("ConceptNameCodeSequence")
        if name and name[0].CodeValue == _MEASUREMENT_GROUP:
            signature = verification.signature
            at = signature.at.isoformat(sep=" ", timespec="minutes")
            each.ContentSequence.append(
                comment(
                    f"{AMENDED}on {at} by {signature.name}: {verification.reason}",
                    hd.sr.RelationshipTypeValues.CONTAINS,
                )
            )
        _explain(each, verification)


def _leave_out(item: Dataset, left_out: LeftOut) -> None:
    """Take the numbers of a unit out of the group of a finding, and say why."""
    children = item.get("ContentSequence", ())
    if any(str(each.get("UID", "")) == left_out.tracking_uid for each in children):
        kept = [each for each in children if not _tells_of(each, left_out.unit)]
        remark = comment(f"{NOT_MEASURED}{left_out.reason}", hd.sr.RelationshipTypeValues.CONTAINS)
        item.ContentSequence = [*kept, remark]
    for each in item.get("ContentSequence", ()):
        _leave_out(each, left_out)


def _tells_of(item: Dataset, unit: str) -> bool:
    """Tell whether an item is a number in a unit, or the sentence with all numbers."""
    if item.ValueType == "TEXT":
        return str(item.TextValue).startswith(IN_WORDS)
    if item.ValueType != "NUM":
        return False
    code = item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]
    return bool(code.CodeValue == unit)


def _is_proposal(item: Dataset) -> bool:
    if item.ValueType != "TEXT" or not str(item.TextValue).startswith(PROPOSAL):
        return False
    return bool(item.ConceptNameCodeSequence[0].CodeValue == COMMENT.value)

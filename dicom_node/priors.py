"""Which earlier studies of a patient are worth fetching: rules, and the reason for each study.

A study of another patient beside the current one is worse than none: identity is decided here
again, whatever the peer matched. An archive takes ``*`` and ``?`` in a Patient ID as wildcards.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from domain.errors import InputError
from domain.uids import StudyUID

_DAYS_A_YEAR: Final = 365.25
_NO_IMAGES: Final = frozenset(
    {"SR", "SEG", "PR", "KO", "DOC", "REG", "RTSTRUCT", "RTPLAN", "RTDOSE", "AU", "PLAN"}
)


class Match(StrEnum):
    """What a prior must share with the current study."""

    EITHER = "either"
    MODALITY = "modality"
    BODY_PART = "body_part"
    BOTH = "both"


@dataclass(frozen=True, kw_only=True)
class PriorRules:
    """How many priors, how far back, and what they must share."""

    most: int = 2
    years: float = 5.0
    match: Match = Match.EITHER

    def __post_init__(self) -> None:
        if self.most < 1 or not self.years > 0:
            raise InputError(f"priors: most {self.most} and years {self.years} must be above 0")


@dataclass(frozen=True, kw_only=True)
class StudyFound:
    """A study as an archive describes it; the patient's fields are never logged."""

    study_instance_uid: StudyUID
    patient_id: str = field(repr=False)
    issuer: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    study_date: date | None = None
    modalities: frozenset[str] = frozenset()
    body_parts: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One study, whether it is fetched, and why or why not."""

    study: StudyFound
    chosen: bool
    says: str


def choose_priors(
    current: StudyFound, found: Iterable[StudyFound], rules: PriorRules
) -> tuple[Choice, ...]:
    """Return a choice for each study found, those to fetch first, best first.

    ``current`` without modalities and body parts asks for the patient's newest studies. Studies
    that share modality and body part come before those that share one; then newer before older.

    Raises
    ------
    InputError
        If the current study has no patient ID or no date.
    """
    if not current.patient_id:
        raise InputError("the current study has no Patient ID: its priors cannot be told")
    if current.study_date is None:
        raise InputError("the current study has no date: what is prior to it cannot be told")
    ranked: list[tuple[int, int, Choice]] = []
    refused: list[Choice] = []
    for study in {each.study_instance_uid: each for each in found}.values():
        reason = _refusal(current, study, rules)
        if reason or study.study_date is None:
            refused.append(Choice(study=study, chosen=False, says=reason))
            continue
        shared = _shared(current, study)
        choice = Choice(study=study, chosen=True, says=" and ".join(shared) or "same patient")
        ranked.append((-len(shared), -study.study_date.toordinal(), choice))
    ranked.sort(key=lambda each: (each[0], each[1], each[2].study.study_instance_uid))
    chosen = [choice for _, _, choice in ranked]
    beyond = [
        Choice(study=each.study, chosen=False, says=f"beyond the first {rules.most}")
        for each in chosen[rules.most :]
    ]
    return (*chosen[: rules.most], *beyond, *refused)


def _refusal(current: StudyFound, study: StudyFound, rules: PriorRules) -> str:
    """Return why a study is no prior; empty when it is one."""
    assert current.study_date is not None
    if not _same_patient(current, study):
        return "another patient"
    if study.study_instance_uid == current.study_instance_uid:
        return "the current study itself"
    if study.modalities and not study.modalities - _NO_IMAGES:
        return "no images"
    return _untimely(current.study_date, study.study_date, rules) or _mismatch(
        current, study, rules.match
    )


def _untimely(now: date, then: date | None, rules: PriorRules) -> str:
    if then is None:
        return "no study date"
    if then > now:
        return "later than the current study"
    if now - then > timedelta(days=rules.years * _DAYS_A_YEAR):
        return f"more than {rules.years:g} years earlier"
    return ""


def _same_patient(current: StudyFound, study: StudyFound) -> bool:
    if study.patient_id != current.patient_id:
        return False
    for mine, theirs in (
        (current.issuer, study.issuer),
        (current.birth_date, study.birth_date),
    ):
        if mine and theirs and mine != theirs:
            return False
    return True


def _mismatch(current: StudyFound, study: StudyFound, match: Match) -> str:
    if not (current.modalities - _NO_IMAGES or current.body_parts):
        return ""  # nothing to compare with: asked by patient
    shared = _shared(current, study)
    enough = {
        Match.EITHER: bool(shared),
        Match.MODALITY: "same modality" in shared,
        Match.BODY_PART: "same body part" in shared,
        Match.BOTH: len(shared) == len(("same modality", "same body part")),
    }[match]
    return "" if enough else f"shares too little: {' and '.join(shared) or 'nothing'}"


def _shared(current: StudyFound, study: StudyFound) -> tuple[str, ...]:
    found = []
    if (current.modalities & study.modalities) - _NO_IMAGES:
        found.append("same modality")
    if current.body_parts & study.body_parts:
        found.append("same body part")
    return tuple(found)

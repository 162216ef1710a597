"""Which stored series a study is compared with: the newest earlier one that shows the same."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from dicom_node.files import headers
from dicom_node.index import SeriesSummary, StudySummary
from dicom_node.pairing import check_one_patient
from dicom_node.queries import dicom_date
from dicom_node.store import Store
from domain.errors import InputError
from domain.uids import SeriesUID, StudyUID

_ALIKE: Final = 0.94  # cosine: normals of two stacks are 20 degrees apart at most
_FEW: Final = 3
_REPORTS: Final = frozenset({"SR", "SEG"})
_STEP: Final = 0.2  # thicknesses within a fifth are one thickness
_HALF: Final = math.log(2.0)


@dataclass(frozen=True, kw_only=True)
class ChosenPrior:
    """A series to compare with; ``says`` why it was taken."""

    series: SeriesUID
    study: StudyUID
    study_date: date | None
    says: str


@dataclass(frozen=True, kw_only=True)
class SeveralPriors:
    """Series of one earlier study that fit equally well: a person must choose."""

    question: str
    choices: tuple[ChosenPrior, ...]


@dataclass(frozen=True, kw_only=True)
class NoPrior:
    """Why nothing stored here can be compared with."""

    reason: str


Choice = ChosenPrior | SeveralPriors | NoPrior


@dataclass(frozen=True, kw_only=True, eq=False)
class _Candidate:
    study: StudySummary
    series: SeriesSummary
    made_on: date
    fit: tuple[float, ...]
    reasons: tuple[str, ...]

    def chosen(self, says: str) -> ChosenPrior:
        return ChosenPrior(
            series=self.series.series_instance_uid,
            study=self.study.study_instance_uid,
            study_date=self.made_on,
            says=says,
        )


class PriorShelf:
    """The stored studies, as a comparison looks for a prior among them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def named(self, current: SeriesUID, prior: SeriesUID) -> ChosenPrior:
        """Return the prior that a person has beside the study.

        Raises
        ------
        InputError
            If it is not stored, or is the current series itself.
        """
        if prior == current:
            raise InputError("a series is not its own prior: open an earlier study beside it")
        files = self._store.instance_paths(prior)
        if not files:
            raise InputError(f"series {prior} is not stored here: send it to this node first")
        header = headers(files[:1])[0]
        return ChosenPrior(
            series=prior,
            study=StudyUID(str(header.StudyInstanceUID)),
            study_date=dicom_date(str(header.get("StudyDate") or "")),
            says="the series that was chosen beside the study",
        )

    def study_of(self, series: SeriesUID) -> StudyUID | None:
        """Return the study of a stored series."""
        return self._store.index.study_of(series)

    def series_of(self, study: StudyUID) -> tuple[SeriesUID, ...]:
        """Return the series of a study."""
        return self._store.series_of(study)

    def images(self, series: SeriesUID) -> tuple[Path, ...]:
        """Return the files of a series."""
        return self._store.instance_paths(series)

    def reports(self, study: StudyUID) -> tuple[tuple[Path, bool], ...]:
        """Return the SR and SEG files of a study, each with whether it was made by us."""
        return tuple(
            (path, series.made_by_us)
            for found in self._store.index.studies(study)
            for series in found.series
            if series.modality in _REPORTS
            for path in self._store.instance_paths(series.series_instance_uid)
        )

    def earlier(self, current: SeriesUID) -> Choice:
        """Return the newest earlier series of the patient that shows the same, or why none.

        Of one patient are series whose Patient ID is the same, whose issuer and birth date do not
        differ. A study whose stated body part differs comes after all others. Within a study the
        nearest series is taken: direction of the slices, body part, how much of the patient it
        covers, description (MR alone), slice thickness, kernel.

        Raises
        ------
        InputError
            If the current series is not stored.
        """
        files = self._store.instance_paths(current)
        if not files:
            raise InputError(f"series {current} is not stored here: send it to this node first")
        here = headers(files[:1])[0]
        modality = str(here.get("Modality") or "")
        if not here.get("PatientID"):
            reason = "the study has no Patient ID: its priors cannot be told; open one beside it"
            return NoPrior(reason=reason)
        if dicom_date(str(here.get("StudyDate") or "")) is None:
            reason = "the study has no date: what is prior to it cannot be told; open one beside it"
            return NoPrior(reason=reason)
        found = [
            candidate
            for study in self._store.index.studies()
            for series in study.series
            if not series.made_by_us and series.modality == modality
            if (candidate := self._candidate(here, len(files), study, series)) is not None
        ]
        if not found:
            return NoPrior(
                reason=f"no earlier {modality} of this patient is stored here: fetch one from the "
                "archive, or open an earlier study beside this one"
            )
        found.sort(key=lambda each: (_is_elsewhere(each), -each.made_on.toordinal()))
        _, newest = next(groupby(found, key=lambda each: (_is_elsewhere(each), each.made_on)))
        return _nearest(list(newest), modality)

    def _candidate(
        self, here: Dataset, images: int, study: StudySummary, series: SeriesSummary
    ) -> _Candidate | None:
        if study.patient_id.strip() != str(here.PatientID).strip():
            return None
        made_on, now = dicom_date(study.study_date), dicom_date(str(here.StudyDate))
        if made_on is None or now is None or made_on >= now:
            return None
        files = self._store.instance_paths(series.series_instance_uid)
        if not files or (len(files) < _FEW <= images):
            return None
        there = headers(files[:1])[0]
        if "Rows" not in there or "LOCALIZER" in (there.get("ImageType") or ()):
            return None
        try:
            check_one_patient(here, there)
        except InputError:
            return None
        fit, reasons = _fit(here, there, images, len(files))
        return _Candidate(study=study, series=series, made_on=made_on, fit=fit, reasons=reasons)


def _nearest(found: Sequence[_Candidate], modality: str) -> Choice:
    best = min(each.fit for each in found)
    fitting = [each for each in found if each.fit == best]
    when = fitting[0].made_on.isoformat()
    if len(fitting) == 1:
        why = "; ".join(fitting[0].reasons)
        return fitting[0].chosen(
            f"the newest earlier {modality} of this patient stored here, of {when}: {why}"
        )
    numbered = enumerate(fitting, start=1)
    return SeveralPriors(
        question=f"Which series of {when} is the prior? {len(fitting)} fit equally well.",
        choices=tuple(
            each.chosen(
                f"series {number}: {each.series.description or modality}, {each.series.instances} "
                "images"
            )
            for number, each in numbered
        ),
    )


def _is_elsewhere(candidate: _Candidate) -> bool:
    return candidate.fit[0] > 0


def _fit(
    here: Dataset, there: Dataset, images: int, others: int
) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Return how far two series are from one another, nearest first, and what they share."""
    reasons: list[str] = []
    part, other_part = (_words(each, "BodyPartExamined") for each in (here, there))
    differs = bool(part and other_part) and not (part in other_part or other_part in part)
    if part and other_part:
        reasons.append("another body part" if differs else "same body part")
    turned = _turned(here, there)
    reasons.append("slices of another direction" if turned else "slices of the same direction")
    mine, theirs = _thickness_mm(here), _thickness_mm(there)
    apart = 0.0
    covers = 0.0
    if mine and theirs:
        apart = round(abs(math.log(theirs / mine)) / _STEP)
        covers = float(abs(math.log(others * theirs / (images * mine))) > _HALF)
        reasons.append(f"slices of {theirs:g} mm, here {mine:g} mm")
    named = 0.0
    if here.get("Modality") == "MR":
        named = float(_words(here, "SeriesDescription") != _words(there, "SeriesDescription"))
        reasons.append("another description" if named else "same description")
    kernel = float(_words(here, "ConvolutionKernel") != _words(there, "ConvolutionKernel"))
    return (float(differs), turned, covers, named, float(apart), kernel), tuple(reasons)


def _words(header: Dataset, keyword: str) -> str:
    return str(header.get(keyword) or "").strip().lower()


def _thickness_mm(header: Dataset) -> float:
    """Return the slice thickness as a classic header has it; 0 where it does not say."""
    try:
        return max(float(header.get("SliceThickness") or 0.0), 0.0)
    except (TypeError, ValueError):
        return 0.0


def _turned(here: Dataset, there: Dataset) -> float:
    normals = []
    for each in (here, there):
        axes = each.get("ImageOrientationPatient")
        if axes is None or len(axes) != 6:  # noqa: PLR2004 - two directions of three numbers
            return 0.0
        row, column = np.array(axes, dtype=np.float64).reshape(2, 3)
        normals.append(np.cross(row, column))
    return float(abs(float(normals[0] @ normals[1])) < _ALIKE)

"""Studies fetched from a peer into our store: only what is missing, a bounded number at a time."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, Protocol

from pydicom.dataset import Dataset

from dicom_node.priors import Choice, PriorRules, StudyFound, choose_priors
from dicom_node.queries import Level, count, study_found
from domain.errors import InputError, PeerRefusedError
from domain.uids import InstanceUID, SeriesUID, StudyUID, checked_uid

log: Final = logging.getLogger(__name__)

_INSTANCES_A_CALL: Final = 100
_CLASSES_A_CALL: Final = 7
_MOST_STUDIES: Final = 500
_PATTERNS: Final = frozenset("*?\\")

Keep = Callable[[InstanceUID, bytes], bool]


class Source(Protocol):
    """What is asked of a peer."""

    def find(
        self, level: Level, wanted: Mapping[str, str], most: int | None = None
    ) -> Iterator[Dataset]:
        """Yield answers of a C-FIND."""
        ...

    def get(
        self,
        study: StudyUID,
        series: SeriesUID,
        sop_classes: Sequence[str],
        keep: Keep,
        instances: Sequence[InstanceUID] = (),
    ) -> int:
        """Fetch by C-GET."""
        ...


class Shelf(Protocol):
    """What is asked of our store."""

    def keep(self, uid: InstanceUID, content: bytes) -> bool:
        """Keep a file."""
        ...

    def has(self, uid: InstanceUID) -> bool:
        """Tell whether an instance is here."""
        ...


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What a call did for a study: how many instances the peer has, were here, came, and did not.

    ``left`` were not asked for, since the call had reached its bound.
    """

    study_instance_uid: StudyUID
    instances: int
    here_before: int
    fetched: int
    failed: int = 0
    left: int = 0

    @property
    def whole(self) -> bool:
        """Whether every instance of the peer is here now."""
        return self.failed == self.left == 0


@dataclass(frozen=True, kw_only=True)
class _Missing:
    """What is not here of a series: everything, or some instances; by SOP class."""

    series: SeriesUID
    by_class: Mapping[str, tuple[InstanceUID, ...]]

    @property
    def instances(self) -> tuple[InstanceUID, ...]:
        return tuple(uid for several in self.by_class.values() for uid in several)


class Fetcher:
    """Fetches from one peer."""

    def __init__(self, name: str, peer: Source, shelf: Shelf, most_instances: int) -> None:
        self._name = name
        self._peer = peer
        self._shelf = shelf
        self._budget = most_instances

    def fetch(self, study: StudyUID) -> Fetched:
        """Bring what is missing of a study, within what is left of the bound.

        Raises
        ------
        InputError
            If the UID is none.
        PeerRefusedError
            If the peer does not know the study.
        """
        checked_uid(study, "Study Instance UID")
        missing, instances = self._missing(study)
        if not instances:
            raise PeerRefusedError(f"{self._name} knows no study {study}")
        wanted = sum(len(each.instances) for each in missing)
        fetched = failed = 0
        for series in missing:
            part = _first(series, self._budget)
            asked = part.instances
            if asked:
                self._bring(study, part)
                came = sum(self._shelf.has(uid) for uid in asked)
                fetched, failed = fetched + came, failed + len(asked) - came
                self._budget -= len(asked)
        log.info("study.fetched study=%s fetched=%d failed=%d", study, fetched, failed)
        return Fetched(
            study_instance_uid=study,
            instances=instances,
            here_before=instances - wanted,
            fetched=fetched,
            failed=failed,
            left=wanted - fetched - failed,
        )

    def described(self, study: StudyUID) -> StudyFound:
        """Return a study as the peer describes it, with the body parts of its series.

        Raises
        ------
        PeerRefusedError
            If the peer does not know it.
        """
        checked_uid(study, "Study Instance UID")
        answers = list(self._peer.find(Level.STUDY, {"StudyInstanceUID": study}))
        if not answers:
            raise PeerRefusedError(f"{self._name} knows no study {study}")
        return study_found(answers[0], self._series(study))

    def priors(self, current: StudyFound, rules: PriorRules) -> tuple[Choice, ...]:
        """Return the choice for each study that the peer has of the patient."""
        return choose_priors(current, self._studies_of(current.patient_id), rules)

    def newest(self, patient_id: str, today: date, rules: PriorRules) -> tuple[Choice, ...]:
        """Return the choice of a patient's newest studies, whatever they show.

        A study may be dated tomorrow where the archive's clock is ahead of ours by hours.
        """
        anyone = StudyFound(
            study_instance_uid=StudyUID(""),
            patient_id=patient_id,
            study_date=today + timedelta(days=1),
        )
        found = self._studies_of(patient_id)
        births = {each.birth_date for each in found if each.birth_date}
        issuers = {each.issuer for each in found if each.issuer}
        if len(births) > 1 or len(issuers) > 1:
            raise InputError(
                f"{self._name} has {len(births)} birth dates and {len(issuers)} issuers under this "
                "Patient ID: more than one patient; fetch by Study Instance UID"
            )
        return choose_priors(anyone, found, rules)

    def _studies_of(self, patient_id: str) -> tuple[StudyFound, ...]:
        if not patient_id or _PATTERNS & set(patient_id):
            raise InputError("the Patient ID is empty or a pattern: studies of others would match")
        answers = list(
            self._peer.find(Level.STUDY, {"PatientID": patient_id}, most=_MOST_STUDIES + 1)
        )
        if len(answers) > _MOST_STUDIES:
            raise InputError(
                f"{self._name} has more than {_MOST_STUDIES} studies under one Patient ID: fetch "
                "by Study Instance UID"
            )
        found = [study_found(answer) for answer in answers]
        mine = [each for each in found if each.patient_id == patient_id]
        if any(not each.study_instance_uid for each in mine):
            raise PeerRefusedError(f"{self._name} answers studies without a UID")
        return tuple(
            replace(each, body_parts=described.body_parts, modalities=described.modalities)
            for each, answer in zip(found, answers, strict=True)
            if each in mine
            for described in (study_found(answer, self._series(each.study_instance_uid)),)
        )

    def _series(self, study: StudyUID) -> tuple[Dataset, ...]:
        return tuple(self._peer.find(Level.SERIES, {"StudyInstanceUID": study}))

    def _missing(self, study: StudyUID) -> tuple[list[_Missing], int]:
        missing, instances = [], 0
        for series in self._series(study):
            uid = SeriesUID(checked_uid(str(series.SeriesInstanceUID), "Series Instance UID"))
            place = {"StudyInstanceUID": study, "SeriesInstanceUID": uid}
            by_class: dict[str, list[InstanceUID]] = {}
            for image in self._peer.find(Level.IMAGE, place):
                instance = InstanceUID(str(image.SOPInstanceUID))
                instances += 1
                if not self._shelf.has(instance):
                    by_class.setdefault(str(image.get("SOPClassUID") or ""), []).append(instance)
            if by_class:
                several = {key: tuple(uids) for key, uids in by_class.items()}
                missing.append(_Missing(series=uid, by_class=several))
        return missing, instances

    def _bring(self, study: StudyUID, missing: _Missing) -> None:
        if "" in missing.by_class:
            raise PeerRefusedError(
                f"{self._name} does not tell SOP classes at image level, which C-GET needs: let it "
                "send the study (--move)"
            )
        classes = list(missing.by_class)
        for start in range(0, len(classes), _CLASSES_A_CALL):
            some = classes[start : start + _CLASSES_A_CALL]
            instances = [uid for each in some for uid in missing.by_class[each]]
            for first in range(0, len(instances), _INSTANCES_A_CALL):
                part = instances[first : first + _INSTANCES_A_CALL]
                self._peer.get(study, missing.series, some, self._shelf.keep, part)


def counted(peer: Source, study: StudyUID) -> dict[SeriesUID, int]:
    """Return how many instances a peer counts in each series; those it does not count left out."""
    found = {}
    for series in peer.find(Level.SERIES, {"StudyInstanceUID": study}):
        number = count(series, "NumberOfSeriesRelatedInstances")
        if number is not None:
            found[SeriesUID(str(series.SeriesInstanceUID))] = number
    return found


def _first(missing: _Missing, most: int) -> _Missing:
    kept: dict[str, tuple[InstanceUID, ...]] = {}
    for sop_class, uids in missing.by_class.items():
        if most > 0:
            kept[sop_class] = uids[:most]
        most -= len(uids)
    return _Missing(series=missing.series, by_class=kept)

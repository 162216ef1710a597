"""A stored study compared with its prior, as the server's orders have it done."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from copilot.analysis import Analysis
from copilot.comparing.choosing import ChosenPrior, NoPrior, PriorShelf, SeveralPriors
from copilot.comparing.comparer import NOTHING_MARKED, Compared, Comparer, Prior
from copilot.comparing.printing import printed_comparison
from copilot.comparing.standing import (
    CONFIRMED,
    Standing,
    is_organ,
    standing_marks,
    told_since,
)
from copilot.hints import Hints
from copilot.printing import printed_analysis
from copilot.results import Result, Results
from copilot.twins import SEG, SR
from dicom_node.files import read_dataset
from domain.command import Command, CompareCommand
from domain.comparison import ToldPair
from domain.concepts import ConceptTable
from domain.errors import UnreadableFileError
from domain.ports import Progress
from domain.uids import SeriesUID

_NOTHING_HERE: Final = (
    "nothing is marked or outlined on this study, and nothing was reported of the prior: click on "
    "each lesion, draw a box round it or outline it, then compare"
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be compared.

    Attributes
    ----------
    files
        Images of ``series``.
    prior
        The series that a person has beside it; None leaves the choice to the rules.
    told
        What a person says is what; None takes what was told at the comparison before.
    """

    series: SeriesUID
    files: Sequence[Path]
    sentence: str
    command: Command
    hints: Hints
    engine: str | None
    prior: SeriesUID | None
    told: tuple[ToldPair, ...] | None = None


class StoredComparer:
    """Finds the prior and what was said of it in this process's store, and compares."""

    def __init__(
        self,
        *,
        comparer: Comparer,
        priors: PriorShelf,
        results: Results,
        concepts: ConceptTable,
        engines: Sequence[str],
    ) -> None:
        self._comparer = comparer
        self._priors = priors
        self._results = results
        self._concepts = concepts
        self._engines = frozenset(engines)

    def compare(self, asked: Asked, folder: Path, progress: Progress) -> dict[str, Any]:
        """Write what a comparison makes into a folder, and return the result's document.

        Raises
        ------
        InputError
            For a prior that is not stored or is another patient's, or hints or told pairs that do
            not fit.
        ModelMissingError
            If the engine's weights are not installed.
        """
        progress(0.0, "looking for the prior")
        if asked.prior is not None:
            prior: ChosenPrior | SeveralPriors | NoPrior = self._priors.named(
                asked.series, asked.prior
            )
        else:
            prior = self._priors.earlier(asked.series)
        match prior:
            case NoPrior():
                return _answer(asked, prior.reason)
            case SeveralPriors():
                choices = [_printed(each) for each in prior.choices]
                return _answer(asked, prior.question) | {"prior_choices": choices}
            case ChosenPrior():
                return self._compared(asked, prior, folder, progress)

    def _compared(
        self, asked: Asked, prior: ChosenPrior, folder: Path, progress: Progress
    ) -> dict[str, Any]:
        uses_results = isinstance(asked.command, CompareCommand) and asked.hints.is_empty
        of_study = self._of_study(asked.series) if uses_results else ()
        standing = standing_marks(of_study, asked.series, self._concepts)
        reports, notes = self._reports(prior)
        compared = self._comparer.run(
            asked.files,
            Prior(images=self._priors.images(prior.series), others=reports),
            asked.command,
            hints=asked.hints,
            progress=progress,
            engine=asked.engine or self._engine(standing),
            standing=lambda volume: standing.items(self._results, self._concepts, volume),
            told=told_since(self._results.of_series(asked.series), prior.series, asked.told),
        )
        notes = (*standing.notes, *notes)
        return self._document(asked, prior, compared, folder=folder, standing=standing, notes=notes)

    def _of_study(self, series: SeriesUID) -> tuple[Result, ...]:
        """Return the results of a series' study, the oldest first: findings are counted in it."""
        study = self._priors.study_of(series)
        several = (series,) if study is None else self._priors.series_of(study)
        found = [result for each in several for result in self._results.of_series(each)]
        return tuple(sorted(found, key=lambda each: each.at))

    def _engine(self, standing: Standing) -> str | None:
        """Return the engine of what is compared, so that the prior is outlined by the same."""
        return standing.engine if standing.engine in self._engines else None

    def _reports(self, prior: ChosenPrior) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        """Return the SR and SEG of a prior: our accepted ones, and what its study holds."""
        found: dict[str, Path] = {}
        notes: list[str] = []
        for result in self._results.of_series(prior.series):
            if result.state not in CONFIRMED or not result.document["masks"]:
                continue
            names = [each["concept"] for each in result.document["masks"]]
            if all(is_organ(self._concepts.find(each) if each else None) for each in names):
                notes.append("organs that were outlined on the prior are not compared as lesions")
                continue
            for name in (SEG, SR):
                path = self._results.folder(result.id) / name
                if path.is_file():
                    found.setdefault(_identity(path), path)
        # what was accepted here and came back from an archive is the same object, or a later one
        own = self._own(prior.series)
        for path, is_ours in self._priors.reports(prior.study):
            if not (is_ours and own & _tracked(path)):
                found.setdefault(_identity(path), path)
        return tuple(found.values()), tuple(dict.fromkeys(notes))

    def _own(self, series: SeriesUID) -> frozenset[str]:
        """Return the tracking UIDs of everything made here of a series, accepted or not."""
        return frozenset(
            mask["tracking_uid"]
            for result in self._results.of_series(series)
            for mask in result.document["masks"]
        )

    def _document(
        self,
        asked: Asked,
        prior: ChosenPrior,
        compared: Compared,
        *,
        folder: Path,
        standing: Standing,
        notes: Sequence[str],
    ) -> dict[str, Any]:
        made = compared.comparison
        if made.refusal == NOTHING_MARKED:
            made = replace(made, refusal=_NOTHING_HERE)
        made = replace(made, notes=tuple(dict.fromkeys((*made.notes, *notes))))
        written = compared.current.write(folder)
        if compared.prior is not None:
            written |= _written_beside(compared.prior, folder)
        document = printed_analysis(compared.current, written, asked.sentence)
        return document | {
            "hints": asked.hints.as_json(),
            "refusals": [made.refusal] if made.refusal else [],
            "comparison": printed_comparison(made),
            "prior": _printed(prior),
            "prior_masks": _outlined_on(compared.prior),
            "compared": standing.printed(),
        }


def _answer(asked: Asked, says: str) -> dict[str, Any]:
    analysis = Analysis(
        command=asked.command,
        engine=asked.engine or "",
        volume=None,
        hints=asked.hints,
        refusals=(says,),
    )
    return printed_analysis(analysis, {}, asked.sentence)


def _printed(prior: ChosenPrior) -> dict[str, Any]:
    return {
        "series_instance_uid": prior.series,
        "study_instance_uid": prior.study,
        "study_date": prior.study_date.isoformat() if prior.study_date else None,
        "says": prior.says,
    }


def _outlined_on(prior: Analysis | None) -> list[dict[str, Any]]:
    """Return which segment of ``prior_seg.dcm`` is which lesion."""
    found = [marked.finding for marked in prior.marked] if prior is not None else []
    return [
        {"segment": each.evidence.segment_number, "tracking_uid": each.tracking_uid}
        for each in found
    ]


def _written_beside(analysis: Analysis, folder: Path) -> dict[str, Path]:
    """Write the prior's SEG and SR under names of their own: a result has one flat folder."""
    written: dict[str, Path] = {}
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        for kind, path in analysis.write(Path(aside)).items():
            if path.name in {SEG, SR}:
                written[f"prior_{kind}"] = path.replace(folder.resolve() / f"prior_{path.name}")
    return written


def _identity(path: Path) -> str:
    try:
        return str(read_dataset(path, with_pixels=False).SOPInstanceUID)
    except UnreadableFileError:
        return str(path)


def _tracked(path: Path) -> frozenset[str]:
    """Return the tracking UIDs in a SEG or SR."""
    try:
        dataset = read_dataset(path, with_pixels=False)
    except UnreadableFileError:
        return frozenset()
    return frozenset(
        str(element.value)
        for element in dataset.iterall()
        if element.keyword == "TrackingUID" or (element.keyword == "UID" and element.VR == "UI")
    )

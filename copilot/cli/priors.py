"""A study compared with a prior on the command line: what ``radcopilot ask --prior`` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copilot.analysis import Analysis
from copilot.cli.console import (
    complain,
    emit,
    pair_option,
    parsed_box,
    parsed_point,
    progress_bar,
    say,
)
from copilot.comparing.comparer import Compared, Comparison, Prior
from copilot.comparing.printing import printed_comparison
from copilot.exporting import write_exports
from copilot.hints import Hints
from copilot.printing import printed_analysis
from copilot.wiring.house import House
from dicom_node.files import dicom_files, one_series
from domain.command import Command, CompareCommand, MeasureCommand, SegmentCommand
from domain.comparison import Answer, Lesion, ToldPair
from domain.errors import CannotDoError, InputError
from domain.uids import SeriesUID


@dataclass(frozen=True)
class Telling:
    """How a result is told: the sentence asked, the folder written to, as JSON or in words.

    ``formats`` are those a report is written in beside each study's draft; ``notes`` say how the
    lesion was found.
    """

    sentence: str
    output: Path
    as_json: bool
    formats: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def prior_of(
    folder: Path, series: str | None, boxes: Sequence[str], points: Sequence[str]
) -> Prior:
    """Return the prior in a folder: one image series, and the SR and SEG files beside it.

    Raises
    ------
    InputError
        If there is no image series, or several and none is named.
    """
    files = dicom_files(folder)
    images = one_series(files, SeriesUID(series) if series else None)
    taken = set(images)
    return Prior(
        images=images,
        others=tuple(path for path in files if path not in taken),
        hints=Hints(
            boxes=tuple(parsed_box(each) for each in boxes),
            points=tuple(parsed_point(each) for each in points),
        ),
    )


def compare_and_tell(
    home: House,
    files: Sequence[Path],
    prior: Prior,
    command: Command,
    *,
    hints: Hints,
    engine: str | None,
    telling: Telling,
    told: Sequence[ToldPair] = (),
) -> None:
    """Compare with the prior, write both studies' objects, and tell what came of it.

    Raises
    ------
    InputError
        For a command that compares nothing, or told pairs that do not fit.
    CannotDoError
        If nothing could be compared: the reason, with the alignment's numbers.
    """
    if not isinstance(command, CompareCommand | SegmentCommand | MeasureCommand):
        raise InputError(
            f"a prior is of no use for {telling.sentence!r}: say what to compare, as in "
            '"compare with the prior"'
        )
    with progress_bar() as progress:
        compared = home.comparer.run(
            files, prior, command, hints=hints, progress=progress, engine=engine, told=told
        )
    document = _document(compared, hints, telling)
    if telling.as_json:
        emit(document)
    else:
        _tell(document)
    if compared.comparison.refusal is not None:
        raise CannotDoError(compared.comparison.refusal)
    for change in compared.comparison.changes:
        if change.question is not None:
            complain(change.question)
            for answer in change.answers:
                complain(f"answer {_option(answer, compared.comparison)}: {_offered(answer)}")


def _option(answer: Answer, made: Comparison) -> str:
    """Return the option that gives an answer: by labels, which a reader sees, where they do."""

    def name(lesion: Lesion | None, others: Sequence[Lesion | None]) -> str | None:
        if lesion is None:
            return None
        alike = {
            (each.label.casefold(), each.centre_lps_mm)
            for each in others
            if each is not None and each.label.casefold() == lesion.label.casefold()
        }
        return lesion.label if len(alike) <= 1 else lesion.tracking_uid or lesion.label

    return pair_option(
        name(answer.current, [each.current for each in made.changes]),
        name(answer.prior, [each.prior for each in made.changes]),
    )


def _offered(answer: Answer) -> str:
    at = "" if answer.slice_index is None else f", slice {answer.slice_index}"
    return f"{answer.in_words()}{'' if answer.current is None else at}"


def _document(compared: Compared, hints: Hints, telling: Telling) -> dict[str, Any]:
    written = _written(compared.current, telling.output, telling)
    if compared.prior is not None:
        of_prior = _written(compared.prior, telling.output / "prior", telling)
        written |= {f"prior_{kind}": path for kind, path in of_prior.items()}
    document = printed_analysis(compared.current, written, telling.sentence)
    refusal = compared.comparison.refusal
    comparison = printed_comparison(compared.comparison)
    return document | {
        "hints": hints.as_json(),
        "refusals": [refusal] if refusal else [],
        "comparison": comparison | {"notes": [*telling.notes, *comparison["notes"]]},
    }


def _written(analysis: Analysis, folder: Path, telling: Telling) -> dict[str, Path]:
    return analysis.write(folder) | write_exports(analysis, folder, telling.formats)


def _tell(document: dict[str, Any]) -> None:
    comparison = document["comparison"]
    for lesion in comparison["lesions"]:
        say(lesion["sentence"])
        for reason in lesion["reasons"]:
            say(f"  - {reason}")
    if comparison["brightness"]:
        say(comparison["brightness"]["sentence"])
    if comparison["recist"]:
        say(f"RECIST 1.1: {comparison['recist']['response']}")
        for reason in comparison["recist"]["reasons"]:
            say(f"  - {reason}")
    for note in (*comparison["notes"], *document["warnings"]):
        say(f"Note: {note}")
    for kind, file in document["files"].items():
        say(f"{kind}: {file}")

"""``radcopilot ask --prior``: what the prior's report describes, found again and compared."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from copilot.cli.console import emit, progress_bar, say
from copilot.cli.priors import Telling, compare_and_tell
from copilot.comparing.comparer import Prior
from copilot.comparing.described import described_in, found_again
from copilot.hints import Hints
from copilot.prior_report import read_prior_report
from copilot.wiring.house import House
from dicom_node.files import headers
from dicom_node.volumes import load_series
from domain.command import MeasureCommand, QuestionCommand, ReportedCommand, as_json
from domain.comparison import ToldPair
from domain.concepts import ConceptTable
from domain.errors import InputError, UnreadableFileError
from domain.reading import ReadReport


def follow_report(
    home: House,
    files: Sequence[Path],
    prior: Prior,
    command: ReportedCommand,
    *,
    report: Path | None,
    hints: Hints,
    engine: str | None,
    telling: Telling,
    told: Sequence[ToldPair] = (),
) -> None:
    """Find what a report describes on the prior, and follow it to this study; or ask.

    What was pointed at on the prior stands in place of what the report says.

    Raises
    ------
    InputError
        If there is no report, or none that can be read.
    CannotDoError
        If the report tells of no such thing, or it is not found where it should be.
    """
    read = _report(report, prior.others, home.concepts)
    finding = described_in(read, command, home.concepts)
    if isinstance(finding, QuestionCommand):
        _ask(finding, telling)
        return
    says = ""
    if prior.hints.is_empty:
        with progress_bar() as progress:
            volume = load_series(prior.images, progress)
            found = found_again(
                finding,
                volume,
                headers(prior.images),
                lambda where, prompt: home.analyst.candidates(where, prompt, progress),
                home.concepts,
            )
        if isinstance(found, QuestionCommand):
            _ask(found, telling)
            return
        prior, says = replace(prior, hints=found.hints), found.says
    compare_and_tell(
        home,
        files,
        replace(prior, others=()),
        MeasureCommand(concept=finding.concept, measures=command.measures or _MEASURES),
        hints=hints,
        engine=engine,
        telling=replace(telling, notes=(says,) if says else ()),
        told=told,
    )


_MEASURES = MeasureCommand().measures


def _report(given: Path | None, beside: Sequence[Path], table: ConceptTable) -> ReadReport:
    if given is not None:
        return read_prior_report(given, table)
    found: list[ReadReport] = []
    for path in beside:
        try:
            found.append(read_prior_report(path, table))
        except UnreadableFileError:
            continue  # a SEG or another object beside the images is no report
    if len(found) != 1:
        raise InputError(
            f"{'no report lies' if not found else f'{len(found)} reports lie'} beside the prior: "
            "give the one that is meant with --prior-report"
        )
    return found[0]


def _ask(question: QuestionCommand, telling: Telling) -> None:
    if telling.as_json:
        emit({"text": telling.sentence, "command": as_json(question)})
        return
    say(question.text)
    for choice in question.choices:
        say(f"  - {choice}")

"""``radcopilot ask``: one command on a folder of DICOM files, no server."""

from pathlib import Path
from typing import Annotated, Any

import typer

from copilot.agent.agent import When
from copilot.analysis import Analysis
from copilot.cli.console import (
    complain,
    emit,
    house,
    parsed_box,
    parsed_line,
    parsed_pair,
    parsed_point,
    parsed_range,
    parsed_scribble,
    progress_bar,
    say,
)
from copilot.cli.described import follow_report
from copilot.cli.priors import Telling, compare_and_tell, prior_of
from copilot.exporting import write_exports
from copilot.hints import EarlierMask, Hints
from copilot.printing import printed_analysis
from copilot.understanding import understood
from copilot.wiring.house import House
from dicom_node.files import dicom_files, one_series
from domain.command import Command, CompareCommand, QuestionCommand, ReportedCommand
from domain.errors import CannotDoError, InputError
from domain.uids import SeriesUID
from reporting.exports.formats import FORMATS, format_called
from reporting.wording import described


def ask(
    path: Annotated[Path, typer.Argument(help="A DICOM file, or a folder with one image series.")],
    sentence: Annotated[str, typer.Argument(help='What to do: "segment the lung lesion".')],
    *,
    box: Annotated[
        list[str] | None,
        typer.Option(help="SLICE,ROW0,COL0,ROW1,COL1, zero-based, half-open; may be repeated."),
    ] = None,
    not_box: Annotated[
        list[str] | None, typer.Option(help="As --box: nothing inside it belongs to it.")
    ] = None,
    point: Annotated[
        list[str] | None, typer.Option(help="SLICE,ROW,COL, zero-based; may be repeated.")
    ] = None,
    not_point: Annotated[
        list[str] | None, typer.Option(help="As --point: this does not belong to it.")
    ] = None,
    line: Annotated[
        list[str] | None,
        typer.Option(
            help="SLICE,ROW0,COL0,ROW1,COL1: its longest diameter from edge to edge, whole numbers "
            "at pixel centres; ROW2,COL2,ROW3,COL3 more for a line across. May be repeated."
        ),
    ] = None,
    scribble: Annotated[
        list[str] | None,
        typer.Option(help="SLICE,ROW,COL,ROW,COL,...: a stroke inside it; may be repeated."),
    ] = None,
    not_scribble: Annotated[
        list[str] | None, typer.Option(help="As --scribble: a stroke outside it.")
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="SEG of this series to correct: slices out of reach of boxes, lines, clicks and "
            "scribbles stay as they are. Without any, all of it is refined."
        ),
    ] = None,
    segment: Annotated[
        int | None, typer.Option(help="Segment of --mask, where it holds several.")
    ] = None,
    slices: Annotated[
        str | None, typer.Option(help="A:B, slices it may extend over, zero-based, half-open.")
    ] = None,
    prior: Annotated[
        Path | None,
        typer.Option(help="Folder of the prior study, its SR and SEG with it: compare with it."),
    ] = None,
    prior_report: Annotated[
        Path | None,
        typer.Option(help="Report of the prior, where it is not beside it: text, PDF or SR."),
    ] = None,
    prior_series: Annotated[
        str | None, typer.Option(help="Series Instance UID in --prior, where it holds several.")
    ] = None,
    prior_box: Annotated[
        list[str] | None, typer.Option(help="As --box, on the prior: a lesion seen there.")
    ] = None,
    prior_point: Annotated[
        list[str] | None, typer.Option(help="As --point, on the prior: a lesion seen there.")
    ] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            help="CURRENT=PRIOR, by their labels or tracking UIDs: these two are one lesion. "
            "CURRENT=new and gone=PRIOR have no partner. May be repeated."
        ),
    ] = None,
    engine: Annotated[str | None, typer.Option(help="Engine; the settings' when left out.")] = None,
    agent: Annotated[
        bool | None,
        typer.Option(
            "--agent/--no-agent",
            help="Let the agent look at what is found and try again, or not; the settings' when "
            "left out.",
        ),
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="Series Instance UID, where the folder holds several.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for SEG, SR and draft.")] = Path(),
    fhir: Annotated[
        bool, typer.Option("--fhir", help="As --export fhir: report.fhir.json, a FHIR R4B bundle.")
    ] = False,
    export: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Also write the report in a format: {', '.join(each.name for each in FORMATS)}. "
            "May be repeated."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings of the site.")] = None,
) -> None:
    """Do what a sentence says on a DICOM series and write SEG, SR and draft.

    With --prior each box or click is a lesion of its own, sought on the prior too.
    """
    home = house(config)
    command = _understood(home, sentence)
    if segment is not None and mask is None:
        raise InputError(f"--segment {segment} is of no use without --mask: give the SEG file")
    hints = Hints(
        boxes=(
            *(parsed_box(each) for each in box or ()),
            *(parsed_box(each, positive=False) for each in not_box or ()),
        ),
        points=(
            *(parsed_point(each) for each in point or ()),
            *(parsed_point(each, positive=False) for each in not_point or ()),
        ),
        lines=tuple(parsed_line(each) for each in line or ()),
        scribbles=(
            *(parsed_scribble(each) for each in scribble or ()),
            *(parsed_scribble(each, positive=False) for each in not_scribble or ()),
        ),
        mask=EarlierMask(seg=mask, segment=segment) if mask is not None else None,
        slice_range=parsed_range(slices) if slices else None,
    )
    formats = (*(export or ()), *(("fhir",) if fhir else ()))
    for name in formats:
        format_called(name)
    _check_output(output)
    files = one_series(dicom_files(path), SeriesUID(series) if series else None)
    if prior is not None:
        beside = prior_of(prior, prior_series, prior_box or (), prior_point or ())
        telling = Telling(sentence, output, as_json, formats)
        told = tuple(parsed_pair(each) for each in pair or ())
        if isinstance(command, ReportedCommand):
            follow_report(
                home,
                files,
                beside,
                command,
                report=prior_report,
                hints=hints,
                engine=engine,
                telling=telling,
                told=told,
            )
            return
        compare_and_tell(
            home,
            files,
            beside,
            command,
            hints=hints,
            engine=engine,
            telling=telling,
            told=told,
        )
        return
    if prior_series or prior_box or prior_point or prior_report or pair:
        raise InputError(
            "--prior-series, --prior-report, --prior-box, --prior-point and --pair need --prior: "
            "its folder"
        )
    if isinstance(command, CompareCommand | ReportedCommand):
        raise InputError("there is nothing to compare with: give the prior's folder with --prior")
    with progress_bar() as progress:
        analysis = home.analyst.run(files, command, hints, progress, engine, agent=_when(agent))
    written = analysis.write(output) | write_exports(analysis, output, formats)
    document = printed_analysis(analysis, written, sentence)
    if as_json:
        emit(document)
    else:
        _tell(analysis, document)
    if analysis.refusals and not (analysis.marked or analysis.candidates):
        raise CannotDoError("; ".join(analysis.refusals))
    for refusal in analysis.refusals:
        complain(refusal)


def _understood(home: House, sentence: str) -> Command:
    """Return the command; what a report describes, too, which a page asks about."""
    command = home.grammar.parse(sentence)
    if isinstance(command, ReportedCommand):
        return command
    return understood(home.grammar, sentence)


def _when(agent: bool | None) -> When | None:
    if agent is None:
        return None
    return When.ALWAYS if agent else When.NEVER


def _tell(analysis: Analysis, document: dict[str, Any]) -> None:
    if isinstance(analysis.command, QuestionCommand):
        say(analysis.command.text)
        for choice in analysis.command.choices:
            say(f"  - {choice}")
    for marked in analysis.marked:
        say(described(marked.finding)[0])
    for number, candidate in enumerate(analysis.candidates, start=1):
        say(f"{number}. {candidate.in_words()}")
    for absence in analysis.absences:
        say(absence)
    for warning in analysis.warnings:
        say(f"Note: {warning}")
    for kind, file in document["files"].items():
        say(f"{kind}: {file}")


def _check_output(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--output {folder} is a file: give a folder")

"""``radcopilot report``: what earlier reports say."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from copilot.cli.console import emit, say
from copilot.concepts import load_concepts
from copilot.prior_report import read_prior_report
from domain.reading import Quantity, Quote, ReadFinding, ReadReport, When

app = typer.Typer(help="Reports written elsewhere, or here.", no_args_is_help=True)


@app.callback()
def _report() -> None:
    """Read reports written elsewhere, or here."""


@app.command()
def read(
    file: Annotated[
        Path, typer.Argument(help="A report: text, PDF with a text layer, or a DICOM SR.")
    ],
    *,
    language: Annotated[
        str | None, typer.Option(help="en or de; told by its words when left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Read a report into findings, each with the words it was taken from."""
    report = read_prior_report(file, load_concepts(), language=language)
    if as_json:
        emit(printed_report(report))
        return
    for finding in report.findings:
        say(in_words(finding))
        say(f"  {_quoted(finding.quote)}")
    if not report.findings:
        say("No finding was read.")
    for left in report.left_out:
        say(f"Not taken: {_quoted(left.quote)}: {left.reason}")
    for note in report.notes:
        say(f"Note: {note}")


def printed_report(report: ReadReport) -> dict[str, Any]:
    """Return a report as plain JSON values; what is not known is null."""
    return asdict(report)


def in_words(finding: ReadFinding) -> str:
    """Return one line: what, where, how large now and before."""
    what = finding.concept or finding.noun
    parts = [f"{finding.side} {what}" if finding.side else what]
    parts += [finding.site] if finding.site else []
    parts += [_size(each) for each in finding.sizes()]
    parts += [f"earlier {_size(each)}" for each in finding.sizes(When.EARLIER)]
    parts += [
        f"{f'series {each.series}, ' if each.series is not None else ''}image {each.image}"
        for each in finding.images
    ]
    parts += finding.comparisons
    return f"{finding.presence.value}: {', '.join(parts)}"


def _size(quantity: Quantity) -> str:
    unit = {"ml": "mL"}.get(quantity.unit, quantity.unit)
    return f"{' x '.join(f'{each:g}' for each in quantity.values)} {unit}"


def _quoted(quote: Quote) -> str:
    place = [f"page {quote.page}"] if quote.page is not None else []
    place += [f"item {quote.item}"] if quote.item is not None else []
    place += [f"characters {quote.start} to {quote.end}"] if quote.start is not None else []
    return f'"{" ".join(quote.text.split())}" ({", ".join(place)})'

"""``radcopilot studies`` and ``radcopilot audit``: what is stored, and what was done."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from copilot.cli.console import emit, house, say
from copilot.fetching import counted
from copilot.system import SystemClock
from copilot.wiring import House
from dicom_node.completeness import SeriesHere, Verdict, judge
from dicom_node.index import StudySummary
from domain.errors import InputError

audit_app = typer.Typer(no_args_is_help=True, help="The audit trail.")
Config = Annotated[Path | None, typer.Option(help="Settings of the site.")]


def studies(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    complete: Annotated[bool, typer.Option(help="Say whether each study is complete.")] = False,
    peer: Annotated[
        str | None,
        typer.Option("--from", help="With --complete: the peer whose count is compared."),
    ] = None,
    config: Config = None,
) -> None:
    """List what the node has stored."""
    if peer is not None and not complete:
        raise InputError("--from goes with --complete")
    home = house(config)
    home.store.settle()
    found = home.store.index.studies()
    verdicts = {each.study_instance_uid: _verdict(home, each, peer) for each in found if complete}
    home.store.close()
    if as_json:
        emit([asdict(study) | _as_json(verdicts.get(study.study_instance_uid)) for study in found])
        return
    for study in found:
        verdict = verdicts.get(study.study_instance_uid)
        state = f" ({verdict.says})" if verdict else ""
        say(f"{study.study_date} {study.study_instance_uid} {study.description}{state}")
        for series in study.series:
            made = " (made by radcopilot)" if series.made_by_us else ""
            say(f"  {series.modality} {series.instances} images {series.description}{made}")


def _verdict(home: House, study: StudySummary, peer: str | None) -> Verdict | None:
    """Return whether a study is complete; None where all of it was made by us."""
    here = [
        SeriesHere(
            series_instance_uid=series.series_instance_uid,
            modality=series.modality,
            instances=series.instances,
            last_arrival_s=home.store.last_arrival_s(series.series_instance_uid),
        )
        for series in study.series
        if not series.made_by_us
    ]
    if not here:
        return None
    theirs = None
    if peer is not None:
        theirs = counted(home.peer(home.peer_called(peer)), study.study_instance_uid)
    return judge(here, SystemClock().now().timestamp(), home.quiet_periods, counted=theirs)


def _as_json(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {}
    return {"state": str(verdict.state), "missing": verdict.missing, "says": verdict.says}


@audit_app.command()
def verify(*, config: Config = None) -> None:
    """Check that no entry was changed or removed."""
    say(f"{house(config).audit.verify()} entries, the chain is whole")

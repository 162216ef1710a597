"""``radcopilot studies``: what is stored, what may go and why not, and its going."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from copilot.cli.console import emit, house, say
from copilot.fetching import counted
from copilot.housekeeping import Housekeeping
from copilot.keeping.policy import Going, Standing
from copilot.system import SystemClock
from copilot.wiring.house import House
from copilot.workplace import Workplace
from dicom_node.completeness import SeriesHere, Verdict, judge
from dicom_node.index import StudySummary
from domain.errors import InputError, StorageError
from domain.uids import StudyUID

app = typer.Typer(help="What is stored; how long it stays.")
Config = Annotated[Path | None, typer.Option(help="Settings of the site.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Complete = Annotated[bool, typer.Option(help="Say whether each study is complete.")]
From = Annotated[
    str | None,
    typer.Option("--from", help="With --complete: the peer whose count is compared."),
]
Study = Annotated[str, typer.Argument(help="Study Instance UID.")]
_BYTES_PER_MB: Final = 1e6


@app.callback(invoke_without_command=True)
def studies(
    context: typer.Context,
    *,
    as_json: Json = False,
    complete: Complete = False,
    peer: From = None,
    config: Config = None,
) -> None:
    """List what the node has stored, or what a command below does."""
    if context.invoked_subcommand is None:
        list_studies(as_json=as_json, complete=complete, peer=peer, config=config)
    elif as_json or complete or peer or config:
        name = context.invoked_subcommand
        raise InputError(f"options go behind the command: radcopilot studies {name} --json")


@app.command("list")
def list_studies(
    *, as_json: Json = False, complete: Complete = False, peer: From = None, config: Config = None
) -> None:
    """List stored studies, newest first: size, last arrival, and whether they may go."""
    if peer is not None and not complete:
        raise InputError("--from goes with --complete")
    with _opened(config) as (home, keeping):
        standings = {each.study_instance_uid: each for each in keeping.keeper.all()}
        found = [
            each for each in home.store.index.studies() if each.study_instance_uid in standings
        ]
        verdicts = {
            each.study_instance_uid: _verdict(home, each, peer) for each in found if complete
        }
    if as_json:
        emit(
            [
                _printed(standings[each.study_instance_uid], each)
                | _as_json(verdicts.get(each.study_instance_uid))
                for each in found
            ]
        )
        return
    for study in found:
        _say_study(standings[study.study_instance_uid], study)
        verdict = verdicts.get(study.study_instance_uid)
        if verdict:
            say(f"  {verdict.says}")


@app.command()
def show(study: Study, *, as_json: Json = False, config: Config = None) -> None:
    """Show one study: its series, and every reason why it must stay."""
    with _opened(config) as (home, keeping):
        standing = keeping.keeper.of(StudyUID(study))
        [found] = home.store.index.studies(StudyUID(study))
    if as_json:
        emit(_printed(standing, found))
        return
    _say_study(standing, found)
    for series in found.series:
        made = " (made by radcopilot)" if series.made_by_us else ""
        say(f"  {series.modality} {series.instances} images {series.description}{made}")


@app.command()
def keep(study: Study, *, config: Config = None) -> None:
    """Keep a study until it is released: neither retention nor delete takes it."""
    with _opened(config) as (_, keeping):
        keeping.keeper.of(StudyUID(study))
        keeping.holds.keep(StudyUID(study), _person())
    say(f"{study}: kept")


@app.command()
def release(study: Study, *, config: Config = None) -> None:
    """Let a study that was kept go again, when retention says so."""
    with _opened(config) as (_, keeping):
        keeping.holds.release(StudyUID(study), _person())
    say(f"{study}: released")


@app.command("delete")
def delete_studies(
    named: Annotated[list[str], typer.Argument(metavar="STUDY...", help="Study Instance UIDs.")],
    *,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Remove studies from store, index and caches; refused where something is unconfirmed."""
    gone = []
    try:
        with _opened(config) as (_, keeping):
            for study in named:
                removed = keeping.keeper.remove(StudyUID(study), _person(), "asked for")
                gone.append({"study_instance_uid": study} | asdict(removed))
                if not as_json:
                    say(f"{study}: {removed.instances} images removed, {_mb(removed.size_bytes)}")
    finally:
        if as_json:
            emit(gone)


@app.command()
def tidy(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say it; remove nothing.")] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Remove what the limits of [retention] say, as the server does by itself."""
    with _opened(config) as (_, keeping):
        tidied = keeping.keeper.would() if dry_run else keeping.keeper.tidy(_person())
    done, failed, short = tidied.removed, tidied.failed, tidied.choice.short
    if as_json:
        emit(
            {
                "dry_run": dry_run,
                "removed": [_printed_going(each) for each in done],
                "failed": [_printed_going(each) | {"error": reason} for each, reason in failed],
                "short": short,
            }
        )
    else:
        would = "would go" if dry_run else "removed"
        for each in done:
            say(f"{each.standing.study_instance_uid}: {would}, {each.why}")
        for each, reason in failed:
            say(f"{each.standing.study_instance_uid}: stays, {reason}")
        if not done and not failed:
            say("nothing is to go by the limits of [retention]")
    said = [f"{len(failed)} studies could not be removed"] if failed else []
    said += [f"{short}, and nothing more may go"] if short else []
    if said:
        raise StorageError(f"{'; '.join(said)}: radcopilot studies list says why")


@contextmanager
def _opened(config: Path | None) -> Iterator[tuple[House, Housekeeping]]:
    home = house(config)
    try:
        yield home, Housekeeping(home, Workplace(home))
    finally:
        home.store.close()
        home.close()


def _person() -> str:
    """Return who is at the command line, for the audit trail."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "command line"


def _mb(size: int) -> str:
    return f"{size / _BYTES_PER_MB:.1f} MB"


def _say_study(standing: Standing, study: StudySummary) -> None:
    arrived = datetime.fromtimestamp(standing.last_arrival_s, UTC)
    say(
        f"{study.study_date} {study.study_instance_uid} {study.description}: "
        f"{standing.instances} images, {_mb(standing.size_bytes)}, "
        f"arrived {arrived:%Y-%m-%d %H:%M}Z"
    )
    for reason in standing.reasons:
        say(f"  stays: {reason}")


def _printed(standing: Standing, study: StudySummary) -> dict[str, Any]:
    return {
        "study_instance_uid": study.study_instance_uid,
        "patient_id": study.patient_id,
        "study_date": study.study_date,
        "description": study.description,
        "series": [
            {
                "series_instance_uid": series.series_instance_uid,
                "modality": series.modality,
                "description": series.description,
                "instances": series.instances,
                "made_by_us": series.made_by_us,
            }
            for series in study.series
        ],
        "instances": standing.instances,
        "size_bytes": standing.size_bytes,
        "arrived_at": _time(standing.last_arrival_s),
        "used_at": _time(standing.last_used_s),
        "arrival": standing.arrival,
        "kept_by": standing.kept_by or None,
        "may_go": standing.may_go,
        "stays": list(standing.reasons),
    }


def _printed_going(going: Going) -> dict[str, Any]:
    return {
        "study_instance_uid": going.standing.study_instance_uid,
        "instances": going.standing.instances,
        "size_bytes": going.standing.size_bytes,
        "why": going.why,
    }


def _time(since_1970_s: float) -> str:
    return datetime.fromtimestamp(since_1970_s, UTC).isoformat(timespec="seconds")


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
        theirs = counted(home.peers.either(home.peers.called(peer)), study.study_instance_uid)
    return judge(here, SystemClock().now().timestamp(), home.quiet_periods, counted=theirs)


def _as_json(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {}
    return {"state": str(verdict.state), "missing": verdict.missing, "says": verdict.says}

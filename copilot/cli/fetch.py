"""``radcopilot fetch``: studies and priors from a peer into the store."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from copilot.cli.console import emit, house, say
from copilot.fetching import Fetched, Fetcher
from copilot.system import SystemClock
from copilot.wiring.house import House
from copilot.workplace import Workplace
from dicom_node.priors import Choice
from domain.errors import InputError, PeerRefusedError
from domain.uids import StudyUID


def fetch(
    study: Annotated[str | None, typer.Argument(help="Study Instance UID.")] = None,
    *,
    peer: Annotated[str, typer.Option("--from", help="AE title of a peer of the settings.")],
    patient: Annotated[str | None, typer.Option(help="Patient ID: the newest studies.")] = None,
    priors: Annotated[bool, typer.Option(help="The study's priors too, by [priors].")] = False,
    most: Annotated[int | None, typer.Option(min=1, help="Instances at most.")] = None,
    move: Annotated[
        bool, typer.Option(help="Have the peer send the study to our running node (C-MOVE).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings of the site.")] = None,
) -> None:
    """Fetch what is missing of a study, or of a patient's newest studies, from a peer."""
    if (study is None) == (patient is None):
        raise InputError("give a Study Instance UID, or --patient ID")
    home = house(config)
    if move:
        _move(home, study, peer)
        return
    fetcher = home.fetcher(peer, most)
    try:
        done, choices = _fetched(home, fetcher, study, patient, priors=priors)
    finally:
        home.store.settle()
        home.store.close()
    _show(done, choices, as_json=as_json)
    lacking = sum(each.failed + each.left for each in done)
    if lacking:
        raise PeerRefusedError(f"{lacking} instances are not here yet: the same command goes on")


def _fetched(
    home: House, fetcher: Fetcher, study: str | None, patient: str | None, *, priors: bool
) -> tuple[list[Fetched], tuple[Choice, ...]]:
    done: list[Fetched] = []
    workplace = Workplace(home)
    choices: tuple[Choice, ...] = ()
    if patient is not None:
        choices = fetcher.newest(patient, SystemClock().now().date(), home.prior_rules)
    elif study is not None:
        done.append(workplace.fetched(StudyUID(study), fetcher.fetch))
        if priors:
            choices = fetcher.priors(fetcher.described(StudyUID(study)), home.prior_rules)
    done += [
        workplace.fetched(each.study.study_instance_uid, fetcher.fetch)
        for each in choices
        if each.chosen
    ]
    return done, choices


def _move(home: House, study: str | None, peer: str) -> None:
    if study is None:
        raise InputError("--move sends one study: give its Study Instance UID")
    own = home.settings.node.ae_title
    sent = home.peers.by_dicom(home.peers.called(peer)).move(StudyUID(study), own)
    say(f"{peer} says that it sent {sent} instances to {own}")


def _show(done: list[Fetched], choices: tuple[Choice, ...], *, as_json: bool) -> None:
    if as_json:
        emit(
            {
                "studies": [asdict(each) for each in done],
                "choices": [
                    {
                        "study_instance_uid": each.study.study_instance_uid,
                        "study_date": str(each.study.study_date or ""),
                        "chosen": each.chosen,
                        "says": each.says,
                    }
                    for each in choices
                ],
            }
        )
        return
    for choice in choices:
        taken = "fetch" if choice.chosen else "leave"
        say(f"{taken} {choice.study.study_instance_uid} {choice.study.study_date}: {choice.says}")
    for each in done:
        say(
            f"{each.study_instance_uid}: {each.fetched} fetched, {each.here_before} of "
            f"{each.instances} were here, {each.failed} failed, {each.left} left"
        )

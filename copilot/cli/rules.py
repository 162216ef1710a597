"""``radcopilot rules``: what the site lets happen by itself, tried without doing it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from copilot.cli.console import emit, house, say
from copilot.site_rules.rules import RuleVerdict, SiteRule
from copilot.wiring.house import House
from copilot.workflows.automation import SeriesVerdicts, study_verdicts, verdicts_of
from copilot.workflows.delivery import DELIVER, QUEUE
from copilot.workflows.durable import Outside, from_outside
from copilot.workplace import Workplace
from dicom_node.files import dicom_files, read_dataset
from domain.uids import SeriesUID, StudyUID

app = typer.Typer(no_args_is_help=True, help="What happens by itself, on which studies.")
Config = Annotated[Path | None, typer.Option(help="Settings of the site.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("list")
def list_rules(*, as_json: Json = False, config: Config = None) -> None:
    """Show the site's rules, checked as the server checks them at its start."""
    rules = Workplace(house(config)).rules
    if as_json:
        emit([_printed_rule(rule) for rule in rules])
        return
    for rule in rules:
        pushed = f", then to {', '.join(rule.push_back)} without a yes" if rule.push_back else ""
        engine = f" with {rule.engine}" if rule.engine else ""
        say(f"{rule.name} ({rule.run.value}): {rule.command!r}{engine}{pushed}")
    if not rules:
        say("no rules: nothing happens by itself (docs/how-to/rules.md)")


@app.command("test")
def try_rules(
    study: Annotated[str, typer.Argument(help="UID of a stored study, or a folder of files.")],
    *,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Say what would happen with a study, and why; nothing happens."""
    home = house(config)
    found = _verdicts(home, study)
    if as_json:
        emit([_printed_series(each) for each in found])
        return
    for series in found:
        say(
            f"series {series.series_instance_uid} ({series.modality}, {series.instances} "
            f"instances): {series.description}"
        )
        for verdict in series.verdicts:
            say(f"  {_outcome(verdict)}: {'; '.join(verdict.reasons)}")
        if not series.verdicts:
            say("  no rules: nothing happens by itself (docs/how-to/rules.md)")


@app.command("run")
def run_rules(
    study: Annotated[str, typer.Argument(help="UID of a stored study.")],
    *,
    rule: Annotated[str | None, typer.Option(help="Only this rule.")] = None,
    config: Config = None,
) -> None:
    """Order what rules say of a stored study; a running server or worker carries it out."""
    home = house(config)
    with from_outside(home.work_url) as client:
        automation = Workplace(home).automation(Outside(client, {DELIVER: QUEUE}))
        for identity in automation.ask(StudyUID(study), rule):
            say(f"{identity}: {home.results.get(identity).state.value}")
    home.store.close()


def _verdicts(home: House, study: str) -> tuple[SeriesVerdicts, ...]:
    workplace = Workplace(home)
    if not Path(study).is_dir():
        try:
            return study_verdicts(workplace.rules, workplace.shelf, StudyUID(study))
        finally:
            home.store.close()
    by_series: dict[SeriesUID, list[Path]] = {}
    for path in dicom_files(Path(study)):
        uid = SeriesUID(str(read_dataset(path, with_pixels=False).get("SeriesInstanceUID")))
        by_series.setdefault(uid, []).append(path)
    return tuple(verdicts_of(workplace.rules, uid, paths) for uid, paths in by_series.items())


def _outcome(verdict: RuleVerdict) -> str:
    rule = verdict.rule
    if not verdict.applies:
        return f"{rule.name}: not"
    when = "by itself" if rule.run.value == "automatic" else "when asked for"
    pushed = f", and goes to {', '.join(rule.push_back)}" if rule.push_back else ""
    return f"{rule.name}: {rule.command!r} {when}{pushed}"


def _printed_rule(rule: SiteRule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "run": rule.run.value,
        "command": rule.command,
        "engine": rule.engine or None,
        "push_back": list(rule.push_back),
    }


def _printed_series(series: SeriesVerdicts) -> dict[str, Any]:
    return {
        "series_instance_uid": series.series_instance_uid,
        "modality": series.modality,
        "instances": series.instances,
        "rules": [
            {
                **_printed_rule(each.rule),
                "applies": each.applies,
                "reasons": list(each.reasons),
            }
            for each in series.verdicts
        ],
    }

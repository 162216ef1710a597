"""``radcopilot jobs``: what is on its way to a destination, and what was given up."""

from pathlib import Path
from typing import Annotated

import typer

from copilot.cli.console import emit, house, say
from copilot.wiring import House
from copilot.workflows.delivery import DELIVER, QUEUE, Delivery, State
from copilot.workflows.durable import from_outside
from domain.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Deliveries to the PACS, and dead letters.")
Config = Annotated[Path | None, typer.Option(help="Settings of the site.")]
Result = Annotated[str, typer.Argument(help="Id of the result; its first letters are enough.")]
To = Annotated[str | None, typer.Option("--to", help="Destination, where there are several.")]
_SHOWN = 8


@app.command("list")
def list_jobs(
    *,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: Config = None,
) -> None:
    """Show deliveries, the latest change first."""
    found = house(config).outbox.all([state] if state else ())
    if as_json:
        emit([each.printed() for each in found])
        return
    for each in found:
        tries = f", {each.attempts} failed" if each.attempts else ""
        place = f"{each.result_id[:_SHOWN]} to {each.destination}"
        say(f"{each.at[:19]}  {place}: {each.state.value}{tries}. {each.says}")


@app.command()
def show(result: Result, *, config: Config = None) -> None:
    """Show the deliveries of one result as JSON."""
    home = house(config)
    found = [each for each in home.outbox.all() if each.result_id.startswith(result)]
    if not found:
        raise InputError(f"nothing of result {result!r} goes anywhere: see radcopilot jobs list")
    emit([each.printed() | {"workflow": each.workflow_id} for each in found])


@app.command()
def retry(result: Result, *, to: To = None, config: Config = None) -> None:
    """Begin a delivery that failed or was cancelled again; a running server takes it up."""
    home = house(config)
    chosen = _one(home, result, to)
    with from_outside(home.work_url) as client:
        again = home.outbox.again(chosen.result_id, chosen.destination)
        client.enqueue(
            {"workflow_name": DELIVER, "queue_name": QUEUE, "workflow_id": again.workflow_id},
            again.result_id,
            again.destination,
        )
    say(f"{chosen.result_id} to {chosen.destination}: queued, round {again.round}")


@app.command()
def cancel(result: Result, *, to: To = None, config: Config = None) -> None:
    """Stop an open delivery before its next try; what the destination has stays there."""
    home = house(config)
    chosen = _one(home, result, to)
    with from_outside(home.work_url) as client:
        stopped = home.outbox.stop(chosen.result_id, chosen.destination)
        client.cancel_workflow(stopped.workflow_id)
    say(f"{chosen.result_id} to {chosen.destination}: cancelled")


def _one(home: House, result: str, to: str | None) -> Delivery:
    found = [
        each
        for each in home.outbox.all()
        if each.result_id.startswith(result) and to in (None, each.destination)
    ]
    if len(found) != 1:
        listed = ", ".join(f"{each.result_id[:_SHOWN]} to {each.destination}" for each in found)
        raise InputError(
            f"{result!r} names {len(found)} deliveries ({listed or 'none'}): give more letters, or "
            "--to DESTINATION"
        )
    return found[0]

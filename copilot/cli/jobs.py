"""``radcopilot jobs``: what is being worked on, on its way to a destination, or was given up."""

from pathlib import Path
from typing import Annotated, Any

import typer

from copilot.cli.console import emit, house, say
from copilot.results import Result as Made
from copilot.results import State as ResultState
from copilot.wiring.house import House
from copilot.workflows.delivery import Delivery, State
from copilot.workflows.durable import Outside, from_outside
from copilot.workplace import Workplace
from domain.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Orders and deliveries, and dead letters.")
Config = Annotated[Path | None, typer.Option(help="Settings of the site.")]
Result = Annotated[
    str,
    typer.Argument(
        help="Id of the result, or of the report and its version; the first letters are enough."
    ),
]
To = Annotated[str | None, typer.Option("--to", help="Destination, where there are several.")]
_SHOWN = 8
_MOST_ORDERS = 10_000


@app.command("list")
def list_jobs(
    *,
    state: Annotated[State | None, typer.Option(help="Only deliveries in this state.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: Config = None,
) -> None:
    """Show deliveries, the latest change first, and orders that run or failed."""
    home = house(config)
    found = home.outbox.all([state] if state else ())
    orders = () if state else _open_orders(home)
    if as_json:
        printed = [_printed_delivery(home, each) for each in found]
        emit([*(_printed_order(each) for each in orders), *printed])
        return
    for order in orders:
        reason = f". {order.document['error']}" if "error" in order.document else ""
        say(f"{order.at[:19]}  {order.id[:_SHOWN]} {_asked(order)}: {order.state.value}{reason}")
    for each in found:
        tries = f", {each.attempts} failed" if each.attempts else ""
        place = f"{_named(home, each)} to {each.destination}"
        say(f"{each.at[:19]}  {place}: {each.state.value}{tries}. {each.says}")


@app.command()
def show(result: Result, *, config: Config = None) -> None:
    """Show one result's order and deliveries as JSON."""
    home = house(config)
    found = [each for each in home.outbox.all() if _is_of(home, each, result)]
    orders = [each for each in _open_orders(home) if each.id.startswith(result)]
    if not found and not orders:
        raise InputError(
            f"nothing of {result!r} runs, failed or goes anywhere: see radcopilot jobs list"
        )
    printed = [_printed_delivery(home, each) | {"workflow": each.workflow_id} for each in found]
    emit([*(_printed_order(each) for each in orders), *printed])


@app.command()
def retry(result: Result, *, to: To = None, config: Config = None) -> None:
    """Begin again what failed or was cancelled; a running server takes it up."""
    home = house(config)
    failed = [each for each in _open_orders(home) if each.id.startswith(result)]
    if len(failed) == 1 and to is None:
        with from_outside(home.work_url) as client:
            Workplace(home).automation(Outside(client, {})).retry(failed[0].id)
        home.store.close()
        say(f"{failed[0].id} {_asked(failed[0])}: queued again")
        return
    chosen = _one(home, result, to)
    with from_outside(home.work_url) as client:
        again = home.outbox.again(chosen.result_id, chosen.destination)
        client.enqueue(
            {
                "workflow_name": again.workflow,
                "queue_name": again.queue,
                "workflow_id": again.workflow_id,
            },
            again.result_id,
            again.destination,
        )
    say(f"{_named(home, chosen)} to {chosen.destination}: queued, round {again.round}")


@app.command()
def cancel(result: Result, *, to: To = None, config: Config = None) -> None:
    """Stop an open delivery before its next try; what the destination has stays there."""
    home = house(config)
    chosen = _one(home, result, to)
    with from_outside(home.work_url) as client:
        stopped = home.outbox.stop(chosen.result_id, chosen.destination)
        client.cancel_workflow(stopped.workflow_id)
    say(f"{_named(home, chosen)} to {chosen.destination}: cancelled")


def _open_orders(home: House) -> tuple[Made, ...]:
    states = frozenset({ResultState.RUNNING, ResultState.FAILED})
    return tuple(each for each in home.results.all(_MOST_ORDERS) if each.state in states)


def _asked(order: Made) -> str:
    rule = order.document.get("rule")
    return f"{order.document['text']!r}" + (f" by rule {rule!r}" if rule else "")


def _printed_order(order: Made) -> dict[str, Any]:
    return {
        "kind": "order",
        "result": order.id,
        "series": order.series_instance_uid,
        "state": order.state.value,
        "text": order.document["text"],
        "rule": order.document.get("rule"),
        "says": order.document.get("error", ""),
        "at": order.at,
    }


def _named(home: House, delivery: Delivery) -> str:
    """Return what a delivery brings, as lists show it."""
    if delivery.is_report:
        return home.dispatches.get(delivery.result_id).in_words()
    return delivery.result_id[:_SHOWN]


def _is_of(home: House, delivery: Delivery, given: str) -> bool:
    """Tell whether a delivery is of a result or a report whose id begins so."""
    if delivery.is_report:
        sent = home.dispatches.get(delivery.result_id)
        return f"{sent.report_id} {sent.version}".startswith(given)
    return delivery.result_id.startswith(given)


def _printed_delivery(home: House, delivery: Delivery) -> dict[str, Any]:
    printed = delivery.printed() | {"kind": "delivery"}
    if not delivery.is_report:
        return printed
    sent = home.dispatches.get(delivery.result_id)
    return printed | {"report": sent.report_id, "version": sent.version}


def _one(home: House, result: str, to: str | None) -> Delivery:
    found = [
        each
        for each in home.outbox.all()
        if _is_of(home, each, result) and to in (None, each.destination)
    ]
    if len(found) != 1:
        listed = ", ".join(f"{_named(home, each)} to {each.destination}" for each in found)
        raise InputError(
            f"{result!r} names {len(found)} deliveries ({listed or 'none'}): give more letters, or "
            "--to DESTINATION"
        )
    return found[0]

"""How results and reports come to their destinations: workflows over the outbox."""

from collections.abc import Callable, Mapping
from dataclasses import fields

from copilot.settings import PeerSettings, ReportDestinationSettings
from copilot.wiring.network import report_listener
from copilot.workflows.delivery import (
    DELIVER,
    DELIVER_REPORT,
    OLD_DELIVER,
    QUEUE,
    REPORT_QUEUE,
    Courier,
    Delivery,
)
from copilot.workflows.durable import Workflow, WorkQueue, step
from copilot.workflows.packing import Destination
from copilot.workflows.reports_out import Destination as ReportDestination
from copilot.workflows.reports_out import ReportCourier
from reporting.exports.enclosed import Envelope


def queue_delivery(queue: WorkQueue, delivery: Delivery, pause_s: float = 0.0) -> None:
    """Queue the next try of a delivery."""
    queue.enqueue(
        delivery.workflow,
        delivery.workflow_id,
        delivery.result_id,
        delivery.destination,
        delay_s=pause_s,
    )


def workflows(
    courier: Courier, report_courier: Callable[[], ReportCourier], queue: WorkQueue, at_once: int
) -> tuple[Workflow, ...]:
    """Return what brings results and reports to their destinations, ``at_once`` results at a time.

    ``report_courier`` is asked for when the first report is to go.
    """

    def later(delivery: Delivery, pause_s: float) -> None:
        queue_delivery(queue, delivery, pause_s)

    def deliver(result_id: str, destination: str) -> str:
        return courier.deliver(result_id, destination, step, later)

    def deliver_unprepared(result_id: str, destination: str) -> str:
        return courier.deliver_unprepared(result_id, destination, step, later)

    def deliver_report(key: str, destination: str) -> str:
        return report_courier().run(key, destination, step)

    return (
        Workflow(name=DELIVER, run=deliver, queue=QUEUE, at_once=at_once),
        Workflow(name=OLD_DELIVER, run=deliver_unprepared, queue=QUEUE, at_once=at_once),
        Workflow(name=DELIVER_REPORT, run=deliver_report, queue=REPORT_QUEUE),
    )


def destinations(peers: tuple[PeerSettings, ...]) -> Mapping[str, Destination]:
    """Return what each peer wants of a result, by AE title."""
    return {
        peer.ae_title: Destination(objects=peer.objects, retract=peer.retract) for peer in peers
    }


def report_destinations(
    settings: tuple[ReportDestinationSettings, ...],
) -> Mapping[str, ReportDestination]:
    """Return where reports go, by name."""
    of_envelope = {field.name for field in fields(Envelope)} - {"at"}
    return {
        each.name: ReportDestination(
            listener=report_listener(each),
            envelope=Envelope(**each.model_dump(include=of_envelope)),
        )
        for each in settings
    }

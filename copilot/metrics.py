"""What a monitor reads at ``/metrics``: counts and states, no patient data."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from copilot.peers import PeerReport
from copilot.results import Results, State
from copilot.workflows.delivery import Outbox
from copilot.workflows.delivery import State as Delivered
from dicom_node.room import Room


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the numbers come from, each asked when a monitor asks; none asks another machine.

    Attributes
    ----------
    instances
        Images in the index.
    received
        Images taken since the start.
    stored
        How many studies there are, and the bytes of all.
    rejected
        Associations rejected since the start.
    peers
        How each peer stood when it was last asked.
    queues
        Work that waits or runs, by queue.
    removed
        Studies removed since the audit trail began.
    """

    instances: Callable[[], int]
    received: Callable[[], int]
    results: Results
    outbox: Outbox
    stored: Callable[[], tuple[int, int]]
    room: Room
    rejected: Callable[[], int]
    peers: Callable[[], Mapping[str, PeerReport]]
    queues: Callable[[], Mapping[str, int]]
    removed: Callable[[], int]


class _Station(Collector):
    def __init__(self, sources: Sources) -> None:
        self._from = sources

    def collect(self) -> Iterator[Metric]:
        """Yield every family of numbers."""
        yield CounterMetricFamily(
            "radcopilot_received_instances",
            "DICOM instances received since the start",
            value=self._from.received(),
        )
        yield _gauge(
            "radcopilot_stored_instances", "DICOM instances in the index", self._from.instances()
        )
        yield from self._store()
        yield from self._network()
        yield _by_state(
            "radcopilot_results",
            "Commands by the state of their result",
            Counter(self._from.results.counts()),
            [state.value for state in State],
        )
        yield _by_state(
            "radcopilot_deliveries",
            "Deliveries to destinations by state; failed ones are dead letters",
            Counter(each.state.value for each in self._from.outbox.all()),
            [state.value for state in Delivered],
        )

    def _store(self) -> Iterator[Metric]:
        (studies, size_bytes), room = self._from.stored(), self._from.room
        yield _gauge("radcopilot_stored_studies", "Studies in the index", studies)
        yield _gauge("radcopilot_stored_bytes", "Bytes of all studies", size_bytes)
        yield _gauge(
            "radcopilot_disk_free_bytes",
            "Free bytes where studies and results are kept",
            room.free_bytes,
        )
        yield _gauge(
            "radcopilot_disk_least_free_bytes",
            "Free bytes below which nothing is taken in",
            room.least_free_bytes,
        )
        yield _gauge("radcopilot_disk_low", "1 while nothing is taken in", int(room.is_low))
        yield CounterMetricFamily(
            "radcopilot_refused_for_room",
            "DICOM instances refused for want of room since the start",
            value=room.refused,
        )
        yield CounterMetricFamily(
            "radcopilot_removed_studies",
            "Studies removed since the audit trail began",
            value=self._from.removed(),
        )

    def _network(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "radcopilot_rejected_associations",
            "DICOM associations rejected since the start",
            value=self._from.rejected(),
        )
        up = GaugeMetricFamily(
            "radcopilot_peer_up", "1 where the peer answered when last asked", labels=["peer"]
        )
        answered = GaugeMetricFamily(
            "radcopilot_peer_answered_timestamp_seconds",
            "When the peer last answered, in seconds since 1970",
            labels=["peer"],
        )
        for name, report in self._from.peers().items():
            if report.up is not None:
                up.add_metric([name], int(report.up))
            if report.answered_at:
                at = datetime.fromisoformat(report.answered_at).timestamp()
                answered.add_metric([name], at)
        yield up
        yield answered
        queues = GaugeMetricFamily(
            "radcopilot_queued_work", "Work that waits or runs, by queue", labels=["queue"]
        )
        for name, count in self._from.queues().items():
            queues.add_metric([name], count)
        yield queues


def _gauge(name: str, says: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, says, value=value)


def _by_state(name: str, says: str, counts: Counter[str], states: list[str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, says, labels=["state"])
    for state in states:
        family.add_metric([state], counts[state])
    return family


def exposition(sources: Sources) -> bytes:
    """Return all numbers in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Station(sources))
    return generate_latest(registry)

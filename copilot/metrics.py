"""What a monitor reads at ``/metrics``: counts and states, no patient data."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from copilot.results import Results, State
from copilot.workflows.delivery import Outbox
from copilot.workflows.delivery import State as Delivered


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the numbers come from, each asked when a monitor asks.

    Attributes
    ----------
    instances
        Images in the index.
    received
        Images taken since the start.
    """

    instances: Callable[[], int]
    received: Callable[[], int]
    results: Results
    outbox: Outbox
    folder: Path


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
        yield GaugeMetricFamily(
            "radcopilot_stored_instances",
            "DICOM instances in the index",
            value=self._from.instances(),
        )
        yield GaugeMetricFamily(
            "radcopilot_disk_free_bytes",
            "Free bytes where studies and results are kept",
            value=shutil.disk_usage(self._from.folder).free,
        )
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

"""The place of orders that are carried out where the images and the results are kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from copilot.hints import Hints
from copilot.results import Results, State, result_of
from copilot.workflows.orders import Order
from domain.errors import InputError
from domain.ports import Archive, Clock
from domain.uids import SeriesUID


class Here:
    """The ``Place`` of this process's own store and results."""

    def __init__(self, archive: Archive, results: Results, clock: Clock) -> None:
        self._archive = archive
        self._results = results
        self._clock = clock

    def is_running(self, identity: str) -> bool:
        """Tell whether an order still waits for what it comes to."""
        return self._results.get(identity).state is State.RUNNING

    @contextmanager
    def files(self, series: SeriesUID) -> Iterator[tuple[Path, ...]]:
        """Hold the files of a series ready.

        Raises
        ------
        InputError
            If it is not stored.
        """
        found = self._archive.instance_paths(series)
        if not found:
            raise InputError(f"series {series} is not stored here: send it to this node first")
        yield found

    def hints(self, hints: Hints) -> Hints:
        """Return them as they are: an earlier mask is a file of this place."""
        return hints

    @contextmanager
    def folder(self, identity: str) -> Iterator[Path]:
        """Hold a folder ready for the files of a result."""
        with self._results.aside(identity) as folder:
            yield folder

    def finish(self, order: Order, document: dict[str, Any], folder: Path) -> None:
        """Keep what an order came to, unless it was finished by another before."""
        made = result_of(order.identity, self._clock.now(), order.series, document)
        self._results.put(made, folder)

    def fail(self, order: Order, reason: str) -> None:
        """Keep that an order came to nothing."""
        began = self._results.get(order.identity)
        failed = {**began.document, "error": reason}
        self._results.finish(replace(began, state=State.FAILED, document=failed))

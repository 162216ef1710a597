"""What pages are told of when it changes: results, deliveries, reports, studies, progress."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from copilot.reports.lifecycle import Lifecycle
from copilot.results import Results
from copilot.workflows.delivery import Outbox
from copilot.workflows.running import Running

Key = tuple[str, ...]
Facts = Mapping[str, Any]

_MOST: Final = 500
_STUDIES_EVERY_S: Final = 3.0  # listing them costs more than counting their images


class Watched:
    """Looks at everything a page shows; identifiers and states alone, no patient data."""

    def __init__(
        self,
        *,
        results: Results,
        outbox: Outbox,
        reports: Lifecycle,
        running: Running,
        instances: Callable[[], int],
        studies: Callable[[], Sequence[Facts]],
    ) -> None:
        self._results = results
        self._outbox = outbox
        self._reports = reports
        self._running = running
        self._instances = instances
        self._studies = studies
        self._listed: dict[Key, Facts] = {}
        self._counted = -1
        self._listed_at = 0.0

    def look(self) -> dict[Key, Facts]:
        """Return what there is by key; the key's first word is the kind of the happening."""
        found: dict[Key, Facts] = {}
        for identity, (state, series) in self._results.states(_MOST).items():
            found["result", identity] = {"id": identity, "state": state, "series": series}
        for each in self._outbox.all(most=_MOST):
            found["delivery", each.result_id, each.destination] = each.printed()
        for uid, (at, fields) in self._reports.changes(_MOST).items():
            found["report", uid] = {"study": uid, "at": at, "fields": fields}
        for identity, stage in self._running.stages().items():
            found["progress", identity] = {"id": identity, **asdict(stage)}
        return found | self._studies_now()

    def _studies_now(self) -> dict[Key, Facts]:
        count, now = self._instances(), time.monotonic()
        if count != self._counted or now - self._listed_at > _STUDIES_EVERY_S:
            self._listed = dict(_study(each) for each in self._studies())
            self._counted, self._listed_at = count, now
        return self._listed


def _study(study: Facts) -> tuple[Key, Facts]:
    uid = study["study_instance_uid"]
    count = sum(series["instances"] for series in study["series"])
    return ("study", uid), {"study": uid, "instances": count, "arrival": study["arrival"]}

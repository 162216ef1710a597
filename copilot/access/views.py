"""Which studies were looked at: an audit row for each, once in a while for each session."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from copilot.access.roles import Person
from copilot.audit import SqlAuditLog

LIST: Final = "list of studies"
_MOST: Final = 20_000


class Views:
    """Writes down who looks at what; a view that cannot be written down is none."""

    def __init__(
        self,
        audit: SqlAuditLog,
        again_s: float,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._audit = audit
        self._again_s = again_s
        self._monotonic_s = monotonic_s
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._turn = threading.Lock()

    def seen(self, person: Person, study: str) -> None:
        """Write down that a person looks at a study, unless it was just now."""
        key = (person.session or person.name, study)
        now = self._monotonic_s()
        with self._turn:
            last = self._seen.get(key)
            if last is not None and now - last < self._again_s:
                return
            act = "studies.listed" if study == LIST else "study.viewed"
            self._audit.record(actor=person.name, act=act, subject=study)
            self._seen.pop(key, None)
            self._seen[key] = now
            while len(self._seen) > _MOST:
                self._seen.popitem(last=False)

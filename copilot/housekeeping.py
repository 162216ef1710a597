"""The part of the composition root that looks after the node: retention and peers."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Final

from copilot.keeping.holds import Holds
from copilot.keeping.keeper import Keeper
from copilot.keeping.policy import Limits
from copilot.peers import PeerWatch, watch
from copilot.system import SystemClock
from copilot.wiring.house import House
from copilot.workers import Rounds
from copilot.workplace import Workplace

log: Final = logging.getLogger(__name__)

_GB: Final = 1e9
_LOOK_S: Final = 2.0


class Housekeeping:
    """Builds what looks after the node, each part when it is first asked for."""

    def __init__(self, home: House, workplace: Workplace) -> None:
        self._home = home
        self._workplace = workplace

    @cached_property
    def holds(self) -> Holds:
        """Which studies a person keeps."""
        return Holds(self._home.database, self._home.audit, SystemClock())

    @cached_property
    def keeper(self) -> Keeper:
        """What knows of every study whether it may go."""
        home = self._home
        home.results, home.outbox, home.dispatches, self.holds  # noqa: B018 - their tables are looked into
        settings = home.settings.retention
        return Keeper(
            store=home.store,
            book=self._workplace.book,
            engine=home.database,
            audit=home.audit,
            clock=SystemClock(),
            periods=home.quiet_periods,
            limits=Limits(
                days=settings.days,
                most_bytes=int(settings.most_gb * _GB),
                wanted_free_bytes=int(settings.wanted_free_gb * _GB),
                least_days=settings.least_days,
            ),
            believes_unconfirmed=settings.believe_unconfirmed,
            seen=home.seen_folder,
        )

    @cached_property
    def peers(self) -> PeerWatch:
        """What knows of every peer whether it answers."""
        return watch(self._home, SystemClock())

    @contextmanager
    def working(self) -> Iterator[None]:
        """Watch the peers and keep the store within the site's limits while within."""
        turns = Turns(self.keeper, self._home)
        with self.peers.working(), Rounds("retention", turns.look, _LOOK_S):
            try:
                yield
            finally:
                self.keeper.close()


class Turns:
    """When retention runs: every so often, and whenever objects begin to be refused for room."""

    def __init__(self, keeper: Keeper, home: House) -> None:
        self._keeper = keeper
        self._room = home.room
        self._every_s = home.settings.retention.every_s
        self._clock = SystemClock()
        self._last_s = 0.0
        self._shortages = 0

    def look(self) -> None:
        """Run where it is time."""
        now_s = self._clock.now().timestamp()
        shortages = self._room.shortages
        if now_s < self._last_s + self._every_s and shortages == self._shortages:
            return
        self._last_s, self._shortages = now_s, shortages
        done = self._keeper.tidy()
        if done.removed or done.failed:
            log.info("retention.done removed=%d stay=%d", len(done.removed), len(done.failed))

"""Whether the peers answer: asked in the background, so that a monitor never waits for one."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from copilot.settings import PeerSettings
from copilot.wiring.house import House
from copilot.workers import Rounds
from dicom_node.stow import StowPeer
from domain.errors import RadcopilotError
from domain.ports import Clock

log: Final = logging.getLogger(__name__)

Ask = Callable[[], str]
_LEAVE_S: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class PeerReport:
    """How a peer stands.

    Attributes
    ----------
    up
        Whether it answered when it was last asked; None before the first answer.
    says
        Its answer, or why there is none and what would mend that.
    asked_at, answered_at
        When it was asked last, and when it last answered; empty for never since the start.
    """

    up: bool | None = None
    says: str = "not asked yet"
    asked_at: str = ""
    answered_at: str = ""

    def printed(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "up": self.up,
            "says": self.says,
            "asked_at": self.asked_at or None,
            "answered_at": self.answered_at or None,
        }


class PeerWatch:
    """Asks every peer again and again, each in a thread of its own: one that hangs delays none.

    Parameters
    ----------
    asks
        By name of the peer; each returns its answer in words, or raises what stands in the way.
    """

    def __init__(self, asks: Mapping[str, Ask], clock: Clock, every_s: float) -> None:
        self._asks = asks
        self._clock = clock
        self._every_s = every_s
        self._lock = threading.Lock()
        self._reports = {name: PeerReport() for name in asks}

    def reports(self) -> dict[str, PeerReport]:
        """Return how each peer stood when it was last asked, without asking."""
        with self._lock:
            return dict(self._reports)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Ask while within; never, where the interval is 0."""
        with ExitStack() as stack:
            for name in self._asks if self._every_s else ():
                look = partial(self.ask, name)
                rounds = Rounds(f"peer-{name}", look, self._every_s, at_once=True, leave_s=_LEAVE_S)
                stack.enter_context(rounds)
            yield

    def ask(self, name: str) -> PeerReport:
        """Ask one peer now, and remember what it says."""
        try:
            said, up = self._asks[name](), True
        except RadcopilotError as error:
            said, up = str(error), False
        except Exception as error:  # one peer's oddity is its own
            log.exception("peer.failed peer=%s", name)
            said, up = f"it could not be asked ({type(error).__name__})", False
        now = self._clock.now().isoformat(timespec="seconds")
        with self._lock:
            before = self._reports[name]
            answered_at = now if up else before.answered_at
            after = PeerReport(up=up, says=said, asked_at=now, answered_at=answered_at)
            self._reports[name] = after
        if up is not before.up:
            level, word = (logging.INFO, "up") if up else (logging.WARNING, "down")
            log.log(level, "peer.%s peer=%s", word, name)
        return after


def asked(home: House, settings: PeerSettings) -> str:
    """Ask a peer whether it answers (C-ECHO, or a search by DICOMweb), and return its answer.

    Raises
    ------
    PeerError
        Saying what stands in the way.
    """
    peer = home.peers.either(settings)
    if isinstance(peer, StowPeer):
        return peer.echo()
    peer.echo()
    return f"answers at {settings.host}:{settings.port}"


def watch(home: House, clock: Clock) -> PeerWatch:
    """Return what watches the peers of the settings."""
    asks = {peer.ae_title: partial(asked, home, peer) for peer in home.settings.peers}
    return PeerWatch(asks, clock, home.settings.monitoring.peers_every_s)

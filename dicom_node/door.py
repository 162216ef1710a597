"""Who may associate with us: calling AE title and host by a list, our own AE title by choice.

Rules only: no socket is touched here but by the resolver of host names, which can be handed over.
"""

import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self

from domain.errors import InputError

log: Final = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str], Iterable[str]]
ANYONE: Final = "*"

_PERMANENT: Final = 1
_TRANSIENT: Final = 2
_SERVICE_USER: Final = 1
_PRESENTATION: Final = 3


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """An A-ASSOCIATE-RJ (PS3.8 table 9-21), and what the log says of it."""

    result: int
    source: int
    reason: int
    says: str


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks for an association."""

    calling_ae_title: str
    called_ae_title: str
    host: str


def _network(host: str) -> Network | None:
    try:
        return ip_network(host)
    except ValueError:
        return None


def _address(host: str) -> Address | None:
    """Return an address without its zone; IPv4 inside IPv6 as IPv4."""
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    inside = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return inside or found


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """One who may associate: an AE title and a host, each ``*`` where it does not matter.

    ``host`` is an address, a network (``10.1.0.0/16``) or a name, looked up at each association.
    """

    ae_title: str = ANYONE
    host: str = ANYONE

    def __post_init__(self) -> None:
        if not self.ae_title.strip() or not self.host.strip():
            raise InputError(
                f"an allowed node with AE title {self.ae_title!r} and host {self.host!r}: "
                f"give both, {ANYONE!r} where one does not matter"
            )
        if "/" in self.host and _network(self.host) is None:
            raise InputError(
                f"{self.host!r} is no network: write it as 10.1.0.0/16, without host bits"
            )

    def admits(self, ae_title: str, address: Address, resolve: Resolver) -> bool:
        """Tell whether this entry is the caller."""
        if self.ae_title not in (ANYONE, ae_title):
            return False
        if self.host == ANYONE:
            return True
        network = _network(self.host)
        if network is not None:
            return address in network
        return any(_address(found) == address for found in resolve(self.host))

    def __str__(self) -> str:
        return f"{self.ae_title} from {self.host}"


LOOPBACK: Final = (Allowed(host="127.0.0.0/8"), Allowed(host="::1"))


def resolved(host: str) -> tuple[str, ...]:
    """Return the addresses of a host name; none where it is not known."""
    try:
        return tuple(str(found[4][0]) for found in socket.getaddrinfo(host, None))
    except OSError as error:
        log.warning("door.unresolved host=%s %s", host, error)
        return ()


@dataclass(frozen=True, kw_only=True)
class Door:
    """The allow list of our node, and whether callers must know our AE title."""

    ae_title: str
    allowed: Sequence[Allowed] = LOOPBACK
    check_called_ae: bool = False
    resolve: Resolver = resolved

    def rejection(self, caller: Caller) -> Rejection | None:
        """Return why a caller is not let in, or None when he is."""
        if self.check_called_ae and caller.called_ae_title != self.ae_title:
            return Rejection(
                result=_PERMANENT,
                source=_SERVICE_USER,
                reason=7,
                says=f"called AE title {caller.called_ae_title!r} is not {self.ae_title!r}",
            )
        address = _address(caller.host)
        if address is not None and any(
            entry.admits(caller.calling_ae_title, address, self.resolve) for entry in self.allowed
        ):
            return None
        return Rejection(
            result=_PERMANENT,
            source=_SERVICE_USER,
            reason=3,
            says="calling AE title and host are not in [node] allow, nor a peer",
        )

    def with_peers(self, peers: Iterable[tuple[str, str]]) -> Self:
        """Return this door open to peers too: they answer storage commitment by calling us."""
        entries = [Allowed(ae_title=ae_title, host=host) for ae_title, host in peers]
        return type(self)(
            ae_title=self.ae_title,
            allowed=tuple(dict.fromkeys((*self.allowed, *entries))),
            check_called_ae=self.check_called_ae,
            resolve=self.resolve,
        )


def too_many(limit: int) -> Rejection:
    """Return the rejection of one association more than the limit."""
    return Rejection(
        result=_TRANSIENT, source=_PRESENTATION, reason=2, says=f"limit of {limit} associations"
    )


def unknown_application_context(name: str) -> Rejection:
    """Return the rejection of an application context other than DICOM's."""
    return Rejection(
        result=_PERMANENT,
        source=_SERVICE_USER,
        reason=2,
        says=f"application context {name!r} is not DICOM's",
    )

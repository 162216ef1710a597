"""Where a request comes from: through trusted proxies, by which name, over what."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from copilot.access.exposure import is_loopback
from copilot.settings import WebSettings

Headers = Mapping[bytes, bytes]
_FORWARDED: Final = (b"x-forwarded-for", b"forwarded", b"x-real-ip")
_OUR_OWN: Final = frozenset({b"same-origin", b"none"})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who calls.

    Attributes
    ----------
    refusal
        Why this call is not answered at all; empty where it is.
    """

    address: str
    is_secure: bool
    is_here: bool
    host: str
    refusal: str = ""


class Callers:
    """Reads who calls; what a header says is believed of trusted proxies alone."""

    def __init__(self, web: WebSettings) -> None:
        self._proxies = [ipaddress.ip_network(each) for each in web.proxies]
        self._as_here = web.published_on_loopback
        self._names = {name.lower() for name in web.hosts} | {"localhost"}
        if not _is_address(web.host):
            self._names.add(web.host.lower())

    def of(self, scope: Mapping[str, Any], headers: Headers) -> Caller:
        """Return who calls."""
        host = headers.get(b"host", b"").decode("latin-1")
        peer = str((scope.get("client") or ("",))[0])
        is_secure = scope.get("scheme") in {"https", "wss"}
        forwarded = any(name in headers for name in _FORWARDED)
        refusal = "" if self._is_ours(host) else _foreign_name(host)
        if self._proxies and self._is_proxy(peer) and forwarded:
            address = self._first_untrusted(headers.get(b"x-forwarded-for", b""))
            return Caller(
                address=address, is_secure=True, is_here=False, host=host, refusal=refusal
            )
        if self._proxies and not is_secure and not is_loopback(peer):
            refusal = refusal or "this server is called through its proxy alone ([web] proxies)"
        return Caller(
            address=peer,
            is_secure=is_secure,
            is_here=(is_loopback(peer) or self._as_here) and not forwarded and not self._proxies,
            host=host,
            refusal=refusal,
        )

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._proxies)

    def _first_untrusted(self, listed: bytes) -> str:
        """Return the last hop that is no proxy of ours: what stands before it is hearsay."""
        hops = [each.strip() for each in listed.decode("latin-1").split(",") if each.strip()]
        for hop in reversed(hops):
            if not self._is_proxy(hop):
                return hop
        return hops[0] if hops else ""

    def _is_ours(self, host: str) -> bool:
        """Return whether a Host header is one of ours; addresses are, since none can be rebound."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _foreign_name(host: str) -> str:
    return (
        f"this server is not called {host[:100]!r}: use one of its names, or add it to [web] hosts"
    )


def is_foreign(caller: Caller, headers: Headers, *, needs_origin: bool = False) -> bool:
    """Return whether another site's page asks, by what a browser says of it.

    ``needs_origin``: a browser always names its page here (WebSockets).
    """
    if headers.get(b"sec-fetch-site", b"none") not in _OUR_OWN:
        return True
    origin = headers.get(b"origin")
    if origin is None:
        return needs_origin
    try:
        page = urlsplit(origin.decode("latin-1").lower())
        own = urlsplit(f"{'https' if caller.is_secure else 'http'}://{caller.host.lower()}")
        return (page.scheme, page.hostname, _port(page.scheme, page.port)) != (
            own.scheme,
            own.hostname,
            _port(own.scheme, own.port),
        )
    except ValueError:
        return True


def _port(scheme: str, port: int | None) -> int | None:
    return port or _DEFAULT_PORTS.get(scheme)

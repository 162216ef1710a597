"""Where the web API is reachable from, and whether it may be."""

import ipaddress
from typing import Final

from copilot.settings import WebSettings
from domain.errors import SettingsError

_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
LOCAL: Final = (
    "no account: whoever sits at this machine is its local user, with every role "
    "(radcopilot users add NAME --role ROLE asks for a login)"
)


def is_loopback(host: str) -> bool:
    """Return whether an address or name is this machine's own."""
    if host in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def check_exposure(web: WebSettings, *, needs_login: bool, has_token: bool) -> str:
    """Say who may come in, and refuse to serve other machines unguarded.

    Raises
    ------
    SettingsError
        If others could come in unasked, or passwords would travel in the clear.
    """
    if bool(web.certificate) != bool(web.key):
        raise SettingsError("[web] certificate and key go together: give both, or neither")
    is_shut_in = (is_loopback(web.host) or web.published_on_loopback) and not web.proxies
    if not is_shut_in:
        if not (needs_login or has_token):
            raise SettingsError(
                f"[web] host {web.host} is reached from other machines and nobody would be asked "
                "who it is: add an account (radcopilot users add NAME --role ROLE), an [openid] "
                "issuer or a [web] token_file, or bind to 127.0.0.1"
            )
        if not web.certificate and not web.proxies:
            raise SettingsError(
                f"[web] host {web.host} is reached from other machines without TLS: give [web] "
                "certificate and key, or name the proxies that end TLS in [web] proxies, or bind "
                "to 127.0.0.1"
            )
    if not needs_login and (is_shut_in or not has_token):
        return LOCAL
    said = ["a login is needed" if needs_login else "the site's token alone lets in"]
    if needs_login and has_token:
        said.append("programs show the site's token")
    if web.proxies:
        said.append(f"TLS ends at {', '.join(web.proxies)}")
    elif web.certificate:
        said.append("HTTPS")
    else:
        said.append("this machine only")
    return ", ".join(said)

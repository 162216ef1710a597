"""OpenID Connect: the authorization code flow with PKCE, state and nonce.

The provider says who a person is and which groups they are in; roles are ours to give. What its
token says is believed after signature, issuer, audience, time and nonce were checked.
"""

import secrets
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from copilot.access.exposure import is_loopback
from copilot.access.roles import Role, roles_of
from copilot.settings import OpenIdSettings
from domain.errors import LoginRefusedError, PeerRefusedError, PeerUnreachableError

_ALGORITHMS: Final = ("RS256", "PS256", "ES256", "RS384", "PS384", "ES384", "RS512", "PS512")
_VERIFIER_BYTES: Final = 48
_KNOWN_S: Final = 3600.0
_BEGUN_S: Final = 600.0
_MOST_BEGUN: Final = 1000
_LEEWAY_S: Final = 60
_OK: Final = 200


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A login on its way: where the browser goes, and what ties its return to this browser."""

    url: str
    state: str
    nonce: str
    verifier: str
    at_s: float


@dataclass(frozen=True, kw_only=True)
class Vouched:
    """Whom the provider vouches for."""

    name: str
    subject: str
    roles: frozenset[Role]


@dataclass(frozen=True, kw_only=True)
class _Provider:
    authorization: str
    token: str
    keys: str
    at_s: float


class OpenId:
    """Asks an OpenID provider who a person is."""

    def __init__(
        self,
        settings: OpenIdSettings,
        secret: str,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._monotonic_s = monotonic_s
        self._begun: OrderedDict[str, Begun] = OrderedDict()
        self._turn = threading.Lock()
        self._known: _Provider | None = None

    @property
    def label(self) -> str:
        """What stands on the page's button."""
        return self._settings.label

    def begin(self) -> Begun:
        """Begin a login.

        Raises
        ------
        PeerError
            If the provider cannot be asked.
        """
        provider = self._provider()
        nonce = secrets.token_urlsafe()
        verifier = secrets.token_urlsafe(_VERIFIER_BYTES)
        with self._client() as client:
            url, state = client.create_authorization_url(
                provider.authorization,
                state=secrets.token_urlsafe(),
                nonce=nonce,
                code_verifier=verifier,
            )
        begun = Begun(
            url=url, state=state, nonce=nonce, verifier=verifier, at_s=self._monotonic_s()
        )
        with self._turn:
            self._begun[state] = begun
            while len(self._begun) > _MOST_BEGUN:
                self._begun.popitem(last=False)
        return begun

    def finish(self, *, state: str, browsers_state: str, code: str) -> Vouched:
        """Return whom the provider vouches for.

        Parameters
        ----------
        browsers_state
            What this browser was given when it began: the answer to another's login is refused.

        Raises
        ------
        LoginRefusedError
            With the reason: what was answered is not what was asked for, or gives no role here.
        PeerError
            If the provider cannot be asked.
        """
        with self._turn:
            begun = self._begun.pop(state, None)
        if begun is None or not secrets.compare_digest(state, browsers_state):
            raise LoginRefusedError("this login was not begun by this browser: begin again")
        if self._monotonic_s() - begun.at_s > _BEGUN_S:
            raise LoginRefusedError("this login took too long: begin again")
        return self._vouched(self._claims(self._id_token(code, begun.verifier), begun.nonce))

    def check(self) -> str:
        """Say that the provider answers.

        Raises
        ------
        PeerError
            If it does not.
        """
        return f"{self._settings.issuer} answers, tokens from {self._provider().token}"

    def _id_token(self, code: str, verifier: str) -> str:
        url = self._provider().token
        try:
            with self._client() as client:
                answer = client.fetch_token(
                    url, grant_type="authorization_code", code=code, code_verifier=verifier
                )
        except OAuthError as error:
            raise LoginRefusedError(
                f"the provider gave no token ({error.error}): begin again"
            ) from error
        except (httpx.HTTPError, ValueError) as error:
            raise PeerUnreachableError(
                f"the provider's {url} does not answer ({type(error).__name__})"
            ) from error
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise LoginRefusedError("the provider gave no ID token: add the scope openid")
        return token

    def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        settings = self._settings
        rules = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            claims = jwt.decode(token, self._keys(), algorithms=list(_ALGORITHMS)).claims
            rules.validate(claims)
        except (JoseError, ValueError) as error:
            raise LoginRefusedError(
                f"the provider's token is not believed ({type(error).__name__}): {str(error)[:200]}"
            ) from error
        party = claims.get("azp")
        if party is not None and party != settings.client_id:
            raise LoginRefusedError("the provider's token is for another program (azp)")
        return claims

    def _vouched(self, claims: Mapping[str, Any]) -> Vouched:
        settings = self._settings
        name = claims.get(settings.name_claim)
        if not isinstance(name, str) or not name:
            raise LoginRefusedError(
                f"the provider's token has no {settings.name_claim}: see [openid] name_claim"
            )
        said = claims.get(settings.groups_claim, ())
        groups = [said] if isinstance(said, str) else [each for each in said if str(each)]
        names = {role for group in groups for role in settings.roles.get(str(group), ())}
        if not names:
            raise LoginRefusedError(
                f"{name[:64]} is in no group that has a role here: ask an administrator"
            )
        return Vouched(
            name=name, subject=f"{settings.issuer} {claims['sub']}", roles=roles_of(names)
        )

    def _provider(self) -> _Provider:
        known = self._known
        if known is not None and self._monotonic_s() - known.at_s < _KNOWN_S:
            return known
        issuer = self._settings.issuer
        said = self._asked(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if said.get("issuer") != issuer:
            raise PeerRefusedError(
                f"the provider calls itself {str(said.get('issuer'))[:100]!r}: [openid] issuer "
                f"says {issuer!r}, to the letter"
            )
        found = _Provider(
            authorization=_safe(said, "authorization_endpoint"),
            token=_safe(said, "token_endpoint"),
            keys=_safe(said, "jwks_uri"),
            at_s=self._monotonic_s(),
        )
        self._known = found
        return found

    def _keys(self) -> KeySet:
        """Return the provider's keys, asked anew each time: they change, and logins are few."""
        try:
            return KeySet.import_key_set(self._asked(self._provider().keys))  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError) as error:
            raise PeerRefusedError("the provider's keys cannot be read") from error

    def _asked(self, url: str) -> dict[str, Any]:
        try:
            answer = httpx.get(url, verify=self._trust(), timeout=self._wait_s, trust_env=False)
            said = answer.json() if answer.status_code == _OK else None
        except (httpx.HTTPError, ValueError) as error:
            raise PeerUnreachableError(
                f"the provider's {url} does not answer ({type(error).__name__}): check [openid] "
                "issuer and ca"
            ) from error
        if not isinstance(said, dict):
            raise PeerRefusedError(f"{url} answers HTTP {answer.status_code} and no JSON object")
        return said

    def _client(self) -> OAuth2Client:
        settings = self._settings
        return OAuth2Client(
            client_id=settings.client_id,
            client_secret=self._secret,
            scope=" ".join(settings.scopes),
            redirect_uri=settings.redirect_url,
            code_challenge_method="S256",
            verify=self._trust(),
            timeout=self._wait_s,
            trust_env=False,
        )

    @property
    def _wait_s(self) -> float:
        return self._settings.request_timeout_s

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._settings.ca or None)


def _safe(said: Mapping[str, Any], key: str) -> str:
    """Return an address the provider names, where a secret may go."""
    url = str(said.get(key, ""))
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return url
    raise PeerRefusedError(f"the provider's {key} {url[:100]!r} is not https")

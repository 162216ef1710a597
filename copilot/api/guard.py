"""The guard before every route: which name, which page, who, and with which right.

ASGI middleware. What is refused here has had nothing read of its body.
"""

import asyncio
import hmac
import json
import logging
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final

from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from copilot.access.caller import Caller, Callers, is_foreign
from copilot.access.entrance import Entrance
from copilot.access.roles import LOCAL_PERSON, How, Person, Right, holders
from copilot.access.views import LIST, Views
from copilot.api.person import CALLER, PERSON
from copilot.api.rights import SOCKET, Asked, asked
from domain.errors import RadcopilotError

log: Final = logging.getLogger(__name__)

PAGE_TOKEN: Final = b"x-page-token"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_POLICY: Final = 1008
_OVER: Final = 4401
_LOOK_S: Final = 2.0
_STREAM: Final = "/api/events"
_WITH_OWN_POLICY: Final = ("/docs", "/assets/")

StudyOf = Callable[[str], str | None]


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    status: int
    error: str
    says: str


@dataclass(frozen=True, kw_only=True)
class _Passed:
    caller: Caller
    person: Person | None


class Guard:
    """Answers, or refuses with the reason."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        entrance: Entrance,
        callers: Callers,
        views: Views,
        study_of_series: StudyOf,
        study_of_result: StudyOf,
        frame_ancestors: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._entrance = entrance
        self._callers = callers
        self._views = views
        self._study_of: Mapping[str, StudyOf] = {
            "series": study_of_series,
            "result": study_of_result,
        }
        self._headers = _guarding(frame_ancestors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        found = await run_in_threadpool(self._decided, scope)
        if isinstance(found, _Refusal):
            await _refuse(found, scope, self._guarded(send, scope))
            return
        inner = {**scope, PERSON: found.person, CALLER: found.caller}
        guarded = self._guarded(send, scope)
        is_long = scope["type"] == "websocket" or scope["path"] == _STREAM
        if is_long and found.person and found.person.how is How.SESSION:
            await self._until_over(found.person, inner, receive, guarded)
            return
        await self._app(inner, receive, guarded)

    def _decided(self, scope: Scope) -> _Passed | _Refusal:
        """Return who may ask, or why not; nothing is answered where that cannot be known."""
        try:
            return self._decide(scope, dict(scope["headers"]))
        except (SQLAlchemyError, RadcopilotError) as error:
            log.warning("access.undecided error=%s", type(error).__name__)
            return _Refusal(
                status=503,
                error="StorageError",
                says="accounts and audit trail cannot be used, so nothing is answered: see the log "
                "and radcopilot check",
            )

    def _decide(self, scope: Scope, headers: Mapping[bytes, bytes]) -> _Passed | _Refusal:
        caller = self._callers.of(scope, headers)
        if caller.refusal:
            return _Refusal(status=421, error="AccessError", says=caller.refusal)
        is_socket = scope["type"] == "websocket"
        method = SOCKET if is_socket else str(scope["method"])
        what = asked(method, str(scope["path"]))
        shown = headers.get(b"authorization", b"")
        acts = is_socket or method not in _READING
        if acts and not shown and is_foreign(caller, headers):
            return _Refusal(
                status=403,
                error="AccessError",
                says="acts are taken from this station's own page alone",
            )
        person = self._person(caller, headers)
        if what is not None and what.entry.right is None:
            return _Passed(caller=caller, person=person)
        if person is None:
            return self._unknown(bool(shown))
        if what is None or what.entry.right is None:
            return _Refusal(status=404, error="InputError", says="there is nothing at this address")
        refusal = _without_right(person, what.entry.right)
        if refusal is None and acts and person.how is How.SESSION:
            refusal = _without_page(person, caller, headers, is_socket=is_socket)
        if refusal is None:
            self._see(person, what)
            if acts and not is_socket and person.how is How.SESSION:
                self._entrance.sessions.used(person)
        return refusal or _Passed(caller=caller, person=person)

    def _person(self, caller: Caller, headers: Mapping[bytes, bytes]) -> Person | None:
        shown = headers.get(b"authorization", b"")
        if shown:
            kind, _, secret = shown.decode("latin-1").partition(" ")
            return self._entrance.by_token(secret) if kind.lower() == "bearer" else None
        secret = cookie(headers, session_cookie(is_secure=caller.is_secure))
        if secret and (person := self._entrance.sessions.of(secret)):
            return person
        if caller.is_here and not self._entrance.needs_login():
            return LOCAL_PERSON
        return None

    def _unknown(self, has_shown: bool) -> _Refusal:
        ways = []
        if self._entrance.needs_login():
            ways.append("log in")
        if self._entrance.has_token or has_shown:
            ways.append("show the site's token ([web] token_file) as Authorization: Bearer …")
        says = (
            " or ".join(ways) or "nobody comes in from another machine: see docs/how-to/access.md"
        )
        return _Refusal(status=401, error="LoginNeededError", says=says)

    def _see(self, person: Person, what: Asked) -> None:
        match what.entry.views:
            case "":
                return
            case "list":
                self._views.seen(person, LIST)
            case "study":
                self._views.seen(person, what.parts["study"][:64])
            case "series" | "result" as kind:
                study = self._study_of[kind](what.parts[_PART[kind]])
                if study is not None:
                    self._views.seen(person, study)

    async def _until_over(self, person: Person, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for as long as the session goes on; a stream ends with it."""
        begun = False

        async def told(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] in {"http.response.start", "websocket.accept"}
            await send(message)

        answering = asyncio.ensure_future(self._app(scope, receive, told))
        try:
            while not answering.done():
                await asyncio.wait({answering}, timeout=_LOOK_S)
                if not answering.done() and not await run_in_threadpool(self._goes_on, person):
                    answering.cancel()
                    await asyncio.gather(answering, return_exceptions=True)
                    if begun and scope["type"] == "websocket":
                        await send({"type": "websocket.close", "code": _OVER, "reason": "log in"})
                    elif begun:
                        await send({"type": "http.response.body", "body": b""})
                    return
            answering.result()
        finally:
            answering.cancel()

    def _goes_on(self, person: Person) -> bool:
        try:
            return self._entrance.sessions.is_on(person)
        except SQLAlchemyError:
            return False

    def _guarded(self, send: Send, scope: Scope) -> Send:
        """Return what adds the headers that browsers are guarded by."""
        path = str(scope["path"])

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(message, path)
            await send(message)

        return guarded

    def _add_headers(self, message: MutableMapping[str, Any], path: str) -> None:
        headers = list(message.get("headers", ()))
        there = {name.lower() for name, _ in headers}
        for name, value in self._headers:
            if name == b"content-security-policy" and path.startswith(_WITH_OWN_POLICY):
                continue
            if name == b"content-security-policy" and name in there:
                headers = [
                    (key, said.replace(b"frame-ancestors 'none'", self._ancestors()))
                    if key.lower() == name
                    else (key, said)
                    for key, said in headers
                ]
            elif name not in there:
                headers.append((name, value))
        message["headers"] = headers

    def _ancestors(self) -> bytes:
        policy = dict(self._headers)[b"content-security-policy"]
        return policy.rpartition(b"; ")[2]


_PART: Final = {"series": "series", "result": "identity"}


def session_cookie(*, is_secure: bool) -> str:
    """Return the name of the session's cookie: over TLS one that no other host can set."""
    return "__Host-radcopilot" if is_secure else "radcopilot"


def cookie(headers: Mapping[bytes, bytes], name: str) -> str:
    """Return the value of a cookie; empty where there is none."""
    try:
        found = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _guarding(frame_ancestors: tuple[str, ...]) -> tuple[tuple[bytes, bytes], ...]:
    ancestors = " ".join(frame_ancestors) or "'none'"
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors {ancestors}"
    )
    return (
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cache-control", b"no-store"),
    )


def _without_right(person: Person, right: Right) -> _Refusal | None:
    if person.may(right):
        return None
    return _Refusal(
        status=403,
        error="AccessError",
        says=f"{person.name} may not do this: it takes the role {holders(right)}",
    )


def _without_page(
    person: Person, caller: Caller, headers: Mapping[bytes, bytes], *, is_socket: bool
) -> _Refusal | None:
    """Refuse what another page asks with this person's cookie."""
    if is_socket:  # a browser names the page, and takes no header of it
        is_ours = not is_foreign(caller, headers, needs_origin=True)
    else:
        is_ours = _equal(headers.get(PAGE_TOKEN, b""), person.page_token.encode())
    if is_ours:
        return None
    return _Refusal(
        status=403,
        error="AccessError",
        says="the page's own token is missing or old: load the page again",
    )


def _equal(one: bytes, other: bytes) -> bool:
    return hmac.compare_digest(one, other)


async def _refuse(refusal: _Refusal, scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":  # closed before it is accepted: the caller sees a 403
        await send({"type": "websocket.close", "code": _POLICY, "reason": refusal.says[:120]})
        return
    body = json.dumps({"error": refusal.error, "detail": refusal.says}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if refusal.status == 401:  # noqa: PLR2004 - unauthorized
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

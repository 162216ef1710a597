"""The way in and out: who is here, login, logout, and the OpenID provider's answer."""

from collections.abc import Callable
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from copilot.access.entrance import NOBODY, Entrance
from copilot.access.exposure import LOCAL
from copilot.access.openid import OpenId
from copilot.access.roles import How, Person, Right, Role, holders
from copilot.api.guard import session_cookie
from copilot.api.person import PERSON, Asker, From
from domain.errors import LoginRefusedError, RadcopilotError, TooManyTriesError

_BEGUN: Final = "radcopilot-openid"
_CALLBACK: Final = "/api/access/openid/callback"
_BEGUN_S: Final = 600
_MOST_ACTS: Final = 500

LastActs = Callable[[int], list[dict[str, Any]]]


class LoginBody(BaseModel):
    """Name and password."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(min_length=1, max_length=200)]
    password: Annotated[str, Field(min_length=1, max_length=2000)]


def access_router(entrance: Entrance, provider: OpenId | None, last_acts: LastActs) -> APIRouter:
    """Return the routes of who is here."""
    router = APIRouter(prefix="/api/access", tags=["access"])

    def said(person: Person | None) -> dict[str, Any]:
        return _said(entrance, provider, person)

    @router.get("")
    def get_access(request: Request) -> dict[str, Any]:
        """Say who is here, what they may do, and how to come in."""
        return said(request.scope[PERSON])

    @router.post("/login")
    def post_login(body: LoginBody, caller: From) -> Response:
        """Come in by name and password."""
        try:
            secret, person = entrance.login(body.name, body.password, caller.address)
        except TooManyTriesError as error:
            return _refusal(error, 429, {"Retry-After": str(int(error.wait_s) + 1)})
        except LoginRefusedError as error:
            return _refusal(error, 401, {})
        answer = JSONResponse(said(person))
        _give(answer, secret, is_secure=caller.is_secure)
        return answer

    @router.post("/logout")
    def post_logout(person: Asker, caller: From) -> Response:
        """Go; the session is over on every page of this browser."""
        if person.how is How.SESSION:
            entrance.sessions.end(person)
        answer = JSONResponse(said(None))
        answer.delete_cookie(
            session_cookie(is_secure=caller.is_secure), secure=caller.is_secure, httponly=True
        )
        return answer

    @router.post("/here")
    def post_here(person: Asker) -> dict[str, Any]:
        """Say that the person is still at the station: the idle time begins anew."""
        return said(person)

    _add_records(router, entrance, last_acts)
    if provider is not None:
        _add_provider(router, entrance, provider)
    return router


def _said(entrance: Entrance, provider: OpenId | None, person: Person | None) -> dict[str, Any]:
    needs_login = entrance.needs_login()
    timeouts = entrance.sessions.timeouts
    return {
        "needs_login": needs_login,
        "says": "" if needs_login else LOCAL,
        "provider": None if provider is None else provider.label,
        "person": None if person is None else printed(person),
        "page_token": "" if person is None else person.page_token,
        "holders": {right.value: holders(right) for right in Right},
        "idle_timeout_s": timeouts.idle_s,
        "session_timeout_s": timeouts.whole_s,
    }


def _add_records(router: APIRouter, entrance: Entrance, last_acts: LastActs) -> None:
    @router.get("/accounts")
    def get_accounts() -> list[dict[str, Any]]:
        """List accounts; they are changed by radcopilot users, on the machine itself."""
        return [each.printed() for each in entrance.accounts.all()]

    @router.get("/audit")
    def get_audit() -> list[dict[str, Any]]:
        """List the last acts, the newest first."""
        return last_acts(_MOST_ACTS)


def _add_provider(router: APIRouter, entrance: Entrance, provider: OpenId) -> None:
    @router.get("/openid", include_in_schema=False)
    def get_openid(caller: From) -> Response:
        try:
            begun = provider.begin()
        except RadcopilotError as error:
            return _back(str(error))
        answer = RedirectResponse(begun.url, 303)
        answer.set_cookie(
            _BEGUN,
            begun.state,
            max_age=_BEGUN_S,
            path=_CALLBACK,
            secure=caller.is_secure,
            httponly=True,
            samesite="lax",  # the provider's redirect comes from another site
        )
        return answer

    @router.get("/openid/callback", include_in_schema=False)
    def get_callback(
        request: Request, caller: From, state: str = "", code: str = "", error: str = ""
    ) -> Response:
        name = NOBODY
        try:
            if error:
                raise LoginRefusedError(f"the provider let nobody in ({error[:60]})")
            begun = request.cookies.get(_BEGUN, "")
            vouched = provider.finish(state=state, browsers_state=begun, code=code)
            name = vouched.name[:64]
            account = entrance.accounts.vouched(vouched.name, vouched.roles, vouched.subject)
            secret, _ = entrance.vouched(account, caller.address)
        except RadcopilotError as refusal:
            entrance.refused(name, caller.address)
            answer = _back(str(refusal))
        else:
            answer = _back("")
            _give(answer, secret, is_secure=caller.is_secure)
        answer.delete_cookie(_BEGUN, path=_CALLBACK, secure=caller.is_secure, httponly=True)
        return answer


def printed(person: Person) -> dict[str, Any]:
    """Return a person as plain JSON values."""
    return {
        "name": person.name,
        "roles": [role.value for role in Role if role in person.roles],
        "rights": [right.value for right in Right if person.may(right)],
        "is_local": person.how is How.LOCAL,
    }


def _give(answer: Response, secret: str, *, is_secure: bool) -> None:
    answer.set_cookie(
        session_cookie(is_secure=is_secure),
        secret,
        path="/",
        secure=is_secure,
        httponly=True,
        samesite="strict",
    )


def _back(refusal: str) -> Response:
    """Return to the page, which says why nobody came in."""
    return RedirectResponse(f"/#login={quote(refusal)}" if refusal else "/", 303)


def _refusal(error: RadcopilotError, status: int, headers: dict[str, str]) -> Response:
    body = {"error": type(error).__name__, "detail": str(error)}
    return JSONResponse(body, status, headers)

"""Which right each route needs: one table, and what is not in it is answered to nobody."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from starlette.routing import compile_path

from copilot.access.roles import Right

Views = Literal["", "list", "study", "series", "result"]
SOCKET: Final = "WEBSOCKET"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A route, and who may ask for it.

    Attributes
    ----------
    right
        None: anybody, before any login.
    views
        What of a patient it shows, and by which part of its address that is found.
    """

    method: str
    template: str
    right: Right | None
    views: Views = ""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The entry of an address, with the parts of it."""

    entry: Entry
    parts: dict[str, str]


def _of(right: Right | None, *routes: str, views: Views = "") -> tuple[Entry, ...]:
    """Return an entry for each route, written as method and template."""
    pairs = (route.split(" ", 1) for route in routes)
    return tuple(
        Entry(method=method, template=template, right=right, views=views)
        for method, template in pairs
    )


_INSTANCE: Final = "/dicom-web/studies/{study}/series/{series}/instances/{instance}"

TABLE: Final[tuple[Entry, ...]] = (
    # Before any login: the page's own files, and the way in. No patient data.
    *_of(
        None,
        "GET /",
        "GET /assets/{name}",
        "GET /ohif",
        "GET /ohif/{path:path}",
        "GET /health",
        "GET /api/access",
        "POST /api/access/login",
        "GET /api/access/openid",
        "GET /api/access/openid/callback",
    ),
    *_of(
        Right.ENTER,
        "POST /api/access/logout",
        "POST /api/access/here",
        "GET /api/station",
        "GET /docs",
        "GET /docs/oauth2-redirect",
        "GET /openapi.json",
    ),
    *_of(
        Right.LOOK,
        "GET /api/events",
        "GET /api/commands",
        "GET /api/commands/{identity}",
        "GET /api/deliveries",
        "GET /api/deliveries/{identity}",
    ),
    *_of(
        Right.LOOK,
        "GET /api/studies",
        "GET /dicom-web/studies",
        "GET /dicom-web/series",
        "GET /dicom-web/instances",
        views="list",
    ),
    *_of(
        Right.LOOK,
        "GET /api/series/{series}",
        "GET /api/series/{series}/images/{index}",
        views="series",
    ),
    *_of(
        Right.LOOK,
        "GET /api/commands/{identity}/{filename}",
        "GET /api/commands/{identity}/masks/{segment}",
        "GET /api/commands/{identity}/prior-masks/{segment}",
        "GET /api/commands/{identity}/glimpses/{number}",
        views="result",
    ),
    *_of(
        Right.LOOK,
        "GET /api/studies/{study}/report",
        "GET /api/studies/{study}/report/versions/{version}",
        "GET /api/studies/{study}/report/difference",
        "GET /api/studies/{study}/report/exports/{name}",
        "GET /dicom-web/studies/{study}",
        "GET /dicom-web/studies/{study}/metadata",
        "GET /dicom-web/studies/{study}/series",
        "GET /dicom-web/studies/{study}/instances",
        "GET /dicom-web/studies/{study}/thumbnail",
        "GET /dicom-web/studies/{study}/series/{series}",
        "GET /dicom-web/studies/{study}/series/{series}/metadata",
        "GET /dicom-web/studies/{study}/series/{series}/instances",
        "GET /dicom-web/studies/{study}/series/{series}/thumbnail",
        f"GET {_INSTANCE}",
        f"GET {_INSTANCE}/metadata",
        f"GET {_INSTANCE}/frames/{{numbers}}",
        f"GET {_INSTANCE}/bulkdata/{{path:path}}",
        f"GET {_INSTANCE}/rendered",
        f"GET {_INSTANCE}/thumbnail",
        f"GET {_INSTANCE}/frames/{{number}}/rendered",
        f"GET {_INSTANCE}/frames/{{number}}/thumbnail",
        views="study",
    ),
    *_of(
        Right.COMMAND,
        "POST /api/commands",
        "POST /api/commands/{identity}/stop",
        "POST /api/series/{series}/ready",
        "POST /api/transcriptions",
        f"{SOCKET} /api/voice",
    ),
    *_of(
        Right.DECIDE,
        "POST /api/commands/{identity}/accept",
        "POST /api/commands/{identity}/reject",
        "POST /api/commands/{identity}/send",
        "POST /api/commands/{identity}/masks/{segment}",
        "PUT /api/commands/{identity}/masks/{segment}/concept",
        "PUT /api/studies/{study}/report/fields/{field:path}",
        "DELETE /api/studies/{study}/report/fields/{field:path}",
        "POST /api/studies/{study}/report/left-out",
        "PUT /api/studies/{study}/report/template",
        "POST /api/studies/{study}/report/polish",
        "POST /api/studies/{study}/report/review",
        "POST /api/studies/{study}/report/revise",
        "POST /api/studies/{study}/report/amend",
    ),
    *_of(Right.SIGN, "POST /api/studies/{study}/report/sign"),
    *_of(Right.RULES, "POST /api/studies/{study}/rules"),
    *_of(
        Right.DELIVER,
        "POST /api/deliveries/{identity}/{destination}/retry",
        "POST /api/deliveries/{identity}/{destination}/cancel",
    ),
    *_of(Right.FETCH, "POST /api/prefetches"),
    *_of(Right.STORE, "POST /dicom-web/studies", "POST /dicom-web/studies/{study}"),
    *_of(
        Right.WORK,
        "GET /api/orders/{identity}",
        "POST /api/orders/{identity}",
        "POST /api/orders/{identity}/failure",
    ),
    *_of(Right.MONITOR, "GET /metrics"),
    *_of(Right.MANAGE, "GET /api/access/accounts", "GET /api/access/audit"),
)


def _compiled() -> tuple[tuple[str, re.Pattern[str], Entry], ...]:
    return tuple((each.method, compile_path(each.template)[0], each) for each in TABLE)


_COMPILED: Final = _compiled()


def asked(method: str, path: str) -> Asked | None:
    """Return the entry of an address; None where there is none."""
    wanted = "GET" if method == "HEAD" else method
    for each, pattern, entry in _COMPILED:
        if each == wanted and (match := pattern.match(path)):
            return Asked(entry=entry, parts=match.groupdict())
    return None

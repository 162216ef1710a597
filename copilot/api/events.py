"""One stream of events for the page (server-sent events), taken up again where it broke off."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from copilot.happenings import LOOK_S, Happenings

_BREATH_S: Final = 15.0
_RETRY_MS: Final = 1000


def events_router(happenings: Happenings) -> APIRouter:
    """Return the route of events."""
    router = APIRouter(prefix="/api", tags=["events"])

    @router.get("/events", response_class=StreamingResponse)
    async def get_events(
        request: Request, last_event_id: Annotated[str | None, Header()] = None
    ) -> StreamingResponse:
        """Tell what changes: result, delivery, study, report and progress events, as JSON.

        The first event is ``begin``: look at everything then. A listener that names the last
        event it had (Last-Event-ID) is told what it missed; where that is not known any more it
        is told ``begin`` again.
        """
        return StreamingResponse(
            _told(happenings, request, last_event_id),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return router


async def _told(
    happenings: Happenings, request: Request, last_event_id: str | None
) -> AsyncIterator[str]:
    with happenings.listening():
        while not happenings.has_looked and not happenings.is_over:  # noqa: ASYNC110 - a thread looks
            await asyncio.sleep(LOOK_S / 10)
        known = last_event_id is not None and happenings.after(last_event_id) is not None
        mark = last_event_id if known and last_event_id is not None else happenings.mark()
        yield f"retry: {_RETRY_MS}\n\n"
        if not known:
            yield _event("begin", mark, {})
        quiet_s = 0.0
        while not happenings.is_over and not await request.is_disconnected():
            found = happenings.after(mark)
            if found is None:
                mark = happenings.mark()
                yield _event("begin", mark, {})
                continue
            told, mark = found
            for each in told:
                yield _event(each.kind, happenings.name(each), each.facts)
            quiet_s = 0.0 if told else quiet_s + LOOK_S / 2
            if quiet_s >= _BREATH_S:
                quiet_s = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(LOOK_S / 2)


def _event(kind: str, mark: str, facts: object) -> str:
    return f"id: {mark}\nevent: {kind}\ndata: {json.dumps(facts)}\n\n"

"""The mask of a running command for the page, before its numbers are there."""

import asyncio
import time
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from copilot.api.packet import MEDIA_TYPE, mask_packet
from copilot.results import Results, State
from copilot.workflows.glimpses import Glimpses
from domain.segment import Segment

_LONGEST_S: Final = 20.0
_LOOK_S: Final = 0.02
_ASK_S: Final = 0.5
_KEEP_NOTHING: Final = {"Cache-Control": "no-store"}


def glimpses_router(glimpses: Glimpses, results: Results) -> APIRouter:
    """Return the route of masks that are being measured."""
    router = APIRouter(prefix="/api/commands/{identity}/glimpses", tags=["masks"])

    @router.get("/{number}", response_class=Response)
    async def get_glimpse(identity: str, number: int, request: Request) -> Response:
        """Return the mask of this number, from 0, that a running command has made, as a packet.

        Waits until it is made. 204 says that the command is over, and its result counts; 202 that
        it is still at work after a while: ask again.
        """
        until, look_at = time.monotonic() + _LONGEST_S, 0.0
        while True:
            segment = glimpses.of(identity, number)
            if segment is not None:
                body = await run_in_threadpool(_packed, segment, identity)
                return Response(body, media_type=MEDIA_TYPE, headers=_KEEP_NOTHING)
            now = time.monotonic()
            if now >= look_at:
                look_at = now + _ASK_S
                result = await run_in_threadpool(results.get, identity)
                if result.state is not State.RUNNING:
                    return Response(status_code=204, headers=_KEEP_NOTHING)
            if now >= until or await request.is_disconnected():
                return Response(status_code=202, headers=_KEEP_NOTHING)
            await asyncio.sleep(_LOOK_S)

    return router


def _packed(segment: Segment, identity: str) -> bytes:
    return mask_packet(segment.mask.voxels, result=identity, concept=segment.concept)

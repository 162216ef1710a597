"""Masks for the page, voxel for voxel as the SEG has them, and back when they were corrected."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from copilot.api.packet import MEDIA_TYPE, mask_of, mask_packet
from copilot.api.person import Asker
from copilot.correction import Corrections


class ConceptBody(BaseModel):
    """What a mask is: a phrase or synonym of the concept table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    concept: Annotated[str, Field(min_length=1, max_length=100)]


def masks_router(corrections: Corrections) -> APIRouter:
    """Return the routes of masks; a segment is named by its number in the SEG."""
    router = APIRouter(tags=["masks"])
    router.include_router(_own_masks(corrections))

    @router.get("/api/commands/{identity}/prior-masks/{segment}", response_class=Response)
    def get_prior_mask(identity: str, segment: int) -> Response:
        """Return what a comparison outlined on the prior as its bounding box, a packet."""
        mask = corrections.prior_mask(identity, segment)
        body = mask_packet(mask.voxels, result=identity, segment=segment)
        return Response(body, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})

    return router


def _own_masks(corrections: Corrections) -> APIRouter:
    router = APIRouter(prefix="/api/commands/{identity}/masks/{segment}")

    @router.get("", response_class=Response)
    def get_mask(identity: str, segment: int) -> Response:
        """Return a mask as its bounding box, a packet."""
        mask = corrections.mask(identity, segment)
        body = mask_packet(mask.voxels, result=identity, segment=segment)
        return Response(body, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})

    @router.post("", status_code=201)
    async def post_mask(
        identity: str, segment: int, request: Request, person: Asker
    ) -> dict[str, Any]:
        """Take a corrected mask: measured anew, and a result of its own that waits for a yes."""
        body = await request.body()
        return await run_in_threadpool(_corrected, identity, segment, body, person.name)

    @router.put("/concept")
    def put_concept(
        identity: str, segment: int, body: ConceptBody, person: Asker
    ) -> dict[str, Any]:
        """Say what a mask is; a new result, which waits for a yes, stands in its place."""
        return corrections.name(identity, segment, body.concept, person.name).printed()

    def _corrected(identity: str, segment: int, body: bytes, actor: str) -> dict[str, Any]:
        voxels, _ = mask_of(body, corrections.grid(identity).shape)
        return corrections.correct(identity, segment, voxels, actor).printed()

    return router

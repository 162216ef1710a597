"""The report pane: fields, what was typed into them, and the way to a signature."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from copilot.api.person import Asker
from copilot.polishing import Polisher
from copilot.reports.exporting import Exports
from copilot.reports.lifecycle import Lifecycle
from domain.errors import InputError
from domain.uids import StudyUID
from reporting.templates.fields import Typed


class FieldBody(BaseModel):
    """What stands in a field now, and what the machine had written where it was typed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[str, Field(max_length=10_000)]
    over: Annotated[str, Field(max_length=10_000)] = ""


class SignBody(BaseModel):
    """The digest of what was shown to the person who signs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class AmendBody(BaseModel):
    """Why a signed report is amended."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Annotated[str, Field(max_length=1000)]


class PolishBody(BaseModel):
    """The field whose wording the site's language model may better."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: Annotated[str, Field(max_length=128)]


class TemplateBody(BaseModel):
    """The template that a person wants; empty for the one that fits best."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(max_length=64)]


class LeftOutBody(BaseModel):
    """A sentence for which the measured numbers are left out of what programs read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: Annotated[str, Field(max_length=128)]
    text: Annotated[str, Field(max_length=10_000)]


def reports_router(
    lifecycle: Lifecycle, exports: Exports, polisher: Polisher | None = None
) -> APIRouter:
    """Return the routes of reports."""
    router = APIRouter(prefix="/api/studies/{study}/report", tags=["reports"])
    _add_reading(router, lifecycle, exports)
    _add_writing(router, lifecycle)
    _add_polishing(router, lifecycle, polisher)
    _add_moving(router, lifecycle)
    return router


def _add_reading(router: APIRouter, lifecycle: Lifecycle, exports: Exports) -> None:
    @router.get("")
    def get_report(study: str) -> dict[str, Any]:
        """Return the report of a study: its state, and fields by section with whose words."""
        return lifecycle.printed(StudyUID(study))

    @router.get("/versions/{version}")
    def get_version(study: str, version: int) -> dict[str, Any]:
        """Return a signed version, word for word."""
        return lifecycle.version(StudyUID(study), version)

    @router.get("/difference")
    def get_difference(study: str, earlier: int, later: int | None = None) -> list[dict[str, str]]:
        """Return what changed from a signed version to a later one, or to what stands now."""
        return lifecycle.difference(StudyUID(study), earlier, later)

    @router.get("/exports/{name}")
    def get_export(study: str, name: str, version: int | None = None) -> Response:
        """Return the report as a file: text, markdown, html, pdf, csv, hl7 or fhir."""
        made = exports.export(StudyUID(study), name, version)
        disposition = f'attachment; filename="{made.name}"'
        return Response(
            made.content,
            media_type=made.media_type,
            headers={"Content-Disposition": disposition},
        )


def _add_writing(router: APIRouter, lifecycle: Lifecycle) -> None:
    @router.put("/fields/{field:path}")
    def put_field(study: str, field: str, body: FieldBody, person: Asker) -> dict[str, Any]:
        """Keep what was typed into a field."""
        typed = Typed(text=body.text, over=body.over)
        lifecycle.write(StudyUID(study), field, typed, person.name)
        return lifecycle.printed(StudyUID(study))

    @router.delete("/fields/{field:path}")
    def delete_field(study: str, field: str, person: Asker) -> dict[str, Any]:
        """Let the machine write a field again."""
        lifecycle.take_back(StudyUID(study), field, person.name)
        return lifecycle.printed(StudyUID(study))

    @router.post("/left-out")
    def post_left_out(study: str, body: LeftOutBody, person: Asker) -> dict[str, Any]:
        """Leave measured numbers out of messages and SR, for a sentence that gives others."""
        lifecycle.leave_out(StudyUID(study), body.field, body.text, person.name)
        return lifecycle.printed(StudyUID(study))

    @router.put("/template")
    def put_template(study: str, body: TemplateBody, person: Asker) -> dict[str, Any]:
        """Fill another template; empty for the one that fits best."""
        lifecycle.choose(StudyUID(study), body.name, person.name)
        return lifecycle.printed(StudyUID(study))


def _add_polishing(router: APIRouter, lifecycle: Lifecycle, polisher: Polisher | None) -> None:
    @router.post("/polish")
    def post_polish(study: str, body: PolishBody, person: Asker) -> dict[str, Any]:
        """Return a field's words as the language model would say them; nothing is written.

        Where a fact would change, the words stand as they are, and the reason is said.
        """
        if polisher is None:
            raise InputError("polishing is off: set [reporting] polish and [agent] in the settings")
        uid = StudyUID(study)
        polished = lifecycle.polished(uid, body.field, polisher.polished, person.name)
        return {"text": polished.text, "refusal": polished.refusal}


def _add_moving(router: APIRouter, lifecycle: Lifecycle) -> None:
    @router.post("/review")
    def post_review(study: str, person: Asker) -> dict[str, Any]:
        """Put the draft up for review."""
        lifecycle.review(StudyUID(study), person.name)
        return lifecycle.printed(StudyUID(study))

    @router.post("/revise")
    def post_revise(study: str, person: Asker) -> dict[str, Any]:
        """Take the report back from review."""
        lifecycle.revise(StudyUID(study), person.name)
        return lifecycle.printed(StudyUID(study))

    @router.post("/sign")
    def post_sign(study: str, body: SignBody, person: Asker) -> dict[str, Any]:
        """Sign the report as it was shown; its digest says what that was."""
        lifecycle.sign(StudyUID(study), body.digest, person)
        return lifecycle.printed(StudyUID(study))

    @router.post("/amend")
    def post_amend(study: str, body: AmendBody, person: Asker) -> dict[str, Any]:
        """Begin the next version of a signed report."""
        lifecycle.amend(StudyUID(study), body.reason, person.name)
        return lifecycle.printed(StudyUID(study))

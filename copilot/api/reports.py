"""The report pane: fields, and what was typed into them."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from copilot.api.person import Asker
from copilot.reports import Reports
from domain.ports import Archive
from domain.uids import StudyUID


class FieldBody(BaseModel):
    """What stands in a field now, and what the machine had written where it was typed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[str, Field(max_length=10_000)]
    over: Annotated[str, Field(max_length=10_000)] = ""


def reports_router(reports: Reports, archive: Archive) -> APIRouter:
    """Return the routes of reports."""
    router = APIRouter(prefix="/api/studies/{study}/report", tags=["reports"])

    def report(study: str) -> dict[str, Any]:
        uid = StudyUID(study)
        return reports.of(uid, archive.series_of(uid))

    @router.get("")
    def get_report(study: str) -> dict[str, Any]:
        """Return the report of a study: fields by section, each with whose words it holds."""
        return report(study)

    @router.put("/{field:path}")
    def put_field(study: str, field: str, body: FieldBody, person: Asker) -> dict[str, Any]:
        """Keep what was typed into a field."""
        reports.write(StudyUID(study), field, body.text, body.over, person.name)
        return report(study)

    @router.delete("/{field:path}")
    def delete_field(study: str, field: str, person: Asker) -> dict[str, Any]:
        """Let the machine write a field again."""
        reports.take_back(StudyUID(study), field, person.name)
        return report(study)

    return router

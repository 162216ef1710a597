"""What workers of other hosts are answered: whether an order is open, and where its result goes."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from copilot.results import Results, State, result_of
from domain.errors import InputError
from domain.ports import Clock

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_.-")
_SUFFIXES: Final = frozenset({".dcm", ".md", ".html", ".png", ".csv"})
_MOST_WORDS: Final = 2000


class FailureBody(BaseModel):
    """Why an order came to nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Annotated[str, Field(min_length=1, max_length=_MOST_WORDS)]


def work_router(results: Results, clock: Clock) -> APIRouter:
    """Return the routes of workers."""
    router = APIRouter(prefix="/api/orders/{identity}", tags=["workers"])

    @router.get("")
    def get_state(identity: str) -> dict[str, Any]:
        """Say how an order stands."""
        return {"state": results.get(identity).state.value}

    @router.post("")
    def post_result(
        identity: str, document: Annotated[str, Form()], files: Sequence[UploadFile] = ()
    ) -> dict[str, Any]:
        """Keep what an order came to, unless it was finished before."""
        series = results.get(identity).series_instance_uid
        made = result_of(identity, clock.now(), series, _document(document))
        with results.aside(identity) as folder:
            for file in files:
                with (folder / _name(file.filename or "")).open("wb") as stream:
                    shutil.copyfileobj(file.file, stream)
            return {"kept": results.put(made, folder)}

    @router.post("/failure")
    def post_failure(identity: str, body: FailureBody) -> dict[str, Any]:
        """Keep that an order came to nothing."""
        began = results.get(identity)
        failed = {**began.document, "error": body.reason}
        return {"kept": results.finish(replace(began, state=State.FAILED, document=failed))}

    return router


def _document(text: str) -> dict[str, Any]:
    """Return a worker's document."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InputError("the document of a result is JSON, as radcopilot ask prints it") from error
    if not isinstance(document, dict) or not {"command", "masks", "files"} <= set(document):
        raise InputError("the document of a result has command, masks and files")
    return document


def _name(name: str) -> str:
    if not set(name) <= _PLAIN or name.startswith(".") or Path(name).suffix not in _SUFFIXES:
        raise InputError(f"a result has no file {name[:50]!r}")
    return name

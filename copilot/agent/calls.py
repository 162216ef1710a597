"""The tools of the agent: a closed set of calls, and nothing else can be asked for.

The schemas that a model is shown are made from the classes that read its answers.
"""

import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.errors import InputError

_LONGEST_PHRASE: Final = 60
_LONGEST_REMARK: Final = 400
_MOST_MASKS: Final = 10
_SHOWN_ERRORS: Final = 3

Phrase = Annotated[
    str,
    Field(
        max_length=_LONGEST_PHRASE,
        pattern=r"^[a-z][a-z0-9\- ]*$",
        description="Lower-case noun phrase of one thing, without side, size or place.",
    ),
]
MaskId = Annotated[str, Field(pattern=r"^m[0-9]{1,3}$", description="A mask by its id: m1.")]
Remark = Annotated[str, Field(min_length=1, max_length=_LONGEST_REMARK)]


class BadCallError(InputError):
    """A call that is none of the tools', said back to whoever made it."""


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Region(_Arguments):
    """Where to look, and with which grey levels. Indices count from 0; stops are not included."""

    slices: list[int] | None = Field(
        default=None, min_length=2, max_length=2, description="[first slice, stop]"
    )
    box: list[int] | None = Field(
        default=None,
        min_length=5,
        max_length=5,
        description="[slice, row start, column start, row stop, column stop], close round it",
    )
    window: list[float] | None = Field(
        default=None, min_length=2, max_length=2, description="[centre, width] in the image's unit"
    )


class SegmentCall(_Arguments):
    """Look for a thing and mark what is found; other words or a region change the answer."""

    concept: Phrase
    region: Region | None = None


class InspectCall(_Arguments):
    """See a slice as a picture: outline of a mask, directions, scale, rulers in pixels."""

    mask_id: MaskId | None = None
    plane: Literal["acquired", "axial", "coronal", "sagittal"] = "acquired"
    slice: int | None = Field(
        default=None,
        ge=0,
        description="Index along the plane's normal; left out: where it is largest.",
    )
    window: list[float] | None = Field(
        default=None, min_length=2, max_length=2, description="[centre, width] in the image's unit"
    )


class MeasureCall(_Arguments):
    """Measure a mask: the only source of numbers. Doubts about it come with them."""

    mask_id: MaskId


class CompareCall(_Arguments):
    """Compare two masks: overlap, ratio of volumes, distance of centres."""

    mask_id: MaskId
    other_mask_id: MaskId


class ProposeCall(_Arguments):
    """End: propose masks to the radiologist; the statement holds no number but measured ones."""

    mask_ids: list[MaskId] = Field(min_length=1, max_length=_MOST_MASKS)
    statement: Remark


class AbsentCall(_Arguments):
    """End: it is not on these images, as far as they were searched. A good answer where true."""

    reason: Remark
    coverage: Remark


class AskUserCall(_Arguments):
    """End: ask the radiologist one question that would settle it."""

    question: Remark


Call = (
    SegmentCall | InspectCall | MeasureCall | CompareCall | ProposeCall | AbsentCall | AskUserCall
)

TOOLS: Final[dict[str, type[Call]]] = {
    "segment": SegmentCall,
    "inspect": InspectCall,
    "measure": MeasureCall,
    "compare": CompareCall,
    "propose": ProposeCall,
    "absent": AbsentCall,
    "ask_user": AskUserCall,
}


def parsed(name: str, arguments: str) -> Call:
    """Return the call of a tool's name and its arguments in JSON.

    Raises
    ------
    BadCallError
        For a tool that does not exist and for arguments that do not fit, with what would.
    """
    tool = TOOLS.get(name)
    if tool is None:
        raise BadCallError(f"there is no tool {name[:_LONGEST_PHRASE]!r}: use {', '.join(TOOLS)}")
    try:
        return tool.model_validate_json(arguments or "{}")
    except ValidationError as error:
        wrong = [_said(each) for each in error.errors()[:_SHOWN_ERRORS]]
        raise BadCallError(f"{name} was not understood: {'; '.join(wrong)}") from error


def written(call: Call) -> tuple[str, str]:
    """Return the name and the arguments in JSON of a call."""
    name = next(name for name, tool in TOOLS.items() if isinstance(call, tool))
    return name, json.dumps(call.model_dump(exclude_none=True), sort_keys=True)


def schemas() -> list[dict[str, Any]]:
    """Return the tools as the chat-completions protocol describes functions."""
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": " ".join(str(tool.__doc__).split()),
                "parameters": _plain(tool.model_json_schema()),
            },
        }
        for name, tool in TOOLS.items()
    ]


def _said(error: Any) -> str:  # noqa: ANN401 - pydantic's error details
    place = ".".join(str(part) for part in error["loc"])
    return f"{place or 'the arguments'}: {error['msg'].lower()}"


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without references, titles and nulls, which small servers do not read."""
    shared = schema.pop("$defs", {})

    def plain(node: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(node, list):
            return [plain(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return plain(shared[node["$ref"].rsplit("/", 1)[-1]])
        if "anyOf" in node:
            (kept,) = [each for each in node["anyOf"] if each.get("type") != "null"]
            described = {"description": node["description"]} if "description" in node else {}
            return plain(kept) | described
        dropped = {"default"} | ({"title"} if isinstance(node.get("title"), str) else set())
        return {key: plain(value) for key, value in node.items() if key not in dropped}

    made: dict[str, Any] = plain(schema)
    return made

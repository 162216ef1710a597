"""How the work of the agent may end."""

from dataclasses import dataclass

from domain.segment import Segment


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """The agent's end: masks for the radiologist to judge, and a remark that was checked."""

    segments: tuple[Segment, ...]
    remark: str


@dataclass(frozen=True, kw_only=True)
class NotFound:
    """The agent's end: nothing, with what was searched."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The agent's end: a question to the radiologist."""

    question: str


Ending = Proposed | NotFound | Asked

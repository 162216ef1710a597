"""Who decides on the next call: the talk so far, and what a mind may answer to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from domain.errors import RadcopilotError


class MindFailedError(RadcopilotError):
    """No decision came: the endpoint is away, refuses, or answers with what is none."""


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A call as it was made, before it is understood.

    Attributes
    ----------
    arguments
        JSON, or what was meant to be.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One decision: calls, or words that are no decision.

    Attributes
    ----------
    tokens_in, tokens_out
        What it cost, as the endpoint counts; 0 for rules.
    """

    calls: tuple[ToolCall, ...] = ()
    words: str = ""
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a call gave back."""

    call_id: str
    text: str
    picture: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Round:
    """A reply and what its calls gave back."""

    reply: Reply
    told: tuple[Told, ...] = ()


class Mind(Protocol):
    """Decides on the next calls from the rounds before."""

    @property
    def name(self) -> str:
        """Who it is, for provenance: rules, or a model and its instructions."""
        ...

    def reply(self, rounds: Sequence[Round], seconds_left: float) -> Reply:
        """Return the next decision.

        Raises
        ------
        MindFailedError
            If none came.
        """
        ...

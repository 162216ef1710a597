"""A checked plan: what will be done, and what it touches."""

from dataclasses import dataclass
from enum import StrEnum

from domain.command import Command
from domain.errors import InputError


class Effect(StrEnum):
    """What a step does to the world; PUBLISH waits for a recorded yes."""

    READ = "READ"
    DERIVE = "DERIVE"
    PUBLISH = "PUBLISH"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: a name the runner knows, its effect, and a line for the user."""

    name: str
    effect: Effect
    says: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Ordered steps of one command; nothing is published before something was derived or read."""

    command: Command
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        effects = [step.effect for step in self.steps]
        if Effect.PUBLISH in effects and effects[-1] is not Effect.PUBLISH:
            raise InputError("a plan must end with what it publishes")

    @property
    def needs_yes(self) -> bool:
        """Whether a person must agree before the last steps run."""
        return any(step.effect is Effect.PUBLISH for step in self.steps)

"""What all engines' sessions share: checks before work, and progress in parts."""

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

from domain.concepts import Concept
from domain.errors import CannotDoError
from domain.ports import Progress, Segmenter
from domain.prompt import Prompt
from domain.segment import Segment
from domain.volume import Volume

_GESTURES: Final = {"line": "line", "scribble": "scribble", "mask": "earlier mask"}


class Answer(Protocol):
    """How one engine answers one prompt that was checked before."""

    def __call__(self, volume: Volume, prompt: Prompt, progress: Progress) -> Iterator[Segment]:
        """Yield the segments of one prompt."""
        ...


class CheckedSession:
    """A session that checks every prompt before it starts on the first."""

    def __init__(
        self,
        engine: Segmenter,
        volume: Volume,
        answer: Answer,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._volume = volume
        self._answer = answer
        self._close = close

    def segment(self, prompts: Sequence[Prompt], progress: Progress) -> Iterator[Segment]:
        """Yield the segments of each prompt, in order.

        Raises
        ------
        PromptError
            For a hint outside the volume.
        CannotDoError
            For a prompt the engine does not support.
        """
        check(self._engine, self._volume, prompts)
        return self._answers(tuple(prompts), progress)

    def _answers(self, prompts: tuple[Prompt, ...], progress: Progress) -> Iterator[Segment]:
        for index, prompt in enumerate(prompts):
            part = part_of(progress, index, len(prompts))
            part(0.0, "starting")
            yield from self._answer(self._volume, prompt, part)
            part(1.0, "done")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free what the engine kept for this session alone."""
        self._close()


def check(engine: Segmenter, volume: Volume, prompts: Sequence[Prompt]) -> None:
    """Refuse prompts outside the volume, then those the engine cannot answer.

    Raises
    ------
    PromptError, CannotDoError
        Naming what is wrong and what would help.
    """
    for prompt in prompts:
        prompt.check_inside(volume.grid.shape)
    for prompt in prompts:
        reason = engine.supports(volume, prompt)
        if reason is not None:
            raise CannotDoError(reason)


def part_of(progress: Progress, index: int, count: int) -> Progress:
    """Return a progress callback for one of several equal parts."""

    def report(fraction: float, stage: str) -> None:
        progress((index + min(max(fraction, 0.0), 1.0)) / count, stage)

    return report


def not_taken(engine: str, taken: frozenset[str], prompt: Prompt) -> str | None:
    """Return the reason why an engine refuses a gesture it does not know, or None."""
    for kind, what in _GESTURES.items():
        if kind in prompt.kinds and kind not in taken:
            return f"{engine} takes no {what}: use the default engine, or give a box on one slice"
    return None


def not_by_name(volume: Volume, prompt: Prompt, concept: Concept | None, route: str) -> str | None:
    """Return the reason why a rule by name on CT refuses a prompt or a volume, or None."""
    if concept is None or concept.route != route:
        what = f"the {prompt.concept}" if prompt.concept else "something without a name"
        return f"this rule does not find {what}: draw a box on one slice"
    if volume.modality != "CT" or volume.is_colour:
        return (
            f"I can find the {concept.phrase} by name on CT only, this series is "
            f"{volume.modality}: draw a box on one slice and give the slice range"
        )
    if min(volume.grid.shape) < 2:  # noqa: PLR2004 - one slice is no volume
        return f"one slice is too little to find the {concept.phrase} by name: draw a box"
    return None

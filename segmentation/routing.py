"""Which engine is honest for which prompt: a router that is itself a segmenter."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from domain.concepts import Concept, ConceptTable
from domain.ports import Capabilities, LooksAhead, Progress, Segmenter, Session
from domain.prompt import Prompt
from domain.segment import Segment
from domain.volume import Volume
from segmentation.answers import check, part_of

ROUTE_LUNGS: Final = "lungs"
ROUTE_BODY: Final = "body"
ROUTE_FAT: Final = "fat"
ROUTE_AIR: Final = "air"
ROUTE_LIVER: Final = "liver"
ROUTE_SPLEEN: Final = "spleen"
ROUTE_KIDNEYS: Final = "kidneys"
ROUTE_SOLID_LUNG_LESION: Final = "solid-lung-lesion"
ROUTE_LUNG_NODULES: Final = "lung-nodules"  # candidates by name, then as any solid lung lesion
_LESION_ROUTES: Final = frozenset({ROUTE_SOLID_LUNG_LESION, ROUTE_LUNG_NODULES})


@dataclass(frozen=True, kw_only=True)
class Engines:
    """The engines routed between.

    Attributes
    ----------
    by_route
        Engines that find a concept of their route by name.
    solid_lung_lesion
        For boxes, or one click, on a solid lesion in aerated lung.
    boxed
        For every other box, click or earlier mask.
    """

    by_route: dict[str, Segmenter]
    solid_lung_lesion: Segmenter
    boxed: Segmenter


class Router:
    """Chooses by what was asked, by what was pointed at, and by the image."""

    def __init__(self, name: str, version: str, concepts: ConceptTable, engines: Engines) -> None:
        self._name = name
        self._version = version
        self._concepts = concepts
        self._engines = engines

    @property
    def capabilities(self) -> Capabilities:
        """What the engines can do together."""
        parts = [each.capabilities for each in self._all()]
        return Capabilities(
            name=self._name,
            version=self._version,
            prompts=frozenset().union(*(part.prompts for part in parts)),
            needs_weights=any(part.needs_weights for part in parts),
        )

    def _all(self) -> tuple[Segmenter, ...]:
        engines = self._engines
        return (*engines.by_route.values(), engines.solid_lung_lesion, engines.boxed)

    def supports(self, volume: Volume, prompt: Prompt) -> str | None:
        """Return None for yes, else the reason and what would help."""
        return self.choose(volume, prompt).supports(volume, prompt)

    def choose(self, volume: Volume, prompt: Prompt) -> Segmenter:
        """Return the engine for a prompt, which may still refuse it with a reason."""
        concept = self._concept(prompt)
        by_name = self._engines.by_route.get(concept.route) if concept is not None else None
        if prompt.is_text_only:
            return self._engines.boxed if by_name is None else by_name
        is_lesion = concept is None or concept.route in _LESION_ROUTES
        drawn = prompt.boxes or prompt.lines
        only_one_kind = prompt.mask is None and not (drawn and (prompt.points or prompt.scribbles))
        solid = self._engines.solid_lung_lesion
        if is_lesion and only_one_kind and solid.supports(volume, prompt) is None:
            return solid
        return self._engines.boxed

    def open(self, volume: Volume) -> "RouterSession":
        """Prepare to answer prompts; engines are opened as they are needed."""
        return RouterSession(self, volume)

    def look_ahead(self, volume: Volume, progress: Progress) -> int:
        """Let the engine for boxes see a series before anything is asked."""
        boxed = self._engines.boxed
        return boxed.look_ahead(volume, progress) if isinstance(boxed, LooksAhead) else 0

    def _concept(self, prompt: Prompt) -> Concept | None:
        return self._concepts.find(prompt.concept) if prompt.concept else None


class RouterSession:
    """One volume, with a session of every engine that was needed on it."""

    def __init__(self, router: Router, volume: Volume) -> None:
        self._router = router
        self._volume = volume
        self._sessions: dict[int, Session] = {}
        self._stack = ExitStack()

    def segment(self, prompts: Sequence[Prompt], progress: Progress) -> Iterator[Segment]:
        """Yield the segments of each prompt, in order.

        Raises
        ------
        PromptError
            For a hint outside the volume.
        CannotDoError
            For a prompt no engine can honestly answer.
        """
        check(self._router, self._volume, prompts)
        return self._answers(tuple(prompts), progress)

    def _answers(self, prompts: tuple[Prompt, ...], progress: Progress) -> Iterator[Segment]:
        for index, prompt in enumerate(prompts):
            session = self._session(self._router.choose(self._volume, prompt))
            part = part_of(progress, index, len(prompts))
            yield from session.segment((prompt,), part)

    def _session(self, engine: Segmenter) -> Session:
        if id(engine) not in self._sessions:
            opened = self._stack.enter_context(engine.open(self._volume))
            self._sessions[id(engine)] = opened
        return self._sessions[id(engine)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every engine's session."""
        self._sessions.clear()
        self._stack.__exit__(kind, error, trace)

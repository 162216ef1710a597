"""The agent as the rest of the house sees it: a prompt in, proposals or an honest end out."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from copilot.agent.endings import Asked, NotFound, Proposed
from copilot.agent.endpoint import Endpoint, ModelMind
from copilot.agent.instructions import load_instructions
from copilot.agent.loop import MOST_ROUNDS, Limits, Work, worked
from copilot.agent.minds import Mind
from copilot.agent.record import (
    Record,
    RecordedMind,
    Records,
    differences,
    digest_of,
    recorded,
)
from copilot.agent.rules import RuleMind
from copilot.agent.workbench import Workbench
from domain.concepts import ConceptTable
from domain.errors import InputError, StorageError
from domain.ports import Clock, Progress, Segmenter
from domain.prompt import Box, Line, Point, Prompt, Scribble
from domain.segment import Segment
from domain.volume import Volume

_NO_LIMIT: Final = 10**12
_HINTS: Final[Mapping[str, Any]] = {
    "boxes": Box,
    "points": Point,
    "lines": Line,
    "scribbles": Scribble,
}


class When(StrEnum):
    """When the agent works on a command that makes masks."""

    WORDS = "words"  # where nothing was pointed at, and the engine has a vocabulary of its own
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, kw_only=True)
class Language:
    """The model a site named, and what it may see and cost.

    Attributes
    ----------
    pictures
        Whether the site lets pictures of slices leave; each is checked besides.
    """

    endpoint: Endpoint
    pictures: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the agent came to for one prompt.

    Attributes
    ----------
    absence
        What was searched without a find; None where there are segments or a question.
    notes
        Who decided, what was said, and where the record is.
    """

    segments: tuple[Segment, ...] = ()
    absence: str | None = None
    question: str | None = None
    notes: tuple[str, ...] = ()


class Agent:
    """Plans, segments, looks at the result and tries again; a model if there is one, else rules."""

    def __init__(
        self,
        *,
        concepts: ConceptTable,
        records: Records,
        clock: Clock,
        when: When = When.WORDS,
        language: Language | None = None,
    ) -> None:
        self._concepts = concepts
        self._records = records
        self._clock = clock
        self._when = when
        self._language = language

    def wants(
        self, segmenter: Segmenter, volume: Volume, prompt: Prompt, when: When | None = None
    ) -> bool:
        """Tell whether this prompt is the agent's: it has a name, and the settings say so."""
        match self._when if when is None else when:
            case When.NEVER:
                return False
            case When.WORDS:
                is_free = segmenter.capabilities.free_words and prompt.is_text_only
                has_name = is_free and prompt.concept is not None
                sideless = replace(prompt, side=None)
                return has_name and segmenter.supports(volume, sideless) is None
            case When.ALWAYS:
                return prompt.concept is not None

    def work(
        self,
        segmenter: Segmenter,
        volume: Volume,
        prompt: Prompt,
        progress: Progress,
        files: Sequence[Path] = (),
    ) -> Outcome:
        """Return what the agent comes to, recorded."""
        bench = self._bench(segmenter, volume, prompt, progress)
        work = worked(bench, self._minds(bench))
        now = self._clock.now()
        identity = f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        about = _about(volume, prompt, segmenter, files) | {
            "at": now.isoformat(),
            "pictures": bench.shows_pictures,
        }
        notes = _notes(work)
        try:
            self._records.keep(recorded(work, identity, about))
            notes = (*notes, f"how the agent came to this: radcopilot agent show {identity}")
        except StorageError as error:
            notes = (*notes, f"the agent's work was not recorded: {error}")
        return _outcome(work, f"{work.turns[-1].mind}, record {identity}", notes)

    def replay(
        self, record: Record, segmenter: Segmenter, volume: Volume, progress: Progress
    ) -> tuple[str, ...]:
        """Do again what was recorded, no endpoint asked; return where it differs.

        Raises
        ------
        InputError
            If the images are others than those it was recorded on, or it cannot be played.
        """
        about = record.about
        if digest_of(volume) != about["images"]["sha256"]:
            raise InputError(
                f"record {record.id} was made on other images (series "
                f"{about['images']['series_instance_uid']}): give its files with --source"
            )
        bench = Workbench(
            volume=volume,
            goal=_goal_of(about["goal"]),
            segmenter=segmenter,
            concepts=self._concepts,
            progress=progress,
            shows_pictures=bool(about["pictures"]),
        )
        minds = [(RecordedMind(turn), _as_recorded(turn)) for turn in record.turns]
        again = recorded(worked(bench, minds), record.id, about)
        return differences(record, again)

    def _bench(
        self, segmenter: Segmenter, volume: Volume, prompt: Prompt, progress: Progress
    ) -> Workbench:
        return Workbench(
            volume=volume,
            goal=prompt,
            segmenter=segmenter,
            concepts=self._concepts,
            progress=progress,
            shows_pictures=self._language is not None and self._language.pictures,
        )

    def _minds(self, bench: Workbench) -> list[tuple[Mind, Limits]]:
        rules = RuleMind(bench.phrases, bench.window, looks_again=bench.hears_words)
        minds: list[tuple[Mind, Limits]] = [
            (rules, Limits(rounds=MOST_ROUNDS, time_s=_NO_LIMIT, tokens=_NO_LIMIT))
        ]
        if self._language is not None:
            instructions = load_instructions()
            limits = self._language.limits
            model = ModelMind(
                self._language.endpoint,
                instructions,
                instructions.goal_text(bench),
                limits.rounds,
            )
            minds.insert(0, (model, limits))
        return minds


def _outcome(work: Work, directed_by: str, notes: tuple[str, ...]) -> Outcome:
    match work.ending:
        case Proposed():
            segments = tuple(
                replace(each, provenance=replace(each.provenance, directed_by=directed_by))
                for each in work.ending.segments
            )
            return Outcome(segments=segments, notes=(f"agent: {work.ending.remark}", *notes))
        case NotFound():
            return Outcome(absence=work.ending.reason, notes=notes)
        case Asked():
            return Outcome(question=work.ending.question, notes=notes)
        case None:
            return Outcome(question="draw a box round it on one slice", notes=notes)


def _notes(work: Work) -> tuple[str, ...]:
    return tuple(
        f"{turn.mind.partition(',')[0]} came to no end ({turn.stopped}): rules decided instead"
        for turn in work.turns[:-1]
    )


def _about(
    volume: Volume, prompt: Prompt, segmenter: Segmenter, files: Sequence[Path]
) -> dict[str, Any]:
    source = volume.source
    can = segmenter.capabilities
    return {
        "goal": _goal_as_json(prompt),
        "engine": {"name": can.name, "version": can.version},
        "images": {
            "series_instance_uid": source.series_instance_uid if source else None,
            "sha256": digest_of(volume),
        },
        "files": [str(path.resolve()) for path in files],
    }


def _goal_as_json(prompt: Prompt) -> dict[str, Any]:
    return {
        "concept": prompt.concept,
        "side": prompt.side,
        "slices": list(prompt.slice_range) if prompt.slice_range else None,
        "has_mask": prompt.mask is not None,
        **{name: [asdict(each) for each in getattr(prompt, name)] for name in _HINTS},
    }


def _goal_of(written: Mapping[str, Any]) -> Prompt:
    if written["has_mask"]:
        raise InputError("this record began from an earlier mask, which is not kept: ask again")
    hints: Any = {
        name: tuple(_hint(kind, each) for each in written[name]) for name, kind in _HINTS.items()
    }
    goal = Prompt(concept=written["concept"], side=written["side"], **hints)
    slices = written["slices"]
    return replace(goal, slice_range=(slices[0], slices[1])) if slices else goal


def _hint(kind: Any, written: Mapping[str, Any]) -> Any:  # noqa: ANN401 - one of four dataclasses
    return kind(**{name: _tuples(value) for name, value in written.items()})


def _tuples(value: Any) -> Any:  # noqa: ANN401 - JSON
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value


def _as_recorded(turn: Mapping[str, Any]) -> Limits:
    """Return limits under which a recorded turn is played to its end."""
    rounds = len(turn["rounds"]) + (turn["stopped"] is not None)
    return Limits(rounds=rounds, time_s=_NO_LIMIT, tokens=_NO_LIMIT)

"""What the rooms ask of one another, handed over in ``copilot/wiring``.

Every implementation passes the behavioural suite of its port in ``tests/contracts/``.
"""

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from domain.candidate import Candidate
from domain.command import Command
from domain.concepts import ConceptTable
from domain.plan import Plan
from domain.prompt import Prompt
from domain.segment import Segment
from domain.speech import Transcript, Utterance
from domain.uids import InstanceUID, SeriesUID, StudyUID
from domain.volume import Volume


class Progress(Protocol):
    """Called with a fraction 0..1 and a stage in words; raises ``Cancelled`` to stop the work."""

    def __call__(self, fraction: float, stage: str) -> None:
        """Take note."""
        ...


def no_progress(fraction: float, stage: str) -> None:
    """Take no note."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What an engine can do, readable before any weights are loaded.

    Attributes
    ----------
    prompts
        Subset of {"text", "box", "point", "mask"}.
    modalities
        Empty means any.
    free_words
        Whether other words for a thing may find other things: it has a vocabulary of its own.
    """

    name: str
    version: str
    prompts: frozenset[str]
    modalities: frozenset[str] = frozenset()
    needs_weights: bool = False
    free_words: bool = False


@dataclass(frozen=True, kw_only=True)
class EngineContext:
    """What the composition root hands to an engine's factory.

    Attributes
    ----------
    models_folder
        Where ``radcopilot models install`` puts weights, one folder a model.
    threads
        How many CPU threads one engine may use.
    memory_bytes
        How much of what it saw an engine may keep in memory.
    seen_folder
        Where it may keep what it saw ahead of time; None keeps nothing on disk. In a folder of
        its own there, what is of one series lies in a folder of ``seen_name``: it goes with it.
    seen_bytes
        Room there.
    checks_windows
        Whether outlines on CT are tried in other windows too: seconds a mask, for one more signal.
    device, precision
        Of engines that run on torch: "auto", "cpu", "cuda" or "mps"; "fp32", "bf16" or "fp16".
    backend
        What runs MedSAM-3: "transformers", or "sam3", the package of its authors.
    """

    models_folder: Path
    concepts: ConceptTable
    threads: int = 2
    memory_bytes: int = 2**28
    seen_folder: Path | None = None
    seen_bytes: int = 2**32
    checks_windows: bool = False
    device: str = "auto"
    precision: str = "fp32"
    backend: str = "transformers"


def seen_name(series: Hashable) -> str:
    """Return the name of the folder that holds what an engine saw of a series."""
    return hashlib.sha256(str(series).encode()).hexdigest()[:32]


class Session(Protocol):
    """One volume held open by an engine; a context manager that frees memory on exit."""

    def segment(self, prompts: Sequence[Prompt], progress: Progress) -> Iterator[Segment]:
        """Yield one segment for each prompt, or for each side or candidate of it, in order.

        Raises
        ------
        CannotDoError
            For a prompt that ``supports`` refuses.
        PromptError
            For a hint outside the volume.
        """
        ...

    def __enter__(self) -> Self:
        """Open."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free."""
        ...


@runtime_checkable
class Segmenter(Protocol):
    """Volume and prompts to masks."""

    @property
    def capabilities(self) -> Capabilities:
        """Say what it can do, without loading weights."""
        ...

    def supports(self, volume: Volume, prompt: Prompt) -> str | None:
        """Return None for yes, else the reason and what would help, to be said to the user."""
        ...

    def open(self, volume: Volume) -> Session:
        """Prepare to answer prompts on this volume; may cache embeddings."""
        ...


@runtime_checkable
class CandidateFinder(Protocol):
    """Where a concept may be: places to click on, never masks."""

    def supports(self, volume: Volume, concept: str) -> str | None:
        """Return None for yes, else the reason and what would help, to be said to the user."""
        ...

    def find(self, volume: Volume, progress: Progress) -> tuple[Candidate, ...]:
        """Return candidates, the likeliest first; that there are none rules nothing out."""
        ...


@runtime_checkable
class LooksAhead(Protocol):
    """An engine that can look at a series before anything is asked."""

    def look_ahead(self, volume: Volume, progress: Progress) -> int:
        """Look at what was not yet seen of a volume, and return how many slices were new.

        What was seen is kept when ``progress`` raises ``Cancelled``.
        """
        ...


class Grammar(Protocol):
    """The sentences the copilot understands."""

    def parse(self, text: str) -> Command | None:
        """Return the command a sentence means, or None when it is none."""
        ...

    def nearest(self, texts: Sequence[str], limit: int) -> tuple[str, ...]:
        """Return sentences of the grammar that sound most like these texts, nearest first."""
        ...

    @property
    def words(self) -> frozenset[str]:
        """The lower-case words that its sentences are made of."""
        ...


class Transcriber(Protocol):
    """Speech to text."""

    def transcribe(self, utterance: Utterance, grammar: Grammar | None = None) -> Transcript:
        """Return what was said; with a grammar, its sentences compete by their sound.

        Raises
        ------
        AudioError
            If there is no speech in it.
        """
        ...


class Planner(Protocol):
    """Command to checked plan: rules, pure."""

    def plan(self, command: Command) -> Plan:
        """Return the steps.

        Raises
        ------
        CannotDoError
            For a command that needs what is not there.
        """
        ...


class Reviewer(Protocol):
    """Looks at a result before the radiologist does."""

    def review(self, volume: Volume, prompt: Prompt, segment: Segment) -> tuple[str, ...]:
        """Return warnings to be shown with the mask; never hides it."""
        ...


class Archive(Protocol):
    """Stored studies by UID."""

    def instance_paths(self, series: SeriesUID) -> tuple[Path, ...]:
        """Return the files of a series; empty when it is not known."""
        ...

    def series_of(self, study: StudyUID) -> tuple[SeriesUID, ...]:
        """Return the series of a study; empty when it is not known."""
        ...


@dataclass(frozen=True, kw_only=True)
class PublishReceipt:
    """What became of objects sent to a peer: committed stays None where it was not offered."""

    stored: tuple[InstanceUID, ...]
    committed: tuple[InstanceUID, ...] | None = None


class Publisher(Protocol):
    """Sends our objects to the PACS, after the yes."""

    def store(self, files: Sequence[Path]) -> tuple[InstanceUID, ...]:
        """Store files at the peer; those it has already are the same after it.

        Raises
        ------
        PeerUnreachableError, PeerRefusedError
            Nothing is forgotten: the files stay where they are.
        """
        ...

    def confirm(self, files: Sequence[Path]) -> tuple[InstanceUID, ...] | None:
        """Return what the peer confirms to keep, all of the files; None where it offers no way.

        Raises
        ------
        PeerUnreachableError, PeerRefusedError
            If it lacks one of them, naming it.
        """
        ...

    def publish(self, files: Sequence[Path]) -> PublishReceipt:
        """Store files at the peer and ask it to commit to them.

        Raises
        ------
        PeerUnreachableError, PeerRefusedError
            Nothing is forgotten: the files stay where they are.
        """
        ...


class AuditLog(Protocol):
    """Append-only, hash-chained record of acts."""

    def record(self, *, actor: str, act: str, subject: str) -> None:
        """Write one act."""
        ...

    def verify(self) -> int:
        """Return the number of entries when the chain is whole.

        Raises
        ------
        StorageError
            Naming the first entry that was changed or is missing.
        """
        ...


class Clock(Protocol):
    """The time, with its zone."""

    def now(self) -> datetime:
        """Return an aware time."""
        ...


class UidSource(Protocol):
    """New unique identifiers under the site's root."""

    def new_uid(self) -> InstanceUID:
        """Return one never returned before."""
        ...

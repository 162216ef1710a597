"""What is asked of a network that takes words and boxes, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from segmentation.slicewise.slices import Embedding, SliceBox, SliceHint

WITHOUT_WORDS: Final = "visual"  # what SAM 3 was trained to hear where there is a box alone
LEAST_SCORE: Final = 0.05

_LEAST_OVERLAP: Final = 0.2
_FAR_OUTSIDE: Final = -12.0


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of one slice.

    Attributes
    ----------
    phrase
        Lower-case noun phrase.
    boxes
        Of the slice, in its pixels, each round one such thing.
    """

    phrase: str = WITHOUT_WORDS
    boxes: tuple[SliceBox, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Instance:
    """One thing found on a slice.

    Attributes
    ----------
    logits
        (rows, columns) of the slice; above 0 is inside.
    score
        Probability that the concept is on the slice at all, times that this is one of it.
    """

    logits: NDArray[np.float32]
    box: SliceBox
    score: float


@dataclass(frozen=True, kw_only=True, eq=False)
class SliceAnswer:
    """What was found, best first, and the probability that the concept is on the slice at all."""

    presence: float
    instances: tuple[Instance, ...]

    @property
    def score(self) -> float:
        """Best score on the slice; 0 where nothing was found."""
        return max((each.score for each in self.instances), default=0.0)


class ConceptNetwork(Protocol):
    """A network for one slice that knows words: embed once, ask any number of questions."""

    @property
    def name(self) -> str:
        """Name for provenance."""
        ...

    @property
    def version(self) -> str:
        """Version for provenance."""
        ...

    @property
    def weights_sha256(self) -> str | None:
        """Digest of the weights."""
        ...

    @property
    def is_random(self) -> bool:
        """Whether its weights are random numbers, so that its answers mean nothing."""
        ...

    @property
    def input_px(self) -> int:
        """Longest side of what the network sees."""
        ...

    def missing(self) -> str | None:
        """Return None where it can run, else what is missing, and the remedy."""
        ...

    def embed(self, image: NDArray[np.float32]) -> Embedding:
        """Return the embedding of (rows, columns) grey levels 0..255, the window applied."""
        ...

    def answers(
        self,
        embedding: Embedding,
        questions: Sequence[Question],
        least_score: float = LEAST_SCORE,
    ) -> tuple[SliceAnswer, ...]:
        """Return what each question finds on a slice; instances below a score are left out."""
        ...


@runtime_checkable
class SeesSeveral(Protocol):
    """A network that is quicker with several slices at once."""

    def most_at_once(self) -> int:
        """Return how many slices it encodes best in one run."""
        ...

    def embed_each(self, images: Sequence[NDArray[np.float32]]) -> tuple[Embedding, ...]:
        """Return the embedding of each image, in one run."""
        ...


class Worded:
    """A network for words as the network for boxes that the house knows, one phrase throughout."""

    def __init__(self, network: ConceptNetwork, phrase: str | None) -> None:
        self._network = network
        self._phrase = WITHOUT_WORDS if phrase is None else phrase

    @property
    def name(self) -> str:
        """Name for provenance."""
        return self._network.name

    @property
    def version(self) -> str:
        """Version for provenance."""
        return self._network.version

    @property
    def weights_sha256(self) -> str | None:
        """Digest of the weights."""
        return self._network.weights_sha256

    @property
    def input_px(self) -> int:
        """Longest side of what the network sees."""
        return self._network.input_px

    def embed(self, image: NDArray[np.float32]) -> Embedding:
        """Return the embedding of (rows, columns) grey levels 0..255, the window applied."""
        return self._network.embed(image)

    def decode(self, embedding: Embedding, hints: Sequence[SliceHint]) -> NDArray[np.float32]:
        """Return logits (hints, rows, columns) of the instance that fits each box best.

        Far outside everywhere where none fits. Clicks are not heard: a box comes with each hint.
        """
        boxes = [() if hint.box is None else (hint.box,) for hint in hints]
        questions = [Question(phrase=self._phrase, boxes=each) for each in boxes]
        logits = np.full((len(hints), *embedding.image_shape), _FAR_OUTSIDE, dtype=np.float32)
        answers = self._network.answers(embedding, questions)
        for index, (answer, hint) in enumerate(zip(answers, hints, strict=True)):
            best = None if hint.box is None else fitting(answer, hint.box)
            if best is not None:
                logits[index] = best.logits
        return logits


def fitting(answer: SliceAnswer, box: SliceBox) -> Instance | None:
    """Return the instance whose box overlaps most with another, or None where none overlaps."""
    fits = [
        (each.box.overlap(box), each)
        for each in answer.instances
        if each.box.rows > 0 and each.box.columns > 0
    ]
    overlap, best = max(fits, key=lambda fit: fit[0], default=(0.0, None))
    return best if overlap >= _LEAST_OVERLAP else None

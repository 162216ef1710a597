"""The grammar of spoken commands: sentence to command, and sound to nearest sentences."""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Final

from copilot.intent.meaning import MEANINGS, Said
from copilot.intent.network import Network
from copilot.intent.numbers import digits_spoken, digits_written
from copilot.intent.patterns import Choice, match_pattern, read_pattern
from copilot.intent.patterns import Sequence as Pieces
from copilot.intent.rules import load_rules
from copilot.intent.slots import filled, slots_for
from copilot.intent.variants import variants_of
from copilot.intent.wording import without_courtesy, words_in
from domain.command import Command, QuestionCommand
from domain.concepts import ConceptTable
from voice.lexicon import load_lexicon
from voice.phonetics import distance, sounds_of

_REMEMBERED: Final = 4096
_CHOICES: Final = 3
_WORDINGS_OF_ONE_COMMAND: Final = 3
_TEXTS_COMPARED: Final = 3
_OPENING: Final = read_pattern("[please|can you|could you]")
_CLOSING: Final = read_pattern("[please|for me|thanks]")


class SpokenGrammar:
    """Implements the ``Grammar`` port over a concept table.

    Parameters
    ----------
    pronunciations
        Sounds of words that spelling does not tell; left out, those of the lexicon shipped.
    """

    def __init__(
        self, table: ConceptTable, pronunciations: Mapping[str, str] | None = None
    ) -> None:
        self._table = table
        self._pronunciations = (
            load_lexicon().pronunciations if pronunciations is None else pronunciations
        )
        self._rules = load_rules().rules
        self._slots = slots_for(table, load_rules())
        self._parsed = lru_cache(maxsize=_REMEMBERED)(self._parse)

    def parse(self, text: str) -> Command | None:
        """Return the command a sentence means, or None when it is none.

        A sentence that names an unknown thing, or two sides, means a question.
        """
        return self._parsed(text)

    def _parse(self, text: str) -> Command | None:
        words = without_courtesy(words_in(text))
        if not words:
            return None
        for rule in self._rules:
            for end, captures in match_pattern(rule.pattern, words, self._slots):
                if end == len(words):
                    said = Said(
                        captures=captures, text=text, nearest_concepts=self.nearest_concepts
                    )
                    return MEANINGS[rule.intent](said)
        return None

    def nearest(self, texts: Sequence[str], limit: int) -> tuple[str, ...]:
        """Return sentences that sound most like these texts, nearest first.

        Sentences that differ only in side, ordinal or number stand together, so that none of them
        is preferred before its sound is compared.
        """
        costs: dict[str, float] = {}
        distinct = dict.fromkeys(self._sounds(text) for text in texts)
        for text in list(distinct)[:_TEXTS_COMPARED]:
            for cost, sentence in self._network.nearest(text, 2 * limit):
                costs[sentence] = min(cost, costs.get(sentence, cost))
        chosen: dict[str, None] = {}
        seen: dict[Command, int] = {}
        for sentence in sorted(costs, key=lambda each: costs[each]):
            command = self.parse(sentence)
            if command is None or isinstance(command, QuestionCommand):
                continue
            seen[command] = seen.get(command, 0) + 1
            if seen[command] <= _WORDINGS_OF_ONE_COMMAND:
                chosen[digits_written(sentence)] = None
                if len(chosen) <= _CHOICES:
                    chosen.update(dict.fromkeys(self._variants(sentence)))
            if len(chosen) >= limit:
                break
        return tuple(chosen)[:limit]

    @cached_property
    def words(self) -> frozenset[str]:
        """The lower-case words that the proposed sentences are made of."""
        return frozenset(word for phrase in self._network.phrases for word in phrase.split())

    def nearest_concepts(self, phrase: str) -> tuple[str, ...]:
        """Return the concept phrases that sound most like an unknown one, nearest first."""
        sounds = self._sounds(phrase)
        ranked = sorted(
            (distance(sounds, self._sounds(wording)) / max(len(sounds), len(wording)), concept)
            for wording, concept in ((w, c.phrase) for w, c in self._table.wordings())
        )
        return tuple(dict.fromkeys(concept for _, concept in ranked))[:_CHOICES]

    def _variants(self, sentence: str) -> list[str]:
        return [
            digits_written(each)
            for each in variants_of(sentence)
            if not isinstance(self.parse(each), QuestionCommand | None)
        ]

    def _sounds(self, text: str) -> str:
        return sounds_of(" ".join(words_in(digits_spoken(text))), self._pronunciations)

    @cached_property
    def _network(self) -> Network:
        spoken = {name: slot.spoken() for name, slot in self._slots.items()}
        sentences = Choice(
            tuple(filled(rule.pattern, spoken) for rule in self._rules if not rule.rare)
        )
        return Network(Pieces((_OPENING, sentences, _CLOSING)), self._sounds)

"""Which sentence was said: the engine's own reading against the grammar's, all judged by sound.

An engine reads freely and names several hypotheses. The grammar proposes sentences that sound like
them; the engine then says how probable each is, given the recording. The best is accepted when it
explains the sound about as well as the free reading does; those that come close and mean something
else are named as rivals, for the caller to ask back.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from domain.command import AcceptCommand, QuestionCommand
from domain.ports import Grammar
from domain.speech import Hypothesis, Transcript, Word
from voice.lexicon import PROTECTED, Lexicon

FIRST_CANDIDATES: Final = 10
"""Sentences of the grammar compared by sound at first: those nearest the best reading. They do
where that reading is a sentence of the grammar itself, and none of them comes near it."""

CANDIDATES: Final = 28
"""Sentences compared where not: those nearest to any reading."""

RIVALS_NEAR: Final = 16
"""Of the candidates so many, nearest by letters and sounds first, may be rivals of the best: the
engine hardly minds sound that a short sentence leaves unsaid, "go to slice 4" where 42 was."""

MARGIN_NATS: Final = 1.5
MARGIN_NATS_PER_STRAIN: Final = 0.5
"""A reading of another meaning is a rival when it is this close to the best, the more so the worse
the best itself explains the sound."""

SAFE_MARGIN_NATS: Final = 3.0
SAFE_MARGIN_NATS_PER_STRAIN: Final = 3.0
"""The same where a side, an ordinal or a number differs."""

MOST_STRAIN: Final = 1.7
MOST_STRAIN_GUARDED: Final = 1.0
"""How much worse than the free reading a sentence may explain the sound: see ``_strain``; less
where it names a side, an ordinal or a number, or is a yes."""

LONE_LEAD_NATS: Final = 4.0
LEAST_READ: Final = 0.5
"""After the second reading a sentence may strain as much with a side, an ordinal or a number as
without, if it explains the sound so much better than all of another meaning, and such a share of
its words was read as it is; a yes may not."""

WORDS_MORE: Final = 2
"""Added to the words of a sentence: one misheard sound costs a short sentence as much as a long."""

MOST_RIVALS: Final = 3

BOUND_READINGS: Final = 2
"""Readings in the grammar's own words that may say of a sentence that its side was heard."""

REPAIR_NATS: Final = 0.7
"""What a repair by the lexicon costs: its sentence is as likely as the mishearing, but for this."""

_SIDES: Final = frozenset({"left", "right", "both"})
_NEGATION: Final = re.compile(r"\b(don't|do not|never|without|not to|except)\b", re.IGNORECASE)
GUARDED_GAP_NATS: Final = 2.0

_NUMBERS: Final = 1000

_ASKS: Final = re.compile(r"^(what|how|where|which|is|can|has|have|did)\b", re.IGNORECASE)
_UPPER: Final = {"pacs": "PACS", "ct": "CT", "mr": "MR", "mri": "MRI", "ivc": "IVC", "svc": "SVC",
                 "i": "I", "hu": "HU", "vna": "VNA", "pet": "PET"}  # fmt: skip


class Heard(Protocol):
    """One recording inside an engine, encoded."""

    def hypotheses(self, words: frozenset[str] | None = None) -> tuple[Hypothesis, ...]:
        """Return readings, best first: free ones, or such as are written with these words' letters.

        The bits that words are written with combine to others too: "spleen" may come as "Sleen".
        """
        ...

    def log_probabilities(self, texts: Sequence[str]) -> list[float]:
        """Return for each text the summed log-probability of its tokens, given the sound."""
        ...

    def words(self, text: str) -> tuple[Word, ...]:
        """Return the words of a text with their times."""
        ...


@dataclass(frozen=True)
class _Scored:
    text: str
    score: float
    is_near: bool = True


def written(sentence: str) -> str:
    """Return a sentence as Whisper writes it: a capital, a full stop or question mark, digits."""
    words = [_UPPER.get(word.lower(), word) for word in sentence.strip().rstrip(".?! ").split()]
    text = " ".join(words)
    return f"{text[:1].upper()}{text[1:]}{'?' if _ASKS.match(text) else '.'}"


def spellings(words: frozenset[str]) -> frozenset[str]:
    """Return how Whisper may write these words, each after a space, and numbers and full stops."""
    forms = {form for word in words for form in (word, word.capitalize(), _UPPER.get(word, word))}
    numbers = {str(number) for number in range(_NUMBERS)}
    return frozenset(f" {form}" for form in forms | numbers) | {".", ",", "?"}


def once(text: str) -> str:
    """Return a text without the repetitions that a recogniser falls into: "Stop. Stop stop."."""
    text = text.strip()
    words = [re.sub(r"\W+", "", word).lower() for word in text.split()]
    for count in range(1, len(words) // 2 + 1):
        if len(words) % count == 0 and words == words[:count] * (len(words) // count):
            return " ".join(text.split()[:count])
    return text


def transcript_of(
    heard: Heard, grammar: Grammar | None, lexicon: Lexicon, engine: str
) -> Transcript:
    """Return what was said, judged by one engine's hearing."""
    free = heard.hypotheses()
    raw_text = once(free[0].text) if free else ""
    repaired, repairs = lexicon.repair(raw_text)
    if grammar is None or not free:
        return Transcript(
            text=repaired,
            raw_text=raw_text,
            engine=engine,
            words=heard.words(raw_text),
            hypotheses=free[1:],
            repairs=repairs,
            confidence=math.exp(free[0].log_probability) if free else None,
        )
    scores = _Scores(heard)
    own = max(scores.of([written(once(each.text)) for each in free[:2]]).values())
    read = [each.text for each in free]
    most_strain = MOST_STRAIN
    scored = _scored(scores, grammar, lexicon, free[:1], FIRST_CANDIDATES)
    is_clear = bool(scored) and _is_same(scored[0].text, repaired)
    if not is_clear or _is_doubtful(scored, own, read, grammar):
        scored = _merged(scored, _scored(scores, grammar, lexicon, free, CANDIDATES))
    if _is_doubtful(scored, own, read, grammar):
        bound = heard.hypotheses(grammar.words)
        found = {each.text for each in scored}
        scored = _merged(scored, _scored(scores, grammar, lexicon, bound, CANDIDATES))
        read += [each.text for each in bound[:BOUND_READINGS]]
        if scored and scored[0].text not in found:
            most_strain = MOST_STRAIN_GUARDED
    is_near = bool(scored) and _is_acceptable(scored[0], own, read, grammar, most_strain)
    is_alone = bool(scored) and _stands_alone(scored, own, read, grammar)
    if not is_near and not is_alone:
        return Transcript(
            text=repaired,
            raw_text=raw_text,
            engine=engine,
            words=heard.words(raw_text),
            hypotheses=(*free[1:], *_as_hypotheses(scored[:3])),
            repairs=repairs,
            confidence=0.0,
        )
    best = scored[0]
    return Transcript(
        text=best.text,
        raw_text=raw_text,
        engine=engine,
        words=heard.words(best.text),
        hypotheses=_as_hypotheses(scored[1:6]),
        rivals=tuple(
            rival
            for rival in _rivals(scored, grammar, _strain(best, own))
            if not is_alone or _contradicts(best.text, rival)
        ),
        repairs=repairs,
        confidence=_confidence(scored, grammar, _strain(best, own)),
    )


def _is_doubtful(
    scored: Sequence[_Scored], own: float, read: Sequence[str], grammar: Grammar
) -> bool:
    """Return whether the caller would have to be asked."""
    if not scored or not _is_acceptable(scored[0], own, read, grammar):
        return True
    return bool(_rivals(scored, grammar, _strain(scored[0], own)))


def _merged(first: Sequence[_Scored], second: Sequence[_Scored]) -> list[_Scored]:
    best: dict[str, _Scored] = {}
    for each in (*first, *second):
        known = best.get(each.text, each)
        higher = each if each.score > known.score else known
        best[each.text] = replace(higher, is_near=each.is_near or known.is_near)
    return sorted(best.values(), key=lambda each: -each.score)


def _strain(best: _Scored, own: float) -> float:
    """Return how much worse than the free reading a sentence explains the sound.

    In nats for each word. What is no command is some 20 nats off the nearest sentence, a command
    that was misheard seldom 10.
    """
    return max(0.0, own - best.score) / (len(best.text.split()) + WORDS_MORE)


def _is_acceptable(
    best: _Scored,
    own: float,
    free: Sequence[str],
    grammar: Grammar,
    most_strain: float = MOST_STRAIN,
) -> bool:
    """Return whether a sentence may stand for what was heard.

    One with sides or a negation that no free reading has may hardly be worse.
    """
    if not any(_says_alike(best.text, each) for each in free):
        return own - best.score <= GUARDED_GAP_NATS
    guarded = (
        PROTECTED & _words(best.text)
        or re.search(r"\d", best.text)
        or isinstance(grammar.parse(best.text), AcceptCommand)
    )
    return _strain(best, own) <= (MOST_STRAIN_GUARDED if guarded else most_strain)


def _stands_alone(
    scored: Sequence[_Scored], own: float, read: Sequence[str], grammar: Grammar
) -> bool:
    """Return whether the best sentence is the only one that comes near what was heard."""
    best = scored[0]
    words = _in_order(best.text)
    most_read = max(sum(word in _words(each) for word in words) for each in read)
    return (
        _strain(best, own) <= MOST_STRAIN
        and most_read >= LEAST_READ * len(words)
        and any(_says_alike(best.text, each) for each in read)
        and not isinstance(grammar.parse(best.text), AcceptCommand)
        and _lead(scored, grammar) >= LONE_LEAD_NATS
    )


def _lead(scored: Sequence[_Scored], grammar: Grammar) -> float:
    """Return how far the best sentence is ahead of the next of another meaning; 0 for none."""
    meant = grammar.parse(scored[0].text)
    for each in scored[1:]:
        if grammar.parse(each.text) != meant:
            return scored[0].score - each.score
    return 0.0


def _says_alike(sentence: str, free: str) -> bool:
    """Return whether two texts have the same sides, and both or neither a negation."""
    negated = bool(_NEGATION.search(sentence)) != bool(_NEGATION.search(free))
    return not negated and not _SIDES & (_words(sentence) ^ _words(free))


def _is_same(sentence: str, free: str) -> bool:
    """Return whether two texts have the same words in the same order."""
    return _in_order(sentence) == _in_order(free)


def _in_order(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z']+", text.lower()))


class _Scores:
    """What the sound says of texts; of each it is asked once, which is what costs time."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._known: dict[str, float] = {}

    def of(self, texts: Iterable[str]) -> dict[str, float]:
        """Return for each text its log-probability."""
        wanted = list(dict.fromkeys(texts))
        new = [text for text in wanted if text not in self._known]
        if new:
            self._known.update(zip(new, self._heard.log_probabilities(new), strict=True))
        return {text: self._known[text] for text in wanted}


def _scored(
    sound: _Scores, grammar: Grammar, lexicon: Lexicon, free: Sequence[Hypothesis], most: int
) -> list[_Scored]:
    """Return the grammar's sentences near the hypotheses, the best by sound first."""
    texts = [once(each.text) for each in free]
    repaired = [lexicon.repair(text)[0] for text in texts]
    misheard = {
        written(mended): written(text)
        for text, mended in zip(texts[:3], repaired[:3], strict=True)
        if mended != text
    }
    own = [
        text
        for text in (*texts[:3], *repaired[:3])
        if not isinstance(grammar.parse(text), QuestionCommand | None)
    ]
    near = grammar.nearest(list(dict.fromkeys((*repaired[:2], *texts[:3]))), most)
    spoken = dict[str, str]()
    for sentence in (*own, *near):
        spoken.setdefault(written(sentence), sentence)
    sources = {text: misheard[text] for text in spoken if text in misheard}
    scores = sound.of([*spoken, *sources.values()])
    return sorted(
        (
            _Scored(
                sentence.rstrip(".?! "),
                max(scores[text], scores.get(sources.get(text, ""), -math.inf) - REPAIR_NATS),
                sentence in own or sentence in near[:RIVALS_NEAR],
            )
            for text, sentence in spoken.items()
        ),
        key=lambda each: -each.score,
    )


def _rivals(scored: Sequence[_Scored], grammar: Grammar, strain: float) -> tuple[str, ...]:
    """Return the readings of other meaning too close to the best to tell apart."""
    margin = MARGIN_NATS + MARGIN_NATS_PER_STRAIN * strain
    safe_margin = SAFE_MARGIN_NATS + SAFE_MARGIN_NATS_PER_STRAIN * strain
    meant = [grammar.parse(scored[0].text)]
    rivals: list[str] = []
    for each in scored[1:]:
        behind = scored[0].score - each.score
        command = grammar.parse(each.text)
        if behind > max(margin, safe_margin) or len(rivals) == MOST_RIVALS:
            break
        if command in meant or not each.is_near:
            continue
        if behind <= margin or _differs_dangerously(scored[0].text, each.text):
            meant.append(command)
            rivals.append(each.text)
    return tuple(rivals)


def _differs_dangerously(first: str, second: str) -> bool:
    return bool(PROTECTED & (set(first.lower().split()) ^ set(second.lower().split())))


def _contradicts(first: str, second: str) -> bool:
    """Return whether each of two sentences has a side, ordinal or number that the other lacks."""
    ours, theirs = PROTECTED & _words(first), PROTECTED & _words(second)
    return bool(ours - theirs) and bool(theirs - ours)


def _confidence(scored: Sequence[_Scored], grammar: Grammar, strain: float) -> float:
    """Return the share of the best command among those compared, less what it fails to explain."""
    best = grammar.parse(scored[0].text)
    share = {True: 0.0, False: 0.0}
    for each in scored:
        ours = grammar.parse(each.text) == best
        share[ours] = max(share[ours], math.exp((each.score - scored[0].score) / 2))
    return share[True] / (share[True] + share[False]) * math.exp(-strain / 4)


def _as_hypotheses(scored: Sequence[_Scored]) -> tuple[Hypothesis, ...]:
    return tuple(
        Hypothesis(text=each.text, log_probability=each.score / max(1, len(each.text.split())))
        for each in scored
    )

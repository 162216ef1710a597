"""A transcriber that says what it is told to: for tests of what comes after the hearing."""

import threading
from dataclasses import dataclass, field

from domain.ports import Grammar, Transcriber
from domain.speech import SAMPLE_RATE_HZ, Hypothesis, Transcript, Utterance, Word
from voice.activity import speech_pieces


@dataclass(frozen=True)
class ScriptedTranscriber:
    """Hears one text in any speech, and nothing in silence."""

    text: str
    rivals: tuple[str, ...] = ()
    confidence: float = 1.0

    def transcribe(
        self,
        utterance: Utterance,
        grammar: Grammar | None = None,  # noqa: ARG002 - says what it is told to
    ) -> Transcript:
        pieces = speech_pieces(utterance, longest_s=float("inf"))
        start_s, end_s = pieces[0][0] / SAMPLE_RATE_HZ, pieces[-1][1] / SAMPLE_RATE_HZ
        words = self.text.split()
        step_s = (end_s - start_s) / len(words)
        return Transcript(
            text=self.text,
            raw_text=self.text,
            engine="scripted",
            words=tuple(
                Word(
                    text=word,
                    start_s=start_s + place * step_s,
                    end_s=start_s + (place + 1) * step_s,
                    probability=self.confidence,
                )
                for place, word in enumerate(words)
            ),
            hypotheses=tuple(Hypothesis(text=rival, log_probability=-1) for rival in self.rivals),
            rivals=self.rivals,
            confidence=self.confidence,
        )


@dataclass(frozen=True)
class WatchedTranscriber:
    """Another one, of which it is known what it was asked; it waits while ``open`` is not set."""

    inner: Transcriber
    open: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[float, bool]] = field(default_factory=list)
    """Seconds of sound, and whether there was a grammar, of each reading begun."""

    def transcribe(self, utterance: Utterance, grammar: Grammar | None = None) -> Transcript:
        self.asked.append((round(utterance.duration_s, 1), grammar is not None))
        assert self.open.wait(60)
        return self.inner.transcribe(utterance, grammar)

"""From what was heard to the command meant, or to a question where two readings are left."""

from typing import Final

from domain.command import Command, DeleteCommand, DictateCommand, QuestionCommand, SendCommand
from domain.ports import Grammar
from domain.speech import Transcript

_CHOICES: Final = 3
_LEAST_CONFIDENCE: Final = 0.6
"""Below this a command that takes something away or sends it is asked back."""


def interpret(transcript: Transcript, grammar: Grammar) -> Command:
    """Return the command meant, or a question: never a guess.

    A question is asked when readings that sound alike mean different commands, when a sentence that
    deletes or sends was heard with little confidence, and when nothing was understood.
    """
    command = grammar.parse(transcript.text)
    readings = _readings(transcript, grammar, command)
    if command is not None and len(readings) > 1:
        return QuestionCommand(
            text=f"I heard {' or '.join(repr(each) for each in readings)}: which one?",
            choices=readings,
        )
    if command is None:
        return QuestionCommand(
            text=f"I heard {transcript.text!r}, and do not know what is meant.",
            choices=_proposals(transcript, grammar),
        )
    unsure = transcript.confidence is not None and transcript.confidence < _LEAST_CONFIDENCE
    if unsure and isinstance(command, DeleteCommand | SendCommand):
        sentence = transcript.text.rstrip(".?! ")
        return QuestionCommand(
            text=f"I heard {sentence!r}, but not clearly: is that what is meant?",
            choices=(sentence, "cancel"),
        )
    return command


def _readings(transcript: Transcript, grammar: Grammar, command: Command | None) -> tuple[str, ...]:
    """Return the reading chosen and its rivals, one for each command meant."""
    meant: dict[Command, str] = {}
    if command is not None and not isinstance(command, QuestionCommand):
        meant[command] = transcript.text.rstrip(".?! ")
    if isinstance(command, DictateCommand):
        return tuple(meant.values())
    for rival in transcript.rivals:
        other = grammar.parse(rival)
        if other is not None and not isinstance(other, QuestionCommand):
            meant.setdefault(other, rival.rstrip(".?! "))
    return tuple(meant.values())


def _proposals(transcript: Transcript, grammar: Grammar) -> tuple[str, ...]:
    """Return what may have been said, one sentence a command: first what sounded best."""
    heard = [each.text.rstrip(".?! ") for each in transcript.hypotheses]
    near = grammar.nearest([transcript.text], 4 * _CHOICES) if transcript.text.strip() else ()
    meant: dict[Command, str] = {}
    for sentence in (*heard, *near):
        command = grammar.parse(sentence)
        if command is not None and not isinstance(command, QuestionCommand):
            meant.setdefault(command, sentence)
    return tuple(meant.values())[:_CHOICES]

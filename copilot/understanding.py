"""A typed sentence to a command; what is not understood becomes a question, never a guess."""

from typing import Final

from domain.command import Command, QuestionCommand
from domain.ports import Grammar

_CHOICES: Final = 3


def understood(grammar: Grammar, sentence: str) -> Command:
    """Return the command a sentence means, or a question with the nearest sentences as choices."""
    command = grammar.parse(sentence)
    if command is not None:
        return command
    return QuestionCommand(
        text=f"I do not understand {sentence!r}. Did you mean one of these?",
        choices=grammar.nearest([sentence], _CHOICES),
    )

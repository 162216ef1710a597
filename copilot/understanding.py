"""A typed sentence to a command; what is not understood becomes a question, never a guess."""

from typing import Final

from copilot.intent.deixis import Context, Meant, resolved
from domain.command import Command, QuestionCommand
from domain.ports import Grammar

_CHOICES: Final = 3


def understood(grammar: Grammar, sentence: str) -> Command:
    """Return the command a sentence means by itself, or a question with sentences as choices."""
    return meant(grammar, sentence, Context()).command


def meant(grammar: Grammar, sentence: str, context: Context) -> Meant:
    """Return what a sentence means on a page, or a question with the nearest sentences."""
    command = grammar.parse(sentence)
    if command is not None:
        return resolved(command, sentence, context, grammar)
    question = QuestionCommand(
        text=f"I do not understand {sentence!r}. Did you mean one of these?",
        choices=grammar.nearest([sentence], _CHOICES),
    )
    return Meant(command=question, sentence=sentence)

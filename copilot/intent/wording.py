"""What is said around a command, and the one spelling the grammar reads."""

import re
from typing import Final

from copilot.intent.numbers import NUMBER_WORDS

_SPELLINGS: Final = (
    (r"\btumour", "tumor"), (r"\bhaem", "hem"), (r"\boesoph", "esoph"), (r"\boedema", "edema"),
    (r"\bischaem", "ischem"), (r"haemo", "hemo"), (r"\bgrey", "gray"), (r"\bcentre", "center"),
    (r"\bx ray", "x-ray"), (r"\bhaematoma", "hematoma"), (r"fibre", "fiber"),
    (r"colour", "color"), (r"\bct scan\b", "ct"), (r"\bc t\b", "ct"), (r"\bm r i\b", "mri"),
    (r"\bp a c s\b", "pacs"), (r"\bi v c\b", "ivc"),
)  # fmt: skip
_CONTRACTIONS: Final = (
    (r"\bwhat's\b", "what is"), (r"\bwhere's\b", "where is"), (r"\bhow's\b", "how is"),
    (r"\bthat's\b", "that is"), (r"\bthere's\b", "there is"), (r"\bit's\b", "it is"),
    (r"\blet's\b", "let us"), (r"\bi'd\b", "i would"), (r"\bi'm\b", "i am"), (r"n't\b", " not"),
    (r"\bdont\b", "do not"), (r"\bcant\b", "can not"), (r"\bcannot\b", "can not"),
    (r"'s\b", ""), (r"'", ""),
)  # fmt: skip


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text, as a set to look up in."""
    return frozenset(text.split())


FILLERS: Final = frozenset({"um", "uh", "er", "erm", "hmm", "ah", "please", "kindly"})

_OPENINGS: Final = tuple(
    tuple(phrase.split())
    for phrase in (
        "could you", "can you", "would you", "will you", "would you mind", "i would like you to",
        "i would like to", "i want you to", "i want to", "i need you to", "i need to", "let us",
        "go ahead and", "okay", "ok", "so", "hey", "hi", "hello", "now", "then", "just", "copilot",
        "computer", "alright", "all right", "well", "also", "next please", "can we", "could we",
        "let me", "help me", "you can", "you may", "and then", "and now", "i think", "right then",
    )
)  # fmt: skip
_CLOSINGS: Final = tuple(
    tuple(phrase.split())
    for phrase in (
        "for me", "thanks", "thank you", "now", "if you can", "if you could", "if possible", "okay",
        "right now", "if you would", "when you can", "will you", "would you", "copilot", "for us",
        "again please", "as well", "too", "quickly",
    )
)  # fmt: skip

NEGATIONS: Final = frozenset({"not", "no", "never", "without", "neither", "nor", "except"})
SIDES: Final = frozenset({"left", "right", "both", "bilateral", "bilaterally"})
PROTECTED: Final = NEGATIONS | SIDES | NUMBER_WORDS
"""Words whose loss or change turns a command into another one."""


def words_in(text: str) -> tuple[str, ...]:
    """Return the lower-case words of a sentence in one spelling, without punctuation."""
    plain = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace("&", " and ")
    for found, written in _CONTRACTIONS:
        plain = re.sub(found, written, plain)
    plain = re.sub(r"(?<=\d)[.,](?=\d)", "point", plain)
    plain = re.sub(r"[^a-z0-9]+", " ", plain)
    plain = re.sub(r"(\d)(mm|cm|ml)\b", r"\1 \2", plain)
    for found, written in _SPELLINGS:
        plain = re.sub(found, written, plain)
    return tuple(plain.split())


def without_courtesy(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words without fillers, and without courtesy at the beginning and the end.

    Never returns nothing: "okay" alone stays.
    """
    kept = tuple(word for word in words if word not in FILLERS) or words
    shorter = True
    while shorter:
        shorter = False
        for phrase in _OPENINGS:
            if len(kept) > len(phrase) and kept[: len(phrase)] == phrase:
                kept, shorter = kept[len(phrase) :], True
        for phrase in _CLOSINGS:
            if len(kept) > len(phrase) and kept[-len(phrase) :] == phrase:
                kept, shorter = kept[: -len(phrase)], True
    return kept

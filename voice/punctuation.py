"""Punctuation that is dictated by name: "full stop", "new line", "open bracket".

Whisper writes punctuation of its own round such a name ("effusion, full stop."): what was said
wins.
"""

import re
from typing import Final

_ENDS: Final = {
    "full stop": ".",
    "comma": ",",
    "colon": ":",
    "semicolon": ";",
    "semi colon": ";",
    "question mark": "?",
    "new paragraph": "\n\n",
    "next paragraph": "\n\n",
    "new line": "\n",
    "newline": "\n",
    "next line": "\n",
}
_OPENS: Final = {"open bracket": "(", "open brackets": "(", "open parenthesis": "("}
_CLOSES: Final = {"close bracket": ")", "close brackets": ")", "close parenthesis": ")"}
_BREAK: Final = re.compile(r"[ \t]*\n[ \t]*")
_AFTER_END: Final = re.compile(r"(?:(?<=[.?] )|(?<=\n))([a-z])")


def _spoken(names: dict[str, str]) -> "re.Pattern[str]":
    words = "|".join(name.replace(" ", r"[ -]") for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"[\s,.;:]*\b({words})\b[,.;:?!]*", re.IGNORECASE)


_END: Final = _spoken(_ENDS)
_OPEN: Final = _spoken(_OPENS)
_CLOSE: Final = _spoken(_CLOSES)
# "period" is punctuation where a sentence ends with it, and a word in "a period of two weeks"
_PERIOD: Final = re.compile(
    r"(?<![a-z] a)(?<!the)[\s,.;]+period(?=[.]|$|,? [A-Z])[.,]*(?= |$)", re.IGNORECASE
)


def written(text: str) -> str:
    """Return dictated text with its spoken punctuation as signs, sentences begun with capitals."""
    signs = _PERIOD.sub(".", text)
    signs = _END.sub(lambda found: _ENDS[_name(found)], signs)
    signs = _OPEN.sub(lambda found: f" {_OPENS[_name(found)]}", signs)
    signs = re.sub(r"\( +", "(", signs)
    signs = _CLOSE.sub(lambda found: _CLOSES[_name(found)], signs)
    signs = _BREAK.sub(lambda found: found.group().strip(" \t"), signs)
    signs = re.sub(r"\n{3,}", "\n\n", signs)
    if signs == text:
        return text
    return _AFTER_END.sub(lambda found: found.group(1).upper(), signs).strip(" \t")


def _name(found: "re.Match[str]") -> str:
    return found.group(1).lower().replace("-", " ")

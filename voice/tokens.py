"""Text to Whisper's tokens and back: byte-level byte-pair encoding.

A token's place in the vocabulary is also its rank: of all neighbouring pairs that make a token, the
one with the lowest number is merged first (Sennrich 2016, as in GPT-2). The vocabulary file alone
therefore says how to encode, and a ``tokenizer.json`` that lost a merge rule cannot mislead.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from domain.errors import ModelMissingError

_FIRST_SPECIAL: Final = "<|endoftext|>"
_PIECES: Final = re.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+"
)


def _printable_bytes() -> dict[int, str]:
    """Return the printable character that stands for each byte in a GPT-2 vocabulary."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {byte: chr(byte) for byte in plain}
    others = (byte for byte in range(256) if byte not in table)
    return table | {byte: chr(256 + place) for place, byte in enumerate(others)}


_CHARACTER: Final = _printable_bytes()
_BYTE: Final = {character: byte for byte, character in _CHARACTER.items()}


class Tokens:
    """The vocabulary of one model."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._vocabulary = tuple(vocabulary)
        self._number = {token: number for number, token in enumerate(vocabulary)}
        self.end = self._number[_FIRST_SPECIAL]

    @classmethod
    def read(cls, model_folder: Path) -> "Tokens":
        """Return the vocabulary of ``vocabulary.txt`` in a model's folder.

        Raises
        ------
        ModelMissingError
            If it is not there, or not Whisper's.
        """
        path = model_folder / "vocabulary.txt"
        try:
            tokens = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelMissingError(
                f"{path} cannot be read: run: radcopilot models install default"
            ) from error
        if _FIRST_SPECIAL not in tokens:
            raise ModelMissingError(
                f"{path} is no Whisper vocabulary: run: radcopilot models install default"
            )
        return cls(tokens[:-1] if tokens[-1] == "" else tokens)

    def special(self, name: str) -> int:
        """Return the number of a token such as ``<|en|>``."""
        return self._number[name]

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        return [number for piece in _PIECES.findall(text) for number in self._encode_piece(piece)]

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of tokens, without the special ones."""
        characters = "".join(self._vocabulary[each] for each in numbers if each < self.end)
        return bytes(_BYTE[each] for each in characters).decode("utf-8", "replace")

    def all_but(self, texts: Iterable[str]) -> frozenset[int]:
        """Return all tokens but those of these texts, and the one that ends."""
        used = {number for text in texts for number in self.encode(text)}
        return frozenset(range(len(self._vocabulary))) - used - {self.end}

    def _encode_piece(self, piece: str) -> list[int]:
        parts = [_CHARACTER[byte] for byte in piece.encode()]
        while len(parts) > 1:
            ranks = [
                self._number.get(first + second, self.end) for first, second in pairwise(parts)
            ]
            place = min(range(len(ranks)), key=ranks.__getitem__)
            if ranks[place] >= self.end:
                break
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        return [self._number[part] for part in parts]

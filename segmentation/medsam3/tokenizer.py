"""The words of SAM 3: CLIP's byte pairs, built from the list OpenAI published."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any, Final

from domain.errors import UnreadableFileError

BPE_FILE: Final = "bpe_simple_vocab_16e6.txt.gz"
VOCABULARY_FILE: Final = "vocab.json"
MERGES_FILE: Final = "merges.txt"
CONTEXT: Final = 32

_MERGES: Final = 48894  # of the list's 262,144: what CLIP was trained with
_END_OF_WORD: Final = "</w>"
_START, _END = "<|startoftext|>", "<|endoftext|>"
_PRINTABLE: Final = (
    *range(ord("!"), ord("~") + 1),
    *range(ord("¡"), ord("¬") + 1),
    *range(ord("®"), ord("ÿ") + 1),
)


def write_words(source: Path, target_folder: Path) -> None:
    """Write the words of a folder, with the list of byte pairs or installed before, to another.

    Raises
    ------
    UnreadableFileError
        If the list is damaged, or the folder holds no words.
    """
    if (source / BPE_FILE).is_file():
        write_tokenizer(source / BPE_FILE, target_folder)
        return
    try:
        for name in (VOCABULARY_FILE, MERGES_FILE):
            shutil.copyfile(source / name, target_folder / name)
    except OSError as error:
        raise UnreadableFileError(
            f"{source} holds no words: run: radcopilot models install medsam3"
        ) from error


def write_tokenizer(byte_pairs: Path, target_folder: Path) -> None:
    """Write vocabulary and merges as transformers reads them.

    Raises
    ------
    UnreadableFileError
        If the list is damaged.
    """
    try:
        lines = gzip.decompress(byte_pairs.read_bytes()).decode("utf-8").split("\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UnreadableFileError(
            f"{byte_pairs.name} is not the list of byte pairs: install the model again"
        ) from error
    merges = [tuple(line.split()) for line in lines[1 : _MERGES + 1] if line]
    if not merges or any(len(pair) != len(("left", "right")) for pair in merges):
        raise UnreadableFileError(f"{byte_pairs.name} holds no pairs: install the model again")
    letters = [_letter(byte) for byte in _bytes()]
    words = [
        *letters,
        *(letter + _END_OF_WORD for letter in letters),
        *("".join(pair) for pair in merges),
        _START,
        _END,
    ]
    vocabulary = {word: number for number, word in enumerate(words)}
    (target_folder / VOCABULARY_FILE).write_text(json.dumps(vocabulary), encoding="utf-8")
    text = "\n".join(("#version: 0.2", *(" ".join(pair) for pair in merges)))
    (target_folder / MERGES_FILE).write_text(text, encoding="utf-8")


def load_tokenizer(folder: Path) -> Any:  # noqa: ANN401 - transformers'
    """Return the tokenizer in a folder.

    Raises
    ------
    UnreadableFileError
        If its files cannot be read.
    """
    from transformers import CLIPTokenizer  # noqa: PLC0415 - the extra's

    try:
        vocabulary = json.loads((folder / VOCABULARY_FILE).read_text(encoding="utf-8"))
        lines = (folder / MERGES_FILE).read_text(encoding="utf-8").split("\n")[1:]
        merges = [tuple(line.split()) for line in lines]
    except (OSError, ValueError) as error:
        raise UnreadableFileError(
            f"the words of {folder} cannot be read: run: radcopilot models install medsam3"
        ) from error
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=CONTEXT)


def _bytes() -> tuple[int, ...]:
    """Return all bytes in CLIP's order: printable ones first."""
    return (*_PRINTABLE, *(byte for byte in range(256) if byte not in _PRINTABLE))


def _letter(byte: int) -> str:
    """Return the character that stands for a byte in the list."""
    if byte in _PRINTABLE:
        return chr(byte)
    return chr(256 + [each for each in range(256) if each not in _PRINTABLE].index(byte))

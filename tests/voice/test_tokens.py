from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ModelMissingError
from voice.tokens import Tokens


@pytest.fixture(scope="module")
def tokens(models_folder: Path) -> Tokens:
    return Tokens.read(models_folder / "whisper-base")


def test_a_frequent_word_is_one_token(tokens: Tokens) -> None:
    # Known from openai-whisper's own tokenizer: " the" is 264, " right" is 558.
    assert tokens.encode(" the") == [264]
    assert tokens.encode(" right") == [558]
    assert tokens.encode(" Go to the") == [1037, 281, 264]


@given(text=st.text(max_size=40))
def test_encoding_is_undone_by_decoding(models_folder: Path, text: str) -> None:
    tokens = _cached(models_folder)
    assert tokens.decode(tokens.encode(text)) == text


_read: dict[Path, Tokens] = {}


def _cached(folder: Path) -> Tokens:
    return _read.setdefault(folder, Tokens.read(folder / "whisper-base"))


def test_a_missing_vocabulary_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="radcopilot models install default"):
        Tokens.read(tmp_path)

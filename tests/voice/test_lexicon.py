from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SettingsError
from voice.lexicon import PROTECTED, Lexicon, load_lexicon

LEXICON = load_lexicon()


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("push the segmentation to PAX", "push the segmentation to PACS"),
        ("and do the last segmentation", "undo the last segmentation"),
        ("measure the plural effusion", "measure the pleural effusion"),
        ("show the axle slices", "show the axial slices"),
        ("the largest lung module", "the largest lung nodule"),
        ("load the chest seed", "load the chest CT"),
        ("segment the plane", "segment the spleen"),
        ("the raynal mass", "the renal mass"),
        ("the panchreas", "the pancreas"),
    ],
)
def test_near_misses_are_mended(heard: str, meant: str) -> None:
    mended, repairs = LEXICON.repair(heard)
    assert mended == meant
    assert repairs


def test_good_sentences_stay() -> None:
    for text in ("Segment the left kidney.", "go to slice forty two", "what can I say"):
        assert LEXICON.repair(text) == (text, ())


WORDS = st.sampled_from(
    [*sorted(PROTECTED), *(each for heard, _ in LEXICON.confusions for each in heard.split())]
)


@given(st.lists(WORDS, min_size=1, max_size=8))
def test_no_repair_touches_a_side_a_number_or_a_negation(words: list[str]) -> None:
    mended, _ = LEXICON.repair(" ".join(words))
    before = [word for word in words if word in PROTECTED]
    assert [word for word in mended.lower().split() if word in PROTECTED] == before


@pytest.mark.parametrize("pair", ['["write kidney", "right kidney"]', '["not you", "nodule"]'])
def test_a_repair_across_a_side_or_negation_stops_the_start(tmp_path: Path, pair: str) -> None:
    path = tmp_path / "lexicon.toml"
    path.write_text(f"confusions = [{pair}]\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"lexicon\.toml.*may touch a side"):
        load_lexicon(path)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("confusion = []", "confusion"),
        ('confusions = ["pax"]', "must be"),
        ("[pronunciations]\nkidney = 'x!'", "kidney"),
        ("terms = [", "TOML"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "site-lexicon.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"site-lexicon\.toml.*{named}"):
        load_lexicon(path)


def test_an_unknown_word_near_two_terms_is_left_alone() -> None:
    lexicon = Lexicon(terms=frozenset({"pancreas", "bancreas"}))
    assert lexicon.repair("pancreaz") == ("pancreaz", ())
    alone = Lexicon(terms=frozenset({"pancreas"}))
    assert alone.repair("pancreaz") == ("pancreas", ("pancreaz -> pancreas",))

"""Punctuation said by its name, as Whisper writes what it heard."""

import pytest

from voice.punctuation import written


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        ("There is no pleural effusion full stop", "There is no pleural effusion."),
        ("There is no pleural effusion, full stop.", "There is no pleural effusion."),
        ("No effusion full stop no pneumothorax full stop", "No effusion. No pneumothorax."),
        ("Small comma smooth nodule.", "Small, smooth nodule."),
        ("Small, comma, smooth nodule.", "Small, smooth nodule."),
        ("Impression colon stable disease.", "Impression: stable disease."),
        ("Liver normal. New line. Spleen normal.", "Liver normal\nSpleen normal."),
        ("Liver normal full stop new line spleen normal", "Liver normal.\nSpleen normal"),
        ("Liver normal. New paragraph, spleen normal.", "Liver normal\n\nSpleen normal."),
        ("A nodule open bracket 4 mm close bracket in the lobe.", "A nodule (4 mm) in the lobe."),
        ("No effusion period. No mass period.", "No effusion. No mass."),
        ("Over a period of two weeks.", "Over a period of two weeks."),
        ("No effusion.", "No effusion."),
        ("", ""),
    ],
)
def test_spoken_punctuation_becomes_signs(heard, text):
    assert written(heard) == text


def test_text_without_spoken_punctuation_is_left_as_it_was():
    text = "the 2.5 cm mass; see image 4: stable"
    assert written(text) == text

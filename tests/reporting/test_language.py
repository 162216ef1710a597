import re
import string
from datetime import date
from decimal import Decimal
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.codes import (
    AREA,
    ATTENUATION,
    HOUNSFIELD_UNIT,
    LONG_AXIS,
    MAXIMUM,
    MEAN,
    METABOLIC_VOLUME,
    MILLILITRE,
    MILLIMETRE,
    PEAK,
    SHORT_AXIS,
    SQUARE_MILLIMETRE,
    STANDARD_DEVIATION,
    SUV_BODY_WEIGHT,
    SUV_BODY_WEIGHT_VALUE,
    VOLUME,
)
from domain.errors import SettingsError
from domain.measurement import Measurement
from reporting.language import language, load_language
from reporting.wording import described, name, summarised
from tests.reporting.made import TABLE, finding, sized

ENGLISH, GERMAN = language("en"), language("de")
UNITS = {"ml": "mL", "HE": "HU"}
SIDES_EN = {"left": "left", "right": "right", "both sides": "both"}
SIDES_DE = {"link(?:s|e|er|es)": "left", "recht(?:s|e|er|es)": "right", "beidseits": "both"}
VALUES = st.floats(0.01, 5000.0)


@st.composite
def findings(draw):
    concept = draw(st.sampled_from(TABLE.concepts))
    index = draw(st.integers(0, 400))

    def one(code, unit, derivation=None, rule=None):
        return Measurement(
            concept=code,
            value=draw(VALUES),
            unit=unit,
            derivation=derivation,
            slice_index=index,
            rule=rule,
            uncertainty=draw(st.none() | st.floats(0.0, 50.0)) if code == VOLUME else None,
        )

    possible = [
        one(VOLUME, MILLILITRE),
        one(AREA, SQUARE_MILLIMETRE, draw(st.sampled_from([None, MAXIMUM]))),
        one(LONG_AXIS, MILLIMETRE),
        one(SHORT_AXIS, MILLIMETRE),
        one(ATTENUATION, HOUNSFIELD_UNIT, MEAN),
        one(ATTENUATION, HOUNSFIELD_UNIT, STANDARD_DEVIATION),
        one(SUV_BODY_WEIGHT_VALUE, SUV_BODY_WEIGHT, MAXIMUM),
        one(SUV_BODY_WEIGHT_VALUE, SUV_BODY_WEIGHT, PEAK),
        one(METABOLIC_VOLUME, MILLILITRE),
    ]
    kept = [each for each in possible if draw(st.booleans())]
    side = draw(st.sampled_from([None, "left", "right", "both"]))
    return finding(concept.phrase, side, measurements=kept, is_proposal=draw(st.booleans()))


def quantities(text: str) -> list[tuple[str, str]]:
    """Numbers with what stands behind them, as English writes both."""
    found = re.findall(r"(±?-?\d+(?:[.,]\d+)?)(?: (mL|ml|mm²|mm|HU|HE|g/mL|g/ml|%))?", text)
    return [(n.replace(",", "."), UNITS.get(u, u).replace("g/ml", "g/mL")) for n, u in found]


def sides(text: str, patterns: dict[str, str]) -> list[str]:
    return [said for pattern, said in patterns.items()
            for _ in re.findall(rf"\b{pattern}\b", text.lower())]  # fmt: skip


@settings(deadline=None)
@given(findings())
def test_number_unit_side_and_negation_are_the_same_in_both_languages(found):
    own = {"left": 0, "right": 0, "both": 0}
    if found.side:
        own[found.side] = 1
    for word in ("left", "right"):  # "left ventricle" has its side in its name
        own[word] += (found.concept or "").split().count(word)
    for say in (described, summarised):
        english, used = say(found, ENGLISH)
        german, used_too = say(found, GERMAN)
        assert quantities(english) == quantities(german)
        assert used == used_too
        for text, patterns in ((english, SIDES_EN), (german, SIDES_DE)):
            said = sides(text, patterns)
            assert {side: said.count(side) for side in own} == own
        assert ("no measurement" in english) == ("keine Messung" in german)
        assert ("to be confirmed" in english) == ("zu bestätigen" in german)


def test_every_concept_has_a_german_noun():
    assert {each.phrase for each in TABLE.concepts} <= set(GERMAN.nouns)


@pytest.mark.parametrize(
    ("concept", "side", "english", "german"),
    [
        ("kidney", "right", "right kidney", "rechte Niere"),
        ("kidney", "both", "kidney, both sides", "Niere beidseits"),
        ("testis", "left", "left testis", "linker Hoden"),
        ("ovary", "left", "left ovary", "linkes Ovar"),
        ("lung nodule", "right", "right lung nodule", "Lungenrundherd rechts"),
        ("adrenal adenoma", "left", "left adrenal adenoma", "Nebennierenadenom links"),
        ("left ventricle", None, "left ventricle", "linker Ventrikel"),
        (None, "right", "right lesion", "Läsion rechts"),
        ("psoas abscess", "right", "right psoas abscess", "Befund (psoas abscess) rechts"),
    ],
)
def test_a_side_is_inflected_as_its_noun_wants(concept, side, english, german):
    found = finding(concept, side)
    assert name(found, ENGLISH) == english
    assert name(found, GERMAN) == german


def test_a_german_sentence_reads_as_one():
    said, _ = described(finding("kidney", "right", measurements=sized(150.0)), GERMAN)
    assert said == (
        "Rechte Niere (Befund 1): Volumen 150,0 ml (±0,1); Lang- x Kurzachse 12,0 mm x 8,5 mm "
        "(Bild 5)."
    )
    assert GERMAN.on(date(2026, 3, 4)) == "04.03.2026"
    assert ENGLISH.on(date(2026, 3, 4)) == "2026-03-04"


def test_patterns_have_the_same_places_in_both_languages():
    def places(pattern):
        return sorted(n for _, n, _, _ in string.Formatter().parse(pattern) if n is not None)

    for table in ("sentences", "exports", "changes"):
        english, german = getattr(ENGLISH, table), getattr(GERMAN, table)
        assert set(english) == set(german)
        for key, pattern in english.items():
            assert places(pattern) == places(german[key]), key
    assert set(ENGLISH.units) == set(GERMAN.units)
    assert set(ENGLISH.headings) == set(GERMAN.headings)
    assert set(ENGLISH.facts) == set(GERMAN.facts)
    assert set(ENGLISH.facts["units"]) == set(GERMAN.facts["units"])


@settings(deadline=None)
@given(st.decimals(0, 10**6, places=3))
def test_digits_keep_their_value_in_every_language(value):
    text = GERMAN.digits(str(value))
    assert Decimal(text.replace(",", ".")) == value


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('decimal = ","', "", "lacks 'decimal'"),
        ('code = "de"', 'code = "de"\nwhat = 1', "unknown key 'what'"),
        ('["Niere", "f"]', '["Niere"]', "noun of 'kidney'"),
        ('["Niere", "f"]', '["Niere", "x"]', "gender of m, f, n, p"),
        ('["Niere", "f"]', '["Niere", "f", "behind"]', 'write "after"'),
        ('after = " rechts"', "", r"\[sides.right\] lacks 'after'"),
        ('code = "de"', "code = ", "readable TOML"),
    ],
)
def test_a_language_file_that_is_not_whole_is_named(tmp_path, old, new, complaint):
    text = (resources.files("configs") / "languages" / "de.toml").read_text(encoding="utf-8")
    (tmp_path / "own.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(SettingsError, match=complaint):
        load_language(tmp_path / "own.toml")


def test_a_language_that_is_not_there_is_refused():
    for code in ("xx", "../default"):
        with pytest.raises(SettingsError, match="use one of de, en"):
            language(code)


@pytest.mark.parametrize(
    ("label", "german"),
    [
        ("Finding 1", "Befund 1"),
        ("Finding 1 (2)", "Befund 1 (2)"),
        ("Prior finding 3", "Befund 3 der Voruntersuchung"),
        ("the prior's Finding 1", "Befund 1 der Voruntersuchung"),
        ("Lesion A", "Lesion A"),
    ],
)
def test_labels_that_the_program_gave_are_said_in_the_language(label, german):
    assert language("en").labelled(label) == label
    assert language("de").labelled(label) == german

import ast
import re
import tomllib
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.comparison import ToldPair
from domain.errors import SettingsError
from reporting.language import language
from reporting.phrasebook import phrasebook, read_phrasebook
from tests.reporting import program_sentences
from tests.reporting.made import TABLE

GERMAN, ENGLISH = phrasebook("de"), phrasebook("en")
FILE = (resources.files("configs") / "languages" / "phrases" / "de.toml").read_text("utf-8")
PHRASES = tomllib.loads(FILE)["phrases"]
PLACE = re.compile(r"\{([a-z]+)\d*\}")
NESTED = "click on slice 7"
SAMPLE = {
    "number": "-7.25",
    "runs": "7 to 9, 12",
    "side": "left",
    "noun": "left kidney",
    "term": "prior",
    "note": NESTED,
    "code": "CT",
    "value": "ml",
    "name": "Finding 3",
    "names": "Finding 4, Finding 5",
    "quoted": '"lung lesion"',
    "attribute": "Patient's Weight (0010,1030)",
    "uid": "1.2.840",
    "day": "2026-01-02",
}
NUMBERS = st.decimals(-9999, 9999, places=2).map(str) | st.integers(0, 9999).map(str)
FILLED = {
    "number": NUMBERS,
    "runs": st.sampled_from(["7", "7 to 9", "1 to 3, 8"]),
    "side": st.sampled_from(["left", "right", "both"]),
    "noun": st.builds(
        lambda side, concept: f"{side} {concept}".strip(),
        st.sampled_from(["", "left", "right", "both"]),
        st.sampled_from([each.phrase for each in TABLE.concepts]),
    ),
    "names": st.sampled_from(["Finding 2", "Lesion A, the prior's Finding 3"]),
    "note": st.sampled_from([NESTED, "the network saw nothing there"]),
    "term": st.sampled_from(sorted(GERMAN.terms)),
}
NOT_EN = (
    r"no|not|nothing|neither|nor|cannot|can't|without|none|does not|nobody|lacks|missing|lacking"
)
NOT_DE = r"kein\w*|nicht|nichts|weder|noch|ohne|niemand|fehl(?:t|en)"
LEFT_RIGHT = (
    (r"left(?! o(?:ut|f))", r"link(?:s|e|er|es|en)"),
    (r"right", r"recht(?:s|e|er|es|en)"),
)


def filled(pattern, values):
    return PLACE.sub(lambda place: values[place[1]], pattern)


def digits(text, mark):
    found = re.findall(rf"-?\d+(?:\{mark}\d+)?", text)
    return sorted(each.replace(mark, ".") for each in found)


def count(pattern, text):
    return len(re.findall(rf"\b(?:{pattern})\b", text.lower()))


@pytest.mark.parametrize("english", PHRASES)
def test_a_phrase_has_the_same_numbers_sides_and_negation_in_both_languages(english):
    @settings(max_examples=20, deadline=None)
    @given(
        st.fixed_dictionaries({kind: FILLED.get(kind, st.just(SAMPLE[kind])) for kind in SAMPLE})
    )
    def same(values):
        text = filled(english, values)
        german = GERMAN.known(text)
        assert german is not None
        if "uid" not in english and "attribute" not in english and "xx" not in english:
            assert digits(text, ".") == digits(german, ","), german
        assert bool(count(NOT_EN, text)) == bool(count(NOT_DE, german)), (text, german)
        for said, written in LEFT_RIGHT:
            assert count(said, text) == count(written, german), (text, german)

    same()


def test_every_sentence_that_our_code_can_put_into_a_report_has_its_german():
    samples = [filled(english, SAMPLE) for english in PHRASES]
    unknown = [
        f"{module}: {text}"
        for module, text, pattern in program_sentences.sentences()
        if not any(pattern.search(sample) for sample in samples)
    ]
    assert unknown == []


def test_sentences_are_looked_for_wherever_a_warning_or_a_reason_is_made():
    makers = {
        path.relative_to(program_sentences.ROOT).as_posix()
        for room in ("dicom_node", "reporting", "segmentation", "copilot")
        for path in (program_sentences.ROOT / room).rglob("*.py")
        if any(map(_makes_a_note, ast.walk(ast.parse(path.read_text()))))
    }
    assert makers - set(program_sentences.MODULES) <= program_sentences.NO_SENTENCE_OF_THEIR_OWN


def _makes_a_note(node):
    if not isinstance(node, ast.Call):
        return False
    made = node.func.id if isinstance(node.func, ast.Name) else ""
    named = {each.arg for each in node.keywords if _says(each.value)}
    wanted = {"warnings", "absent", "absent_reason", "reasons", "question"}
    return made in {"Segment", "Finding", "Change", "replace", "Numbers"} and bool(named & wanted)


def _says(value):
    return not (
        isinstance(value, ast.Constant) or (isinstance(value, ast.Tuple) and not value.elts)
    )


def test_english_stays_as_it_is():
    assert ENGLISH.said("no volume: odd") == "no volume: odd"
    assert ENGLISH.paragraph("CT, 1 image. Note: odd.") == "CT, 1 image. Note: odd."


def test_what_is_not_known_is_quoted_and_marked_never_lost():
    assert GERMAN.said("thick slices & <gaps>") == "„thick slices & <gaps>“ (englisch)"
    assert GERMAN.said("no volume: {odd}") == "„no volume: {odd}“ (englisch)"
    # a half that is known does not make the whole known
    assert GERMAN.known("click on slice 7; and then some") is None


def test_of_a_technique_only_the_sentence_that_is_not_known_is_quoted():
    said = GERMAN.paragraph(
        "CT, 40 images of 64 x 64, 5.00 mm apart, pixels of 0.80 x 0.80 mm. Note: odd. Note: text "
        "is burned into the pixels."
    )
    assert said == (
        "CT, 40 Bilder zu 64 x 64, Abstand 5,00 mm, Pixel von 0,80 x 0,80 mm. „Note: odd.“ "
        "(englisch) Hinweis: Text ist in die Pixel eingebrannt."
    )


@pytest.mark.parametrize(
    ("english", "german"),
    [
        (
            (
                "no surface: it is 2 voxels across, 3 are needed for a surface: measure on a finer "
                "series"
            ),
            (
                "kein Messwert für Oberfläche: es ist 2 Voxel breit, 3 braucht eine Oberfläche: "
                "auf "
                "einer feineren Serie messen"
            ),
        ),
        (
            (
                "no left kidney was found: no spine was found, so its place is not known; draw a "
                "box "
                "if it is there"
            ),
            (
                "linke Niere nicht gefunden: keine Wirbelsäule wurde gefunden, daher ist der Ort "
                "nicht "
                "bekannt; falls vorhanden, eine Box zeichnen"
            ),
        ),
        (
            (
                "not found on the prior, which shows its place: it does not stand out, and "
                "nothing was "
                "outlined"
            ),
            (
                "nicht gefunden auf der Voruntersuchung, die die Stelle zeigt: es hebt sich "
                "nicht ab, "
                "und nichts wurde umrissen"
            ),
        ),
        (
            "boxes on slices 3, 5, 2 clicks, slices 3 to 9 (proposed)",
            "Boxen auf den Schichten 3, 5, 2 Klicks, Schichten 3 bis 9 (vorgeschlagen)",
        ),
        (
            (
                "this lies on the patient's left, but right was said: check the side; none was "
                "recorded"
            ),
            (
                "dies liegt beim Patienten links, gesagt wurde aber rechts: die Seite prüfen; "
                "keine "
                "wurde festgehalten"
            ),
        ),
    ],
)
def test_sentences_are_put_together_from_phrases(english, german):
    assert GERMAN.said(english) == german


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("\n[terms]", "\n[names]", "lacks 'terms'"),
        ('", but " =', '"; but " =', "lacks ', but '"),
        ("{number} mm apart", "{metres} mm apart", "has a place {metres}: use one of"),
        ('"Abstand {number} mm"', '"Abstand mm"', "have other places"),
        ("unknown = ", "unknown ", "readable TOML"),
    ],
)
def test_a_phrasebook_that_is_not_whole_is_named(old, new, complaint):
    with pytest.raises(SettingsError, match=complaint):
        read_phrasebook(FILE.replace(old, new, 1), language("de"), "own.toml")


@pytest.mark.parametrize("by", ["Dr. A. Reader", None])
@pytest.mark.parametrize(
    ("current", "prior"), [("Finding 1", "Finding 2"), ("Finding 1", None), (None, "Finding 2")]
)
def test_what_a_person_told_of_two_lesions_has_its_german(current, prior, by):
    english = ToldPair(current=current, prior=prior, by=by).in_words()
    said = GERMAN.known(english)
    assert said is not None
    assert (by is None) or said.endswith(f"von {by}")

"""What sentences of radiology reports say: every case is a thing that must not be got wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot.concepts import load_concepts
from domain.reading import Presence, When
from reporting.reading.parser import read_text
from reporting.reading.vocabulary import LANGUAGES, Kind, _document, vocabulary

TABLE = load_concepts()


def read(text, language=None):
    return read_text(text, TABLE, language=language)


def told(text, language=None):
    """Return concept or noun, side, sizes now and earlier, of each finding."""
    return [
        (
            each.concept or each.noun.lower(),
            each.side,
            [q.values for q in each.sizes()],
            [q.values for q in each.sizes(When.EARLIER)],
        )
        for each in read(text, language).findings
    ]


ONE = {
    "A 12 x 9 mm solid nodule in the right upper lobe, previously 9 mm.": (
        "lung nodule", "right", [(12, 9)], [(9,)],
    ),
    "Nodule in the right upper lobe, 12 mm (previously 9 mm).": (
        "lung nodule", "right", [(12,)], [(9,)],
    ),
    "LUL nodule, now 12 mm, 9 mm previously.": ("lung nodule", "left", [(12,)], [(9,)]),
    "Nodule of the left lower lobe, 1.2 cm x 9 mm.": ("lung nodule", "left", [(12, 9)], []),
    "12 mm nodule in the RUL, 9 mm on prior.": ("lung nodule", "right", [(12,)], [(9,)]),
    "12 mm nodule compared to 9 mm previously.": ("nodule", None, [(12,)], [(9,)]),
    "The nodule has increased from 9 to 12 mm.": ("nodule", None, [(12,)], [(9,)]),
    "The nodule was 9 mm, now 12 mm.": ("nodule", None, [(12,)], [(9,)]),
    "Unchanged nodule compared to prior at 9 mm.": ("nodule", None, [(9,)], []),
    "Right kidney: 3.2 cm simple cyst.": ("renal cyst", "right", [(32,)], []),
    "The right kidney measures 11.2 cm.": ("kidney", "right", [(112,)], []),
    "Left renal cyst, 3 cm.": ("renal cyst", "left", [(30,)], []),
    "Liver lesion with a volume of 12.5 mL.": ("liver lesion", None, [(12.5,)], []),
    "Rundherd im rechten Oberlappen von 12 x 9 mm, zuvor 9 mm.": (
        "lung nodule", "right", [(12, 9)], [(9,)],
    ),
    "Der Rundherd im rechten Oberlappen hat von 9 auf 12 mm zugenommen.": (
        "lung nodule", "right", [(12,)], [(9,)],
    ),
    "Nierenzyste links, 3,2 cm.": ("renal cyst", "left", [(32,)], []),
    "Linksseitige Nierenzyste mit einem Durchmesser von 3,2 cm.": (
        "renal cyst", "left", [(32,)], [],
    ),
    "Rundherd re. Oberlappen, 8 mm (VU 6 mm).": ("lung nodule", "right", [(8,)], [(6,)]),
    "Lungenrundherd im linken UL, 8 mm, unverändert zur Voruntersuchung.": (
        "lung nodule", "left", [(8,)], [],
    ),
    "Leberzyste mit einem Volumen von 14,5 ccm.": ("liver cyst", None, [(14.5,)], []),
    "There is a nodule in the left lower lobe. It measures 12 mm.": (
        "lung nodule", "left", [(12,)], [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", ONE)
def test_one_finding_has_its_own_side_and_sizes(text):
    assert told(text) == [ONE[text]]


TWO = {
    "12 mm nodule in the right upper lobe and a 9 mm nodule in the left lower lobe.": [
        ("right", [(12,)]), ("left", [(9,)]),
    ],
    "A 3 cm cyst of the right kidney, and in the left kidney a 5 cm, well-defined cyst.": [
        ("right", [(30,)]), (None, [(50,)]),
    ],
    "Right pleural effusion and left pneumothorax.": [("right", []), ("left", [])],
    "Zyste der rechten Niere, 3 cm, und Zyste der linken Niere, 5 cm.": [
        ("right", [(30,)]), ("left", [(50,)]),
    ],
    "Rundherd im linken Oberlappen mit 8 mm, Pleuraerguss rechts.": [
        ("left", [(8,)]), ("right", []),
    ],
}  # fmt: skip


@pytest.mark.parametrize("text", TWO)
def test_a_neighbours_side_and_size_are_never_taken(text):
    assert [(side, now) for _, side, now, _ in told(text)] == TWO[text]


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("Cyst in left kidney, ureter 8 mm wide.", "8 mm"),
        ("Nodule adjacent to the cyst in the left kidney, 12 mm.", "12 mm"),
        ("Nodule 12 mm from the pleura.", "12 mm"),
        ("Cyst with a wall thickness of 3 mm.", "3 mm"),
        ("Zyste mit 3 mm Wanddicke.", "3 mm"),
        ("Rundherd mit 12 mm Abstand zur Pleura.", "12 mm"),
        ("Nodule and mass in the right lung measuring 12 mm.", "12 mm"),
        ("Nodules up to 5 mm.", "5 mm"),
        ("Nodule < 4 mm.", "< 4 mm"),
        ("No nodule larger than 4 mm.", "4 mm"),
        ("Kein Rundherd größer als 4 mm.", "4 mm"),
        ("Nodule 12 x 9 in the right lung.", "12 x 9"),
        ("Liver mass with a volume of 1,200 ml.", "1,200 ml"),
        ("Nodules of 5 to 7 mm.", "5 to 7 mm"),
        ("Nodule of 9 mm on 2023-04-01.", "9 mm"),
        ("Unremarkable, 12 mm.", "12 mm"),
        ("Slice thickness 1 mm, nodule in the RUL.", "1 mm"),
        ("Nodule, 12 mm, 8 mm.", "12 mm"),
    ],
)
def test_a_number_that_may_be_anothers_is_left_out_with_its_reason(text, quote):
    report = read(text)
    assert [each.quantities for each in report.findings] in ([()], [(), ()], [])
    left = [each for each in report.left_out if each.quote.text == quote]
    assert left
    assert all(each.reason for each in left)


@pytest.mark.parametrize(
    "text",
    [
        "Nodule compressing the right ureter.",
        "Cyst, right hilum enlarged.",
        "Nodule 12 mm from the right heart border.",
        "Nodule in the right lung, in the left kidney, a cyst.",
    ],
)
def test_a_side_that_may_be_anothers_is_not_taken(text):
    finding = read(text).findings[0]
    assert finding.side in {None, "right"}
    assert finding.side is None or "right lung" in text
    assert all(each.side is None for each in read(text).findings[1:])


PRESENCE = {
    "No nodule or mass.": ["absent", "absent"],
    "No nodule, mass, or effusion.": ["absent", "absent", "absent"],
    "No effusion and a nodule.": ["absent", "present"],
    "No pneumothorax, but a small effusion.": ["absent", "present"],
    "Small effusion without pneumothorax.": ["present", "absent"],
    "No fever, nodule in the RUL.": ["uncertain"],
    "Nodule or mass is not seen.": ["absent", "absent"],
    "The nodule is no longer seen.": ["absent"],
    "Pleural effusion: none.": ["absent"],
    "Pneumothorax: no.": ["absent"],
    "No change in the nodule.": ["present"],
    "The nodule is not calcified.": ["present"],
    "Possible metastasis.": ["uncertain"],
    "Metastasis?": ["uncertain"],
    "A nodule, suspicious for malignancy.": ["present"],
    "Nodule, possibly metastasis.": ["present", "uncertain"],
    "A metastasis cannot be excluded.": ["uncertain"],
    "Kein Rundherd.": ["absent"],
    "Kein Pleuraerguss, kein Pneumothorax.": ["absent", "absent"],
    "Kein Rundherd oder Pleuraerguss.": ["absent", "absent"],
    "Kein Nachweis eines Rundherdes.": ["absent"],
    "Rundherd ohne Pleuraerguss.": ["present", "absent"],
    "Rundherd nicht mehr nachweisbar.": ["absent"],
    "V.a. Metastase.": ["uncertain"],
    "Metastase nicht auszuschließen.": ["uncertain"],
    "Rundherd, keine Größenänderung.": ["present"],
    "Pleuraerguss: nein.": ["absent"],
}


@pytest.mark.parametrize("text", PRESENCE)
def test_negation_and_doubt_reach_as_far_as_they_are_said(text):
    assert [each.presence.value for each in read(text).findings] == PRESENCE[text]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("Nodule in the RUL (series 3, image 45).", [(3, 45, 45)]),
        ("Nodule in the RUL (image 45 of series 3).", [(3, 45, 45)]),
        ("Nodule (se 3, im 45).", [(3, 45, 45)]),
        ("Nodule (images 45-48).", [(None, 45, 48)]),
        ("Nodule (image 3/45).", [(3, 45, 45)]),
        ("Rundherd (Serie 3, Bild 45).", [(3, 45, 45)]),
        ("Rundherd auf Bild 45.", [(None, 45, 45)]),
        ("Nodule on slice 45, 12 mm.", [(None, 45, 45)]),
    ],
)
def test_series_and_image_numbers_are_read(text, places):
    (finding,) = read(text).findings
    assert [(each.series, each.image, each.last_image) for each in finding.images] == places
    assert len(finding.quantities) == ("12 mm" in text)


def test_a_segment_is_a_place():
    (finding,) = read("Hypodense lesion of the liver in segment VII, 14 mm.").findings
    assert (finding.concept, finding.site) == ("liver lesion", "segment 7")
    assert [each.values for each in finding.quantities] == [(14,)]


REPORT = """\
CLINICAL HISTORY: 64-year-old with left lung cancer.
COMPARISON: CT chest 03/12/2022.
FINDINGS:
Lungs: There is a spiculated nodule in the right upper lobe measuring 14 x 11 mm (series 4, image
112), previously 10 x 8 mm. A second 6 mm ground-glass nodule is seen in the lingula.
Pleura: No pleural effusion or pneumothorax.
Mediastinum: Right paratracheal lymph node measures 11 mm in short axis.
Upper abdomen: Simple cyst in the right kidney measuring 2.3 cm. The spleen measures 12 cm.
IMPRESSION:
1. Interval growth of the right upper lobe nodule, now 14 mm compared with 10 mm previously.
2. Decreased size of left renal mass from 4.5 cm to 3.8 cm.
"""


def test_a_whole_report():
    assert told(REPORT) == [
        ("lung nodule", "right", [(14, 11)], [(10, 8)]),
        ("lung nodule", None, [(6,)], []),
        ("pleural effusion", None, [], []),
        ("pneumothorax", None, [], []),
        ("lymph node", "right", [(11,)], []),
        ("renal cyst", "right", [(23,)], []),
        ("spleen", None, [(120,)], []),
        ("lung nodule", "right", [(14,)], [(10,)]),
        ("renal mass", "left", [(38,)], [(45,)]),
    ]
    assert read(REPORT).left_out == ()


def test_sections_that_state_no_findings_give_none():
    report = read(
        "INDICATION: follow-up of a 12 mm nodule.\nTECHNIQUE: 1 mm slices.\n"
        "FINDINGS: In the right lung, there is a 7 mm nodule.\nIMPRESSION:\n"
        "1. Stable 7 mm right lung nodule.\n2. No adrenal mass.\n"
    )
    assert [(each.section, each.side, each.presence.value) for each in report.findings] == [
        ("findings", "right", "present"),
        ("impression", "right", "present"),
        ("impression", None, "absent"),
    ]
    assert {each.quote.text for each in report.left_out} == {"12 mm", "1 mm"}
    assert report.findings[1].comparisons == ("Stable",)


def test_german_sections_and_list_lines_stand_apart():
    report = read(
        "Fragestellung: Rundherd 12 mm?\r\nBefund:\r\nRechte Niere: Zyste 3 cm\r\n"
        "Linke Niere: Zyste 5 cm\r\nBeurteilung:\r\nKein Harnstau.\r\n"
    )
    assert [(each.concept, each.side, each.section) for each in report.findings] == [
        ("renal cyst", "right", "findings"),
        ("renal cyst", "left", "findings"),
        (None, None, "impression"),
    ]
    assert [q.values for each in report.findings for q in each.quantities] == [(30,), (50,)]


@pytest.mark.parametrize("text", [*ONE, *TWO, *PRESENCE])
def test_every_quote_is_the_very_characters(text):
    padded = f"FINDINGS:\n{text}\n"
    report = read(padded)
    quotes = [each.quote for each in report.left_out]
    for finding in report.findings:
        quotes += [finding.quote, *(q.quote for q in finding.quantities)]
        quotes += [each.quote for each in finding.images]
        assert finding.noun == "" or finding.noun in finding.quote.text
    assert quotes
    assert all(padded[each.start : each.end] == each.text for each in quotes)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_list_takes_a_negation_or_a_side_from_another(language):
    words, document = vocabulary(language, TABLE), _document(language)
    for key, kind in (("negations", Kind.NEGATION), ("negations_after", Kind.NEGATION_AFTER)):
        assert {words.wordings[each].kind for each in document[key]} == {kind}
    for side, forms in document["sides"].items():
        assert {words.wordings[each].side for each in forms} == {side}
    phrases = {each for each in document["nouns"].values() if each}
    phrases |= {each for each in document["organs"].values() if each}
    assert all(TABLE.find(each) is not None for each in phrases)


SIZES = st.integers(1, 199).map(lambda tenths: tenths / 10)
SIDES = st.sampled_from(["left", "right"])


@given(one=SIZES, other=SIZES, side=SIDES, lobe=st.sampled_from(["upper lobe", "lower lobe"]))
def test_no_wording_changes_a_number_or_a_side(one, other, side, lobe):
    wanted = [("lung nodule", side, [(one,)], [(other,)])]
    for text in (
        f"A {one} mm nodule in the {side} {lobe}, previously {other} mm.",
        f"Nodule in the {side} {lobe}, {one} mm (previously {other} mm).",
        f"In the {side} {lobe} there is a {one} mm nodule, {other} mm on the prior study.",
        f"The nodule in the {side} {lobe} has grown from {other} mm to {one} mm.",
    ):
        assert told(text, "en") == wanted
    german = {"left": "linken", "right": "rechten"}[side]
    lappen = {"upper lobe": "Oberlappen", "lower lobe": "Unterlappen"}[lobe]
    now, before = (str(each).replace(".", ",") for each in (one, other))
    for text in (
        f"Rundherd im {german} {lappen} von {now} mm, zuvor {before} mm.",
        f"Im {german} {lappen} {now} mm großer Rundherd (Voruntersuchung {before} mm).",
    ):
        assert told(text, "de") == wanted


@given(first=SIDES, second=SIDES, one=SIZES, other=SIZES)
def test_two_findings_never_exchange_what_is_said_of_them(first, second, one, other):
    found = told(
        f"A {one} mm nodule in the {first} upper lobe and a {other} mm cyst in the {second} "
        "kidney.", "en",
    )  # fmt: skip
    assert [(side, now) for _, side, now, _ in found] == [(first, [(one,)]), (second, [(other,)])]


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error_or_said_to_be_empty(text):
    if text.strip():
        for finding in read(text).findings:
            assert finding.presence in Presence

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot.settings import load_settings
from copilot.templates import Templates
from domain.codes import AREA, MAXIMUM, MINIMUM, SQUARE_MILLIMETRE
from domain.comparison import Change, Lesion, Verdict
from domain.errors import InputError
from domain.measurement import Measurement
from domain.report import ReportStatus, Signature, StudyContext
from domain.uids import StudyUID
from reporting.priors.recist import assessed
from reporting.templates.composing import composed
from reporting.templates.fields import Typed, Whose
from reporting.templates.filling import filled
from reporting.templates.form import Case
from reporting.templates.template import read_template
from reporting.wording import number
from tests.reporting.made import TABLE, finding, sized

STUDY = StudyUID("1.2.3.4")
CONTEXT = StudyContext(modality="CT", technique="CT, 1 mm.", study_description="CT chest")
SIGNED = Signature(name="Dr. Test", at=datetime(2026, 1, 2, tzinfo=UTC))
HEAD = '+++\nname = "mine"\ntitle = "Mine"\nlanguage = "en"\n{}\n+++\n{}'


@pytest.fixture(scope="module")
def templates():
    return Templates(load_settings().reporting, TABLE)


def template(body, head=""):
    return read_template(HEAD.format(head, body), "mine.md", TABLE)


def shipped(templates, name, language="en"):
    return next(each for each in templates.all if (each.name, each.language) == (name, language))


def text_of(report):
    return "\n".join(s.text for section in report.sections for s in section.statements)


def all_confirmed(form):
    """What a person does who confirms every default and fills what must be filled."""
    return {
        each.id: Typed(text=each.text or "as discussed", over=each.made)
        for each in form.open_fields
    }


def test_a_finding_stands_in_its_organs_line_with_its_measurements(templates):
    nodule = finding("lung nodule", "left")
    form = filled(shipped(templates, "chest-ct"), Case(context=CONTEXT, findings=(nodule,)), TABLE)
    report = composed(form, STUDY)
    said = [s for section in report.sections if section.name == "findings"
            for s in section.statements if s.finding]  # fmt: skip
    numbers = "volume 1.36 mL (±0.10); long x short axis 12.0 mm x 8.5 mm (image 5)."
    assert [s.text for s in said] == [f"Lungs: Left lung nodule: {numbers}"]
    assert said[0].finding is nodule
    assert said[0].measurements == nodule.measurements
    assert report.findings == (nodule,)
    assert report.language == "en"


def test_a_normal_goes_when_there_is_a_finding_and_the_note_says_so(templates):
    chest = shipped(templates, "chest-ct")
    without = composed(filled(chest, Case(context=CONTEXT), TABLE), STUDY)
    assert "No nodule or consolidation." in text_of(without)
    form = filled(chest, Case(context=CONTEXT, findings=(finding("lung metastasis"),)), TABLE)
    assert "No nodule or consolidation." not in text_of(composed(form, STUDY))
    why = "was left out: Finding 1 (lung metastasis) is there"
    assert form.notes == (f"findings: 'No nodule or consolidation.' {why}",)


def test_a_lesion_of_unknown_place_casts_doubt_on_every_normal(templates):
    case = Case(context=CONTEXT, findings=(finding(None),))
    form = filled(shipped(templates, "chest-ct"), case, TABLE)
    normals = [each for each in form.fields if "/normal-" in each.id]
    assert normals
    assert {each.reason for each in normals} == {"nobody has said where Finding 1 lies"}


def test_a_normal_of_an_organ_that_was_not_found_is_doubted(templates):
    case = Case(context=CONTEXT, absent=("spleen: no rule found it on these images",))
    form = filled(shipped(templates, "abdomen-ct"), case, TABLE)
    reasons = {each.id: each.reason for each in form.fields}
    assert reasons["findings/normal-spleen"] == case.absent[0]
    assert reasons["findings/normal-pancreas"] == ""


def test_an_organ_is_named_once_in_its_own_line(templates):
    liver = finding("liver", measurements=sized(1500.0))
    form = filled(shipped(templates, "liver"), Case(context=CONTEXT, findings=(liver,)), TABLE)
    assert "Parenchyma: Liver: volume 1500.0 mL" in text_of(composed(form, STUDY))
    form = filled(shipped(templates, "abdomen-ct"), Case(context=CONTEXT, findings=(liver,)), TABLE)
    assert "\nLiver: volume 1500.0 mL" in text_of(composed(form, STUDY))


def test_no_default_is_said_before_a_person_has_confirmed_it(templates):
    for chosen in templates.all:
        form = filled(chosen, Case(context=CONTEXT), TABLE)
        mark = "[to be reviewed: " if chosen.language == "en" else "[zu prüfen: "
        report = composed(form, STUDY)
        for each in form.fields:
            if each.whose is Whose.DEFAULT:
                assert f"{mark}{each.text}]" in text_of(report)


def test_a_report_with_an_open_field_cannot_be_signed_and_one_without_can(templates):
    chest = shipped(templates, "chest-ct")
    case = Case(context=CONTEXT)
    form = filled(chest, case, TABLE)
    with pytest.raises(InputError, match=r"findings/normal-lung.*confirm or empty each"):
        composed(form, STUDY, status=ReportStatus.SIGNED, signature=SIGNED)
    looked_at = filled(chest, case, TABLE, all_confirmed(form))
    assert looked_at.open_fields == ()
    report = composed(looked_at, STUDY, status=ReportStatus.SIGNED, signature=SIGNED)
    assert "Lungs: No nodule or consolidation." in text_of(report)
    assert "[" not in text_of(report)


def test_a_confirmed_normal_is_open_again_once_a_finding_is_there(templates):
    chest = shipped(templates, "chest-ct")
    typed = all_confirmed(filled(chest, Case(context=CONTEXT), TABLE))
    now = filled(chest, Case(context=CONTEXT, findings=(finding("lung nodule"),)), TABLE, typed)
    field = next(each for each in now.fields if each.id == "findings/normal-lung")
    assert field.whose is Whose.STALE
    assert field.reason == "Finding 1 (lung nodule) is there"
    with pytest.raises(InputError, match="normal-lung"):
        composed(now, STUDY, status=ReportStatus.SIGNED, signature=SIGNED)


def test_literal_words_of_a_template_wait_for_a_person_too():
    form = filled(template("## Findings {#findings}\nThe lungs are clear."),
                  Case(context=CONTEXT), TABLE)  # fmt: skip
    assert [each.text for each in form.open_fields] == ["The lungs are clear."]
    mixed = template(
        '## Findings {#findings}\nAfter {{ field("agent") }} no lesion.', "[fields.agent]"
    )
    form = filled(mixed, Case(context=CONTEXT), TABLE,
                  {"findings/agent": Typed(text="iomeprol")})  # fmt: skip
    assert [each.text for each in form.open_fields] == ["After", "no lesion."]


def test_a_proposal_waits_for_a_person(templates):
    case = Case(context=CONTEXT, findings=(finding("lung nodule", is_proposal=True),))
    form = filled(shipped(templates, "chest-ct"), case, TABLE)
    assert any(each.finding and each.is_open for each in form.fields)


def test_no_finding_is_lost_where_a_template_has_no_place_for_it():
    form = filled(
        template('## Findings {#findings}\n{{ findings("lung") }}\n## Impression {#impression}'),
        Case(context=CONTEXT, findings=(finding("liver cyst"),)),
        TABLE,
    )
    assert "Liver cyst: volume" in text_of(composed(form, STUDY))
    assert "no place for Finding 1" in form.notes[0]


def test_no_typed_word_is_lost_when_what_it_was_typed_over_is_gone(templates):
    chest = shipped(templates, "chest-ct")
    typed = {"findings/1.2.3": Typed(text="my words on it", over="its sentence")}
    form = filled(chest, Case(context=CONTEXT), TABLE, typed)
    assert "[to be reviewed: my words on it]" in text_of(composed(form, STUDY))


def test_what_was_typed_into_a_field_of_another_template_keeps_its_label_and_waits(templates):
    typed = {"findings/liver_volume": Typed(text="1500"), "findings/own": Typed(text="My words.")}
    form = filled(shipped(templates, "chest-ct"), Case(context=CONTEXT), TABLE, typed)
    text = text_of(composed(form, STUDY))
    assert "liver volume: [to be reviewed: 1500]" in text
    assert "\nMy words.\n" in text


def test_a_measured_number_of_the_other_side_never_stands_in_a_field():
    mine = template(
        '## F {#findings}\n{{ field("size") }}',
        '[fields.size]\nkind = "number"\nunit = "ml"\nconcept = "kidney"\nside = "left"\n'
        'measurement = "volume"',
    )
    for side in ("right", "both", None):
        form = filled(mine, Case(context=CONTEXT, findings=(finding("kidney", side),)), TABLE)
        assert form.fields[0].text == ""
    form = filled(mine, Case(context=CONTEXT, findings=(finding("kidney", "left"),)), TABLE)
    assert form.fields[0].text == "1.36 mL (±0.10)"


def test_a_number_field_fills_itself_only_where_one_finding_fits(templates):
    liver = shipped(templates, "liver")

    def volume(*findings):
        form = filled(liver, Case(context=CONTEXT, findings=findings), TABLE)
        return next(each for each in form.fields if each.id == "findings/liver_volume")

    one = finding("liver", measurements=sized(1500.0))
    assert volume(one).text == "1500.0 mL (±0.1)"
    assert volume(one).finding is one
    assert (volume().text, volume().reason) == ("", "no findings of liver: type the number")
    assert volume(one, finding("liver")).reason == "2 findings of liver: type the number"
    unconfirmed = finding("liver", is_proposal=True)
    assert "proposal" in volume(unconfirmed).reason
    assert volume(finding("liver", measurements=())).text == ""


def test_another_unit_is_never_filled_in():
    form = filled(
        template(
            '## F {#findings}\n{{ field("size") }}',
            '[fields.size]\nkind = "number"\nunit = "cm"\nconcept = "liver cyst"\n'
            'measurement = "long_axis"',
        ),
        Case(context=CONTEXT, findings=(finding("liver cyst"),)),
        TABLE,
    )
    field = form.fields[0]
    assert (field.text, field.reason) == ("", "it is measured in mm, the field is in cm")


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("number", "12.5", "12 mm"),
        ("number", "-3", "12,5"),
        ("date", "2026-11-29", "2026-02-31"),
        ("date", "29.11.2026", "yesterday"),
        ("choice", "one", "three"),
        ("text", "anything", "x" * 10_001),
    ],
)
def test_what_is_typed_must_suit_the_field(kind, good, bad):
    options = 'options = ["one", "two"]' if kind == "choice" else ""
    mine = template(
        '## F {#findings}\n{{ field("it") }}', f'[fields.it]\nkind = "{kind}"\n{options}'
    )
    typed = {text: {"findings/it": Typed(text=text)} for text in (good, bad)}
    assert not filled(mine, Case(context=CONTEXT), TABLE, typed[good]).open_fields
    refused = filled(mine, Case(context=CONTEXT), TABLE, typed[bad]).open_fields
    assert "field it " in refused[0].reason


def test_a_cine_has_areas_and_never_a_volume(templates):
    areas = (
        Measurement(concept=AREA, value=900.0, unit=SQUARE_MILLIMETRE, derivation=MAXIMUM,
                    slice_index=3),
        Measurement(concept=AREA, value=400.0, unit=SQUARE_MILLIMETRE, derivation=MINIMUM,
                    slice_index=9),
    )  # fmt: skip
    case = Case(
        context=StudyContext(modality="US"),
        findings=(finding("left ventricle", measurements=areas),),
    )
    for code, said, never in (
        ("en", "largest area 900 mm² (frame 4)", "volume"),
        ("de", "größte Fläche 900 mm² (Einzelbild 4)", "volumen"),
    ):
        text = text_of(composed(filled(shipped(templates, "ultrasound", code), case, TABLE), STUDY))
        assert said in text
        assert never not in text.lower()


def lesion(label, volume, long_axis):
    return Lesion(label=label, centre_lps_mm=(0.0, 0.0, 0.0), volume_ml=volume,
                  long_axis_mm=long_axis, short_axis_mm=long_axis - 2, organ="liver")  # fmt: skip


def test_the_oncology_template_has_the_comparison_and_recist_in_both_languages(templates):
    change = Change(
        verdict=Verdict.LARGER, prior=lesion("Lesion 1", 2.0, 15.0),
        current=lesion("Lesion 1", 4.0, 21.0), reasons=("above the limit",), percent=100.0,
        limit_percent=(-25.0, 25.0),
    )  # fmt: skip
    case = Case(context=CONTEXT, changes=(change,), prior_date=date(2026, 1, 2),
                current_date=date(2026, 3, 4), assessment=assessed([change]))  # fmt: skip
    english, german = (
        text_of(
            composed(filled(shipped(templates, "oncology-follow-up", code), case, TABLE), STUDY)
        )
        for code in ("en", "de")
    )
    assert "Lesion 1: larger; 2.00 mL on 2026-01-02, then 4.00 mL on 2026-03-04" in english
    assert "Lesion 1, liver: 21.0 mm, before 15.0 mm." in english
    assert "RECIST 1.1 (Eisenhauer 2009): progressive disease (PD)." in english
    assert "Lesion 1: größer; 2,00 ml am 02.01.2026, dann 4,00 ml am 04.03.2026" in german
    assert "Lesion 1, Leber: 21,0 mm, zuvor 15,0 mm." in german
    assert "progrediente Erkrankung (PD)" in german


def test_what_was_searched_and_not_found_is_said(templates):
    case = Case(context=CONTEXT, absent=("spleen: not found (searched 8 slices)",))
    for chosen in templates.all:
        assert case.absent[0] in text_of(composed(filled(chosen, case, TABLE), STUDY))


@settings(deadline=None)
@given(st.lists(st.sampled_from(TABLE.concepts), max_size=4), st.booleans())
def test_every_finding_is_told_once_in_every_template_with_its_own_numbers(concepts, is_german):
    templates = Templates(load_settings().reporting, TABLE)
    findings = tuple(
        finding(each.phrase, label=f"Finding {n}", measurements=sized(long_mm=20.0 + n))
        for n, each in enumerate(concepts)
    )
    for chosen in templates.all:
        if (chosen.language == "de") is not is_german:
            continue
        form = filled(chosen, Case(context=CONTEXT, findings=findings), TABLE)
        report = composed(form, STUDY)
        (section,) = (each for each in report.sections if each.name == "findings")
        told = [
            each
            for each in section.statements
            if each.finding and each.text.endswith("(image 5)." if not is_german else "(Bild 5).")
        ]
        assert {s.finding.tracking_id for s in told} == {each.tracking_id for each in findings}
        assert len(told) == len(findings)
        for statement in told:
            long_axis = statement.finding.measurements[1]
            assert number(long_axis).split()[0].replace(".", "," if is_german else ".") in (
                statement.text
            )

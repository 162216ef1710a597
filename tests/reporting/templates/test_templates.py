from pathlib import Path

import pytest

from copilot.settings import ReportingSettings, load_settings
from copilot.templates import Templates
from domain.errors import InputError, SettingsError
from domain.report import StudyContext
from reporting.templates.template import read_template
from tests.reporting.made import TABLE, finding

HEAD = '+++\nname = "mine"\ntitle = "Mine"\nlanguage = "en"\n+++\n'
MISLABELLED = """kind = "number"
concept = "kidney"
measurement = "volume"
side = "left"
label = "rechte Niere"
"""
BODY = "## Findings {#findings}\n"


@pytest.fixture(scope="module")
def templates():
    return Templates(load_settings().reporting, TABLE)


def site(folder: Path, language: str = "en") -> Templates:
    settings = ReportingSettings(
        organization="",
        templates=str(folder),
        language=language,
        polish=False,
        polish_timeout_s=1.0,
    )
    return Templates(settings, TABLE)


def test_seven_templates_are_there_in_both_languages_with_the_same_sections_and_fields(templates):
    by_language = {
        code: {each.name: each for each in templates.all if each.language == code}
        for code in ("en", "de")
    }
    assert set(by_language["en"]) == set(by_language["de"]) == {
        "abdomen-ct", "brain-mr", "chest-ct", "general", "liver", "oncology-follow-up",
        "ultrasound",
    }  # fmt: skip
    for name, english in by_language["en"].items():
        german = by_language["de"][name]
        assert [s.name for s in english.sections] == [s.name for s in german.sections]
        assert {n: (f.kind, f.unit, f.concept) for n, f in english.fields.items()} == {
            n: (f.kind, f.unit, f.concept) for n, f in german.fields.items()
        }
        assert english.concepts == german.concepts
        assert english.modalities == german.modalities


@pytest.mark.parametrize(
    ("study", "concepts", "wanted", "because"),
    [
        (("CT", "CT Chest with contrast"), [], "chest-ct", "says 'chest'"),
        (("CT", "CT-Abdomen"), ["liver cyst"], "abdomen-ct", "says 'abdomen'"),
        (("CT", ""), ["liver cyst"], "liver", "1 of the findings' concepts"),
        (("CT", ""), ["liver cyst", "renal cyst"], "abdomen-ct", "2 of the findings' concepts"),
        (("CT", "CT chest follow-up"), ["lung nodule"], "oncology-follow-up", "says 'follow-up'"),
        (("MR", "MRI brain"), [], "brain-mr", "says 'brain'"),
        (("MR", "knee"), [], "general", "any study"),
        (("US", ""), ["left ventricle"], "ultrasound", "it is for US"),
        (("CR", ""), [], "general", "any study"),
        (("CT", "headache"), [], "general", "any study"),
    ],
)
def test_the_most_specific_template_is_chosen_and_the_reason_is_told(
    templates, study, concepts, wanted, because
):
    context = StudyContext(modality=study[0], study_description=study[1])
    choice = templates.choose(context, [finding(each) for each in concepts])
    assert choice.template.name == wanted
    assert because in choice.reason
    assert wanted not in choice.others


def test_a_person_may_name_another_template(templates):
    choice = templates.choose(StudyContext(modality="CT"), [], "brain-mr")
    assert (choice.template.name, choice.reason) == ("brain-mr", "a person named it")
    with pytest.raises(InputError, match=r"no template 'brian-mr'.*use one of abdomen-ct"):
        templates.choose(StudyContext(modality="CT"), [], "brian-mr")


def test_ties_go_by_priority(tmp_path):
    for name, priority in (("one", 1), ("two", 2)):
        (tmp_path / f"{name}.md").write_text(
            f'+++\nname = "{name}"\ntitle = "{name}"\nlanguage = "en"\nmodalities = ["CR"]\n'
            f'body_parts = ["hand"]\npriority = {priority}\n+++\n{BODY}'
        )
    choice = site(tmp_path).choose(StudyContext(modality="CR", study_description="Hand"), [])
    assert (choice.template.name, choice.others[0]) == ("two", "one")


def test_a_sites_template_stands_for_ours_of_the_same_name(tmp_path):
    (tmp_path / "chest.md").write_text(HEAD.replace('"mine"', '"chest-ct"') + BODY)
    (tmp_path / "macros.en.md").write_text("{% macro hello() %}Hello{% endmacro %}")
    found = [each for each in site(tmp_path).all if each.name == "chest-ct"]
    assert {each.language: each.title for each in found} == {
        "en": "Mine", "de": "CT des Thorax",
    }  # fmt: skip
    (tmp_path / "again.md").write_text((tmp_path / "chest.md").read_text())
    with pytest.raises(InputError, match=r"chest\.md:1: template 'chest-ct' is also in again\.md"):
        site(tmp_path)


def test_a_folder_or_language_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match="no folder: make it"):
        site(tmp_path / "nothing")
    with pytest.raises(SettingsError, match="no language 'xx': use one of de, en"):
        site(tmp_path, "xx")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("{{ ''.__class__ }}", "7: getattr is no part of a template"),
        ("{{ technique.__class__.__mro__ }}", "getattr is no part"),
        ("\n{{ technique['x'] }}", "8: getitem is no part"),
        ("{% for x in technique %}{{ x }}{% endfor %}", "for is no part"),
        ("{{ 'x' * 999999999 }}", "mul is no part"),
        ("{{ technique | upper }}", "filter|upper"),
        ("{% include 'x' %}", "include is no part"),
        ("{% import 'x' as y %}", "import is no part"),
        ("{% set x = 1 %}", "assign is no part"),
        ("{{ range(3) }}", "range is no function here"),
        ("{{ lipsum() }}", "lipsum is no function here"),
        ("{{ cycler }}", "'cycler' means nothing here"),
        ("{{ findings(technique) }}", "takes texts in quotation marks"),
        ("{{ findings('levir') }}", "'levir' is not in the concept table"),
        ("{{ normal('No lesion.') }}", "normal names no organ"),
        ("{{ field('nothing') }}", r"there is no field \['nothing'\]"),
        ("{{ findings('liver' }}", "7: .*mend the Jinja"),
        ("{% if recist() %}x{% endif %}", "an if asks has"),
        ("{% macro a() %}x{% endmacro %}", "macro is no part"),
        ("{{ findings(**technique) }}", "values are given by place"),
        ("## Findings {#findings}", "'findings' is there twice"),
        ("## Findings", "is no heading: write"),
    ],
)
def test_what_a_template_may_not_say_is_refused_with_line_and_remedy(body, complaint):
    with pytest.raises(InputError, match=rf"(?s)mine\.md:.*{complaint}"):
        read_template(HEAD + BODY + body, "mine.md", TABLE)


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        ("", "begins without"),
        ("+++\nname = 1", "has no end"),
        ("+++\nname = \n+++\n", "mend the TOML"),
        ('+++\nname = "a"\ntitle = "b"\n+++\n', "lacks language"),
        ('+++\nname = "a"\ntitle = "b"\nlanguage = "xx"\n+++\n', "none of de, en"),
        ('+++\nname = "A b"\ntitle = "b"\nlanguage = "en"\n+++\n', "lower-case words"),
        ('+++\nname = "a"\ntitle = "b"\nlanguage = "en"\nwhat = 1\n+++\n', "unknown key 'what'"),
        ('+++\nname = "a"\ntitle = "b"\nlanguage = "en"\nconcepts = ["x"]\n+++\n', "concept table"),
    ],
)  # fmt: skip
def test_a_wrong_front_matter_is_named(head, complaint):
    with pytest.raises(InputError, match=complaint):
        read_template(head + BODY, "mine.md", TABLE)


@pytest.mark.parametrize(
    ("field", "complaint"),
    [
        ('kind = "colour"', "none of text, number, choice, date"),
        ('kind = "choice"', "a choice has options"),
        ('kind = "number"\ndefault = "5"', "a number has no default"),
        ('kind = "choice"\noptions = ["a"]\ndefault = "b"', "none of its options"),
        ('concept = "liver"', "go together"),
        ('kind = "number"\nconcept = "liver"\nmeasurement = "weight"', "none of volume"),
        ('concept = "liver"\nmeasurement = "volume"', 'write kind = "number"'),
        (
            'kind = "number"\nconcept = "kidney"\nmeasurement = "volume"',
            'one of a pair: write side = "left"',
        ),
        (MISLABELLED, "label says right and its side is left"),
        ('colour = "red"', "unknown key 'colour'"),
    ],
)
def test_a_wrong_field_is_named(field, complaint):
    head = HEAD.removesuffix("+++\n") + f"[fields.it]\n{field}\n+++\n"
    with pytest.raises(InputError, match=rf"\[fields\.it\].*{complaint}"):
        read_template(head + BODY, "mine.md", TABLE)


def test_macros_call_no_macros_so_that_none_can_swell():
    doubling = "".join(
        f"{{% macro m{n}() %}}{{{{ m{n - 1}() }}}}{{{{ m{n - 1}() }}}}{{% endmacro %}}\n"
        for n in range(1, 60)
    )
    macros = {"en": "{% macro m0() %}x{% endmacro %}\n" + doubling}
    with pytest.raises(InputError, match="macros call no macros"):
        read_template(HEAD + BODY + "{{ m59() }}", "mine.md", TABLE, macros)
    nested = "{{ twice(" * 30 + "'x'" + ") }}" * 1
    with pytest.raises(InputError):
        read_template(HEAD + BODY + nested, "mine.md", TABLE,
                      {"en": "{% macro twice(a) %}{{ a }}{{ a }}{% endmacro %}"})  # fmt: skip


def test_a_template_may_not_be_longer_than_can_be_read():
    with pytest.raises(InputError, match="split it"):
        read_template(HEAD + BODY + "x" * 70_000, "mine.md", TABLE)

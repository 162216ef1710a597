import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InputError
from domain.report import StudyContext
from reporting.templates.filling import filled
from reporting.templates.form import Case
from reporting.templates.mrrt.importing import imported
from reporting.templates.template import FieldKind, read_template
from tests.reporting.made import TABLE, finding, sized

CONTEXT = StudyContext(modality="CT")
PAGE = """<!DOCTYPE html>
<html lang="en"><head><title>ignored</title>
<meta charset="UTF-8"><meta name="dcterms.title" content="CT Kidneys, structured">
<script type="text/xml"><!--
<template_attributes>
 <top-level-flag>true</top-level-flag><status>ACTIVE</status>
 <term type="modality"><code meaning="CT" value="CT" scheme="DCM"/></term>
 <term><code meaning="Own" value="X1" scheme="LOCAL"/></term>
 <coded_content>{entries}</coded_content>
</template_attributes>--></script>
<style>p {{ color: red }}</style></head>
<body>{body}</body></html>"""
ENTRIES = """
<entry ORIGTXT="c1"><term><code meaning="Kidney" value="64033007" scheme="SNOMEDCT"/></term>
 <term><code meaning="Right" value="24028007" scheme="SNOMEDCT"/></term>
 <term><code meaning="Volume" value="118565006" scheme="SNOMEDCT"/></term>
 <term><code meaning="ml" value="ml" scheme="UCUM"/></term></entry>
<entry ORIGTXT="c2">
 <term><code meaning="Left" value="7771000" scheme="SCT"/></term>
 <term><code meaning="Lesion" value="52988006" scheme="SCT"/></term>
 <term><code meaning="Kidney" value="64033007" scheme="SCT"/></term>
 <term><code meaning="Long axis" value="103339001" scheme="SCT"/></term>
 <term><code meaning="mm" value="mm" scheme="UCUM"/></term></entry>
<entry ORIGTXT="c3"><term><code meaning="?" value="12345" scheme="SCT"/></term></entry>"""
BODY = """
<section id="s1" class="level1" data-section-name="Procedure"><header class="level1">Procedure
</header><p><label for="p1">Contrast</label><select id="p1" name="contrast">
<option>none</option><option selected="selected">portal venous</option></select></p></section>
<section id="s2" data-section-name="Findings"><header>Findings</header>
<p><label for="c1">Right kidney volume</label><input type="number" id="c1" name="rkv" value="0"></p>
<p><label for="c2">Lesion</label><input type="number" id="c2" name="les"></p>
<p><label for="c3">Stones</label><input type="checkbox" id="c3" name="stones"></p>
<p><label for="t1">Comment</label><textarea id="t1" name="comment">No hydronephrosis.</textarea></p>
<p><label for="r1">thin</label><input type="radio" id="r1" name="cortex" value="thin">
<label for="r2">thick</label><input type="radio" id="r2" name="cortex" value="thick" checked></p>
<p>Seen on <input type="date" id="d1" name="day">.</p>
<p>The ureters are normal.</p><input type="hidden" id="h" name="secret" value="x"></section>
<section id="s3" data-section-name="Impression"><header>Impression</header></section>"""


def page(body=BODY, entries=ENTRIES):
    return PAGE.format(body=body, entries=entries)


@pytest.fixture(scope="module")
def made():
    return imported(page(), "kidneys.html", TABLE)


@pytest.fixture(scope="module")
def template(made):
    return read_template(made.text, "kidneys.md", TABLE)


def test_sections_fields_and_modality_are_brought_along(template):
    assert template.name == "ct-kidneys-structured"
    assert template.modalities == ("CT",)
    assert [each.name for each in template.sections] == ["technique", "findings", "impression"]
    assert {name: each.kind for name, each in template.fields.items()} == {
        "contrast": FieldKind.CHOICE, "rkv": FieldKind.NUMBER, "les": FieldKind.NUMBER,
        "stones": FieldKind.CHOICE, "comment": FieldKind.TEXT, "cortex": FieldKind.CHOICE,
        "day": FieldKind.DATE,
    }  # fmt: skip
    assert template.fields["contrast"].default == "portal venous"
    assert template.fields["cortex"].options == ("thin", "thick")
    assert template.fields["cortex"].default == "thick"
    assert template.fields["rkv"].label == "Right kidney volume"


def test_coded_numbers_fill_themselves_on_their_own_side(template):
    right = finding("kidney", "right", measurements=sized(150.0))
    left = finding("kidney", "left", label="Finding 2", measurements=sized(140.0))
    lesion = finding("renal lesion", "left", label="Finding 3", measurements=sized(long_mm=21.0))
    form = filled(template, Case(context=CONTEXT, findings=(right, left, lesion)), TABLE)
    by_id = {each.id: each for each in form.fields}
    assert by_id["findings/rkv"].text == "150.0 mL (±0.1)"
    assert by_id["findings/rkv"].finding is right
    assert by_id["findings/les"].text == "21.0 mm"
    alone = filled(template, Case(context=CONTEXT, findings=(left,)), TABLE)
    assert {each.id: each.text for each in alone.fields}["findings/rkv"] == ""


def test_every_literal_word_and_default_waits_for_a_person(template):
    form = filled(template, Case(context=CONTEXT), TABLE)
    waiting = {each.text for each in form.open_fields}
    assert {"The ureters are normal.", "No hydronephrosis.", "portal venous", "thick"} <= waiting


def test_what_could_not_be_brought_along_is_listed(made):
    listed = "; ".join(made.unmapped)
    for part in (
        "field stones: no use for the codes SCT 12345",
        "code LOCAL X1: its scheme is not known",
        "'secret' of type hidden: left behind",
        "a number has no default: '0'",
    ):
        assert part in listed


def test_codes_that_mean_two_things_fill_nothing():
    two = ENTRIES.replace('value="52988006" scheme="SCT"', 'value="10200004" scheme="SCT"', 1)
    found = read_template(imported(page(entries=two), "x.html", TABLE).text, "x.md", TABLE)
    assert found.fields["les"].concept == ""
    both_sides = ENTRIES.replace(
        '<term><code meaning="Volume"',
        '<term><code meaning="Left" value="7771000" scheme="SCT"/></term><term><code meaning="V"',
    )
    found = read_template(imported(page(entries=both_sides), "x.html", TABLE).text, "x.md", TABLE)
    assert (found.fields["rkv"].concept, found.fields["rkv"].measurement) == ("", "")


def test_a_number_whose_side_is_not_clear_fills_nothing():
    for html in (
        page(entries=ENTRIES.replace('value="24028007"', 'value="9999"')),  # one of a pair, no side
        page(BODY.replace("Right kidney volume", "Left kidney volume")),
    ):
        made = imported(html, "x.html", TABLE)
        assert read_template(made.text, "x.md", TABLE).fields["rkv"].concept == ""
        assert "does not fill itself" in "; ".join(made.unmapped)


HOSTILE = """
<section data-section-name="Findings <script>x</script>" onclick="steal()">
<script>alert(2)</script><style>@import 'http://evil.example/x.css';</style>
<img src="http://evil.example/a.png" onerror="alert(3)"><iframe src="//evil.example">
</iframe><a href="javascript:alert(4)">click</a><object data="x"></object>
<svg><script>alert(5)</script></svg>
<p>{{{{ ''.__class__.__mro__ }}}} {{% for x in y %}} {{# comment #}}</p>
<p>## Findings {{#findings}}</p>
<p><label for="a">{{{{ 7 * 7 }}}}</label>
<input id="a" name="a" value="{{{{ 1 }}}}" onfocus="x()"></p>
</section>""".replace("{{", "{").replace("}}", "}")


def test_nothing_of_a_hostile_page_but_its_words_is_kept():
    made = imported(page(HOSTILE), "hostile.html", TABLE)
    for part in ("<", "javascript:", "onerror", "onclick", "evil.example", "alert", "steal"):
        assert part not in made.text.lower()
    form = filled(read_template(made.text, "h.md", TABLE), Case(context=CONTEXT), TABLE)
    assert "49" not in "".join(each.text for each in form.fields)
    assert "braces in its text became parentheses" in made.unmapped


@pytest.mark.parametrize(
    ("xml", "why"),
    [
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "document type"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "document type"),
        ("<a><b></a>", "mend the XML"),
        ("<a>&nothing;</a>", "mend the XML"),
        ("<a>" * 60 + "</a>" * 60, "nested more than 40 deep"),
    ],
)
def test_xml_that_cannot_be_read_safely_is_refused(xml, why):
    html = f'<html><head><script type="text/xml">{xml}</script></head><body>{BODY}</body></html>'
    with pytest.raises(InputError, match=rf"x\.html: .*{why}"):
        imported(html, "x.html", TABLE)


def test_a_page_that_is_no_template_is_refused():
    with pytest.raises(InputError, match="is it an MRRT template"):
        imported("<html><body></body></html>", "x.html", TABLE)
    with pytest.raises(InputError, match="at most"):
        imported("x" * 1_100_000, "x.html", TABLE)


def test_a_german_page_becomes_a_german_template():
    german = page().replace('lang="en"', 'lang="de-DE"').replace("Findings", "Befund")
    found = read_template(imported(german, "x.html", TABLE).text, "x.md", TABLE)
    assert found.language == "de"
    assert found.fields["stones"].options == ("ja", "nein")
    assert [each.title for each in found.sections][1] == "Befund"


PIECES = (
    "<section data-section-name='A'>", "</section>", "<p>", "</p>", "<input ", "'", '"',
    "<select name=x>", "<option selected>", "<textarea>", "</textarea>", "{{", "}}", "{%", "%}",
    "{#", "## ", "+++\n", "<label for=a>", "<script>", "type=radio name=q>",
    "<input type=number id=c1>", "<!--", "&lt;", "\n", "- ",
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=25))
def test_any_page_becomes_a_template_that_can_be_used_or_is_refused(pieces):
    try:
        made = imported(page("".join(pieces)), "x.html", TABLE)
    except InputError as error:
        assert "x.html" in str(error)  # noqa: PT017 - either is right
        return
    form = filled(read_template(made.text, "x.md", TABLE), Case(context=CONTEXT), TABLE)
    assert all("\ue000" not in each.text for each in form.fields)

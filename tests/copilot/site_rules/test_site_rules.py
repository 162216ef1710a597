"""Rules of a site: to what they apply, and which are refused at the start."""

import pytest

from copilot.concepts import load_concepts
from copilot.intent.grammar import SpokenGrammar
from copilot.settings import RuleSettings, load_settings
from copilot.site_rules.conditions import Condition
from copilot.site_rules.rules import Run, SiteRule, check_rules, judged
from copilot.workplace import site_rule
from dicom_node.equipment import MANUFACTURER
from domain.errors import SettingsError
from tests.copilot.site_rules.test_conditions import facts

CT = Condition(tag="Modality", values=("CT",))
LUNGS = SiteRule(name="lungs", when=(CT,), command="segment both lungs", run=Run.AUTOMATIC)
PUSHED = SiteRule(
    name="lungs",
    when=(CT,),
    command="segment both lungs",
    run=Run.AUTOMATIC,
    engine="default",
    push_back=("PACS",),
)


def test_a_rule_applies_where_all_conditions_hold():
    thin = SiteRule(
        name="thin",
        when=(CT, Condition(tag="SliceThickness", at_most=3, unit="mm")),
        command="segment both lungs",
    )
    (yes,) = judged([thin], facts(Modality="CT", SliceThickness="1", Rows=512))
    assert yes.applies
    assert yes.reasons == ("Modality is CT", "SliceThickness is 1 mm")
    (no,) = judged([thin], facts(Modality="CT", SliceThickness="5", Rows=512))
    assert not no.applies
    assert no.reasons == ("SliceThickness is 5 mm, not at most 3 mm",)


def test_nothing_begins_on_what_we_made_or_on_no_images():
    (ours,) = judged([LUNGS], facts(Modality="CT", Rows=8, Manufacturer=MANUFACTURER))
    assert not ours.applies
    assert "radcopilot made it" in ours.reasons[0]
    (report,) = judged([LUNGS], facts(Modality="CT"))
    assert report.reasons == ("it holds no images",)


@pytest.fixture(scope="module")
def grammar():
    return SpokenGrammar(load_concepts())


def test_what_can_be_carried_out_is_taken(grammar):
    check_rules([LUNGS], grammar, ["default"], [])
    check_rules([PUSHED], grammar, ["default"], ["PACS"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"command": "make me a sandwich"}, "outlines nothing; write a sentence as"),
        ({"command": "undo"}, "outlines nothing"),
        ({"engine": "nnunet"}, "no engine is called 'nnunet'; installed are default"),
        ({"push_back": ("ARCHIVE",)}, "push_back names 'ARCHIVE', and .* has PACS"),
        ({"run": Run.ON_DEMAND}, "waits for a yes"),
        ({"engine": ""}, "needs an engine and a condition Modality"),
        ({"when": (Condition(tag="Rows", at_least=1, unit="1"),)}, "needs an engine and a"),
    ],
)
def test_what_cannot_be_carried_out_is_named(grammar, change, says):
    wrong = SiteRule(**{**vars(PUSHED), **change})
    with pytest.raises(SettingsError, match=says):
        check_rules([wrong], grammar, ["default"], ["PACS"])


def test_two_rules_have_two_names(grammar):
    with pytest.raises(SettingsError, match="two rules are called 'lungs'"):
        check_rules([LUNGS, LUNGS], grammar, ["default"], [])


def test_a_rule_that_does_another_thing_is_another_rule():
    other = SiteRule(**{**vars(LUNGS), "command": "segment the liver"})
    assert other.fingerprint != LUNGS.fingerprint
    wider = SiteRule(**{**vars(LUNGS), "when": ()})
    assert wider.fingerprint == LUNGS.fingerprint, "what it applies to does not change what it does"


def test_rules_are_read_from_a_settings_file(tmp_path):
    site = tmp_path / "site.toml"
    site.write_text(
        """
[[rules]]
name = "lungs of thin chests"
when = [
  { tag = "Modality", is = "CT" },
  { tag = "BodyPartExamined", is = ["CHEST", "THORAX"] },
  { tag = "SliceThickness", at_most = 3, unit = "mm" },
]
command = "segment both lungs"
run = "automatic"
"""
    )
    (rule,) = (site_rule(each) for each in load_settings(site).rules)
    assert rule.run is Run.AUTOMATIC
    assert rule.when[1].values == ("CHEST", "THORAX")
    assert rule.when[2].at_most == 3


def test_a_wrong_condition_names_its_rule():
    settings = RuleSettings.model_validate(
        {"name": "x", "when": [{"tag": "KVP", "at_most": 100}], "command": "segment the liver"}
    )
    with pytest.raises(SettingsError, match="rule 'x': KVP is compared without a unit"):
        site_rule(settings)

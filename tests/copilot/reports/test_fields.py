"""Fields: the machine's words follow their findings, a person's stand and say when to check."""

import pytest

from copilot.results import State
from domain.errors import InputError
from domain.uids import StudyUID
from tests.copilot.reports.conftest import STUDY, lesion


def test_only_what_was_accepted_is_in_the_report(site):
    site.put("a", 1.0)
    assert site.report["undecided"] == 1
    assert "findings/1.2.9" not in site.fields
    site.results.accept("a", "reader")
    told = site.fields
    assert told["findings/1.2.9"]["text"] == lesion(1.0)
    assert told["findings/1.2.9"]["mark"] == "machine"
    assert told["findings/1.2.9"]["slice"] == 4
    assert told["impression/1.2.9"]["text"] == lesion(1.0)
    assert told["technique/technique"]["text"] == "CT."
    assert site.report["undecided"] == 0


def test_typed_words_stand_and_go_stale_with_what_they_were_typed_over(site):
    site.accepted("a", 1.0)
    site.type("findings/1.2.9", "A lesion.", lesion(1.0))
    assert site.fields["findings/1.2.9"]["mark"] == "edited"
    site.type("findings/1.2.9", "A lesion.", lesion(9.0))
    assert site.fields["findings/1.2.9"]["mark"] == "stale"
    site.type("findings/1.2.9", "Mine.", lesion(1.0))
    site.results.move("a", State.REJECTED, frozenset({State.ACCEPTED}), "reader")
    left = site.fields["findings/1.2.9"]
    assert (left["text"], left["made"], left["mark"]) == ("Mine.", "", "stale")
    site.lifecycle.take_back(STUDY, "findings/1.2.9", "reader")
    assert "findings/1.2.9" not in site.fields
    assert site.trail.verify() == 7


@pytest.mark.parametrize("state", [State.RUNNING, State.WAITING])
def test_every_sentence_of_a_mask_that_is_being_corrected_is_stale(site, state):
    site.accepted("a", 1.0)
    site.accepted("bb", 150.0, uid="1.2.8")
    site.put("ccc", 2.0, state=state, corrects="a")
    marks = {name: each["mark"] for name, each in site.fields.items()}
    assert marks["findings/1.2.9"] == marks["impression/1.2.9"] == "stale"
    assert marks["findings/1.2.8"] == "machine"


def test_an_accepted_correction_stands_for_its_finding_and_makes_typed_words_stale(site):
    site.accepted("a", 1.0)
    site.type("findings/1.2.9", "A lesion of 1 mL, spiculated.", lesion(1.0))
    site.accepted("bb", 2.0, corrects="a")
    told = site.fields["findings/1.2.9"]
    assert (told["text"], told["made"]) == ("A lesion of 1 mL, spiculated.", lesion(2.0))
    assert told["mark"] == "stale"
    assert site.fields["impression/1.2.9"]["text"] == lesion(2.0)
    assert site.fields["impression/1.2.9"]["mark"] == "machine"


def test_one_study_does_not_know_the_words_of_another(site):
    site.type("impression/own", "Mine.")
    other = site.lifecycle.printed(StudyUID("9.9"))
    assert "Mine." not in [each["text"] for part in other["sections"] for each in part["fields"]]
    assert site.fields["impression/own"]["text"] == "Mine."
    assert site.fields["impression/own"]["label"] == ""


@pytest.mark.parametrize("name", ["signature/x", "findings" + "x" * 200, ""])
def test_a_field_that_a_report_has_not_is_named(site, name):
    with pytest.raises(InputError, match="a report has no field"):
        site.type(name, "x")

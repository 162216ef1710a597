"""A report is signed by a radiologist, as it was shown, with nothing undecided; then it stands."""

import threading

import pytest

from copilot.access.roles import LOCAL_PERSON, How, Person, Role
from copilot.results import State
from domain.errors import InputError
from reporting.exports.enclosed import Enclosed
from reporting.exports.text import report_text
from tests.copilot.reports.conftest import ROE, STUDY, lesion


def in_review(site):
    site.accepted("a", 1.0)
    site.lifecycle.review(STUDY, ROE.name)


def signed(site):
    in_review(site)
    return site.sign()


def test_a_draft_goes_through_review_to_a_signature(site):
    site.accepted("a", 1.0)
    assert site.report["status"] == "draft"
    site.lifecycle.review(STUDY, ROE.name)
    assert site.report["status"] == "in_review"
    version = site.sign()
    report = site.report
    assert (report["status"], report["version"], report["changed"]) == ("signed", 1, False)
    assert (version.signature.name, version.results) == ("Dr. Rolf Roe", ("a",))
    assert version.context["patient_name"] == "Doe, Jane"
    assert [each["signer"] for each in report["versions"]] == ["Dr. Rolf Roe"]
    assert site.signed == [(STUDY, 1)]
    acts = [each["act"] for each in site.trail.last(10)]
    assert acts.count("report.signed") == acts.count("report.in_review") == 1


def test_a_draft_is_not_signed_without_review(site):
    site.accepted("a", 1.0)
    with pytest.raises(InputError, match="put it up for review first"):
        site.sign()
    site.lifecycle.review(STUDY, ROE.name)
    site.lifecycle.revise(STUDY, ROE.name)
    with pytest.raises(InputError, match="put it up for review first"):
        site.sign()


@pytest.mark.parametrize(
    ("person", "says"),
    [
        (Person(name="Rita", roles=frozenset({Role.READER}), how=How.SESSION), "may not sign"),
        (Person(name="Ada", roles=frozenset({Role.ADMINISTRATOR}), how=How.SESSION), "may not"),
        (Person(name="bot", roles=frozenset({Role.PROGRAM}), how=How.TOKEN), "may not sign"),
        (Person(name="x", roles=frozenset({Role.RADIOLOGIST}), how=How.TOKEN), "needs a name"),
        (LOCAL_PERSON, "radcopilot users add"),
    ],
)
def test_only_a_radiologist_who_logged_in_signs(site, person, says):
    in_review(site)
    with pytest.raises(InputError, match=says):
        site.sign(person)
    assert site.report["status"] == "in_review"
    assert not site.report["versions"]


def test_what_nobody_decided_or_looked_at_stands_in_the_way(site):
    assert site.obstacles == ["unseen"]  # the template's "nothing" is nobody's word yet
    site.put("a", 1.0)
    site.put("bb", 1.0, state=State.RUNNING, uid="1.2.8")
    assert site.obstacles == ["undecided", "running", "unseen"]
    site.lifecycle.review(STUDY, ROE.name)
    with pytest.raises(InputError, match=r"“ask for a” waits for a yes or no.*still being worked"):
        site.sign()
    assert not site.report["versions"]


def test_stale_words_stand_in_the_way_until_they_are_brought_up_to_date(site):
    in_review(site)
    site.type("findings/1.2.9", "A lesion of 1 mL.", lesion(9.0))
    assert site.obstacles == ["stale"]
    with pytest.raises(InputError, match=r"out of date: “A lesion of 1 mL\.”"):
        site.sign()
    site.type("findings/1.2.9", "A lesion of 1 mL.", lesion(1.0))
    assert site.sign().lines[-2].text == "A lesion of 1 mL."


def test_what_a_rule_accepted_must_have_been_looked_at(site):
    site.put("a", 1.0)
    site.results.move("a", State.ACCEPTED, frozenset({State.WAITING}), "rule lungs")
    site.lifecycle.review(STUDY, ROE.name)
    assert site.obstacles == ["unseen", "unseen"]
    with pytest.raises(InputError, match="nobody has looked"):
        site.sign()
    site.type("findings/1.2.9", lesion(1.0), lesion(1.0))
    site.type("impression/1.2.9", lesion(1.0), lesion(1.0))
    assert site.fields["findings/1.2.9"]["mark"] == "machine"
    site.sign()


def test_other_words_than_those_shown_are_not_signed(site):
    in_review(site)
    shown = site.report["digest"]
    site.type("impression/own", "No other finding.")
    with pytest.raises(InputError, match="changed since it was shown"):
        site.sign(digest=shown)
    assert site.report["status"] == "in_review"
    site.sign()


def test_a_signed_report_stands_whatever_is_accepted_or_typed_after_it(site):
    signed(site)
    with pytest.raises(InputError, match="signed: begin an amendment first"):
        site.type("impression/own", "More.")
    with pytest.raises(InputError, match="signed: begin an amendment first"):
        site.lifecycle.take_back(STUDY, "findings/1.2.9", ROE.name)
    site.accepted("bb", 150.0, uid="1.2.8")
    assert "findings/1.2.8" not in site.fields
    assert site.report["changed"]


def test_an_amendment_says_why_and_leaves_what_was_signed(site):
    first = signed(site)
    with pytest.raises(InputError, match="give the reason"):
        site.lifecycle.amend(STUDY, "  ", ROE.name)
    site.lifecycle.amend(STUDY, "A second lesion was seen.", ROE.name)
    report = site.report
    assert (report["status"], report["version"]) == ("draft", 2)
    site.accepted("bb", 7.0, uid="1.2.8")
    site.lifecycle.review(STUDY, ROE.name)
    second = site.sign()
    assert (second.status.value, second.reason) == ("amended", "A second lesion was seen.")
    assert second.results == ("a", "bb")
    kept = site.lifecycle.version(STUDY, 1)
    assert [each["text"] for each in kept["fields"]] == [each.text for each in first.lines]
    assert site.signed == [(STUDY, 1), (STUDY, 2)]


def test_two_versions_differ_where_their_words_do(site):
    signed(site)
    site.lifecycle.amend(STUDY, "Typing error.", ROE.name)
    site.type("findings/1.2.9", lesion(10.0), lesion(1.0))
    site.type("impression/own", "Follow-up advised.")
    changes = {each["field"]: each for each in site.lifecycle.difference(STUDY, 1, None)}
    assert set(changes) == {"findings/1.2.9", "impression/own"}
    assert changes["findings/1.2.9"]["was"] == lesion(1.0)
    assert changes["findings/1.2.9"]["now"] == lesion(10.0)
    assert changes["findings/1.2.9"]["marked"].split("\n") == [
        " Lesion:",
        " volume",
        "-1.00",
        "+10.00",
        " mL.",
    ]
    assert changes["impression/own"]["was"] == ""
    with pytest.raises(InputError, match="no signed version 7: there is 1"):
        site.lifecycle.difference(STUDY, 1, 7)


def test_two_who_sign_at_once_make_one_version(site):
    in_review(site)
    digest, outcomes = site.report["digest"], []

    def one():
        try:
            outcomes.append(site.sign(digest=digest).version)
        except InputError as error:
            outcomes.append(str(error))

    both = [threading.Thread(target=one) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert outcomes.count(1) == 1
    assert len(site.report["versions"]) == 1
    assert site.trail.verify() > 0


def test_what_follows_from_a_signature_is_taken_up_after_a_kill(site):
    in_review(site)
    site.is_down = True
    with pytest.raises(SystemExit):
        site.sign()
    assert site.report["status"] == "signed"
    site.is_down = False
    site.lifecycle.resume()
    site.lifecycle.resume()
    assert site.signed == [(STUDY, 1)]


def test_what_a_template_says_is_nobodys_word_until_somebody_keeps_it(site):
    site.lifecycle.choose(STUDY, "chest-ct", ROE.name)
    site.accepted("a", 1.0)
    site.lifecycle.review(STUDY, ROE.name)
    defaults = [each for each in site.fields.values() if each["mark"] == "default"]
    assert any("No nodule" in each["text"] for each in defaults)
    with pytest.raises(InputError, match="the template says it, and nobody has looked"):
        site.sign()
    for each in defaults:
        site.type(each["id"], "" if "nodule" in each["text"] else each["made"], each["made"])
    version = site.sign()
    texts = [each.text for each in version.lines]
    assert not any("nodule" in each for each in texts)
    assert any("No effusion" in each for each in texts)
    labels = {each["text"]: each["label"] for each in site.fields.values()}
    assert labels["Patent."] == "Airways:"


def test_a_person_chooses_another_template_and_loses_no_word(site):
    site.accepted("a", 1.0)
    site.type("findings/own", "Old rib fracture on the left.")
    assert site.report["template"]["name"] == "general"
    site.lifecycle.choose(STUDY, "liver", ROE.name)
    assert site.report["template"]["name"] == "liver"
    assert site.fields["findings/own"]["text"] == "Old rib fracture on the left."
    assert lesion(1.0) in [each["text"] for each in site.fields.values()]
    with pytest.raises(InputError, match="no template 'elbow'"):
        site.lifecycle.choose(STUDY, "elbow", ROE.name)


def test_a_signed_version_is_exported_as_it_was_signed(site):
    signed(site)
    site.accepted("bb", 9.0, corrects="a")
    report = site.lifecycle.report(STUDY)
    assert (report.status.value, report.signature.name) == ("signed", "Dr. Rolf Roe")
    assert report.context.patient_name == "Doe, Jane"
    told = [each for part in report.sections for each in part.statements if each.finding]
    assert [each.text for each in told] == [lesion(1.0), lesion(1.0)]
    assert [each.value for each in told[0].measurements] == [1.0]
    assert [each.measurements[0].value for each in report.findings] == [1.0]


def test_a_draft_is_exported_as_a_draft(site):
    site.accepted("a", 1.0)
    report = site.lifecycle.report(STUDY)
    assert (report.status.value, report.signature) == ("draft", None)
    assert lesion(1.0) in [each.text for part in report.sections for each in part.statements]


def test_a_sentence_with_another_number_is_signed_once_a_person_has_decided(site):
    in_review(site)
    site.type("findings/1.2.9", "A lesion of 10 mL.", lesion(1.0))
    assert site.obstacles == ["numbers"]
    says = site.report["obstacles"][0]["says"]
    assert says.startswith("“A lesion of 10 mL.” says 10 mL, but measured was Volume 1.00 mL")
    with pytest.raises(InputError, match="correct the sentence, or leave the measured numbers out"):
        site.sign()
    site.type("findings/1.2.9", "A lesion of 1 mL.", lesion(1.0))
    assert site.obstacles == []
    site.sign()
    (finding,) = site.lifecycle.report(STUDY).findings
    assert [each.value for each in finding.measurements] == [1.0]


def test_what_a_person_left_out_is_in_no_export_of_the_signed_version(site):
    in_review(site)
    site.type("findings/1.2.9", "A lesion of 10 mL.", lesion(1.0))
    shown = site.report["digest"]
    site.lifecycle.leave_out(STUDY, "findings/1.2.9", "A lesion of 10 mL.", ROE.name)
    assert site.report["digest"] != shown
    assert site.obstacles == ["still_told"]  # the impression has the number still
    site.type("impression/1.2.9", "A lesion.", lesion(1.0))
    version = site.sign()
    for report in (site.lifecycle.report(STUDY), site.lifecycle.report(STUDY, version.version)):
        (finding,) = report.findings
        assert finding.measurements == ()
        assert finding.absent[0].endswith('the sentence of the report says "10 mL"')
    assert "report.left_out" in [each["act"] for each in site.trail.last(10)]


def test_a_decision_is_for_the_sentence_as_it_stood(site):
    in_review(site)
    site.type("findings/1.2.9", "A lesion of 10 mL.", lesion(1.0))
    with pytest.raises(InputError, match="or it has changed: read the report again"):
        site.lifecycle.leave_out(STUDY, "findings/1.2.9", "A lesion of 11 mL.", ROE.name)
    site.lifecycle.leave_out(STUDY, "findings/1.2.9", "A lesion of 10 mL.", ROE.name)
    site.type("findings/1.2.9", "A lesion of 11 mL.", lesion(1.0))
    assert site.obstacles == ["numbers"]


def test_what_an_amendment_leaves_out_and_the_archive_keeps_verified_is_said(site):
    site.accepted("a", 1.0)
    site.accepted("bb", 7.0, uid="1.2.8")
    site.archived = {"a": ("1.2.77",), "bb": ("1.2.88",)}
    site.lifecycle.review(STUDY, ROE.name)
    site.sign()
    site.lifecycle.amend(STUDY, "The first is no lesion.", ROE.name)
    assert site.report["still_verified"] == []
    for part in ("findings", "impression"):
        site.type(f"{part}/1.2.9", "", lesion(1.0))
    report = site.report
    assert report["still_verified"] == ["1.2.77"]
    site.lifecycle.review(STUDY, ROE.name)
    version = site.sign()
    assert (version.results, version.still_verified) == (("bb",), ("1.2.77",))
    text = report_text(site.lifecycle.report(STUDY), Enclosed()).decode()
    assert "Left out of this version, but still standing as verified" in text
    assert "SR 1.2.77." in text
    assert "1.2.88" not in text

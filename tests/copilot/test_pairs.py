"""Pairs that a person tells: before matching, kept, audited, and refused where they cannot be."""

import json
import shlex
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot.cli.console import pair_option, parsed_pair
from copilot.cli.priors import prior_of
from copilot.comparing import questions
from copilot.comparing.comparer import Comparer
from copilot.comparing.standing import comparison_of
from copilot.hints import Hints
from copilot.settings import load_settings
from copilot.wiring.house import House
from dicom_node.files import dicom_files, one_series
from domain.command import CompareCommand
from domain.comparison import Answer, Lesion, ToldPair, Verdict
from domain.errors import InputError
from domain.ports import no_progress
from domain.prompt import Point
from domain.uids import SeriesUID
from reporting.phrasebook import phrasebook
from tests.bodies import Nodule, Patient, studied
from tests.copilot.test_comparing_stored import MOVED, SPACING_MM, click, report_of, served, site

__all__ = ["served", "site"]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette")

HIGH = Nodule(centre=(50.0, -17.0, 20.0), volume_ml=0.5)
LOW = Nodule(centre=(50.0, -3.0, 20.0), volume_ml=0.5)
BETWEEN = Nodule(centre=(50.0, -10.0, 20.0), volume_ml=0.5)
THEN = Patient(seed=6, nodules=(HIGH, LOW)).seen(spacing_mm=SPACING_MM)
NOW = Patient(seed=6, nodules=(BETWEEN,)).seen(MOVED, spacing_mm=SPACING_MM)


def point(volume, nodule, pose=None) -> Point:
    at = click(volume, nodule, pose)
    return Point(slice_index=at["slice"], row=at["row"], column=at["column"])


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Two equal nodules; one of them vanished, and what is left lies between their places."""
    folder = tmp_path_factory.mktemp("studies")
    studied(folder / "prior", THEN, "20230101")
    studied(folder / "current", NOW, "20230720")
    return folder


@pytest.fixture(scope="module")
def compared(studies):
    home = House(load_settings())
    comparer = Comparer(analyst=home.analyst, concepts=home.concepts, uids=home.uids)
    prior_hints = Hints(points=(point(THEN, HIGH), point(THEN, LOW)))

    def run(*told: ToldPair, prior="prior", current="current", at=prior_hints, here=None):
        return comparer.run(
            one_series(dicom_files(studies / current), None),
            replace(prior_of(studies / prior, None, (), ()), hints=at),
            CompareCommand(),
            hints=Hints(points=(here or point(NOW, BETWEEN, MOVED),)),
            progress=no_progress,
            told=told,
        ).comparison

    return run


def told(current, prior, **more) -> ToldPair:
    return ToldPair(current=current, prior=prior, **more)


def test_two_that_fit_alike_are_asked_with_an_answer_for_each(compared):
    open_, rival = compared().changes
    assert open_.verdict is Verdict.AMBIGUOUS
    assert [each.told for each in open_.answers] == [
        told("Finding 1", "Prior finding 1"),
        told("Finding 1", "Prior finding 2"),
        told("Finding 1", None),
    ]
    assert open_.answers[1].in_words().startswith("Finding 1 is Prior finding 2, ")
    assert open_.answers[1].slice_index == pytest.approx(click(THEN, LOW)["slice"], abs=1)
    assert rival.verdict is Verdict.AMBIGUOUS, "it may be the current one: it is not gone yet"
    assert [each.told for each in rival.answers] == [
        told("Finding 1", "Prior finding 2"),
        told(None, "Prior finding 2"),
    ]


@pytest.mark.parametrize("mine", [1, 2])
def test_a_told_pair_wins_and_says_who_told_it(compared, mine):
    pair, gone = compared(told("finding 1", f"Prior finding {mine}", by="Dr Reader")).changes
    assert pair.verdict is Verdict.STABLE
    assert pair.prior.label == f"Prior finding {mine}"
    assert pair.current.tracking_uid == pair.prior.tracking_uid
    assert "paired, by Dr Reader" in pair.reasons
    assert pair.told.by == "Dr Reader"
    assert pair.question is None
    assert gone.verdict is Verdict.RESOLVED
    assert gone.prior.label == f"Prior finding {3 - mine}"


def test_a_lesion_told_to_be_new_has_no_partner_and_one_told_to_be_gone_neither(compared):
    new, *others = compared(told("Finding 1", None)).changes
    assert new.verdict is Verdict.NEW
    assert new.prior is None
    assert new.reasons[0] == "said to be new: none of the prior's lesions, as told"
    assert [each.verdict for each in others] == [Verdict.RESOLVED, Verdict.RESOLVED]
    pair, gone = compared(told(None, "Prior finding 1")).changes
    assert (pair.verdict, pair.prior.label) == (Verdict.STABLE, "Prior finding 2")
    assert (gone.verdict, gone.prior.label) == (Verdict.RESOLVED, "Prior finding 1")
    assert gone.reasons[0] == "said to be gone: it has no partner now, as told"


def test_what_cannot_be_told_is_refused_with_what_would_mend_it(compared):
    for pairs, words in (
        ((told("Finding 7", None),), r"current study has no lesion 'Finding 7'.* has: Finding 1\."),
        ((told("Finding 1", "Nodule"),), r"prior has no lesion 'Nodule'.*Prior finding 1, Prior"),
        (
            (told("Finding 1", "Prior finding 1"), told("Finding 1", "Prior finding 2")),
            "Finding 1 of the current study is told twice",
        ),
        (
            (told("Finding 1", "Prior finding 1"), told(None, "Prior finding 1")),
            "Prior finding 1 of the prior is told twice",
        ),
    ):
        with pytest.raises(InputError, match=words):
            compared(*pairs)


def test_what_is_told_against_the_images_is_said_so(compared, studies):
    low = replace(BETWEEN, centre=(50.0, -10.0, -45.0))
    now = Patient(seed=6, nodules=(low,)).seen(MOVED, spacing_mm=SPACING_MM)
    then = Patient(seed=6, nodules=(HIGH,)).seen(spacing_mm=SPACING_MM, z_mm=(-20.0, 80.0))
    studied(studies / "whole", now, "20230720")
    studied(studies / "upper", then, "20230101")
    at = {"at": Hints(points=(point(then, HIGH),)), "here": point(now, low, MOVED)}
    new, _ = compared(told("Finding 1", None), prior="upper", current="whole", **at).changes
    assert new.verdict is Verdict.OUT_OF_FIELD, "what the prior does not show is not new"
    assert new.reasons[0].startswith("its place is outside the images of the prior")
    assert "said to be new: none of the prior's lesions, as told" in new.reasons
    pair = told("Finding 1", "Prior finding 1")
    (far,) = compared(pair, prior="upper", current="whole", **at).changes
    assert far.verdict is Verdict.STABLE
    (warning,) = [each for each in far.warnings if "mm apart" in each]
    assert warning.endswith("matching allows 10 mm")


def test_what_was_told_before_and_fits_no_more_is_left_out_and_said(compared):
    made = compared(told("1.2.3", "Prior finding 1", is_kept=True))
    assert made.changes[0].verdict is Verdict.AMBIGUOUS
    assert made.told == ()
    (note,) = [each for each in made.notes if "told before" in each]
    assert "no lesion '1.2.3'" in note


def test_pairs_of_another_patients_prior_are_refused(compared, studies):
    studied(studies / "other", THEN, "20230101", patient="RC-2")
    with pytest.raises(InputError, match="another patient"):
        compared(told("Finding 1", "Prior finding 1"), prior="other")


LABELS = st.text(
    st.characters(exclude_characters="=", exclude_categories=["C", "Z"]), min_size=1, max_size=8
).filter(lambda each: each.casefold() not in {"new", "gone"})


@given(st.one_of(st.none(), LABELS), LABELS, st.booleans())
@settings(max_examples=60)
def test_the_option_that_is_printed_tells_what_it_says(maybe, label, is_first):
    current, prior = (maybe, label) if is_first else (label, maybe)
    words = shlex.split(pair_option(current, prior))
    assert words[0] == "--pair"
    assert parsed_pair(words[1]) == told(current, prior)


@pytest.mark.parametrize("text", ["Finding 1", "=new", "Finding 1=", "gone=new", "a=b=c", ""])
def test_an_option_of_another_form_is_refused(text):
    with pytest.raises(InputError, match="is not of the form CURRENT=PRIOR"):
        parsed_pair(text)


def test_nothing_is_told_of_no_lesion():
    for wrong in (lambda: told(None, None), lambda: told(" ", None)):
        with pytest.raises(InputError, match="told pair"):
            wrong()
    with pytest.raises(InputError, match="at least one of two studies"):
        Answer(current=None, prior=None)


def test_an_answer_names_a_tracking_uid_before_a_label():
    lesion = Lesion(label="Finding 1", centre_lps_mm=(0.0, 0.0, 0.0), volume_ml=1.0)
    tracked = replace(lesion, tracking_uid="1.2.3")
    assert Answer(current=tracked, prior=lesion).told == told("1.2.3", "Finding 1")
    assert Answer(current=lesion, prior=None).told == told("Finding 1", None)


def test_the_command_line_prints_what_can_be_answered_and_takes_it(radcopilot, studies):
    def at(volume, nodule, pose=None) -> str:
        return ",".join(str(each) for each in click(volume, nodule, pose).values())

    arguments = (
        *("ask", studies / "current", "compare with the prior", "--prior", studies / "prior"),
        *("--point", at(NOW, BETWEEN, MOVED), "--output", "out", "--json"),
        *("--prior-point", at(THEN, HIGH), "--prior-point", at(THEN, LOW)),
    )
    asked = radcopilot(*arguments)
    assert asked.returncode == 0, asked.stderr
    assert "answer --pair 'Finding 1=Prior finding 2': Finding 1 is Prior find" in asked.stderr
    assert "answer --pair 'Finding 1=new': Finding 1 is new" in asked.stderr
    assert "answer --pair 'gone=Prior finding 2': Prior finding 2 is gone" in asked.stderr
    first = json.loads(asked.stdout)["comparison"]["lesions"][0]
    pair = first["answers"][1]["pair"]
    assert pair == {"current": "Finding 1", "prior": "Prior finding 2"}
    answered = radcopilot(*arguments, "--pair", "Finding 1=Prior finding 2")
    assert answered.returncode == 0, answered.stderr
    comparison = json.loads(answered.stdout)["comparison"]
    assert [each["verdict"] for each in comparison["lesions"]] == ["stable", "resolved"]
    assert comparison["lesions"][0]["told"] == pair | {"by": None}
    assert comparison["told"] == [pair | {"by": None}]
    wrong = radcopilot(*arguments, "--pair", "Finding 1=Prior finding 9")
    assert wrong.returncode == 2
    assert "the prior has no lesion 'Prior finding 9'" in wrong.stderr
    alone = radcopilot("ask", studies / "current", "compare with the prior", "--pair", "a=b")
    assert alone.returncode == 2
    assert "--pair need --prior" in alone.stderr


@pytest.fixture
def open_pair(site, tmp_path):
    """Both studies stored, all three nodules accepted: the series, and what was compared."""
    then = site.store(tmp_path / "then", THEN, "20230101")
    now = site.store(tmp_path / "now", NOW, "20230720")
    for nodule in (HIGH, LOW):
        site.outlined(then, THEN, nodule)
    site.outlined(now, NOW, BETWEEN, MOVED)
    made = compare(site, now).json()
    assert made["comparison"]["lesions"][0]["verdict"] == "ambiguous"
    return now, made


def compare(site, series, **more):
    return site.say(series, "compare with the prior", **more)


def test_an_answer_by_the_web_api_is_kept_carried_on_reported_and_audited(site, open_pair):
    now, made = open_pair
    answer = made["comparison"]["lesions"][0]["answers"][1]
    told_first = compare(site, now, pairs=[answer["pair"]])
    assert told_first.status_code == 201, told_first.text
    pair, other = told_first.json()["comparison"]["lesions"]
    assert pair["verdict"] == "stable"
    assert pair["prior"]["tracking_uid"] == answer["pair"]["prior"]
    assert "grow together, or is that of the prior gone?" in other["question"]
    assert other["current"] is None, "the current nodule has its partner"
    (gone,) = other["answers"]
    first = compare(site, now, pairs=[answer["pair"], gone["pair"]]).json()
    pair, other = first["comparison"]["lesions"]
    assert [each["verdict"] for each in (pair, other)] == ["stable", "resolved"]
    kept = first["comparison"]["told"]
    person = kept[0]["by"]
    assert person
    assert pair["told"] == answer["pair"] | {"by": person}
    assert f"paired, by {person}" in pair["reasons"]
    acts = [each for each in site.home.audit.last(40) if each["subject"] == first["id"]]
    assert {(each["act"], each["actor"]) for each in acts} == {
        ("command.compare", person),
        ("pair.told", person),
        ("pair.told gone", person),
    }
    # said again without an answer, it holds on
    again = compare(site, now).json()
    assert again["comparison"]["told"] == kept
    assert [each["verdict"] for each in again["comparison"]["lesions"]] == ["stable", "resolved"]
    standing = comparison_of(site.home.results.of_series(SeriesUID(now)))
    assert standing.id == again["id"]
    assert pair["sentence"] in report_of(site, now)
    # and is taken back
    back = compare(site, now, pairs=[]).json()
    assert back["comparison"]["told"] == []
    assert back["comparison"]["lesions"][0]["verdict"] == "ambiguous"
    assert "pair.told none" in {
        each["act"] for each in site.home.audit.last(40) if each["subject"] == back["id"]
    }
    assert compare(site, now).json()["comparison"]["told"] == []


def test_an_answer_that_cannot_be_is_refused_by_the_web_api(site, open_pair):
    now, made = open_pair
    pair = made["comparison"]["lesions"][0]["answers"][0]["pair"]
    for pairs, words in (
        ([{"current": pair["current"], "prior": "1.2.3"}], "the prior has no lesion '1.2.3'"),
        ([pair, {"current": pair["current"]}], "is told twice"),
        ([{}], "names no lesion"),
    ):
        answer = compare(site, now, pairs=pairs)
        assert answer.status_code == 422, answer.text
        assert words in answer.json()["detail"]
    answer = site.say(now, "measure this", points=[click(NOW, BETWEEN, MOVED)], pairs=[pair])
    assert answer.status_code == 422
    assert "nothing is compared" in answer.json()["detail"]
    last = compare(site, now).json()
    assert last["comparison"]["told"] == [], "what was refused is not kept"


def test_an_answer_survives_a_restart(site, open_pair):
    now, made = open_pair
    answer = made["comparison"]["lesions"][0]["answers"][0]
    first = compare(site, now, pairs=[answer["pair"]]).json()
    again = House(site.home.settings)
    try:
        kept = again.results.get(first["id"]).document["comparison"]["told"]
        assert kept == first["comparison"]["told"]
        assert comparison_of(again.results.of_series(SeriesUID(now))).id == first["id"]
    finally:
        again.store.close()


def test_the_nodules_overlap_in_no_voxel():
    """What is asked is which of two whole nodules it is, so neither may hide the other."""
    apart = np.linalg.norm(np.subtract(HIGH.centre, LOW.centre))
    assert apart > HIGH.radius_mm + LOW.radius_mm


FIRST, SECOND, FOUND = (
    Lesion(label=label, centre_lps_mm=(0.0, 0.0, 0.0), volume_ml=1.0)
    for label in ("Finding 1", "Finding 1 (2)", "Prior finding 2")
)
TOLD = ToldPair(current="Finding 1", prior=None, by="Dr. A. Reader")


@pytest.mark.parametrize(
    "question",
    [
        questions.which(FIRST, FIRST, [SECOND], [SECOND, FOUND]),
        questions.gone_or(FOUND, FIRST),
        questions.new_or(FIRST, SECOND),
        questions.divided(FIRST, SECOND),
        questions.grown_together(FIRST, SECOND),
        questions.new_beside(FIRST, FOUND, TOLD),
        questions.gone_beside(FIRST, SECOND, TOLD),
    ],
)
def test_every_question_is_german_in_a_german_report(question):
    said = phrasebook("de").known(question)
    assert said is not None
    assert "rior" not in said
    assert "Finding" not in said
    assert said.count("Befund 1") == question.count("Finding 1")

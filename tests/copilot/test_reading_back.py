"""A comparison printed and read back says what it said before."""

import json
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from copilot.comparing.comparer import Comparison
from copilot.comparing.printing import printed_comparison
from copilot.comparing.reading_back import read_back
from domain.comparison import Change, Kind, Lesion, Origin, Verdict
from reporting.language import language
from reporting.priors.change import changed
from reporting.priors.recist import assessed
from reporting.priors.wording import assessed_in_words, said, summary

SIZES = st.floats(0.01, 900.0)
WORDS = st.text("abcdefghij ;:,.äé", min_size=1, max_size=20)


@st.composite
def lesions(draw):
    origin = draw(st.sampled_from(Origin))
    return Lesion(
        label=draw(WORDS),
        centre_lps_mm=tuple(draw(st.tuples(*[st.floats(-500, 500)] * 3))),
        volume_ml=draw(st.none() | SIZES),
        uncertainty_ml=draw(st.none() | st.floats(0.0, 50.0)),
        long_axis_mm=draw(st.none() | SIZES),
        short_axis_mm=draw(st.none() | SIZES),
        slice_spacing_mm=draw(st.none() | st.floats(0.5, 10.0)),
        organ=draw(st.none() | st.sampled_from(["lung", "liver"])),
        side=draw(st.none() | st.sampled_from(["left", "right"])),
        kind=draw(st.sampled_from(Kind)),
        origin=origin,
        reported_by=draw(WORDS) if origin in {Origin.REPORTED, Origin.REPORTED_OUTLINE} else None,
        outlined_by=draw(st.none() | WORDS),
        tracking_uid=draw(st.none() | st.just("1.2.3")),
    )


@st.composite
def changes(draw):
    current, prior = draw(lesions()), draw(lesions())
    kind = draw(st.sampled_from(["both", "current", "prior"]))
    if kind == "both":
        made = changed(current, prior, "CT", draw(st.none() | st.integers(1, 4000)))
        if draw(st.booleans()):
            made = replace(made, verdict=Verdict.AMBIGUOUS, question=draw(WORDS))
        return made
    verdicts = [Verdict.NEW, Verdict.RESOLVED, Verdict.OUT_OF_FIELD, Verdict.NOT_COMPARED]
    return Change(
        verdict=draw(st.sampled_from(verdicts)),
        current=current if kind == "current" else None,
        prior=prior if kind == "prior" else None,
        reasons=tuple(draw(st.lists(WORDS, min_size=1, max_size=3))),
        warnings=tuple(draw(st.lists(WORDS, max_size=2))),
    )


@given(st.lists(changes(), max_size=5), st.integers(0, 3000), st.sampled_from(["en", "de"]))
def test_what_is_read_back_says_the_same(made, days, tongue):
    when, then = date(2023, 7, 20), date(2023, 7, 20) - timedelta(days=days)
    comparison = Comparison(
        current_date=when,
        prior_date=then if days else None,
        days=days or None,
        changes=tuple(made),
        recist=assessed(made),
        notes=("a note",),
    )
    found = read_back(json.loads(json.dumps(printed_comparison(comparison))))
    words = language(tongue)
    assert (found.current_date, found.prior_date, found.days) == (
        when,
        comparison.prior_date,
        comparison.days,
    )
    assert [each.verdict for each in found.changes] == [each.verdict for each in made]
    for was, now in zip(made, found.changes, strict=True):
        assert said(now, found.prior_date, when, words) == said(
            was, comparison.prior_date, when, words
        )
        assert summary(now, words) == summary(was, words)
        assert replace(now, doubling=None) == replace(was, doubling=None)
    assert found.recist == comparison.recist
    if found.recist is not None and comparison.recist is not None:
        assert assessed_in_words(found.recist, words) == assessed_in_words(comparison.recist, words)
    assert found.notes == comparison.notes


def test_an_older_document_without_the_new_keys_is_read_too():
    comparison = Comparison(current_date=None, prior_date=None, days=None, refusal="nothing lies")
    printed = printed_comparison(comparison)
    printed.pop("says")
    found = read_back(printed)
    assert found.says == ""
    assert found.refusal == "nothing lies"
    assert found.changes == ()

"""Answering on the page which lesion of the prior is which, by keyboard, and taking it back."""

from dataclasses import dataclass

import pytest

from tests.bodies import Nodule, Patient
from tests.browser.hands import ENGINE, SOON, open_study, say
from tests.browser.test_comparing import MOVED, SPACING_MM, accepted, index_of, lesions, written
from tests.browser.test_page import AXE

HIGH = Nodule(centre=(50.0, -10.0, 27.0), volume_ml=0.5)
LOW = Nodule(centre=(50.0, -10.0, 13.0), volume_ml=0.5)
BETWEEN = Nodule(centre=(50.0, -10.0, 20.0), volume_ml=0.5)
THEN = Patient(seed=6, nodules=(HIGH, LOW)).seen(spacing_mm=SPACING_MM)
NOW = Patient(seed=6, nodules=(BETWEEN,)).seen(MOVED, spacing_mm=SPACING_MM)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Two studies whose three nodules are accepted: which one vanished is for a reader."""

    patient_id: str
    current: str


@pytest.fixture(scope="module")
def stored(station, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    then, before = written(folder / "then", THEN, "PAIRS-1", "20230101")
    now, files = written(folder / "now", NOW, "PAIRS-1", "20230720")
    station.store((*before, *files))
    for nodule in (HIGH, LOW):
        accepted(station, then, index_of(THEN, nodule))
    accepted(station, now, index_of(NOW, BETWEEN, MOVED))
    return Stored(patient_id="PAIRS-1", current=now)


def verdict_is(page, number: int, verdict: str) -> None:
    page.wait_for_function(
        "([n, verdict]) => document.querySelectorAll(`[data-testid='lesion']`)[n]"
        "?.dataset.verdict === verdict",
        arg=[number, verdict],
        timeout=ENGINE,
    )


def prior_comes_to(page, nodule: Nodule) -> None:
    middle = index_of(THEN, nodule)[0]
    page.wait_for_function(
        "slices => slices.includes(Number("
        "document.querySelector(`[data-testid='viewport-1']`).dataset.slice))",
        arg=[middle - 1, middle, middle + 1],
        timeout=SOON,
    )


def test_an_open_pair_is_answered_by_keyboard_and_taken_back(page, station, stored):
    open_study(page, stored.patient_id)
    say(page, "compare with the prior")
    shown = lesions(page)
    verdict_is(page, 0, "ambiguous")
    page.get_by_test_id("viewport-1").wait_for(timeout=SOON)
    group = shown.first.get_by_role("group", name="Answer: ")
    answers = group.get_by_role("button")
    texts = answers.all_inner_texts()
    assert len(texts) == 3
    for text, nodule in zip(texts, (HIGH, LOW), strict=False):
        assert text.startswith("Finding 1 is ")
        image = int(text.rpartition("image ")[2])
        assert abs(image - 1 - index_of(THEN, nodule)[0]) <= 1
    assert texts[2] == "Finding 1 is new: none of the prior's"
    assert "Nearly as likely: the prior's Finding 1 (2)" in group.get_attribute("aria-label")
    for number, nodule in ((0, HIGH), (1, LOW), (0, HIGH)):
        answers.nth(number).focus()
        prior_comes_to(page, nodule)
    page.evaluate(AXE.read_text())
    assert not page.evaluate("axe.run()")["violations"]
    page.keyboard.press("Tab")  # from the first answer to the second
    prior_comes_to(page, LOW)
    page.keyboard.press("Enter")
    verdict_is(page, 0, "stable")
    told = shown.first.get_by_test_id("told")
    made = newest(station, stored)
    (kept,) = made["comparison"]["told"]
    assert f"Paired by {kept['by']}." in told.inner_text()
    lesion = made["comparison"]["lesions"][0]
    low = index_of(THEN, LOW)
    at = THEN.grid.to_index(lesion["prior"]["centre_lps_mm"])
    assert abs(float(at[0]) - low[0]) <= 1
    page.evaluate(AXE.read_text())
    assert not page.evaluate("axe.run()")["violations"]
    told.get_by_role("button", name="Take back").click()
    verdict_is(page, 0, "ambiguous")
    assert shown.first.get_by_test_id("told").count() == 0
    assert newest(station, stored)["comparison"]["told"] == []


def test_none_of_these_makes_it_new_and_a_new_page_still_knows(page, station, stored):
    before = {each["id"] for each in station.get("/api/commands").json()}
    open_study(page, stored.patient_id)
    say(page, "compare with the prior")
    # the panel of an earlier comparison stands until this one is there
    station.wait(
        lambda: any(
            "comparison" in each and each["id"] not in before
            for each in station.get("/api/commands").json()
        )
    )
    verdict_is(page, 0, "ambiguous")
    lesions(page).first.get_by_role("button", name="is new: none of the prior's").click()
    verdict_is(page, 0, "new")
    page.reload()
    verdict_is(page, 0, "new")
    told = lesions(page).first.get_by_test_id("told").inner_text()
    assert told.startswith("Said to be new by ")


def newest(station, stored) -> dict:
    return next(
        each
        for each in station.get("/api/commands").json()
        if each["series_instance_uid"] == stored.current and "comparison" in each
    )

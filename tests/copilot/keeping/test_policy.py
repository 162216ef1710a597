"""What the limits choose: nothing without one, nothing that must stay, the longest unused first."""

from copilot.keeping.policy import Limits, Standing, choose
from domain.uids import StudyUID

DAY = 86_400.0
GB = 10**9
NOW = 1_000 * DAY


def standing(name, age_days, gigabytes=1, reasons=()):
    return Standing(
        study_instance_uid=StudyUID(name),
        study_date="20200102",
        series=(),
        instances=1,
        size_bytes=gigabytes * GB,
        last_arrival_s=NOW - age_days * DAY,
        last_used_s=NOW - age_days * DAY,
        reasons=reasons,
    )


STUDIES = (standing("1", 0.5), standing("2", 40), standing("3", 10), standing("4", 90))


def chosen(limits, studies=STUDIES, free=5 * GB):
    choice = choose(studies, limits, free_bytes=free, now_s=NOW)
    return [each.standing.study_instance_uid for each in choice.going], choice.short


def test_without_a_limit_nothing_goes():
    assert chosen(Limits()) == ([], "")
    assert not Limits().is_any


def test_by_age_the_longest_unused_go():
    assert chosen(Limits(days=30)) == (["4", "2"], "")


def test_by_size_no_more_goes_than_must():
    assert chosen(Limits(most_bytes=3 * GB)) == (["4"], "")
    assert chosen(Limits(most_bytes=2 * GB)) == (["4", "2"], "")


def test_for_room_on_the_disk_no_more_goes_than_must():
    assert chosen(Limits(wanted_free_bytes=7 * GB)) == (["4", "2"], "")


def test_what_went_by_age_counts_for_the_size():
    assert chosen(Limits(days=60, most_bytes=3 * GB)) == (["4"], "")


def test_neither_size_nor_disk_takes_what_was_used_lately_and_that_is_said():
    going, short = chosen(Limits(most_bytes=1))
    assert going == ["4", "2", "3"]
    assert short == "studies take 1 GB, more than 1e-09 GB"


def test_what_must_stay_is_passed_over_and_what_is_short_is_said():
    studies = (standing("1", 50, reasons=("a result waits",)), standing("2", 40), standing("3", 9))
    assert chosen(Limits(days=30), studies) == (["2"], "")
    going, short = chosen(Limits(wanted_free_bytes=9 * GB), studies)
    assert going == ["2", "3"]
    assert short == "7 GB are free, less than 9 GB"

"""Reports: the machine's words follow their findings, a person's stand and say when to check."""

import pytest
from sqlalchemy import create_engine

from copilot.audit import SqlAuditLog
from copilot.reports import Reports
from copilot.results import Result, Results, State
from copilot.system import SystemClock
from domain.errors import InputError
from domain.uids import SeriesUID, StudyUID

STUDY, SERIES = StudyUID("1.2.3"), SeriesUID("1.2.3.4")


@pytest.fixture
def results(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'site.db'}")
    audit = SqlAuditLog(engine, SystemClock())
    made = Results(engine, audit, tmp_path / "results")
    made.reports = Reports(engine=engine, results=made, audit=audit, clock=SystemClock())
    made.trail = audit
    yield made
    engine.dispose()


def put(results, identity, sentence, state=State.WAITING):
    mask = {
        "segment": 1,
        "tracking_uid": "1.2.9",
        "key_slice": 4,
        "sentences": {"finding": sentence, "impression": f"{sentence} In short."},
    }
    document = {"text": "t", "command": {"action": "segment"}, "masks": [mask], "technique": "CT."}
    results.add(
        Result(
            id=identity,
            at=f"2026-01-01T00:00:0{len(identity)}",
            series_instance_uid=SERIES,
            state=state,
            document=document,
        ),
        "reader",
    )


def fields(results):
    report = results.reports.of(STUDY, [SERIES])
    return {field["id"]: field for each in report["sections"] for field in each["fields"]}


def test_only_what_was_accepted_is_in_the_report(results):
    put(results, "a", "Lesion of 1 mL.")
    assert results.reports.of(STUDY, [SERIES])["undecided"] == 1
    assert "findings/1.2.9" not in fields(results)
    results.accept("a", "reader")
    told = fields(results)
    assert told["findings/1.2.9"]["text"] == "Lesion of 1 mL."
    assert told["findings/1.2.9"]["mark"] == "machine"
    assert told["findings/1.2.9"]["slice"] == 4
    assert told["impression/1.2.9"]["text"] == "Lesion of 1 mL. In short."
    assert told[f"technique/{SERIES}"]["text"] == "CT."
    assert results.reports.of(STUDY, [SERIES])["undecided"] == 0


def test_typed_words_stand_and_go_stale_with_what_they_were_typed_over(results):
    put(results, "a", "Lesion of 1 mL.")
    results.accept("a", "reader")
    results.reports.write(STUDY, "findings/1.2.9", "A lesion.", "Lesion of 1 mL.", "reader")
    assert fields(results)["findings/1.2.9"]["mark"] == "edited"
    results.reports.write(STUDY, "findings/1.2.9", "A lesion.", "Lesion of 9 mL.", "reader")
    assert fields(results)["findings/1.2.9"]["mark"] == "stale"
    results.reports.write(STUDY, "findings/1.2.9", "Mine.", "Lesion of 1 mL.", "reader")
    results.move("a", State.REJECTED, frozenset({State.ACCEPTED}), "reader")
    left = fields(results)["findings/1.2.9"]
    assert (left["text"], left["made"], left["mark"]) == ("Mine.", "", "stale")
    results.reports.take_back(STUDY, "findings/1.2.9", "reader")
    assert "findings/1.2.9" not in fields(results)
    assert results.trail.verify() == 7


def test_one_study_does_not_know_the_words_of_another(results):
    results.reports.write(STUDY, "impression/own", "Mine.", "", "reader")
    other = results.reports.of(StudyUID("9.9"), [])
    assert all(not field["text"] for each in other["sections"][2:] for field in each["fields"])
    assert fields(results)["impression/own"]["text"] == "Mine."


@pytest.mark.parametrize("field", ["signature/x", "findings" + "x" * 200, ""])
def test_a_field_that_a_report_has_not_is_named(results, field):
    with pytest.raises(InputError, match="a report has no field"):
        results.reports.write(STUDY, field, "x", "", "reader")

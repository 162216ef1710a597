"""Two hands on one command: what the first made is kept whole, and nothing of the second."""

import pytest
from sqlalchemy import create_engine

from copilot.audit import SqlAuditLog
from copilot.results import Result, Results, State
from copilot.system import SystemClock

RUNNING = Result(
    id="a" * 32,
    at="2026-01-02T03:04:05+00:00",
    series_instance_uid="1.2.3",
    state=State.RUNNING,
    document={"text": "segment it", "command": {"action": "segment"}, "masks": []},
)


@pytest.fixture
def results(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'site.db'}")
    made = Results(engine, SqlAuditLog(engine, SystemClock()), tmp_path / "results")
    made.add(RUNNING, "tester")
    yield made
    engine.dispose()


def made_by(results, who):
    """Put what one hand made, and tell whether it was kept."""
    with results.aside(RUNNING.id) as folder:
        for name in ("seg.dcm", f"only {who} has this"):
            (folder / name).write_text(who)
        document = RUNNING.document | {"by": who, "files": {"seg": str(folder / "seg.dcm")}}
        made = Result(
            id=RUNNING.id,
            at="",
            series_instance_uid="1.2.3",
            state=State.WAITING,
            document=document,
        )
        return results.put(made, folder)


def test_what_the_first_hand_made_is_kept_with_its_files(results):
    assert made_by(results, "first")
    assert not made_by(results, "second")
    kept = results.get(RUNNING.id)
    folder = results.folder(RUNNING.id)
    assert kept.document["by"] == "first"
    assert kept.document["files"] == {"seg": str(folder / "seg.dcm")}
    assert sorted(path.name for path in folder.iterdir()) == ["only first has this", "seg.dcm"]
    assert (folder / "seg.dcm").read_text() == "first"
    assert [each.name for each in results.root.iterdir()] == [RUNNING.id]


def test_what_a_killed_process_left_aside_is_tidied_away(results):
    (results.root / f"part.{RUNNING.id}.x").mkdir(parents=True)
    made_by(results, "first")
    results.tidy()
    assert [each.name for each in results.root.iterdir()] == [RUNNING.id]

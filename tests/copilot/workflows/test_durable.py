"""Workflows that go on: a process killed between steps, and the next one finishes its work."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from copilot.workflows.durable import Durable, Workflow, step, work_database
from domain.errors import StorageError

KILLED = 9
PROGRAM = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from copilot.workflows.durable import Durable, Workflow, step

    folder, kill_at = Path(sys.argv[1]), sys.argv[2]

    def act(name):
        def run():
            with (folder / "done.txt").open("a") as stream:
                stream.write(name + "\\n")
            if name == kill_at:
                os.kill(os.getpid(), 9)
            return name
        return run

    def work(subject):
        return [step(act(f"{subject}-{n}"), str(n)) for n in (1, 2, 3)]

    durable = Durable(f"sqlite:///{folder}/work.db")
    durable.start([Workflow(name="work-1", run=work, queue="work")])
    durable.enqueue("work-1", "job-a", "a")
    print(durable.result("job-a"))
    durable.close()
    """
)


def played(folder: Path, kill_at: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), kill_at],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_killed_process_is_gone_on_with_where_it_was(tmp_path):
    first = played(tmp_path, "a-2")
    assert first.returncode == -KILLED
    second = played(tmp_path, "never")
    assert second.stdout.strip() == "['a-1', 'a-2', 'a-3']", second.stderr
    done = (tmp_path / "done.txt").read_text().split()
    assert done == ["a-1", "a-2", "a-2", "a-3"], "the step that was cut off is done again, no other"


def test_what_has_an_identity_runs_once(tmp_path):
    seen = []

    def work(subject):
        return step(lambda: seen.append(subject), "one")

    durable = Durable(f"sqlite:///{tmp_path}/work.db")
    durable.start([Workflow(name="work-1", run=work, queue="work")])
    try:
        for _ in range(3):
            durable.enqueue("work-1", "job-a", "a")
        durable.result("job-a")
        durable.enqueue("work-1", "job-a", "a")
        durable.result("job-a")
    finally:
        durable.close()
    assert seen == ["a"]


def test_a_workflow_that_waits_for_its_time_is_cancelled(tmp_path):
    durable = Durable(f"sqlite:///{tmp_path}/work.db")
    durable.start([Workflow(name="work-1", run=lambda: None, queue="work")])
    try:
        durable.enqueue("work-1", "job-a", delay_s=60)
        assert durable.status("job-a") == "DELAYED"
        durable.cancel("job-a")
        assert durable.status("job-a") == "CANCELLED"
    finally:
        durable.close()


def test_a_database_that_cannot_be_opened_is_named(tmp_path):
    durable = Durable(f"sqlite:///{tmp_path}/nowhere/work.db")
    with pytest.raises(StorageError, match="database of work"):
        durable.start([])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:////srv/radcopilot.db", "sqlite:////data/work.db"),
        ("postgresql+psycopg://u@h/db", "postgresql+psycopg://u@h/db"),
    ],
)
def test_work_has_a_file_of_its_own_beside_sqlite(url, expected):
    assert work_database(url, "/data") == expected

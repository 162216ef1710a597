"""Audit trail, results and index: the same behaviour on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pydicom
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError

from copilot.audit import SqlAuditLog
from copilot.results import Results, State, result_of
from dicom_node.index import Index
from domain.errors import InputError, StorageError
from tests.phantoms import ct, ellipsoid, grid, series


class SteppingClock:
    """A clock that moves a second each time it is read."""

    def __init__(self) -> None:
        self._now = datetime(2020, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    if request.param == "sqlite":
        made = create_engine(f"sqlite:///{tmp_path / 'records.db'}")
    else:
        made = create_engine(request.getfixturevalue("postgres"))
        with made.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    yield made
    made.dispose()


@pytest.fixture
def audit(engine):
    return SqlAuditLog(engine, SteppingClock())


def test_acts_are_chained_and_verified(audit):
    for number in range(5):
        audit.record(actor="dr. a", act="result.accepted", subject=str(number))
    assert audit.verify() == 5


def change(engine, statement):
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            for verb in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS audit_no_{verb}"))
        connection.execute(text(statement))


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit SET actor = 'dr. b' WHERE number = 3",
        "DELETE FROM audit WHERE number = 2",
        "UPDATE audit SET number = 9 WHERE number = 5",
    ],
)
def test_a_changed_or_removed_act_is_found(audit, engine, tampering):
    for number in range(5):
        audit.record(actor="dr. a", act="result.accepted", subject=str(number))
    change(engine, tampering)
    with pytest.raises(StorageError, match="was changed, or one is missing"):
        audit.verify()


def test_sqlite_refuses_to_change_the_trail(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    SqlAuditLog(engine, SteppingClock()).record(actor="a", act="b", subject="c")
    for statement in ("UPDATE audit SET act = 'x'", "DELETE FROM audit"):
        with engine.begin() as connection, pytest.raises(DatabaseError, match="append-only"):
            connection.execute(text(statement))
    engine.dispose()


def test_acts_from_many_threads_keep_one_chain(audit):
    def act(number):
        audit.record(actor=f"dr. {number}", act="result.accepted", subject="x")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(40)))
    assert audit.verify() == 40


DOCUMENT = {"command": {"action": "segment"}, "masks": [{"segment": 1}]}


def test_a_result_moves_only_along_its_way(audit, engine, tmp_path):
    results = Results(engine, audit, tmp_path)
    identity, _ = results.new_folder()
    results.add(result_of(identity, SteppingClock().now(), "1.2.3", DOCUMENT), "dr. a")
    assert results.get(identity).state is State.WAITING
    waiting, accepted = frozenset({State.WAITING}), frozenset({State.ACCEPTED})
    with pytest.raises(InputError, match="is waiting: it cannot become sent"):
        results.move(identity, State.SENT, accepted, "dr. a")
    results.move(identity, State.ACCEPTED, waiting, "dr. a")
    with pytest.raises(InputError, match="is accepted"):
        results.move(identity, State.ACCEPTED, waiting, "dr. a")
    assert audit.verify() == 2
    with pytest.raises(InputError, match="no result"):
        results.get("nothing")


def test_an_answer_without_masks_has_nothing_to_accept():
    document = {"command": {"action": "question"}, "masks": []}
    assert result_of("1", SteppingClock().now(), "1.2", document).state is State.ANSWERED


def test_the_index_counts_and_groups(engine, tmp_path):
    url = engine.url.render_as_string(hide_password=False)
    index = Index(url)
    on = grid()
    files = series(tmp_path / "series", ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))
    rows = [(pydicom.dcmread(path, stop_before_pixels=True), path, False) for path in files]
    index.add(rows)
    index.add(rows)
    assert index.count() == len(files)
    [study] = index.studies()
    assert study.series[0].instances == len(files)
    assert not study.series[0].made_by_us
    assert index.paths(study.series[0].series_instance_uid) == files
    index.close()


def test_another_database_is_refused_by_name(tmp_path):
    class Other:
        class dialect:  # noqa: N801 - SQLAlchemy's name
            name = "mysql"

    with pytest.raises(StorageError, match="'mysql' is not supported"):
        SqlAuditLog(Other(), SteppingClock())

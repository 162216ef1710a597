"""The server killed at seeded moments, the archive stopped: nothing lost, nothing twice."""

import pytest

from bench.chaos import chaos
from copilot.demo.orthanc import is_installed
from tests.conftest import missing

SQLITE_SEED = 4
POSTGRESQL_SEED = 5


@pytest.fixture
def archive():
    if not is_installed():
        missing("Orthanc is not installed")


@pytest.mark.usefixtures("archive", "models_folder")
def test_kills_over_sqlite_lose_nothing(tmp_path):
    verdict = chaos(kills=4, seed=SQLITE_SEED, studies=3, folder=tmp_path)
    assert verdict.wrong == ()
    assert verdict.kills == 4


@pytest.mark.usefixtures("archive", "models_folder")
def test_kills_over_postgresql_lose_nothing(tmp_path, postgres):
    verdict = chaos(kills=4, seed=POSTGRESQL_SEED, studies=3, folder=tmp_path, database=postgres)
    assert verdict.wrong == ()

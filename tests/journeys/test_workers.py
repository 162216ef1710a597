"""Two workers on PostgreSQL, one of them killed: every study is outlined once."""

from bench.workers import shared

SEED = 3
STUDIES = 40


def test_two_workers_share_forty_studies_and_one_is_killed(tmp_path, postgres):
    verdict = shared(studies=STUDIES, seed=SEED, folder=tmp_path, database=postgres)
    assert verdict.wrong == ()
    assert verdict.left > 0, "the kill came amid the work"
    assert len(verdict.shares) == 2
    assert min(verdict.shares) > 0
    assert sum(verdict.shares) == STUDIES

"""Removals that are killed at any moment: each study is whole, or gone and in the audit trail."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pydicom
import pytest
from sqlalchemy import select

from copilot.audit import acts
from copilot.settings import load_settings
from copilot.wiring.house import House
from domain.uids import InstanceUID
from tests.phantoms import ct, ellipsoid, grid, series

STUDIES = 60
IMAGES = 8
OLD_S = 40 * 86_400


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text(
        f'[storage]\nfolder = "{tmp_path / "site"}"\n[retention]\ndays = 30\n', encoding="utf-8"
    )
    home = House(load_settings(path))
    on = grid()
    volume = ct(on, ellipsoid(on, (6.0, 5.0, 4.0)))
    for number in range(STUDIES):
        for file in series(tmp_path / "files" / str(number), volume):
            uid = InstanceUID(str(pydicom.dcmread(file).SOPInstanceUID))
            home.store.keep(uid, file.read_bytes())
            os.utime(home.store.path_of(uid), (time.time() - OLD_S,) * 2)
    home.store.close()
    home.close()
    return path


def kept_files(folder):
    return {path.stem for path in (folder / "instances").rglob("*.dcm")}


def test_a_removal_that_is_killed_leaves_each_study_whole_or_gone(tmp_path, config):
    moments = random.Random(7)  # noqa: S311 - no secret
    folder = tmp_path / "site"
    radcopilot = str(Path(sys.executable).parent / "radcopilot")
    program = [radcopilot, "studies", "tidy", "--config", str(config)]
    kills = 0
    for _ in range(4):
        before = len(kept_files(folder))
        enough = before - moments.randint(1, 12 * IMAGES)
        process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(kept_files(folder)) > enough:
            time.sleep(0.001)
        process.kill()
        kills += process.wait() != 0

        home = House(load_settings(config))
        home.store.settle()
        rows = {path.stem for _, path in home.store.index.files()}
        assert rows == kept_files(folder)
        assert not list((folder / "leaving").glob("*.dcm"))
        studies = home.store.index.studies()
        assert {sum(each.instances for each in study.series) for study in studies} <= {IMAGES}
        home.audit.verify()
        with home.database.begin() as connection:
            said = list(connection.scalars(select(acts.c.subject)))
        gone = {subject.split()[0] for subject in said}
        assert len(gone) == len(said) == STUDIES - len(studies)
        assert not gone & {study.study_instance_uid for study in studies}
        home.store.close()
        home.close()
    assert kills > 0

"""A backup is whole, says what was changed, and opens as a site of its own."""

import json
import shlex
import shutil
import sqlite3
import subprocess
from pathlib import Path

import psycopg
import pydicom
import pytest

from copilot.cli.main import run
from copilot.results import Result, State
from copilot.settings import load_settings
from copilot.wiring.house import House
from domain.uids import InstanceUID, SeriesUID
from tests.conftest import missing
from tests.phantoms import ct, ellipsoid, grid, series

RESULT = "ab" * 16


@pytest.fixture
def site(tmp_path):
    """A site with a study and a result that was accepted, still open."""
    config = tmp_path / "site.toml"
    config.write_text(f'[storage]\nfolder = "{tmp_path / "site"}"\n', encoding="utf-8")
    home = House(load_settings(config))
    uid = fill(home, tmp_path)
    yield config, home, uid
    home.store.close()
    home.close()


def fill(home, tmp_path):
    on = grid()
    files = series(tmp_path / "series", ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))
    for path in files:
        home.store.keep(InstanceUID(str(pydicom.dcmread(path).SOPInstanceUID)), path.read_bytes())
    home.store.settle()
    uid = SeriesUID(str(pydicom.dcmread(files[0]).SeriesInstanceUID))
    document = {"command": {"action": "segment"}, "masks": [{}], "text": "t", "files": {}}
    home.results.add(
        Result(
            id=RESULT,
            at="2020-01-02T00:00:00+00:00",
            series_instance_uid=uid,
            state=State.WAITING,
            document=document,
        ),
        "a reader",
    )
    home.results.accept(RESULT, "a reader")
    (home.results.root / RESULT).mkdir(parents=True)
    (home.results.root / RESULT / "seg.dcm").write_bytes(b"the mask")
    return uid


def restored(backup, folder):
    shutil.copytree(backup / "storage", folder / "storage")
    (folder / "site.toml").write_text(f'[storage]\nfolder = "{folder / "storage"}"\n')
    return House(load_settings(folder / "site.toml"))


@pytest.mark.parametrize("studies", [True, False])
def test_a_restored_backup_opens_and_its_audit_trail_verifies(site, tmp_path, capsys, studies):
    config, _, uid = site
    backup = tmp_path / "backup"
    options = ["--studies"] if studies else []
    assert run(["backup", str(backup), "--json", "--config", str(config), *options]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["studies"] is studies
    assert said["audit_entries"] == 2
    assert (backup / "site.toml").read_text() == config.read_text()
    sums = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    subprocess.run(sums, cwd=backup, check=True)
    assert run(["backup", str(backup), "--verify"]) == 0
    shutil.move(tmp_path / "site", tmp_path / "lost")

    again = restored(backup, tmp_path / "new")
    again.store.settle()
    assert again.audit.verify() == 2
    assert again.results.get(RESULT).state is State.ACCEPTED
    assert (again.results.folder(RESULT) / "seg.dcm").read_bytes() == b"the mask"
    found = again.store.instance_paths(uid)
    assert len(found) == (8 if studies else 0)
    assert all(path.is_relative_to(tmp_path / "new") for path in found)
    assert all(pydicom.dcmread(path).SeriesInstanceUID == uid for path in found)
    again.store.close()
    again.close()
    shutil.move(tmp_path / "lost", tmp_path / "site")


def test_the_trail_is_readable_without_the_software(site, tmp_path):
    config, _, _ = site
    assert run(["backup", str(tmp_path / "b"), "--config", str(config)]) == 0
    trail = (tmp_path / "b" / "audit.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in trail.splitlines()]
    assert [(each["act"], each["actor"]) for each in lines] == [
        ("command.segment", "a reader"),
        ("result.accepted", "a reader"),
    ]


def test_what_was_changed_is_found(site, tmp_path, capsys):
    config, _, _ = site
    backup = tmp_path / "b"
    assert run(["backup", str(backup), "--config", str(config)]) == 0
    seg = backup / "storage" / "results" / RESULT / "seg.dcm"
    seg.write_bytes(b"another mask")
    assert run(["backup", str(backup), "--verify"]) == 1
    assert f"results/{RESULT}/seg.dcm was changed" in capsys.readouterr().err
    seg.unlink()
    assert run(["backup", str(backup), "--verify"]) == 1
    assert "is missing" in capsys.readouterr().err
    (backup / "SHA256SUMS").unlink()
    assert run(["backup", str(backup), "--verify"]) == 2
    assert "cut off" in capsys.readouterr().err


def test_a_broken_trail_makes_no_backup(site, tmp_path, capsys):
    config, _, _ = site
    with sqlite3.connect(tmp_path / "site" / "radcopilot.db") as database:
        database.execute("DROP TRIGGER audit_no_update")
        database.execute("UPDATE audit SET actor = 'somebody else' WHERE number = 1")
    database.close()
    assert run(["backup", str(tmp_path / "b"), "--config", str(config)]) == 1
    assert "audit entry 1 was changed" in capsys.readouterr().err
    assert not (tmp_path / "b" / "SHA256SUMS").exists()


def test_only_a_new_folder_elsewhere_is_taken(site, tmp_path, capsys):
    config, _, _ = site
    for folder, says in (
        (tmp_path / "series", "not empty"),
        (tmp_path / "site" / "b", "in the storage"),
    ):
        assert run(["backup", str(folder), "--config", str(config)]) == 2
        assert says in capsys.readouterr().err


def test_of_postgresql_the_command_that_copies_it_is_said_and_works(tmp_path, postgres, capsys):
    config = tmp_path / "site.toml"
    config.write_text(
        f'[storage]\nfolder = "{tmp_path / "site"}"\ndatabase = "{postgres}"\n', encoding="utf-8"
    )
    home = House(load_settings(config))
    home.audit.record(actor="a reader", act="test", subject="backup")
    entries = home.audit.verify()
    assert run(["backup", str(tmp_path / "b"), "--json", "--config", str(config)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["audit_entries"] == entries
    assert not (tmp_path / "b" / "storage" / "radcopilot.db").exists()
    assert len((tmp_path / "b" / "audit.jsonl").read_text().splitlines()) == entries
    program, *arguments = shlex.split(said["dump"])
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    if not found:
        missing("pg_dump is not installed")
    subprocess.run([str(found[-1]), *arguments], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "radcopilot.dump").read_bytes().startswith(b"PGDMP")
    home.close()
    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
    restored_url = postgres.rsplit("/", 1)[0] + "/restored"
    plain = restored_url.replace("+psycopg", "")
    restore = [str(found[-1].parent / "pg_restore"), f"--dbname={plain}", "radcopilot.dump"]
    subprocess.run(restore, cwd=tmp_path, check=True, timeout=60)
    shutil.copytree(tmp_path / "b" / "storage", tmp_path / "again")
    config.write_text(f'[storage]\nfolder = "{tmp_path / "again"}"\ndatabase = "{restored_url}"\n')
    again = House(load_settings(config))
    assert again.audit.verify() == entries
    again.close()

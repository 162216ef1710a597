"""``radcopilot check``: a line each, the remedy where something is wrong, and the exit status."""

import json

import psycopg
import pytest
from sqlalchemy import create_engine

from copilot.cli.main import run
from copilot.demo.orthanc import free_port
from copilot.workers import Roster
from copilot.workplace import ENGINE
from dicom_node.scp import DicomNode, NodeAddress
from tests.conftest import AE_TITLE
from tests.hl7_listener import Hl7Listener


@pytest.fixture
def checked(tmp_path, capsys):
    def rows(tables, database="", port=0):
        config = tmp_path / "site.toml"
        config.write_text(
            f'[storage]\nfolder = "{tmp_path / "site"}"\ndatabase = "{database}"\n'
            f"[node]\nport = {port}\n[web]\nport = 0\n{tables}",
            encoding="utf-8",
        )
        status = run(["check", "--json", "--config", str(config)])
        found = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
        assert status == (0 if all(row["ok"] for row in found.values()) else 1)
        return found

    return rows


def test_it_says_what_goes_and_who_works(checked):
    rows = checked("[retention]\ndays = 90\nwanted_free_gb = 50\n")
    assert rows["retention"]["says"] == (
        "studies go when unused for 90 days or below 50 GB free; objects are refused below 1 GB "
        "free"
    )
    assert rows["database"]["says"] == "sqlite answers; 0 audit entries, the chain is whole"
    assert rows["workers"]["says"] == "none: the server does all work itself"


def test_work_that_nobody_takes_is_a_fault_with_its_remedy(checked):
    row = checked("[work]\nnode_takes = []\n")["workers"]
    assert not row["ok"]
    assert "nobody takes the work of default" in row["says"]
    assert "start radcopilot worker" in row["says"]


def test_workers_are_listed_with_how_long_they_were_silent(checked, postgres):
    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE checked")
    database = postgres.rsplit("/", 1)[0] + "/checked"
    engine = create_engine(database)
    Roster(engine).sign("worker-a", [f"{ENGINE}default", f"{ENGINE}medsam3"])
    row = checked("[work]\nnode_takes = []\n", database)["workers"]
    assert row["ok"], row
    assert row["says"] == "worker-a heard of 0 s ago"
    row = checked("[work]\nnode_takes = []\ndead_after_s = 0.000001\n", database)["workers"]
    assert not row["ok"]
    engine.dispose()


def test_a_port_is_free_or_ours_or_another_programs(checked, store):
    port = free_port()
    address = NodeAddress(ae_title=AE_TITLE, port=port)
    with DicomNode(address, store):
        row = checked("", port=port)["DICOM port"]
        assert row["ok"]
        assert "the server runs" in row["says"]
    assert checked("", port=port)["DICOM port"]["says"] == f"127.0.0.1:{port} is free"


def test_a_system_that_takes_reports_has_a_line(checked):
    gone = free_port()
    with Hl7Listener() as ris:
        tables = "".join(
            f'[[report_destinations]]\nname = "{name}"\nhost = "127.0.0.1"\nport = {port}\n'
            for name, port in (("RIS", ris.port), ("HIS", gone))
        )
        rows = checked(tables)
    assert rows["reports to RIS"]["ok"]
    assert rows["reports to RIS"]["says"] == (
        f"takes connections at 127.0.0.1:{ris.port} (HL7 has no echo)"
    )
    assert not rows["reports to HIS"]["ok"]
    assert f"HIS (127.0.0.1:{gone}) takes no connection" in rows["reports to HIS"]["says"]

"""``radcopilot evaluate`` as a user meets it."""

import csv
import json

import pytest

HEAD = """
[[case]]
name = "lung lesion"
images = "{data}/ct_lung1/dicom"
reference = "{data}/ct_lung1/mask.nrrd"
concept = "lung lesion"
"""


@pytest.fixture
def cases(tmp_path, shared_data):
    def write(more=""):
        path = tmp_path / "cases.toml"
        path.write_text((HEAD + more).format(data=shared_data))
        return path

    return write


def test_a_real_lesion_is_scored_beside_the_ellipsoid(radcopilot, cases, tmp_path):
    run = radcopilot("evaluate", cases(), "--engine", "default", "--json")
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    [case] = document["cases"]
    [answer] = case["runs"]
    assert case["status"] == "outlined"
    assert answer["reference_ml"] == pytest.approx(1.3612, abs=1e-4)
    assert answer["dice"] > answer["ellipsoid_dice"] > 0.7
    assert document["summary"]["engine"]["dice"]["interval_95"] is None
    assert "too few cases" in document["summary"]["engine"]["dice"]["interval_missing"]
    with (tmp_path / document["files"]["csv"]).open(newline="") as stream:
        [row] = csv.DictReader(stream)
    assert float(row["dice"]) == answer["dice"]
    assert (tmp_path / document["files"]["chart"]).read_bytes().startswith(b"\x89PNG")


def test_a_failed_case_is_listed_and_the_status_is_one(radcopilot, cases):
    path = cases('[[case]]\nname = "gone"\nimages = "gone"\nreference = "gone.nrrd"\n')
    run = radcopilot("evaluate", path)
    assert run.returncode == 1
    assert "lung lesion" in run.stdout
    assert "gone" in run.stdout
    assert "failed: images" in run.stdout
    assert "2 cases: 1 outlined, 0 absent, 0 refused, 1 failed" in run.stdout
    assert run.stderr.strip().splitlines() == [
        "radcopilot: 1 of 2 cases failed (gone): mend what their reasons name and evaluate again"
    ]


@pytest.mark.parametrize(
    ("more", "options", "says"),
    [
        ("colour = 1\n", (), "unknown key 'colour'"),
        ("", ("--engine", "oracle"), "no engine is called 'oracle': installed are"),
        ("", ("--output", "cases.toml"), "is a file: give a folder"),
    ],
)
def test_bad_input_ends_it_before_any_work(radcopilot, cases, more, options, says):
    run = radcopilot("evaluate", cases(more), *options)
    assert run.returncode == 2
    [line] = run.stderr.strip().splitlines()
    assert says in line
    assert run.stdout == ""

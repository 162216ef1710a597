"""Series that are hardly a series: handled, or refused by name, through the command line."""

import json
import shutil

import pytest


def _asked(radcopilot, path, sentence, tmp_path, *hints):
    run = radcopilot("ask", path, sentence, *hints, "--output", tmp_path / "out", "--json")
    return run, json.loads(run.stdout) if run.stdout else None


@pytest.mark.parametrize("name", ["cr_chest_monochrome1_j2k.dcm", "us_rgb.dcm"])
def test_an_image_without_spacing_is_outlined_and_no_number_is_given(
    radcopilot, shared_data, tmp_path, name
):
    image = shared_data / "zoo" / "single" / name
    run, document = _asked(
        radcopilot, image, "measure this lesion", tmp_path, "--box", "0,100,100,150,160"
    )
    assert run.returncode == 0, run.stderr
    (mask,) = document["masks"]
    assert mask["voxels"] > 0
    assert mask["volume_ml"] is None
    assert any("no pixel spacing" in reason for reason in document["warnings"])


def test_a_colour_image_is_not_searched_by_name(radcopilot, shared_data, tmp_path):
    image = shared_data / "zoo" / "single" / "us_rgb.dcm"
    run, _ = _asked(radcopilot, image, "segment the liver", tmp_path)
    assert run.returncode == 2
    assert "by name on CT only, this series is US" in run.stderr


@pytest.fixture
def two_slices(shared_data, tmp_path):
    folder = tmp_path / "two"
    folder.mkdir()
    for path in sorted((shared_data / "ct_lung1" / "dicom").iterdir())[33:35]:
        shutil.copy(path, folder)
    return folder


def test_two_slices_are_outlined_as_a_part(radcopilot, two_slices, tmp_path):
    run, document = _asked(
        radcopilot, two_slices, "segment the lung lesion", tmp_path,
        "--box", "0,347,206,369,230", "--slices", "0:2",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert document["masks"][0]["volume_ml"] == pytest.approx(0.95, abs=0.25)
    assert any("the first and the last image" in each for each in document["warnings"])


@pytest.mark.parametrize(
    ("sentence", "status", "said"),
    [
        ("segment the liver", 2, "covers 10 mm, too little to find the liver"),
        ("segment both lungs", 0, "no right lung of 100 mL or more was found"),
    ],
)
def test_two_slices_are_too_little_to_find_an_organ(radcopilot, two_slices, sentence, status, said):
    run, document = _asked(radcopilot, two_slices, sentence, two_slices.parent)
    assert run.returncode == status
    assert not document["masks"]
    assert said in " ".join((*document["absent"], *document["refusals"]))

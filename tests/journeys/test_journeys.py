"""From a spoken sentence to a stored SEG and a draft, every part real."""

import logging
from importlib import resources

import numpy as np
import pydicom
import pytest

from copilot.cli.demo import _on_its_own
from copilot.demo import archive as demo_archive
from copilot.demo.run import run_demo
from copilot.demo.study import EXPERT_VOLUME_ML, brain_mr
from copilot.evaluation.agreement import dice
from copilot.evaluation.gestures import range_of, tight_box
from copilot.models.fetch import PackageSource
from copilot.settings import load_settings
from copilot.wiring.house import House
from dicom_node.scu import DicomPeer, Peer
from dicom_node.seg_reader import read_segmentation
from dicom_node.volumes import load_series
from domain.ports import no_progress
from domain.uids import SeriesUID, StudyUID
from tests.conftest import AE_TITLE
from tests.phantoms import ct, ellipsoid, grid, series


@pytest.fixture
def home(tmp_path, models_folder, sample_study):
    made = House(_on_its_own(load_settings(), tmp_path / "demo"))
    made.node.start()
    yield made
    made.node.stop()
    made.store.close()


def test_the_main_job_holds_with_a_real_archive(home, tmp_path, orthanc):
    outcome = run_demo(home, tmp_path / "demo", lambda *_: None, PackageSource(), no_progress)
    assert outcome.archive == "Orthanc"
    assert (outcome.stored, outcome.committed) == (2, 2)
    assert outcome.received == 2 * 48
    assert outcome.volume_ml == pytest.approx(EXPERT_VOLUME_ML, rel=0.15)
    assert outcome.dice >= 0.85
    assert [action for _, _, action in outcome.heard] == ["measure", "segment"]
    assert outcome.audit_entries == 2
    draft = outcome.files["draft_md"].read_text()
    assert f"{outcome.volume_ml:.2f} mL" in draft
    assert outcome.follow_up.grown == pytest.approx(outcome.follow_up.expected, rel=0.15)
    assert outcome.follow_up.expected > 1.25
    assert "Finding 1: larger; " in outcome.follow_up.says
    assert outcome.follow_up.says in outcome.files["follow-up draft_md"].read_text()


def test_the_main_job_holds_with_a_second_node_where_orthanc_is_missing(
    home, tmp_path, monkeypatch
):
    monkeypatch.setattr(demo_archive, "is_installed", lambda: False)
    outcome = run_demo(home, tmp_path / "demo", lambda *_: None, PackageSource(), no_progress)
    assert outcome.archive == "a second radcopilot node"
    assert (outcome.stored, outcome.committed) == (2, None)


def test_a_study_goes_to_the_pacs_comes_by_move_and_is_committed(
    orthanc, node, store, tmp_path, caplog
):
    on = grid()
    files = series(tmp_path / "series", ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))
    pacs = DicomPeer(
        AE_TITLE,
        Peer(
            ae_title="ORTHANC",
            host="127.0.0.1",
            port=orthanc.dicom_port,
            storage_commitment=True,
        ),
        node.commitments,
    )
    receipt = pacs.publish(files)
    assert set(receipt.committed) == set(receipt.stored)
    header = pydicom.dcmread(files[0])
    assert pacs.move(StudyUID(header.StudyInstanceUID), AE_TITLE) == len(files)
    back = load_series(store.instance_paths(SeriesUID(header.SeriesInstanceUID)))
    assert np.array_equal(back.voxels, load_series(files).voxels)
    with caplog.at_level(logging.DEBUG):
        pacs.move(StudyUID(header.StudyInstanceUID), AE_TITLE)
    store.settle()
    assert store.index.count() == len(files)
    assert "PHANTOM" not in caplog.text


def test_a_typed_command_on_a_brain_mr_is_near_the_expert(radcopilot, sample_study, tmp_path):
    volume, expert = brain_mr(sample_study)
    files = series(tmp_path / "brain", volume)
    loaded = load_series(files)
    truth = expert.on(loaded.grid)
    box, slices = tight_box(truth), range_of(truth)
    corners = (box.slice_start, box.row_start, box.column_start, box.row_stop, box.column_stop)
    run = radcopilot(
        "ask",
        tmp_path / "brain",
        "segment the enhancing brain tumor",
        "--box",
        ",".join(map(str, corners)),
        "--slices",
        f"{slices[0]}:{slices[1]}",
        "--output",
        "out",
        "--json",
    )
    assert run.returncode == 0, run.stderr
    mask = read_segmentation(tmp_path / "out" / "seg.dcm", loaded.grid).segments[0].mask
    assert dice(mask, truth) >= 0.72


def test_the_recordings_of_the_demo_are_in_the_package():
    folder = resources.files("copilot.demo") / "recordings"
    assert {path.name for path in folder.iterdir()} >= {
        "measure_this_lesion.wav",
        "segment_the_lung_lesion.wav",
    }

"""An archive that routes our own objects back to us: they are kept, and start nothing."""

import time

import httpx
import numpy as np
import pydicom

from copilot.demo.orthanc import AE_TITLE as ARCHIVE_TITLE
from copilot.demo.orthanc import KnownModality, Orthanc, free_port, is_installed
from copilot.looking_ahead import LookingAhead
from dicom_node.index import Index
from dicom_node.scp import DicomNode, NodeAddress
from dicom_node.scu import DicomPeer, Peer
from dicom_node.seg_writer import SegWriter
from dicom_node.store import Store
from dicom_node.volumes import load_series
from domain.volume import Mask
from segmentation.slicewise.segmenter import SlicewiseSegmenter
from tests.conftest import AE_TITLE, missing
from tests.contracts.segmenters import BrightNetwork, small_table
from tests.phantoms import UIDS, ct, ellipsoid, grid, segment, series

TIMES = 20


def test_our_seg_routed_back_twenty_times_starts_no_work(tmp_path):
    if not is_installed():
        missing("Orthanc is not installed")
    network = BrightNetwork()
    ahead = LookingAhead(SlicewiseSegmenter(network, small_table()), load_series, quiet_s=0.1)
    noted: list[str] = []

    def arrived(header, path):
        noted.append(str(header.SOPInstanceUID))
        ahead.arrived(header, path)

    store = Store(tmp_path / "store", Index(f"sqlite:///{tmp_path / 'index.db'}"), arrived)
    port = free_port()
    known = KnownModality(ae_title=AE_TITLE, host="127.0.0.1", port=port)
    on = grid((4, 24, 20))
    inside = ellipsoid(on, (3, 6, 5))
    files = series(tmp_path / "images", ct(on, inside))
    volume = load_series(files)
    mask = Mask(voxels=np.asarray(inside.voxels), grid=volume.grid)
    made = SegWriter(UIDS).build(
        volume, [(segment(mask), None, "Finding 1", UIDS.new_uid())], files
    )
    seg = tmp_path / "seg.dcm"
    made.save_as(seg, enforce_file_format=True)
    with (
        DicomNode(NodeAddress(ae_title=AE_TITLE, port=port), store),
        Orthanc(tmp_path / "orthanc", (known,)) as archive,
    ):
        ahead.start(store)
        peer = Peer(ae_title=ARCHIVE_TITLE, host="127.0.0.1", port=archive.dicom_port)
        DicomPeer(AE_TITLE, peer).store([seg])
        (stored,) = httpx.get(f"{archive.url}/instances").json()
        for _ in range(TIMES):
            sent = httpx.post(f"{archive.url}/modalities/{AE_TITLE}/store", content=stored)
            assert sent.json()["FailedInstancesCount"] == 0
        store.settle()
        time.sleep(0.3)  # longer than the quiet period
        assert ahead.is_idle
        ahead.close()
    assert str(made.SOPInstanceUID) in noted, "it did arrive"
    assert network.encoder_runs == 0
    assert store.index.count() == 1
    kept = store.instance_paths(str(made.SeriesInstanceUID))
    assert pydicom.dcmread(kept[0]).SOPInstanceUID == made.SOPInstanceUID
    store.close()

import errno
import os
import subprocess

import pydicom
import pytest
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage

from copilot.demo.orthanc import free_port
from copilot.settings import environment
from dicom_node.receiving import OUT_OF_RESOURCES
from dicom_node.scp import DicomNode, NodeAddress
from dicom_node.scu import DicomPeer, Peer
from domain.errors import PeerRefusedError, PeerUnreachableError, StorageError
from domain.uids import SeriesUID
from tests.conftest import AE_TITLE
from tests.phantoms import UIDS, ct, ellipsoid, grid, series


@pytest.fixture
def files(tmp_path):
    on = grid()
    return series(tmp_path / "series", ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))


@pytest.fixture
def peer(node):
    return DicomPeer("SCU", Peer(ae_title=AE_TITLE, host="127.0.0.1", port=node.port))


def test_the_node_answers_echo(peer):
    peer.echo()


def test_stored_images_arrive_equal(peer, node, store, files):
    assert len(peer.store(files)) == len(files)
    found = store.instance_paths(SeriesUID(pydicom.dcmread(files[0]).SeriesInstanceUID))
    assert node.received == len(files)
    for sent, kept in zip(files, found, strict=True):
        assert pydicom.dcmread(sent) == pydicom.dcmread(kept)


def test_every_transfer_syntax_of_the_zoo_arrives_as_sent(peer, store, shared_data, tmp_path):
    sent = []
    for path in sorted((shared_data / "zoo" / "ct_transfer_syntaxes").glob("*.dcm")):
        dataset = pydicom.dcmread(path)  # they are one slice, of one UID
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UIDS.new_uid()
        dataset.save_as(tmp_path / path.name)
        sent.append(tmp_path / path.name)
    peer.store(sent)
    store.settle()
    for path in sent:
        header = pydicom.dcmread(path)
        kept = pydicom.dcmread(store.path_of(header.SOPInstanceUID))
        assert kept.PixelData == header.PixelData
        assert kept.file_meta.TransferSyntaxUID == header.file_meta.TransferSyntaxUID


def test_dcmtk_sends_to_us(node, store, files, tool):
    subprocess.run(
        [tool("storescu"), "-aec", AE_TITLE, "127.0.0.1", str(node.port), *map(str, files)],
        check=True,
        env=environment() | {"TCP_NODELAY": "1"},
    )
    store.settle()
    assert store.index.count() == len(files)


def test_a_full_disk_is_answered_out_of_resources(node, store, files, tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    ae = AE(ae_title="SCU")
    ae.add_requested_context(CTImageStorage, "1.2.840.10008.1.2.1")
    association = ae.associate("127.0.0.1", node.port, ae_title=AE_TITLE)
    status = association.send_c_store(pydicom.dcmread(files[0]))
    association.release()
    assert status.Status == OUT_OF_RESOURCES
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


@pytest.mark.filterwarnings("ignore:Invalid value")
def test_a_bad_uid_is_refused_with_a_status(node, store, files):
    ae = AE(ae_title="SCU")
    ae.add_requested_context(CTImageStorage, "1.2.840.10008.1.2.1")
    association = ae.associate("127.0.0.1", node.port, ae_title=AE_TITLE)
    dataset = pydicom.dcmread(files[0])
    dataset.SOPInstanceUID = "1..2"
    status = association.send_c_store(dataset)
    association.release()
    assert status.Status >= 0xC000


def test_a_busy_port_is_named_with_its_remedy(node, store):
    address = NodeAddress(ae_title="OTHER", port=node.port)
    with pytest.raises(StorageError, match=f"{node.port} cannot be used .*in use"):
        DicomNode(address, store).start()


def test_a_peer_that_is_not_there_is_named():
    nobody = DicomPeer("SCU", Peer(ae_title="PACS", host="127.0.0.1", port=free_port()))
    with pytest.raises(PeerUnreachableError, match=r"PACS at 127\.0\.0\.1"):
        nobody.echo()


def test_a_peer_that_refuses_us_is_named(orthanc):
    wrong = DicomPeer("SCU", Peer(ae_title="WRONG", host="127.0.0.1", port=orthanc.dicom_port))
    with pytest.raises(PeerRefusedError, match="refuses associations"):
        wrong.echo()

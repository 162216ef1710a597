"""The protocol, proven against other people's software.

Store, find, move, get as stored and transcoded, storage commitment on either association, TLS and
a wrong AE title are here, against Orthanc and dcmtk; STOW, QIDO, WADO, frames and rendered are in
``test_dicomweb.py``, over dicomweb-client and Orthanc; more of TLS is in
``tests/dicom_node/test_tls.py``.
"""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, StorageCommitmentPushModel

from copilot.demo.orthanc import KnownModality, Orthanc, free_port, is_installed
from copilot.settings import environment
from dicom_node.commitment import CommitmentDesk
from dicom_node.door import Allowed, Door
from dicom_node.queries import Level
from dicom_node.scp import DicomNode, NodeAddress
from dicom_node.scu import DicomPeer, Peer
from dicom_node.tls import ClientTls
from domain.errors import (
    NotOfferedError,
    PeerRefusedError,
    PeerUnreachableError,
    UnansweredError,
)
from domain.uids import SopClassUID
from tests.certificates import Authority
from tests.conftest import AE_TITLE, missing
from tests.phantoms import UIDS, ct, ellipsoid, grid, series

HERE = "127.0.0.1"


@pytest.fixture
def files(tmp_path):
    on = grid()
    return series(tmp_path / "series", ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))


@contextmanager
def dcmqrscp(folder: Path, program: str, node_port: int, *options: str) -> Iterator[int]:
    """Run dcmtk's archive, which knows our node; yield its port."""
    port = free_port()
    (folder / "DCMTK").mkdir(parents=True)
    (folder / "dcmqrscp.cfg").write_text(
        f"""
NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
us = ({AE_TITLE}, {HERE}, {node_port})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
DCMTK {folder}/DCMTK RW (100, 1024mb) ANY
AETable END
"""
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-c", str(folder / "dcmqrscp.cfg"), *options],
            stdout=log,
            stderr=log,
            env=environment() | {"TCP_NODELAY": "1"},
        )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(params=["ORTHANC", "DCMTK"])
def archive(request, tmp_path, node, tool):
    """An archive of each kind, which knows our node."""
    if request.param == "ORTHANC":
        if not is_installed():
            missing("Orthanc is not installed")
        known = KnownModality(ae_title=AE_TITLE, host=HERE, port=node.port)
        with Orthanc(tmp_path / "orthanc", (known,)) as running:
            yield peer_at("ORTHANC", running.dicom_port)
    else:
        with dcmqrscp(tmp_path / "dcmtk", tool("dcmqrscp"), node.port) as port:
            made = peer_at("DCMTK", port)
            until_it_answers(made)
            yield made


def peer_at(title: str, port: int, desk: CommitmentDesk | None = None, **more: object) -> DicomPeer:
    settings = Peer(ae_title=title, host=HERE, port=port, **more)
    return DicomPeer(AE_TITLE, settings, desk)


def until_it_answers(peer: DicomPeer) -> None:
    for _ in range(100):
        try:
            return peer.echo()
        except PeerUnreachableError:
            time.sleep(0.1)
    peer.echo()
    return None


def header_of(path: Path) -> Dataset:
    return pydicom.dcmread(path, stop_before_pixels=True)


def test_what_is_stored_is_found_at_every_level(archive, files):
    stored = archive.store(files)
    assert len(stored) == len(files)
    header = header_of(files[0])
    study = {"StudyInstanceUID": header.StudyInstanceUID}
    assert [each.StudyInstanceUID for each in archive.find(Level.STUDY, study)] == [
        header.StudyInstanceUID
    ]
    (one,) = archive.find(Level.SERIES, study)
    assert one.Modality == "CT"
    images = archive.find(Level.IMAGE, study | {"SeriesInstanceUID": header.SeriesInstanceUID})
    assert {each.SOPInstanceUID for each in images} == set(stored)
    assert archive.has(header) is True
    header.SOPInstanceUID = "1.2.3"
    assert archive.has(header) is False


def test_what_is_moved_to_us_arrives_equal(archive, files, store):
    archive.store(files)
    header = header_of(files[0])
    assert archive.move(header.StudyInstanceUID, AE_TITLE) == len(files)
    store.settle()
    for path in files:
        sent = pydicom.dcmread(path)
        assert pydicom.dcmread(store.path_of(sent.SOPInstanceUID)) == sent


def test_what_is_got_arrives_equal(archive, files, store):
    archive.store(files)
    header = header_of(files[0])
    uids = (header.StudyInstanceUID, header.SeriesInstanceUID)
    assert archive.get(*uids, [str(header.SOPClassUID)], store.keep) == len(files)
    for path in files:
        sent = pydicom.dcmread(path)
        kept = pydicom.dcmread(store.path_of(sent.SOPInstanceUID))
        assert kept == sent
        assert kept.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID


@pytest.fixture
def compressed(shared_data, tmp_path):
    """A CT image in JPEG 2000, of a study of its own."""
    for path in sorted((shared_data / "zoo" / "ct_transfer_syntaxes").glob("*.dcm")):
        image = pydicom.dcmread(path)
        if image.file_meta.TransferSyntaxUID == JPEG2000Lossless:
            image.StudyInstanceUID, image.SeriesInstanceUID = UIDS.new_uid(), UIDS.new_uid()
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = UIDS.new_uid()
            image.save_as(tmp_path / "j2k.dcm")
            return tmp_path / "j2k.dcm"
    raise AssertionError("the zoo has a CT in JPEG 2000")


@pytest.mark.parametrize("transcoded", [False, True])
def test_a_compressed_image_is_got_as_stored_or_transcoded(orthanc, compressed, store, transcoded):
    archive = peer_at("ORTHANC", orthanc.dicom_port)
    archive.store([compressed])
    sent = pydicom.dcmread(compressed)
    uids = (sent.StudyInstanceUID, sent.SeriesInstanceUID)
    only = {"syntaxes": [str(ExplicitVRLittleEndian)]} if transcoded else {}
    assert archive.get(*uids, [str(sent.SOPClassUID)], store.keep, **only) == 1
    kept = pydicom.dcmread(store.path_of(sent.SOPInstanceUID))
    wanted = ExplicitVRLittleEndian if transcoded else JPEG2000Lossless
    assert kept.file_meta.TransferSyntaxUID == wanted
    assert (kept.pixel_array == sent.pixel_array).all()


def references(files):
    return [
        (SopClassUID(str(header_of(path).SOPClassUID)), str(header_of(path).SOPInstanceUID))
        for path in files
    ]


def test_an_archive_commits_on_an_association_of_its_own(store, files, tmp_path):
    if not is_installed():
        missing("Orthanc is not installed")
    desk = CommitmentDesk()
    with DicomNode(NodeAddress(ae_title=AE_TITLE), store, desk) as node:
        known = KnownModality(ae_title=AE_TITLE, host=HERE, port=node.port)
        with Orthanc(tmp_path / "orthanc", (known,)) as running:
            archive = peer_at("ORTHANC", running.dicom_port, desk)
            stored = archive.store(files)
            assert set(archive.commit(references(files))) == set(stored)
            unknown = [(SopClassUID(str(CTImageStorage)), "1.2.3")]
            with pytest.raises(PeerRefusedError, match=r"cannot commit to 1\.2\.3 \(0x0112\)"):
                archive.commit(unknown)


@contextmanager
def committing(answer: str) -> Iterator[int]:
    """Run an archive that answers a commitment request on the same association, or never."""

    def on_action(event):
        asked = event.action_information
        report = Dataset()
        report.TransactionUID = asked.TransactionUID
        report.ReferencedSOPSequence = asked.ReferencedSOPSequence

        def send():
            time.sleep(0.5)  # after the answer to the request, on a busy machine too
            event.assoc.send_n_event_report(
                report, 1, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1"
            )

        if answer == "same association":
            threading.Thread(target=send).start()
        return 0x0000, None

    ae = AE(ae_title="PACS")
    ae.add_supported_context(CTImageStorage)
    if answer != "not offered":
        ae.add_supported_context(StorageCommitmentPushModel)
    handlers = [(evt.EVT_N_ACTION, on_action), (evt.EVT_C_STORE, lambda _event: 0x0000)]
    server = ae.start_server((HERE, 0), block=False, evt_handlers=handlers)
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()


def test_an_archive_commits_on_the_same_association(files):
    with committing("same association") as port:
        archive = peer_at("PACS", port, CommitmentDesk())
        assert len(archive.commit(references(files))) == len(files)


def test_an_archive_that_never_answers_is_named(files):
    with committing("never") as port:
        settings = {"storage_commitment": True, "commitment_timeout_s": 0.3}
        archive = peer_at("PACS", port, CommitmentDesk(), **settings)
        with pytest.raises(UnansweredError, match="did not answer the storage commitment request"):
            archive.confirm(files)


def test_an_archive_that_offers_neither_commitment_nor_queries_confirms_nothing(files):
    with committing("not offered") as port:
        archive = peer_at("PACS", port, CommitmentDesk(), storage_commitment=True)
        with pytest.raises(NotOfferedError):
            archive.commit(references(files))
        assert archive.confirm(files) is None


def test_where_commitment_is_not_offered_a_query_confirms(files, tmp_path, tool, node):
    with dcmqrscp(tmp_path / "dcmtk", tool("dcmqrscp"), node.port) as port:
        archive = peer_at("DCMTK", port, CommitmentDesk(), storage_commitment=True)
        until_it_answers(archive)
        stored = archive.store(files[:2])
        assert archive.confirm(files[:2]) == stored
        with pytest.raises(PeerRefusedError, match="does not find"):
            archive.confirm(files[2:3])


def test_dcmtk_receives_from_us_over_tls(files, tmp_path, tool):
    hospital = Authority(tmp_path / "hospital")
    server, ours = hospital.signed("dcmtk"), hospital.signed("ours")
    port, kept = free_port(), tmp_path / "kept"
    kept.mkdir()
    process = subprocess.Popen(
        [
            tool("storescp"), "+tls", str(server.key), str(server.certificate), "+cf",
            str(hospital.certificate), "-od", str(kept), "-aet", "DCMTK", str(port),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        tls = ClientTls(ca=hospital.certificate, certificate=ours.certificate, key=ours.key)
        peer = peer_at("DCMTK", port, tls=tls)
        until_it_answers(peer)
        assert len(peer.store(files)) == len(files)
    finally:
        process.terminate()
        process.wait(timeout=10)
    received = {str(pydicom.dcmread(path).SOPInstanceUID) for path in kept.iterdir()}
    assert received == {str(header_of(path).SOPInstanceUID) for path in files}


def test_a_wrong_ae_title_is_refused_by_both_sides(store, tool, orthanc):
    with pytest.raises(PeerRefusedError, match="refuses associations from RADCOPILOT"):
        peer_at("ANOTHER", orthanc.dicom_port).echo()
    door = Door(
        ae_title=AE_TITLE, allowed=(Allowed(ae_title="CT1", host=HERE),), check_called_ae=True
    )
    with DicomNode(NodeAddress(ae_title=AE_TITLE), store, door=door) as node:

        def echo(calling: str, called: str) -> int:
            called_as = ["-aet", calling, "-aec", called, HERE, str(node.port)]
            return subprocess.run(
                [tool("echoscu"), *called_as], check=False, capture_output=True, timeout=30
            ).returncode

        assert echo("CT1", AE_TITLE) == 0
        assert echo("CT1", "SOMEONE") != 0
        assert echo("STRANGER", AE_TITLE) != 0

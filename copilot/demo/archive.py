"""The archive of the demo: Orthanc where it is installed, else a second node of our own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from copilot.demo.orthanc import AE_TITLE, KnownModality, Orthanc, is_installed
from dicom_node.commitment import CommitmentDesk
from dicom_node.index import Index
from dicom_node.orthanc import OrthancRest
from dicom_node.scp import DicomNode, NodeAddress
from dicom_node.scu import DicomPeer, Peer
from dicom_node.store import Store
from domain.uids import InstanceUID, StudyUID

OWN_ARCHIVE_TITLE = "ARCHIVE"


class DemoArchive(Protocol):
    """What the demo asks of an archive."""

    name: str
    peer: DicomPeer
    commits: bool

    def send_study(self, study: StudyUID, node: DicomNode) -> int:
        """Send a stored study to a node by C-STORE and return how many objects it sent."""
        ...

    def read_back(self, uid: InstanceUID) -> bytes:
        """Return the file of an instance as the archive holds it."""
        ...


class OrthancArchive:
    """A private Orthanc; it sends a study when we ask by C-MOVE, and commits to storage."""

    def __init__(self, orthanc: Orthanc, own_ae_title: str, commitments: CommitmentDesk) -> None:
        self.name = "Orthanc"
        self.commits = True
        self.peer = DicomPeer(
            own_ae_title,
            Peer(
                ae_title=AE_TITLE,
                host="127.0.0.1",
                port=orthanc.dicom_port,
                storage_commitment=True,
            ),
            commitments,
        )
        self._rest = OrthancRest(orthanc.url)

    def send_study(self, study: StudyUID, node: DicomNode) -> int:
        """Ask Orthanc to send the study to the node."""
        return self.peer.move(study, node.address.ae_title)

    def read_back(self, uid: InstanceUID) -> bytes:
        """Return the file of an instance as Orthanc holds it."""
        return self._rest.instance(uid)


class OwnArchive:
    """A second node of our own: stores and sends, but does not commit."""

    def __init__(self, node: DicomNode, store: Store, own_ae_title: str) -> None:
        self.name = "a second radcopilot node"
        self.commits = False
        self.peer = DicomPeer(
            own_ae_title,
            Peer(ae_title=node.address.ae_title, host="127.0.0.1", port=node.port),
        )
        self._store = store

    def send_study(self, study: StudyUID, node: DicomNode) -> int:
        """Send the study from the second node's files."""
        files = [
            path
            for series in self._store.series_of(study)
            for path in self._store.instance_paths(series)
        ]
        target = Peer(ae_title=node.address.ae_title, host="127.0.0.1", port=node.port)
        return len(DicomPeer(OWN_ARCHIVE_TITLE, target).store(files))

    def read_back(self, uid: InstanceUID) -> bytes:
        """Return the file of an instance as the second node holds it."""
        return self._store.path_of(uid).read_bytes()


@contextmanager
def running_archive(folder: Path, node: DicomNode) -> Iterator[DemoArchive]:
    """Start an archive that knows our node, and end it."""
    own = node.address.ae_title
    if is_installed():
        known = KnownModality(ae_title=own, host="127.0.0.1", port=node.port)
        with Orthanc(folder, (known,)) as orthanc:
            yield OrthancArchive(orthanc, own, node.commitments)
        return
    store = Store(folder, Index(f"sqlite:///{_made(folder) / 'index.db'}"))
    with DicomNode(NodeAddress(ae_title=OWN_ARCHIVE_TITLE), store) as archive:
        yield OwnArchive(archive, store, own)
    store.close()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder

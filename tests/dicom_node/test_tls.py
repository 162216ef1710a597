import socket
import ssl
import subprocess

import pytest

from copilot.settings import environment
from dicom_node.scp import DicomNode, NodeAddress
from dicom_node.scu import DicomPeer, Peer
from dicom_node.tls import ClientTls, ServerTls
from domain.errors import PeerUnreachableError, SettingsError
from tests.certificates import Authority
from tests.conftest import AE_TITLE
from tests.phantoms import ct, ellipsoid, grid, series


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("hospital"))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="module")
def modality(hospital):
    return hospital.signed("modality")


@pytest.fixture
def secured(store, hospital):
    """Our node over mutual TLS."""
    own = hospital.signed("node")
    tls = ServerTls(certificate=own.certificate, key=own.key, ca=hospital.certificate)
    with DicomNode(NodeAddress(ae_title=AE_TITLE), store, tls=tls) as listening:
        yield listening


@pytest.fixture
def files(tmp_path):
    on = grid()
    return series(tmp_path / "series", ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))


def peer(node, tls):
    return DicomPeer("SCU", Peer(ae_title=AE_TITLE, host="127.0.0.1", port=node.port, tls=tls))


def trusting(authority, pair=None):
    return ClientTls(
        ca=authority.certificate,
        certificate=pair.certificate if pair else None,
        key=pair.key if pair else None,
    )


def dcmtk(program, node, pair, ca, *rest):
    return subprocess.run(
        [
            program, "-aec", AE_TITLE, "+tls", str(pair.key), str(pair.certificate), "+cf",
            str(ca), "127.0.0.1", str(node.port), *map(str, rest),
        ],
        check=False,
        capture_output=True,
        env=environment() | {"TCP_NODELAY": "1"},
        timeout=60,
    ).returncode  # fmt: skip


def test_our_own_calls_arrive_over_mutual_tls(secured, store, hospital, modality, files):
    caller = peer(secured, trusting(hospital, modality))
    caller.echo()
    assert len(caller.store(files)) == len(files)
    store.settle()
    assert store.index.count() == len(files)


def test_dcmtk_echoes_over_mutual_tls(secured, hospital, modality, tool):
    assert dcmtk(tool("echoscu"), secured, modality, hospital.certificate) == 0


def test_dcmtk_stores_over_mutual_tls(secured, hospital, files, tool):
    sender = hospital.signed("sender")
    assert dcmtk(tool("storescu"), secured, sender, hospital.certificate, *files) == 0
    assert secured.received == len(files)


def test_a_caller_signed_elsewhere_is_refused_by_both_sides(secured, hospital, elsewhere, tool):
    stranger = elsewhere.signed("stranger")
    assert dcmtk(tool("echoscu"), secured, stranger, hospital.certificate) != 0
    with pytest.raises(PeerUnreachableError, match="does it trust our certificate"):
        peer(secured, trusting(hospital, stranger)).echo()
    with pytest.raises(PeerUnreachableError, match="check its certificate and our ca"):
        peer(secured, trusting(elsewhere, stranger)).echo()


def test_a_caller_without_a_certificate_is_refused_where_one_is_wanted(secured, hospital):
    with pytest.raises(PeerUnreachableError, match="does it trust our certificate"):
        peer(secured, trusting(hospital)).echo()


def test_a_plain_caller_is_refused_and_told_what_may_be_missing(
    secured, hospital, modality, caplog
):
    with pytest.raises(PeerUnreachableError, match="does it expect TLS"):
        peer(secured, None).echo()
    assert any("TLS handshake" in each.getMessage() for each in caplog.records)
    peer(secured, trusting(hospital, modality)).echo()


def test_a_tls_caller_of_a_plain_node_is_told(node, hospital):
    with pytest.raises(PeerUnreachableError, match="no TLS"):
        peer(node, trusting(hospital)).echo()


def test_tls_below_1_2_is_refused(secured, hospital, modality):
    old = trusting(hospital, modality).context()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection(("127.0.0.1", secured.port), timeout=10) as raw,
        pytest.raises(ssl.SSLError),
    ):
        old.wrap_socket(raw, server_hostname="127.0.0.1")


def test_a_new_certificate_is_used_without_a_restart(store, tmp_path):
    authority = Authority(tmp_path / "ca")
    own = authority.signed("node")
    tls = ServerTls(certificate=own.certificate, key=own.key)
    with DicomNode(NodeAddress(ae_title=AE_TITLE), store, tls=tls) as listening:
        context = trusting(authority).context()
        first = shown(context, listening)
        assert shown(context, listening) == first
        authority.signed("node")
        second = shown(context, listening)
        assert second != first
        own.certificate.write_text("half a certificate")
        assert shown(context, listening) == second  # the last that could be used


def shown(context, node):
    """Return the serial number of the certificate that the node shows."""
    with (
        socket.create_connection(("127.0.0.1", node.port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as secured,
    ):
        return secured.getpeercert()["serialNumber"]


def test_stopping_ends_associations_over_tls(store, hospital):
    own = hospital.signed("stopped")
    tls = ServerTls(certificate=own.certificate, key=own.key)
    node = DicomNode(NodeAddress(ae_title=AE_TITLE), store, tls=tls).start()
    context = trusting(hospital).context()
    with (
        socket.create_connection(("127.0.0.1", node.port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1", suppress_ragged_eofs=True) as held,
    ):
        node.stop()
        assert len(held.recv(10)) in (0, 10)  # gone, or our abort first


@pytest.mark.parametrize("missing", ["certificate", "key", "ca"])
def test_files_that_cannot_be_used_stop_the_start_by_name(store, hospital, tmp_path, missing):
    own = hospital.signed("whole")
    named = {"certificate": own.certificate, "key": own.key, "ca": hospital.certificate}
    with pytest.raises(SettingsError, match="no such file"):
        DicomNode(
            NodeAddress(ae_title=AE_TITLE),
            store,
            tls=ServerTls(**named | {missing: tmp_path / "nowhere.pem"}),
        )


def test_a_key_with_a_password_is_refused_without_asking(store, hospital, tmp_path):
    own = hospital.signed("locked")
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "rsa", "-aes256", "-passout", "pass:x", "-in", own.key, "-out", locked],
        check=True,
        capture_output=True,
    )
    with pytest.raises(SettingsError, match="without a password"):
        ServerTls(certificate=own.certificate, key=locked).context()

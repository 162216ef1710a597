import logging
import socket
from ipaddress import ip_address

import pydicom
import pytest
from pynetdicom import AE
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.sop_class import CTImageStorage, Verification

from dicom_node.door import Allowed, Caller, Door
from dicom_node.receiving import OUT_OF_RESOURCES
from dicom_node.scp import DicomNode, NodeAddress
from dicom_node.scu import DicomPeer, Peer
from domain.errors import InputError, PeerRefusedError
from tests.conftest import AE_TITLE
from tests.phantoms import ct, ellipsoid, grid, series

NOT_RECOGNISED_CALLING, NOT_RECOGNISED_CALLED = 3, 7


def nobody(_host):
    return ()


def reason(door, ae_title="CT1", host="127.0.0.1", called=AE_TITLE):
    found = door.rejection(Caller(calling_ae_title=ae_title, called_ae_title=called, host=host))
    return found.reason if found else None


def door(*allowed, check_called_ae=False, resolve=nobody):
    return Door(
        ae_title=AE_TITLE, allowed=allowed, check_called_ae=check_called_ae, resolve=resolve
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_everyone_on_loopback_is_let_in_by_default(host):
    assert reason(Door(ae_title=AE_TITLE), host=host) is None


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.1.2", "fe80::1%eth0", "", "no address"])
def test_nobody_else_is_let_in_by_default(host):
    assert reason(Door(ae_title=AE_TITLE), host=host) == NOT_RECOGNISED_CALLING


@pytest.mark.parametrize(
    ("ae_title", "host", "let_in"),
    [
        ("CT1", "10.1.2.3", True),
        ("CT1", "10.1.2.4", False),
        ("ct1", "10.1.2.3", False),
        ("CT1 ", "10.1.2.3", False),
        ("ANY", "10.1.4.77", True),
        ("ANY", "10.1.5.77", False),
        ("PACS", "10.9.9.9", True),
        ("CT1", "127.0.0.1", False),
    ],
)
def test_a_list_lets_in_by_title_and_host(ae_title, host, let_in):
    tested = door(
        Allowed(ae_title="CT1", host="10.1.2.3"),
        Allowed(host="10.1.4.0/24"),
        Allowed(ae_title="PACS", host="pacs.example.org"),
        resolve=lambda host: ("10.9.9.9",) if host == "pacs.example.org" else (),
    )
    assert (reason(tested, ae_title, host) is None) is let_in


def test_a_name_is_looked_up_only_for_its_title():
    asked = []
    tested = door(
        Allowed(ae_title="PACS", host="pacs.example.org"),
        resolve=lambda host: asked.append(host) or (),
    )
    assert reason(tested, "CT1") == NOT_RECOGNISED_CALLING
    assert asked == []
    assert reason(tested, "PACS") == NOT_RECOGNISED_CALLING
    assert asked == ["pacs.example.org"]


def test_peers_are_let_in_from_their_host():
    tested = door().with_peers([("PACS", "10.1.1.1")])
    assert reason(tested, "PACS", "10.1.1.1") is None
    assert reason(tested, "PACS", "10.1.1.2") == NOT_RECOGNISED_CALLING


def test_a_wrong_called_title_is_told_only_where_it_is_checked():
    everyone = Allowed()
    assert reason(door(everyone), called="OTHER") is None
    strict = door(everyone, check_called_ae=True)
    assert reason(strict, called="OTHER") == NOT_RECOGNISED_CALLED
    assert reason(strict) is None


def test_a_network_with_host_bits_is_refused_by_name():
    with pytest.raises(InputError, match=r"10\.1\.0\.5/16"):
        Allowed(host="10.1.0.5/16")


def test_ipv6_networks_hold_ipv6_addresses():
    entry = Allowed(host="fd00:1::/32")
    assert entry.admits("X", ip_address("fd00:1::9"), nobody)
    assert not entry.admits("X", ip_address("10.0.0.1"), nobody)


@pytest.fixture
def guarded(store):
    def listening(**named):
        return DicomNode(
            NodeAddress(ae_title=AE_TITLE), store, door=Door(ae_title=AE_TITLE, **named)
        )

    return listening


def echo(node, calling="CT1", called=AE_TITLE):
    DicomPeer(calling, Peer(ae_title=called, host="127.0.0.1", port=node.port)).echo()


def test_over_the_wire_a_stranger_is_rejected_and_logged_without_more(guarded, caplog):
    with guarded(allowed=(Allowed(ae_title="CT1", host="127.0.0.1"),)) as node:
        echo(node)
        with pytest.raises(PeerRefusedError), caplog.at_level(logging.WARNING):
            echo(node, calling="STRANGER")
        echo(node)
    [line] = [each.getMessage() for each in caplog.records if "rejected" in each.getMessage()]
    assert line == (
        "association.rejected ae_title='STRANGER' host=127.0.0.1 "
        "reason=calling AE title and host are not in [node] allow, nor a peer"
    )


@pytest.mark.parametrize(
    ("calling", "called", "why"),
    [("STRANGER", AE_TITLE, NOT_RECOGNISED_CALLING), ("CT1", "OTHER", NOT_RECOGNISED_CALLED)],
)
def test_the_rejection_carries_the_standards_reason(guarded, calling, called, why):
    with guarded(allowed=(Allowed(ae_title="CT1"),), check_called_ae=True) as node:
        ae = AE(ae_title=calling)
        ae.add_requested_context(Verification)
        association = ae.associate("127.0.0.1", node.port, ae_title=called)
    assert association.is_rejected
    answer = association.acceptor.primitive
    assert (answer.result, answer.result_source, answer.diagnostic) == (1, 1, why)


def test_a_foreign_application_context_is_rejected(node):
    ae = AE()
    ae.add_requested_context(Verification)
    association = ae.associate("127.0.0.1", node.port)
    request = association.requestor.primitive
    association.release()
    request.application_context_name = "1.2.3"
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(request)
    with socket.create_connection(("127.0.0.1", node.port), timeout=10) as raw:
        raw.sendall(pdu.encode())
        assert raw.recv(10) == bytes((3, 0, 0, 0, 0, 4, 0, 1, 1, 2))


def test_contexts_in_vain_are_logged_with_what_is_taken(node, caplog):
    ae = AE(ae_title="MR7")
    ae.add_requested_context("1.2.840.10008.5.1.4.1.2.2.1")
    ae.add_requested_context(CTImageStorage, "1.2.840.10008.1.2.4.100")
    with caplog.at_level(logging.WARNING):
        association = ae.associate("127.0.0.1", node.port)
    assert not association.is_established
    assert {each.result for each in association.rejected_contexts} == {3, 4}
    [line] = [each.getMessage() for each in caplog.records if "contexts" in each.getMessage()]
    assert "'MR7'" in line
    assert "Study Root Query/Retrieve Information Model - FIND (not known here)" in line
    assert "CT Image Storage in MPEG2" in line
    assert "storage classes" in line


def test_an_object_larger_than_allowed_is_refused_while_it_arrives(store, tmp_path):
    on = grid()
    files = series(tmp_path / "series", ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))
    small = pydicom.dcmread(files[0])
    large = pydicom.dcmread(files[1])
    large.Rows, large.Columns = 400, 400
    large.PixelData = b"\0" * (400 * 400 * 2)
    address = NodeAddress(ae_title=AE_TITLE, largest_pdu=1 << 14, largest_instance=1 << 17)
    with DicomNode(address, store) as node:
        ae = AE()
        ae.add_requested_context(CTImageStorage, small.file_meta.TransferSyntaxUID)
        association = ae.associate("127.0.0.1", node.port)
        assert association.acceptor.maximum_length == 1 << 14
        assert association.send_c_store(large).Status == OUT_OF_RESOURCES
        assert association.send_c_store(small).Status == 0
        association.release()
    store.settle()
    assert store.index.count() == 1
    assert not list(tmp_path.rglob("*.part"))

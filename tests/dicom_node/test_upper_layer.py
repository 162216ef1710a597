"""What a peer may send over a raw socket, and what the node makes of it."""

import socket
import struct

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, Verification

from dicom_node.scp import DicomNode, NodeAddress
from dicom_node.upper_layer import RELEASE_RP, Acceptor, padded_uid
from tests.conftest import AE_TITLE
from tests.waiting import until

ABORT = 7


@pytest.fixture
def raw(node):
    with socket.create_connection(("127.0.0.1", node.port), timeout=10) as connection:
        yield connection


def still_answers(node):
    ae = AE()
    ae.add_requested_context(Verification)
    association = ae.associate("127.0.0.1", node.port, ae_title=AE_TITLE)
    status = association.send_c_echo()
    association.release()
    return status.Status == 0


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x04\x00\x00\x00\x00\x06\x00\x00\x00\x02\x01\x03",
        b"\x01\x00\xff\xff\xff\xff",
        b"\x01\x00\x00\x00\x00\x04\x00\x00\x00\x00",
    ],
    ids=["no DICOM", "data before an association", "a request of 4 GB", "a request too short"],
)
def test_garbage_is_aborted_and_the_node_goes_on(raw, node, sent):
    raw.sendall(sent)
    answer = raw.recv(100)
    assert answer == b"" or answer[0] == ABORT
    assert still_answers(node)


def elements(*values):
    return b"".join(struct.pack("<HHL", 0, tag, len(value)) + value for tag, value in values)


def pdu(control, content):
    value = struct.pack(">LBB", len(content) + 2, 1, control) + content
    return b"\x04\x00" + struct.pack(">L", len(value)) + value


def test_a_peer_that_vanishes_in_the_middle_leaves_nothing(node, store, tmp_path):
    ae = AE()
    ae.add_requested_context(CTImageStorage, "1.2.840.10008.1.2.1")
    association = ae.associate("127.0.0.1", node.port, ae_title=AE_TITLE)
    connection = association.dul.socket.socket
    command = elements(
        (0x0002, padded_uid(CTImageStorage)),
        (0x0100, b"\x01\x00"),
        (0x0800, b"\x00\x00"),
        (0x1000, padded_uid("1.2.3")),
    )
    connection.sendall(pdu(3, command) + pdu(0, b"a part of a data set" * 5000))
    incoming = tmp_path / "store" / "instances" / "incoming"
    assert until(lambda: list(incoming.iterdir()), 10)
    association.abort()
    assert until(lambda: not list(incoming.iterdir()), 10)
    assert still_answers(node)
    store.settle()
    assert store.index.count() == 0


def test_an_idle_association_is_ended(store):
    address = NodeAddress(ae_title=AE_TITLE, idle_timeout_s=0.3)
    with (
        DicomNode(address, store) as node,
        socket.create_connection(("127.0.0.1", node.port), timeout=10) as connection,
    ):
        assert connection.recv(10)[0] == ABORT


def test_too_many_associations_are_rejected_and_later_ones_taken(store):
    address = NodeAddress(ae_title=AE_TITLE, most_associations=1)
    with DicomNode(address, store) as node:
        ae = AE()
        ae.add_requested_context(Verification)
        first = ae.associate("127.0.0.1", node.port)
        assert first.is_established
        second = ae.associate("127.0.0.1", node.port)
        assert second.is_rejected
        first.release()
        assert still_answers(node)


def test_small_fragments_make_the_same_message():
    here, there = socket.socketpair()
    with here, there:
        acceptor = Acceptor(
            connection=here, supported=(), implementation_class_uid="1.2", implementation_version=""
        )
        command = struct.pack("<HHL", 0, 0x0100, 2) + b"\x01\x00"
        command += struct.pack("<HHL", 0, 0x0800, 2) + b"\x00\x00"
        for part, last in ((command[:5], 1), (command[5:], 3), (b"pix", 0), (b"els", 2)):
            value = struct.pack(">LBB", len(part) + 2, 1, last) + part
            there.sendall(b"\x04\x00" + struct.pack(">L", len(value)) + value)
        there.sendall(b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00")
        [message] = acceptor.messages()
        assert (message.context_id, message.number(0x0100), message.data) == (1, 1, b"pixels")
        assert there.recv(10) == RELEASE_RP


def test_an_unknown_operation_gets_a_status(node):
    ae = AE()
    ae.add_requested_context("1.2.840.10008.5.1.4.1.2.2.1")
    association = ae.associate("127.0.0.1", node.port)
    assert not association.is_established  # no query model is offered
    assert still_answers(node)


@pytest.mark.parametrize(("uid", "value"), [("1.2", b"1.2\0"), ("1.23", b"1.23")])
def test_uids_are_padded_to_even_length(uid, value):
    assert padded_uid(uid) == value

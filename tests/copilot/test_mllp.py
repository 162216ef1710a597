"""Messages to a real MLLP listener: taken, refused, hung, cut off, and over TLS."""

import pytest

from copilot.demo.orthanc import free_port
from copilot.mllp import Listener
from dicom_node.tls import ClientTls, ServerTls
from domain.errors import PeerRefusedError, PeerUnreachableError
from reporting.exports.hl7 import control_id, report_hl7
from tests.certificates import Authority
from tests.hl7_listener import Hl7Listener
from tests.reporting.exports.reports import ENCLOSED, one_report

MESSAGE = report_hl7(one_report(), ENCLOSED)
CONTROL_ID = control_id(MESSAGE)


def calling(port, **named):
    return Listener(**{"name": "RIS", "host": "127.0.0.1", "port": port} | named)


def sent(listener, **named):
    return calling(listener.port, **named).send(MESSAGE, CONTROL_ID)


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_a_message_arrives_whole_and_its_acknowledgment_is_read(code):
    with Hl7Listener(code) as ris:
        assert sent(ris) == code
    assert [each.encode() for each in ris.messages] == [MESSAGE]


@pytest.mark.parametrize("code", ["AE", "AR"])
def test_a_no_is_told_in_the_words_of_the_receiver(code):
    with (
        Hl7Listener(code) as ris,
        pytest.raises(
            PeerRefusedError, match=f"refused .*: {code} no such order Order & patient unknown"
        ),
    ):
        sent(ris)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("other", f"acknowledged message 'ANOTHER', ours is '{CONTROL_ID}'"),
        ("noise", "answered without MSA"),
        ("XX", "answered 'XX': an acknowledgment is one of"),
    ],
)
def test_what_is_no_acknowledgment_of_it_is_none(answer, said):
    with Hl7Listener(answer) as ris, pytest.raises(PeerRefusedError, match=said):
        sent(ris)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("cut", "broke the connection"),
        ("half", "broke the connection"),
        ("hang", "sent no acknowledgment within 0.3 s"),
    ],
)
def test_a_line_that_breaks_or_hangs_may_be_tried_again(answer, said):
    with Hl7Listener(answer) as ris:
        with pytest.raises(PeerUnreachableError, match=said):
            sent(ris, answer_timeout_s=0.3)
        assert sent(ris) == "AA"
    assert ris.control_ids() == [CONTROL_ID] * 2


def test_nobody_there_is_said_with_the_place():
    port = free_port()
    with pytest.raises(PeerUnreachableError, match=rf"RIS \(127.0.0.1:{port}\) takes no conn"):
        calling(port).send(MESSAGE, CONTROL_ID)


def test_whether_it_takes_connections_is_seen_without_a_message():
    with Hl7Listener() as ris:
        assert calling(ris.port).reach() == (
            f"takes connections at 127.0.0.1:{ris.port} (HL7 has no echo)"
        )
    assert ris.messages == []


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def test_over_tls_both_show_who_they_are(authority):
    server, client = authority.signed("server"), authority.signed("client")
    tls = ServerTls(certificate=server.certificate, key=server.key, ca=authority.certificate)
    ours = ClientTls(ca=authority.certificate, certificate=client.certificate, key=client.key)
    with Hl7Listener(tls=tls.context()) as ris:
        assert sent(ris, tls=ours) == "AA"
        assert calling(ris.port, tls=ours).reach().startswith("takes connections")
    assert ris.control_ids() == [CONTROL_ID]


def test_nothing_is_said_to_one_whose_certificate_nobody_signed(authority, tmp_path):
    other = Authority(tmp_path / "other", "other").signed("server")
    tls = ServerTls(certificate=other.certificate, key=other.key)
    with (
        Hl7Listener(tls=tls.context()) as ris,
        pytest.raises(PeerUnreachableError, match="makes no TLS connection"),
    ):
        sent(ris, tls=ClientTls(ca=authority.certificate))
    assert ris.messages == []


def test_nothing_is_said_in_the_clear_where_tls_is_wanted(authority):
    with Hl7Listener() as ris, pytest.raises(PeerUnreachableError, match="makes no TLS"):
        sent(ris, tls=ClientTls(ca=authority.certificate), connect_timeout_s=0.5)
    assert ris.messages == []

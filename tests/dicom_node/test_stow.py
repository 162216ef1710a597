"""What a DICOMweb destination's answers mean: away, refused, or not asked; its words are kept."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pydicom
import pytest

from dicom_node.stow import StowPeer, WebPeer
from domain.errors import PeerRefusedError, PeerUnreachableError
from tests.phantoms import ct, ellipsoid, grid, series

JSON = "application/dicom+json"


class Archive(ThreadingHTTPServer):
    """Answers as it is told to, by method, and keeps what it was shown."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, str, str]] = {}
        self.whole = (200, JSON, "[]")  # to a search of all studies
        self.shown: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/dicom-web"


class Handler(BaseHTTPRequestHandler):
    server: Archive

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.shown.append(self.headers.get("Authorization", ""))
        is_whole = self.path.startswith("/dicom-web/studies?")
        status, kind, body = self.server.whole if is_whole else self.server.answers[self.command]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST = answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def archive() -> Iterator[Archive]:
    with Archive() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def peer(archive) -> Callable[..., StowPeer]:
    def made(**named: str) -> StowPeer:
        return StowPeer(WebPeer(name="WEB", url=archive.url, answer_timeout_s=5.0, **named))

    return made


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    on = grid(shape=(1, 8, 8))
    folder = tmp_path_factory.mktemp("image")
    return series(folder, ct(on, ellipsoid(on, (2.0, 2.0, 2.0))))[0]


def stored(image, *, reason: int | None = None) -> str:
    dataset = pydicom.dcmread(image, stop_before_pixels=True)
    item = {
        "00081150": {"vr": "UI", "Value": [dataset.SOPClassUID]},
        "00081155": {"vr": "UI", "Value": [dataset.SOPInstanceUID]},
    }
    if reason is None:
        return json.dumps({"00081199": {"vr": "SQ", "Value": [item]}})
    item["00081197"] = {"vr": "US", "Value": [reason]}
    return json.dumps({"00081198": {"vr": "SQ", "Value": [item]}})


def test_what_was_stored_is_named(archive, peer, image):
    archive.answers["POST"] = (200, JSON, stored(image))
    assert peer().store([image]) == (pydicom.dcmread(image).SOPInstanceUID,)


def test_a_server_that_says_nothing_more_than_yes_is_believed(archive, peer, image):
    archive.answers["POST"] = (200, "text/plain", "")
    assert len(peer().store([image])) == 1


@pytest.mark.parametrize("status", [200, 202, 409])
@pytest.mark.parametrize("kind", [JSON, f"{JSON}; charset=utf-8"])
def test_an_object_that_failed_is_a_refusal_with_its_reason(archive, peer, image, status, kind):
    archive.answers["POST"] = (status, kind, stored(image, reason=0x0122))
    with pytest.raises(PeerRefusedError, match=r"0x0122 \(SOP class not supported\)"):
        peer().store([image])


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_waited_for(archive, peer, image, status):
    archive.answers["POST"] = (status, "text/plain", "maintenance until noon")
    with pytest.raises(PeerUnreachableError, match=f"HTTP {status}: maintenance until noon"):
        peer().store([image])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415])
def test_what_is_wrong_with_us_is_a_refusal_in_its_words(archive, peer, image, status):
    archive.answers["POST"] = (status, "text/html", "<p>not\nwith this token</p>")
    with pytest.raises(PeerRefusedError, match=f"HTTP {status}: <p>not with this token</p>"):
        peer().store([image])


def test_nobody_there_is_away(image):
    nobody = StowPeer(WebPeer(name="WEB", url="http://127.0.0.1:9/dicom-web"))
    with pytest.raises(PeerUnreachableError, match="does not answer STOW-RS"):
        nobody.store([image])


def test_what_is_found_is_confirmed_and_what_is_not_is_named(archive, peer, image):
    uid = str(pydicom.dcmread(image).SOPInstanceUID)
    archive.answers["GET"] = (200, JSON, json.dumps([{"00080018": {"vr": "UI", "Value": [uid]}}]))
    assert peer().confirm([image]) == (uid,)
    for answer in ((200, JSON, "[]"), (204, JSON, ""), (404, JSON, "")):
        archive.answers["GET"] = answer
        with pytest.raises(PeerRefusedError, match=f"does not find {uid}"):
            peer().confirm([image])


@pytest.mark.parametrize("status", [401, 403, 404, 405, 501])
def test_a_server_without_a_search_confirms_nothing(archive, peer, image, status):
    archive.answers["GET"] = archive.whole = (status, "text/plain", "no")
    assert peer().confirm([image]) is None


def test_a_search_that_breaks_down_is_asked_again_later(archive, peer, image):
    archive.answers["GET"] = (500, "text/plain", "")
    with pytest.raises(PeerUnreachableError, match="HTTP 500"):
        peer().confirm([image])


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        ({}, ""),
        ({"token": "t0ken"}, "Bearer t0ken"),
        ({"user": "me", "password": "pass"}, "Basic bWU6cGFzcw=="),
    ],
)
def test_it_is_shown_what_the_settings_give_and_no_more(archive, peer, image, named, shown):
    archive.answers["POST"] = (200, JSON, stored(image))
    peer(**named).store([image])
    assert archive.shown == [shown]
    assert "t0ken" not in repr(WebPeer(name="WEB", url="https://pacs", **named))


@pytest.mark.parametrize("status", [405, 501])
def test_check_says_that_there_is_no_search(archive, peer, status):
    archive.whole = (status, "text/plain", "")
    assert "no search" in peer().echo()


@pytest.mark.parametrize("status", [401, 404])
def test_check_fails_without_the_right_to_ask_and_where_no_dicomweb_is(archive, peer, status):
    archive.whole = (status, "text/plain", "")
    with pytest.raises(PeerRefusedError, match=f"HTTP {status}"):
        peer().echo()

"""The voice WebSocket: who may use it, what is said on it, and a real server behind it."""

import json
import time

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from websockets.sync.client import connect

from copilot.api.voice import is_our_page, voice_router
from copilot.concepts import load_concepts
from copilot.intent.grammar import SpokenGrammar
from copilot.listening import Listener
from copilot.saying import Limits
from tests.contracts.transcribers import ScriptedTranscriber
from tests.server import running_server
from voice.audio import read_utterance

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette")

SENTENCE = "segment the left kidney"
START = {"type": "start", "mode": "command", "hands_free": False, "series_instance_uid": None}
STOP = {"type": "stop"}
FRAME = 3200


@pytest.fixture(scope="module")
def spoken(shared_data):
    samples = read_utterance(shared_data / "speech" / "commands" / "flite-rms_16.wav").samples
    return (samples * 32767).astype("<i2").tobytes()


@pytest.fixture
def listener():
    engine = ScriptedTranscriber(SENTENCE)
    grammar = SpokenGrammar(load_concepts())
    with Listener(lambda: engine, grammar, Limits(stations=2)) as made:
        yield made


@pytest.fixture
def app(listener):
    made = FastAPI()
    made.include_router(voice_router(listener))
    return made


def say(socket, sound):
    for start in range(0, len(sound), FRAME):
        socket.send_bytes(sound[start : start + FRAME])


def answer(socket):
    """Return the next message that is no partial text."""
    while (got := socket.receive_json())["type"] == "partial":
        assert got["text"]
    return got


def test_a_sentence_becomes_a_command(app, spoken):
    with TestClient(app).websocket_connect("/api/voice") as socket:
        socket.send_json(START | {"series_instance_uid": "1.2.3"})
        say(socket, spoken)
        socket.send_json(STOP)
        final = answer(socket)
    assert final["type"] == "final"
    assert final["command"] == {
        "action": "segment",
        "concept": "kidney",
        "side": "left",
        "measures": [],
    }
    assert final["series_instance_uid"] == "1.2.3"
    assert final["mode"] == "command"
    assert 0 <= final["release_to_text_s"] < 30
    assert {"text", "raw_text", "words", "rivals", "repairs", "confidence", "engine"} <= set(final)


def test_dictation_is_text(app, spoken):
    with TestClient(app).websocket_connect("/api/voice") as socket:
        socket.send_json(START | {"mode": "dictate"})
        say(socket, spoken)
        socket.send_json(STOP)
        assert answer(socket)["command"] == {"action": "dictate", "text": SENTENCE}


@pytest.mark.parametrize(
    ("message", "error", "says"),
    [
        ("no JSON", "MessageError", "send start, stop or cancel"),
        ("[1]", "MessageError", "send start, stop or cancel"),
        ('{"type": "begin"}', "MessageError", "send start, stop or cancel"),
        ('{"type": "start", "mode": "sing"}', "MessageError", "mode"),
        ('{"type": "start", "colour": 1}', "MessageError", "colour"),
        (
            '{"type": "start", "series_instance_uid": "../1"}',
            "InputError",
            "series_instance_uid of 4 characters is not a DICOM UID",
        ),
        (" " * 5000, "MessageError", "5000 characters"),
        ('{"type": "stop"}', "MessageError", "stop came before start"),
        (b"\0\0", "MessageError", "frames came before start"),
    ],
)
def test_what_is_no_message_is_named_and_the_next_is_heard(app, spoken, message, error, says):
    with TestClient(app).websocket_connect("/api/voice") as socket:
        if isinstance(message, bytes):
            socket.send_bytes(message)
        else:
            socket.send_text(message)
        refused = socket.receive_json()
        assert refused["type"] == "error"
        assert refused["error"] == error
        assert says in refused["detail"]
        socket.send_json(START)
        socket.send_bytes(b"\0\0\0")
        assert "no whole 16-bit samples" in socket.receive_json()["detail"]
        say(socket, spoken)
        socket.send_json(STOP)
        assert answer(socket)["text"] == SENTENCE


def test_silence_is_answered_with_what_to_do(app):
    with TestClient(app).websocket_connect("/api/voice") as socket:
        for sound in (b"", bytes(32_000)):
            socket.send_json(START)
            say(socket, sound)
            socket.send_json(STOP)
            refused = answer(socket)
            assert refused["error"] == "AudioError"
            assert "hold the key while speaking" in refused["detail"]


def test_who_sends_nothing_but_nonsense_is_hung_up_on(app):
    with TestClient(app).websocket_connect("/api/voice") as socket:
        for _ in range(21):
            socket.send_bytes(b"\0\0")
        refused = [socket.receive_json()["error"] for _ in range(20)]
        with pytest.raises(WebSocketDisconnect) as ended:
            list(iter(socket.receive_json, None))
    assert set(refused) == {"MessageError"}
    assert ended.value.code == 1008


def test_one_station_too_many_is_told_so(app):
    client = TestClient(app)
    with (
        client.websocket_connect("/api/voice"),
        client.websocket_connect("/api/voice"),
        client.websocket_connect("/api/voice") as third,
    ):
        assert third.receive_json()["error"] == "BusyError"
        with pytest.raises(WebSocketDisconnect) as ended:
            third.receive_json()
        assert ended.value.code == 1013


def test_a_page_that_is_closed_makes_room(app):
    client = TestClient(app)
    for _ in range(5):
        with client.websocket_connect("/api/voice") as socket:
            socket.send_json(START)
            socket.send_json(STOP)
            assert socket.receive_json()["error"] == "AudioError"


@pytest.mark.parametrize(
    ("origin", "host", "ours"),
    [
        (None, "station:8765", True),
        ("http://station:8765", "station:8765", True),
        ("http://localhost:5173", "127.0.0.1:8765", True),
        ("http://[::1]:8765", "localhost:8765", True),
        ("https://elsewhere.example", "station:8765", False),
        ("http://station:9999", "station:8765", False),
        ("http://localhost.elsewhere.example", "localhost:8765", False),
        ("null", "station:8765", False),
        ("", "station:8765", False),
    ],
)
def test_only_our_own_pages_may_listen(origin, host, ours):
    assert is_our_page(origin, host) is ours


def test_a_foreign_page_is_refused_before_it_is_heard(app):
    foreign = {"origin": "https://elsewhere.example"}
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        TestClient(app).websocket_connect("/api/voice", headers=foreign),
    ):
        raise AssertionError("it was let in")
    assert refused.value.code == 4403


def test_a_real_server_hears_a_microphone_and_keeps_no_sound(tmp_path, models_folder, spoken):
    with running_server(tmp_path) as server:
        url = f"{server.url.replace('http', 'ws')}/api/voice"
        before = {path for path in server.folder.rglob("*") if path.is_file()}
        with connect(url, proxy=None) as socket:
            socket.send(json.dumps(START))
            for start in range(0, len(spoken), FRAME):
                socket.send(spoken[start : start + FRAME])
                time.sleep(0.1)
            socket.send(json.dumps(STOP))
            while (got := json.loads(socket.recv(60)))["type"] == "partial":
                assert got["text"]
        after = {path for path in server.folder.rglob("*") if path.is_file()}
        log = server.log.read_text().lower()
    assert got["command"]["concept"] == "kidney"
    assert got["command"]["side"] == "right"
    assert {path.suffix for path in after - before} <= {".db-wal", ".db-shm", ".db-journal"}
    assert "kidney" not in log


def test_one_sentence_follows_another_on_the_same_socket(app, spoken):
    with TestClient(app).websocket_connect("/api/voice") as socket:
        for _ in range(2):
            socket.send_json(START)
            say(socket, spoken + np.zeros(8000, "<i2").tobytes())
            socket.send_json(STOP)
            assert answer(socket)["text"] == SENTENCE

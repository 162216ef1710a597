"""A real HTTP server that speaks the chat-completions protocol from a script."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from copilot.agent.endpoint import Endpoint


@dataclass(kw_only=True)
class Answer:
    """One answer: a status and a body, after a while."""

    body: bytes
    status: int = 200
    delay_s: float = 0.0


def calls(*named: tuple[str, dict[str, Any] | str], words: str | None = None) -> Answer:
    """A reply with tool calls; arguments as they stand where they are text."""
    made = [
        {
            "id": "same-for-all",
            "type": "function",
            "function": {
                "name": name,
                "arguments": given if isinstance(given, str) else json.dumps(given),
            },
        }
        for name, given in named
    ]
    return completion({"role": "assistant", "content": words, "tool_calls": made})


def completion(message: dict[str, Any], tokens: tuple[int, int] = (200, 20)) -> Answer:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": tokens[0],
            "completion_tokens": tokens[1],
            "total_tokens": sum(tokens),
        },
    }
    return Answer(body=json.dumps(body).encode())


def failure(status: int) -> Answer:
    return Answer(status=status, body=b'{"error": {"message": "no", "type": "scripted"}}')


@dataclass(kw_only=True)
class ChatServer:
    """What was asked, and what is answered next; the last answer is given again and again."""

    script: Sequence[Answer]
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def endpoint(self, **named: Any) -> Endpoint:
        return Endpoint(url=self.url, model="scripted", api_key="secret-key", **named)

    def next(self) -> Answer:
        return self.script[min(len(self.requests), len(self.script)) - 1]

    def said(self) -> str:
        """Everything that left, as one text."""
        return json.dumps(self.requests)


@contextmanager
def chat_server(*script: Answer) -> Iterator[ChatServer]:
    """Serve a script on a free loopback port."""
    served = ChatServer(script=script)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            served.requests.append(json.loads(content))
            served.headers.append({name.lower(): value for name, value in self.headers.items()})
            answer = served.next()
            time.sleep(answer.delay_s)
            with suppress(BrokenPipeError, ConnectionResetError):  # who asked may have gone
                self.send(answer)

        def send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A real MLLP listener that acknowledges, refuses, hangs or cuts the line, as it is told to."""

import socket
import ssl
import threading
from contextlib import suppress
from typing import Self

START, END = b"\x0b", b"\x1c\r"


class Hl7Listener:
    """Takes messages on a port of its own; ``answers`` are given in order, then "AA" for ever.

    An answer is "AA", "AE", "AR", "CA"..., "hang", "cut" (before an answer), "other" (another
    message's control ID), "noise" (no HL7) or "half" (cut amid the answer).
    """

    def __init__(self, *answers: str, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.messages: list[str] = []
        self._answers = list(answers)
        self._tls = tls
        self._leaving = threading.Event()
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and cut every line."""
        self._leaving.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for each in self._threads:
            each.join()

    def control_ids(self) -> list[str]:
        """Return those of the messages that came, in order."""
        return [each.split("|")[9] for each in self.messages]

    def _accept(self) -> None:
        while not self._leaving.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if self._tls is None:
                self._talk(connection)
                return
            with self._tls.wrap_socket(connection, server_side=True) as secured:
                self._talk(secured)

    def _talk(self, connection: socket.socket) -> None:
        got = b""
        while END not in got:
            more = connection.recv(4096)
            if not more:
                return
            got += more
        message = got[: got.index(END)].removeprefix(START).decode()
        self.messages.append(message)
        self._answer(connection, message.split("|")[9])

    def _answer(self, connection: socket.socket, control_id: str) -> None:
        answer = self._answers.pop(0) if self._answers else "AA"
        if answer == "hang":
            self._leaving.wait()
        if answer in {"hang", "cut"}:
            return
        if answer == "noise":
            connection.sendall(START + b"hello" + END)
            return
        to = "ANOTHER" if answer == "other" else control_id
        code = answer if len(answer) == 2 else "AA"
        lines = ["MSH|^~\\&|RIS||RADCOPILOT||20260101||ACK^R01^ACK|1|P|2.5"]
        lines.append(f"MSA|{code}|{to}")
        if code in {"AE", "AR"}:
            lines[-1] += "|no such order"
            lines.append(
                "ERR|||204^Unknown key identifier^HL70357|E||||Order \\T\\ patient unknown"
            )
        block = START + ("\r".join(lines) + "\r").encode() + END
        connection.sendall(block[: len(block) // 2] if answer == "half" else block)

"""HL7 messages over MLLP: one connection a message, its acknowledgment waited for.

Framing and commit are those of "Minimal Lower Layer Protocol", HL7 transport specification
release 1: start block 0B, end block 1C 0D, and an MSA that names our control ID.
"""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from dicom_node.tls import ClientTls
from domain.errors import PeerRefusedError, PeerUnreachableError
from reporting.exports import er7

START: Final = b"\x0b"
END: Final = b"\x1c\r"
TAKEN: Final = frozenset({"AA", "CA"})
REFUSED: Final = frozenset({"AE", "AR", "CE", "CR"})
_BLOCK: Final = 65_536
_LARGEST_ANSWER: Final = 1 << 20
_MSA_LENGTH: Final = 3
_ERR_TEXTS: Final = (8, 7, 3)  # user message, diagnostic information, HL7 error code (v2.5)


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Who takes HL7 messages, and how it is called.

    Attributes
    ----------
    answer_timeout_s
        For the whole acknowledgment, from the end of the message.
    """

    name: str
    host: str
    port: int
    connect_timeout_s: float = 10.0
    answer_timeout_s: float = 30.0
    tls: ClientTls | None = None

    @property
    def _place(self) -> str:
        return f"{self.name} ({self.host}:{self.port})"

    def send(self, message: bytes, control_id: str) -> str:
        """Send a message and return the words of its acknowledgment, "AA" first.

        Raises
        ------
        PeerUnreachableError
            If there is no connection, it breaks, or no acknowledgment comes in time: the same
            message may be sent again, a receiver knows it by its control ID.
        PeerRefusedError
            If it is answered with an error or a rejection, in the receiver's words, or with what
            is no acknowledgment of it.
        SettingsError
            If a file of the TLS settings cannot be used.
        """
        with self._connected() as connection:
            try:
                connection.sendall(START + message + END)
                answer = self._answer(connection)
            except TimeoutError as error:
                raise PeerUnreachableError(
                    f"{self._place} took the message and sent no acknowledgment within "
                    f"{self.answer_timeout_s:g} s: see whether its channel runs"
                ) from error
            except OSError as error:
                raise PeerUnreachableError(
                    f"{self._place} broke the connection ({_reason(error)}) before it acknowledged"
                ) from error
        return self._judged(answer, control_id)

    def reach(self) -> str:
        """Connect, say nothing, and return that it takes connections: HL7 has no echo.

        Raises
        ------
        PeerUnreachableError
            If there is no connection.
        """
        with self._connected():
            secured = ", TLS" if self.tls else ""
        return f"takes connections at {self.host}:{self.port}{secured} (HL7 has no echo)"

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        context = self.tls.context() if self.tls else None
        try:
            made = socket.create_connection((self.host, self.port), timeout=self.connect_timeout_s)
        except OSError as error:
            raise PeerUnreachableError(
                f"{self._place} takes no connection ({_reason(error)}): check host, port and "
                "firewall"
            ) from error
        with made:
            if context is None:
                yield made
                return
            try:
                secured = context.wrap_socket(made, server_hostname=self.host)
            except OSError as error:
                raise PeerUnreachableError(
                    f"{self._place} makes no TLS connection ({_reason(error)}): check its "
                    "certificate against tls.ca, and that it speaks TLS"
                ) from error
            with secured:
                yield secured

    def _answer(self, connection: socket.socket) -> bytes:
        """Return the content of the first block that comes."""
        until = time.monotonic() + self.answer_timeout_s
        got = b""
        while END not in got:
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            connection.settimeout(left_s)
            more = connection.recv(_BLOCK)
            if not more:
                raise ConnectionResetError(0, "it ended the connection")
            got += more
            if len(got) > _LARGEST_ANSWER:
                raise PeerRefusedError(
                    f"{self._place} answered with more than {_LARGEST_ANSWER} bytes: that is no "
                    "acknowledgment"
                )
        return got[: got.index(END)].removeprefix(START)

    def _judged(self, answer: bytes, control_id: str) -> str:
        """Return the words of a yes to this message, or raise those of a no."""
        lines = [
            er7.fields_of(line)
            for line in answer.decode("utf-8", "replace").replace("\n", "\r").split("\r")
        ]
        found = [line for line in lines if line[0] == "MSA" and len(line) >= _MSA_LENGTH]
        if not found:
            raise PeerRefusedError(
                f"{self._place} answered without MSA: see that it is an HL7 v2 listener"
            )
        code, to = found[0][1], er7.unescaped(found[0][2])
        words = " ".join(filter(None, [code, *_words(found[0], lines)]))
        if to != control_id:
            raise PeerRefusedError(
                f"{self._place} acknowledged message {to!r}, ours is {control_id!r}: see that one "
                "channel alone answers"
            )
        if code in TAKEN:
            return words
        if code in REFUSED:
            raise PeerRefusedError(f"{self._place} refused the message: {words}")
        raise PeerRefusedError(
            f"{self._place} answered {code!r}: an acknowledgment is one of "
            f"{', '.join(sorted(TAKEN | REFUSED))}"
        )


def _words(msa: list[str], lines: list[list[str]]) -> Iterator[str]:
    """Yield what an acknowledgment says beside its code: MSA-3, and the texts of each ERR."""
    yield from (er7.unescaped(text) for text in msa[3:4])
    for line in lines:
        if line[0] == "ERR":
            texts = [line[number] for number in _ERR_TEXTS if len(line) > number]
            yield from (er7.unescaped(text.replace("^", " ")).strip() for text in texts[:1])


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS"
    return error.strerror or str(error) or type(error).__name__

"""Bodies of many parts (RFC 2387), written piece by piece and read off a file."""

import mmap
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dicom_node.dicomweb.refusal import bad_request

_BOUNDARY: Final = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_LONGEST_HEAD: Final = 8192
_MOST_PARTS: Final = 100_000

Readable = bytes | mmap.mmap


@dataclass(frozen=True, kw_only=True)
class OutgoingPart:
    """A part to be sent; its content comes in pieces."""

    content_type: str
    location: str
    content: Iterable[bytes]


@dataclass(frozen=True, kw_only=True)
class IncomingPart:
    """A part that came: where its content stands in the body."""

    number: int
    content_type: str
    start: int
    stop: int


def written(parts: Iterable[OutgoingPart], boundary: str) -> Iterator[bytes]:
    """Yield the body of a multipart message."""
    for part in parts:
        yield (
            f"--{boundary}\r\nContent-Type: {part.content_type}\r\n"
            f"Content-Location: {part.location}\r\n\r\n"
        ).encode()
        yield from part.content
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def parts_of(body: Readable, boundary: str) -> tuple[IncomingPart, ...]:
    """Return the parts of a complete body.

    Raises
    ------
    RequestRefusedError
        If the body is not framed as its boundary says, down to the closing delimiter: nothing of a
        body that was cut short is believed.
    """
    coded = boundary.encode("utf-8", "replace")
    if not _BOUNDARY.fullmatch(coded):
        raise bad_request("the boundary of the multipart body is missing or no boundary")
    found: list[IncomingPart] = []
    at, closing = _delimiter(body, coded, 0)
    while not closing:
        if len(found) == _MOST_PARTS:
            raise bad_request(f"a body of more than {_MOST_PARTS} parts: send them in several")
        head, start = _head(body, at, len(found) + 1)
        stop, at, closing = _next_delimiter(body, coded, start, len(found) + 1)
        found.append(
            IncomingPart(
                number=len(found) + 1,
                content_type=head.get("content-type", ""),
                start=start,
                stop=stop,
            )
        )
    if not found:
        raise bad_request("the multipart body holds no part")
    return tuple(found)


def _delimiter(body: Readable, boundary: bytes, start: int) -> tuple[int, bool]:
    """Return where the first part's head begins, behind a preamble, and whether it is the end."""
    opening = b"--" + boundary
    if body[start : start + len(opening)] == opening:
        after = _line_end(body, start + len(opening))
        if after is not None:
            return after
    _, at, closing = _next_delimiter(body, boundary, start, 0)
    return at, closing


def _next_delimiter(
    body: Readable, boundary: bytes, start: int, number: int
) -> tuple[int, int, bool]:
    """Return where content ends, where the delimiter behind it ends, and whether that closes."""
    mark = b"\r\n--" + boundary
    at = body.find(mark, max(0, start - 2))  # an empty part: its head's end begins the delimiter
    while at >= 0:
        after = _line_end(body, at + len(mark))
        if after is not None:
            return max(at, start), *after
        at = body.find(mark, at + 1)  # a longer word that begins as the boundary does
    where = f"after part {number}" if number else "at all"
    raise bad_request(f"the multipart body has no delimiter {where}: it was cut short, send again")


def _line_end(body: Readable, at: int) -> tuple[int, bool] | None:
    """Return what follows a boundary: the place behind its line, and whether it is the last."""
    closing = body[at : at + 2] == b"--"
    if closing:
        at += 2
    while body[at : at + 1] in {b" ", b"\t"}:
        at += 1
    if body[at : at + 2] == b"\r\n":
        return at + 2, closing
    return (at, True) if closing and at >= len(body) else None


def _head(body: Readable, at: int, number: int) -> tuple[Mapping[str, str], int]:
    if body[at : at + 2] == b"\r\n":
        return {}, at + 2
    end = body.find(b"\r\n\r\n", at, at + _LONGEST_HEAD)
    if end < 0:
        raise bad_request(f"part {number} of the multipart body has no end to its headers")
    fields: dict[str, str] = {}
    for line in body[at:end].decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise bad_request(f"part {number} of the multipart body has a header without a name")
        fields[name.strip().lower()] = value.strip()
    return fields, end + 4

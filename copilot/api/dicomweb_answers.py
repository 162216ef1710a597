"""The answers of DICOMweb: what the client accepts, what has changed, and the bodies in pieces."""

import mmap
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain, islice
from pathlib import Path
from typing import IO, Final, TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response, StreamingResponse
from starlette.requests import ClientDisconnect

from dicom_node.dicomweb import media
from dicom_node.dicomweb.answers import answer
from dicom_node.dicomweb.multipart import OutgoingPart, written
from dicom_node.dicomweb.objects import (
    bulk_value,
    entity_tag,
    instance_url,
    is_pixel_path,
    metadata,
    object_pieces,
)
from dicom_node.dicomweb.pixels import Pixels, open_pixels
from dicom_node.dicomweb.query import Scope, query
from dicom_node.dicomweb.refusal import RequestRefusedError, bad_request, not_acceptable, not_found
from dicom_node.dicomweb.rendering import PICTURES, THUMBNAIL_PX, Picture, picture_wanted, rendered
from dicom_node.dicomweb.storing import Limits, Stored, boundary_of, stored
from dicom_node.index_search import Kept
from dicom_node.store import Store
from domain.errors import InputError, NoRoomError, UnreadableFileError
from domain.uids import InstanceUID, SeriesUID, StudyUID, checked_uid

PREFIX: Final = "/dicom-web"
_MOST_TRIED: Final = 20  # objects without pixels in a row, looking for a thumbnail
_JSONS: Final = (media.JSON, "application/json")

Piece = TypeVar("Piece", str, bytes)


@dataclass(frozen=True, kw_only=True)
class DicomWeb:
    """What is served, and how much is taken at once.

    Attributes
    ----------
    folder
        Where an upload lies while it comes in.
    largest_upload, largest_instance
        In bytes.
    """

    store: Store
    folder: Path
    largest_upload: int
    largest_instance: int

    def kept(
        self, study: str, series: str | None = None, instance: str | None = None
    ) -> tuple[Kept, ...]:
        """Return the instances of an address.

        Raises
        ------
        RequestRefusedError
            If there is none.
        """
        found = self.store.index.kept(
            StudyUID(checked(study, "study")),
            None if series is None else SeriesUID(checked(series, "series")),
            None if instance is None else InstanceUID(checked(instance, "instance")),
        )
        if not found:
            raise not_found(f"{instance or series or study} is not stored here")
        return found


def searched(web: DicomWeb, request: Request, scope: Scope) -> Response:
    """Answer a search."""
    kind = media.chosen(media.accepted(_accept(request)), _JSONS, "a search")
    asked = query(scope, request.query_params.multi_items())
    found, more = web.store.index.search(asked.search)
    warnings = list(asked.warnings)
    if more:
        warnings.append(f"There are {more} additional results that can be requested")
    headers = _warnings(request, warnings)
    if not found:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    pieces = _begun(answer(found, asked, scope, _base(request)))
    return StreamingResponse(pieces, media_type=kind, headers=headers)


def objects_sent(request: Request, kept: Sequence[Kept], *, alone: bool) -> Response:
    """Answer with objects, as they are accepted; ``alone`` allows one without multipart."""
    accept = _accept(request)
    ranges = media.accepted(accept)
    forms: list[tuple[Kept, media.Form]] = []
    refusal: RequestRefusedError | None = None
    for each in kept:
        try:
            form = media.object_form(ranges, each.transfer_syntax_uid, alone=alone)
            forms.append((each, form))
        except RequestRefusedError as error:
            refusal = error
    if refusal is not None and not forms:
        raise refusal
    etag = entity_tag([each for each, _ in forms], f"objects {accept}")
    if _is_known(request, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})
    base = _base(request)
    parts = (
        OutgoingPart(
            content_type=form.content_type,
            location=instance_url(base, each),
            content=object_pieces(each, form),
        )
        for each, form in forms
    )
    first, form = forms[0]
    if alone and not form.multipart:
        pieces = _begun(object_pieces(first, form))
        return StreamingResponse(pieces, media_type=media.DICOM, headers={"ETag": etag})
    response = _multipart(parts, media.DICOM, etag)
    if refusal is not None:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        left = len(kept) - len(forms)
        response.headers.update(_warnings(request, [f"{left} objects left out: {refusal}"]))
    return response


def headers_sent(request: Request, kept: Sequence[Kept]) -> Response:
    """Answer with the headers of objects."""
    kind = media.chosen(media.accepted(_accept(request)), _JSONS, "metadata")
    base = _base(request)
    etag = entity_tag(kept, f"metadata {base}")
    if _is_known(request, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})
    pieces = _begun(metadata(kept, base))
    return StreamingResponse(pieces, media_type=kind, headers={"ETag": etag})


def frames_sent(request: Request, kept: Kept, numbers: Sequence[int]) -> Response:
    """Answer with frames by number."""
    accept = _accept(request)
    form = media.frame_form(media.accepted(accept), kept.transfer_syntax_uid)
    if len(numbers) > 1 and not form.multipart:
        raise not_acceptable(f"several frames are to be had as {media.MULTIPART}")
    etag = entity_tag([kept], f"frames {list(numbers)} {accept}")
    if _is_known(request, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})

    def frames() -> Iterator[bytes]:
        with open_pixels(kept.path, kept.sop_instance_uid) as found:
            pixels = _with_pixels(found, kept)
            indices = pixels.checked(numbers)
            yield from pixels.decoded(indices) if form.decoded else pixels.stored(indices)

    contents = _begun(frames())
    if not form.multipart:
        return Response(next(contents), media_type=form.content_type, headers={"ETag": etag})
    url = instance_url(_base(request), kept)
    parts = (
        OutgoingPart(
            content_type=form.content_type, location=f"{url}/frames/{number}", content=(content,)
        )
        for number, content in zip(numbers, contents, strict=True)
    )
    return _multipart(parts, form.kind, etag)


def bulk_sent(request: Request, kept: Kept, path: str) -> Response:
    """Answer with a large value, or with all pixel data."""
    if is_pixel_path(path):
        return pixel_data_sent(request, kept)
    ranges = media.accepted(_accept(request))
    if not any(each.takes(media.OCTETS) for each in ranges):
        raise not_acceptable(f"bulk data are to be had as {media.OCTETS}")
    etag = entity_tag([kept], path)
    if _is_known(request, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})
    value = bulk_value(kept, path)
    if ranges[0].kind == media.OCTETS and not ranges[0].multipart:
        return Response(value, media_type=media.OCTETS, headers={"ETag": etag})
    part = OutgoingPart(content_type=media.OCTETS, location=str(request.url), content=(value,))
    return _multipart([part], media.OCTETS, etag)


def pixel_data_sent(request: Request, kept: Kept) -> Response:
    """Send all pixel data: one part where they are uncompressed, else a part for each frame."""
    if not media.is_native(kept.transfer_syntax_uid):
        with open_pixels(kept.path, kept.sop_instance_uid) as found:
            frames = _with_pixels(found, kept).frames
        return frames_sent(request, kept, range(1, frames + 1))
    form = media.frame_form(media.accepted(_accept(request)), kept.transfer_syntax_uid)
    etag = entity_tag([kept], "pixel data")
    if _is_known(request, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})

    def pieces() -> Iterator[bytes]:
        with open_pixels(kept.path, kept.sop_instance_uid) as found:
            yield from _with_pixels(found, kept).whole()

    content = _begun(pieces())
    if not form.multipart:
        return StreamingResponse(content, media_type=form.content_type, headers={"ETag": etag})
    part = OutgoingPart(content_type=form.content_type, location=str(request.url), content=content)
    return _multipart([part], form.kind, etag)


def picture(request: Request, kept: Sequence[Kept], number: int) -> Response:
    """Answer with a frame drawn as the parameters say."""
    wanted = picture_wanted(request.query_params.multi_items())
    return _drawn(request, kept[0], number, wanted)


def thumbnail(request: Request, kept: Sequence[Kept], number: int | None = None) -> Response:
    """Answer with a small picture, of the middle where no frame is named."""
    middle = len(kept) // 2
    near = sorted(range(len(kept)), key=lambda at: abs(at - middle))
    for at in islice(near, _MOST_TRIED):
        with open_pixels(kept[at].path, kept[at].sop_instance_uid) as pixels:
            frames = pixels.frames if pixels is not None else 0
        if frames:
            wanted = Picture(viewport=(THUMBNAIL_PX, THUMBNAIL_PX))
            return _drawn(request, kept[at], number or (frames + 1) // 2, wanted)
    raise not_found("there is no image to make a thumbnail of")


def _drawn(request: Request, kept: Kept, number: int, wanted: Picture) -> Response:
    kind = media.chosen(media.accepted(_accept(request)), PICTURES, "a picture")
    etag = entity_tag([kept], f"picture {kind} {number} {wanted}")
    if _is_known(request, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})
    with open_pixels(kept.path, kept.sop_instance_uid) as found:
        pixels = _with_pixels(found, kept)
        (index,) = pixels.checked([number])
        try:
            content = rendered(pixels, index, wanted, kind)
        except UnreadableFileError as error:
            raise not_acceptable(str(error)) from error
    return Response(content, media_type=kind, headers={"ETag": etag})


async def uploaded(web: DicomWeb, request: Request, study: StudyUID | None) -> Response:
    """Take a body in, then keep what is in it."""
    boundary = boundary_of(request.headers.get("content-type", ""))
    media.chosen(media.accepted(_accept(request)), _JSONS, "the answer to a storing request")
    limits = Limits(study=study, largest_instance=web.largest_instance)
    too_large = RequestRefusedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"more than {web.largest_upload} bytes: send the objects in several requests",
    )
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > web.largest_upload:
        raise too_large
    try:
        web.store.room.check(int(announced) if announced.isdigit() else 0)
        with tempfile.TemporaryFile(dir=web.folder, prefix=".upload-") as aside:
            size = 0
            async for piece in request.stream():
                size += len(piece)
                if size > web.largest_upload:
                    raise too_large
                web.store.room.check(0)
                await run_in_threadpool(aside.write, piece)
            made = await run_in_threadpool(
                _taken, web.store, aside, boundary, _base(request), limits
            )
    except ClientDisconnect as error:
        raise bad_request("the upload was broken off: nothing of it is kept") from error
    except NoRoomError as error:
        raise RequestRefusedError(
            HTTPStatus.INSUFFICIENT_STORAGE, "the disk is nearly full: send it later"
        ) from error
    except OSError as error:
        raise RequestRefusedError(
            HTTPStatus.INSUFFICIENT_STORAGE, f"the upload cannot be written: {error.strerror}"
        ) from error
    return Response(
        made.body,
        status_code=made.status,
        media_type=media.JSON,
        headers=_warnings(request, made.warnings),
    )


def _taken(store: Store, aside: IO[bytes], boundary: str, base_url: str, limits: Limits) -> Stored:
    aside.flush()
    if not aside.tell():
        raise bad_request("the body is empty: send a multipart body of DICOM files")
    with mmap.mmap(aside.fileno(), 0, access=mmap.ACCESS_READ) as body:
        return stored(store, body, boundary, base_url, limits)


def _with_pixels(pixels: Pixels | None, kept: Kept) -> Pixels:
    if pixels is None:
        raise not_found(f"instance {kept.sop_instance_uid} has no pixel data")
    return pixels


def _multipart(parts: Iterable[OutgoingPart], kind: str, etag: str) -> StreamingResponse:
    boundary = secrets.token_hex(16)
    return StreamingResponse(
        _begun(written(parts, boundary), ahead=2),
        media_type=f'{media.MULTIPART}; type="{kind}"; boundary={boundary}',
        headers={"ETag": etag},
    )


def _begun(pieces: Iterator[Piece], ahead: int = 1) -> Iterator[Piece]:
    """Make the first pieces now, while a failure can still be said with a status."""
    try:
        first = list(islice(pieces, ahead))
    except UnreadableFileError as error:
        raise not_acceptable(str(error)) from error
    return chain(first, pieces)


def _base(request: Request) -> str:
    """Return our address as the client knows it, port and all.

    Some clients leave the port out of their Host header (dicomweb-client): it is that of the
    connection then, unless a proxy stands between and the port is its business.
    """
    url = request.base_url
    server = request.scope.get("server")
    forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for"))
    if url.port is None and not forwarded and server and server[1] not in {None, 80, 443}:
        url = url.replace(port=server[1])
    return f"{str(url).rstrip('/')}{PREFIX}"


def _accept(request: Request) -> str:
    """Return what is accepted; the parameter goes before the header (PS3.18 section 8.3.3.1)."""
    given = request.query_params.getlist("accept") or request.headers.getlist("accept")
    return ",".join(given)


def _is_known(request: Request, etag: str) -> bool:
    known = [
        each.strip().removeprefix("W/")
        for each in request.headers.get("if-none-match", "").split(",")
    ]
    return etag in known or "*" in known


def _warnings(request: Request, texts: Sequence[str]) -> dict[str, str]:
    if not texts:
        return {}
    service = _base(request)
    said = ", ".join(f'299 {service}: "{_header_safe(text)}"' for text in texts[:_MOST_TRIED])
    return {"Warning": said}


def _header_safe(text: str) -> str:
    plain = text.replace('"', "'").encode("ascii", "replace").decode()
    return "".join(each if each.isprintable() else "?" for each in plain)


def checked(text: str, role: str) -> str:
    """Return a UID of an address.

    Raises
    ------
    RequestRefusedError
        If it is none.
    """
    try:
        return checked_uid(text, f"{role} UID")
    except InputError as error:
        raise bad_request(str(error)) from error


def frame_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of frames in an address."""
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):  # noqa: PLR2004 - digits
        raise bad_request(f"frames/{text} cannot be read: write numbers from 1, as frames/1,2,3")
    return tuple(int(part) for part in parts)


def frame_number(text: str) -> int:
    """Return the one number of a frame in an address."""
    numbers = frame_numbers(text)
    if len(numbers) > 1:
        raise bad_request("one frame is rendered at a time")
    return numbers[0]

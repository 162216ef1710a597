"""``/api/voice``: a page's microphone, heard while the key is held. Sound stays in memory."""

import asyncio
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.types import Message

from copilot.listening import Failed, FinalText, Listener, PartialText, Station, Stopped, Told
from copilot.saying import Mode, Order
from domain.errors import BusyError, MessageError, RadcopilotError
from domain.uids import SeriesUID, checked_uid

_FOREIGN: Final = 4403
_TRY_LATER: Final = 1013
_POLICY: Final = 1008
_MOST_ERRORS_IN_A_ROW: Final = 20
_LONGEST_TEXT: Final = 4096
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Start(_Message):
    type: Literal["start"]
    mode: Mode = Mode.COMMAND
    hands_free: bool = False
    series_instance_uid: str | None = None


class _Stop(_Message):
    type: Literal["stop"]


class _Cancel(_Message):
    type: Literal["cancel"]


_MESSAGES: Final[TypeAdapter[_Start | _Stop | _Cancel]] = TypeAdapter(
    Annotated[_Start | _Stop | _Cancel, Field(discriminator="type")]
)


def voice_router(listener: Listener) -> APIRouter:
    """Return the WebSocket of a listener; docs/how-to/voice.md describes what is said on it."""
    router = APIRouter(tags=["voice"])

    @router.websocket("/api/voice")
    async def listen(socket: WebSocket) -> None:
        if not is_our_page(socket.headers.get("origin"), socket.headers.get("host", "")):
            await socket.close(_FOREIGN, "open the page from this server")
            return
        await socket.accept()
        await _converse(socket, listener)

    return router


def is_our_page(origin: str | None, host: str) -> bool:
    """Return whether a browser's page is of this server or this machine; programs name none."""
    if origin is None:
        return True
    parts = urlsplit(origin)
    return parts.netloc.lower() == host.lower() or parts.hostname in _LOOPBACK


async def _converse(socket: WebSocket, listener: Listener) -> None:
    told: asyncio.Queue[Told] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def tell(each: Told) -> None:
        loop.call_soon_threadsafe(told.put_nowait, each)

    try:
        station = listener.station(tell)
    except BusyError as error:
        await socket.send_json(printed(Failed(error=error)))
        await socket.close(_TRY_LATER)
        return
    speaking = asyncio.create_task(_speak(socket, told))
    errors_in_a_row = 0
    try:
        while (message := await socket.receive())["type"] == "websocket.receive":
            try:
                await _take(station, message)
                errors_in_a_row = 0
            except RadcopilotError as error:
                errors_in_a_row += 1
                told.put_nowait(Failed(error=error))
            if errors_in_a_row > _MOST_ERRORS_IN_A_ROW:
                await socket.close(_POLICY, "too many messages that are none of the protocol")
                break
    finally:
        station.leave()
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)


async def _speak(socket: WebSocket, told: "asyncio.Queue[Told]") -> None:
    while True:
        await socket.send_json(printed(await told.get()))


async def _take(station: Station, message: Message) -> None:
    if (frames := message.get("bytes")) is not None:
        await run_in_threadpool(station.hear, frames)
        return
    match _read(message.get("text") or ""):
        case _Start() as start:
            station.start(_order(start))
        case _Stop():
            station.stop()
        case _Cancel():
            station.cancel()


def _read(text: str) -> _Start | _Stop | _Cancel:
    if len(text) > _LONGEST_TEXT:
        raise MessageError(f"a message of {len(text)} characters is none: send start, stop, cancel")
    try:
        return _MESSAGES.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(each) for each in first["loc"]) or "message"
        raise MessageError(
            f"{place}: {first['msg']}: send start, stop or cancel as JSON, sound as binary"
        ) from error


def _order(start: _Start) -> Order:
    uid = start.series_instance_uid
    return Order(
        mode=start.mode,
        hands_free=start.hands_free,
        series_instance_uid=None
        if uid is None
        else SeriesUID(checked_uid(uid, "series_instance_uid")),
    )


def printed(told: Told) -> dict[str, Any]:
    """Return what is told as the JSON document that is sent."""
    match told:
        case PartialText():
            return {"type": "partial", "text": told.text}
        case FinalText():
            return {
                "type": "final",
                **told.heard,
                "mode": told.order.mode.value,
                "series_instance_uid": told.order.series_instance_uid,
                "release_to_text_s": told.release_to_text_s,
                "goes_on": told.goes_on,
            }
        case Failed():
            return {
                "type": "error",
                "error": type(told.error).__name__,
                "detail": str(told.error),
            }
        case Stopped():
            return {"type": "stopped"}

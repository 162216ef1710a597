"""Logs of the server and of workers: what happened, to which UID, and no word from a header.

Exceptions of other people's code quote the values they stumbled over, and those are patients'. Of
such an exception the log has the place and the kind; the words are left to our own errors.
"""

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from types import TracebackType
from typing import Final, TypeAlias

from domain.errors import RadcopilotError

log: Final = logging.getLogger(__name__)

_FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"
_QUIET: Final = ("pynetdicom", "httpx", "highdicom", "dicomweb_client")
_Raised: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class Reticent(logging.Formatter):
    """Writes tracebacks without the words of exceptions that are not ours."""

    def formatException(self, ei: _Raised) -> str:  # noqa: N802 - logging's own name
        """Return a traceback, causes first."""
        return "" if ei[1] is None else "".join(_told(ei[1])).rstrip()


def begin_logging() -> None:
    """Log to standard error, reticently, whoever in this process logs; for a whole process."""
    handler = logging.StreamHandler()
    handler.setFormatter(Reticent(_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # it quotes values of headers
    dbos = logging.getLogger("dbos")  # its own handler comes where there is none
    dbos.addHandler(handler)
    dbos.propagate = False
    warnings.simplefilter("ignore")  # pydicom's quote values of headers
    threading.excepthook = _thread_died
    sys.excepthook = _process_died


def _process_died(
    _kind: type[BaseException], error: BaseException, _trace: TracebackType | None
) -> None:
    log.critical("process.died", exc_info=error)


def _thread_died(raised: threading.ExceptHookArgs) -> None:
    name = raised.thread.name if raised.thread else "unknown"
    log.error("thread.died name=%s", name, exc_info=raised.exc_value)


def _told(error: BaseException) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _told(before)
        yield "\nwhich led to:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__name__}{_words(error)}\n"


def _words(error: BaseException) -> str:
    if isinstance(error, RadcopilotError):
        return f": {error}"
    if isinstance(error, OSError) and error.strerror:
        return f": {error.strerror}"
    return " (its words may quote a header: left out)"

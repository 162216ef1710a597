"""The text layer of a PDF, page by page."""

import logging
from io import BytesIO
from typing import Final

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from domain.errors import UnreadableFileError

_BROKEN: Final = (
    PyPdfError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError,
    RecursionError, NotImplementedError, AssertionError,
)  # fmt: skip  # what pypdf raises on files that are not as they should be
logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells of repairs, with the file's words


def pages_of(content: bytes, name: str) -> tuple[str, ...]:
    """Return the text of each page; empty for one that has none.

    Raises
    ------
    UnreadableFileError
        If it is no PDF, is locked by a password, or no page has text.
    """
    try:
        reader = PdfReader(BytesIO(content))
        is_locked = reader.is_encrypted and not reader.decrypt("")
        pages = () if is_locked else tuple(page.extract_text() for page in reader.pages)
    except _BROKEN as error:
        raise UnreadableFileError(
            f"{name} is a PDF that cannot be read: export it again, or as text"
        ) from error
    if is_locked:
        raise UnreadableFileError(f"{name} is locked by a password: give it without one")
    if not any(page.strip() for page in pages):
        raise UnreadableFileError(
            f"{name} has {len(pages)} pages and no text layer, it is pictures alone: run text "
            "recognition over it first (ocrmypdf IN OUT), or export the report as text"
        )
    return pages

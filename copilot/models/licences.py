"""Licence texts that lie in an installed folder, to be shown to who installs."""

from pathlib import Path
from typing import Final

from domain.errors import UnreadableFileError

_NAMES: Final = ("*LICENSE*", "*LICENCE*", "*NOTICE*")


def licence_texts(folder: Path) -> tuple[tuple[str, str], ...]:
    """Return the name and the text of each licence file, by name.

    Raises
    ------
    UnreadableFileError
        If one cannot be read.
    """
    files = sorted({path for name in _NAMES for path in folder.glob(name)})
    try:
        return tuple((path.name, path.read_text(encoding="utf-8")) for path in files)
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"a licence in {folder} cannot be read: install again") from error

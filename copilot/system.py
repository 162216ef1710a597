"""Small adapters to the world: the clock, and new UIDs."""

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Final

from pydicom.uid import generate_uid

from domain.errors import InputError, SettingsError
from domain.uids import InstanceUID, checked_uid

_LONGEST_ROOT: Final = 50


class SystemClock:
    """The ``Clock`` port: now, in UTC."""

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC)


class RandomUids:
    """The ``UidSource`` port: random UIDs under the site's root, or UUID-derived under 2.25."""

    def __init__(self, root: str = "") -> None:
        self._root = _checked_root(root)

    def new_uid(self) -> InstanceUID:
        """Return one never returned before."""
        if not self._root:
            return InstanceUID(f"2.25.{uuid.uuid4().int}")
        return InstanceUID(str(generate_uid(prefix=f"{self._root}.")))


class NamedUids:
    """The ``UidSource`` port: UIDs that follow from an instance and what is made of it.

    Asked in the same order, it answers the same: an object made again is the same instance.
    """

    def __init__(self, root: str, *names: str) -> None:
        self._root = _checked_root(root)
        self._names = names
        self._count = 0

    def new_uid(self) -> InstanceUID:
        """Return the next one."""
        self._count += 1
        said = "\n".join((*self._names, str(self._count)))
        if not self._root:
            digest = hashlib.sha256(said.encode()).digest()[:16]
            return InstanceUID(f"2.25.{uuid.UUID(bytes=digest, version=5).int}")
        return InstanceUID(str(generate_uid(prefix=f"{self._root}.", entropy_srcs=[said])))


def _checked_root(root: str) -> str:
    if root:
        try:
            checked_uid(root, "objects.uid_root")
        except InputError as error:
            raise SettingsError(str(error)) from error
        if len(root) > _LONGEST_ROOT:
            raise SettingsError(f"objects.uid_root {root!r} leaves no room for unique numbers")
    return root.rstrip(".")

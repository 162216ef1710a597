"""Passwords: what is taken as one, and how it is kept (Argon2id, RFC 9106)."""

import secrets
import threading
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain.errors import InputError

LEAST: Final = 12
MOST: Final = 1024
_AT_ONCE: Final = 4  # each takes 64 MiB while it is computed


class Passwords:
    """Hashes and checks; only so many at once, so that callers cannot exhaust the memory."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._nobodys = self._hasher.hash(secrets.token_urlsafe())

    def kept(self, password: str) -> str:
        """Return what is kept of a password."""
        with self._turns:
            return self._hasher.hash(_plain(password))

    def is_right(self, kept: str, password: str) -> bool:
        """Return whether a password is the one kept; as slow where none is kept."""
        if len(password) > MOST:
            password, kept = "", ""
        with self._turns:
            try:
                self._hasher.verify(kept or self._nobodys, _plain(password))
            except (VerificationError, InvalidHashError):
                return False
        return bool(kept)

    def is_outdated(self, kept: str) -> bool:
        """Return whether it was hashed with weaker parameters than are used now."""
        return self._hasher.check_needs_rehash(kept)


def check_password(password: str, name: str) -> None:
    """Refuse a password that is too easily found.

    Raises
    ------
    InputError
        With the reason.
    """
    if len(password) < LEAST:
        raise InputError(
            f"the password has {len(password)} characters: give {LEAST} or more, such as four words"
        )
    if len(password) > MOST:
        raise InputError(f"the password has more than {MOST} characters: give a shorter one")
    if name.casefold() in _plain(password).casefold():
        raise InputError("the password contains the account's name: whoever knows one tries it")
    if len(set(password)) < LEAST // 3:
        raise InputError("the password repeats a few characters: give more different ones")


def _plain(password: str) -> str:
    """Return the same text however a keyboard composes its letters."""
    return unicodedata.normalize("NFKC", password)

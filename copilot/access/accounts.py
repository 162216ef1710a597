"""Accounts: a row each in the station's database, every change with its audit row."""

import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from copilot.access.passwords import Passwords, check_password
from copilot.access.roles import LOCAL_USER, SITE_TOKEN, Role
from copilot.audit import SqlAuditLog
from domain.errors import InputError
from domain.ports import Clock

metadata: Final = MetaData()
table: Final = Table(
    "accounts",
    metadata,
    Column("key", String(200), primary_key=True),  # the name, however it is written
    Column("name", String(64), nullable=False),
    Column("roles", String(128), nullable=False),
    Column("secret", String(256), nullable=False),
    Column("subject", String(600), nullable=False, index=True),
    Column("is_enabled", Boolean, nullable=False),
    Column("epoch", Integer, nullable=False),  # sessions of an earlier one are over
    Column("at", String(40), nullable=False),
)
_LONGEST_NAME: Final = 64
_MOST_EPOCHS: Final = 2**31
_OURS: Final = frozenset({LOCAL_USER, SITE_TOKEN, "radcopilot", "demo user"})


@dataclass(frozen=True, kw_only=True)
class Account:
    """A person who may come in.

    Attributes
    ----------
    secret
        What is kept of the password; empty where an OpenID provider vouches.
    subject
        Who the person is at that provider; empty for a local account.
    """

    key: str
    name: str
    roles: frozenset[Role]
    secret: str
    subject: str
    is_enabled: bool
    epoch: int
    at: str

    def printed(self) -> dict[str, Any]:
        """Return plain JSON values; no secret."""
        return {
            "name": self.name,
            "roles": [role.value for role in Role if role in self.roles],
            "enabled": self.is_enabled,
            "login": "openid" if self.subject else "password",
            "changed_at": self.at,
        }


class Accounts:
    """The table of accounts."""

    def __init__(
        self, *, engine: Engine, audit: SqlAuditLog, clock: Clock, passwords: Passwords
    ) -> None:
        self._engine = engine
        self._audit = audit
        self._clock = clock
        self._passwords = passwords
        metadata.create_all(engine)

    def there_are(self) -> bool:
        """Return whether there is any account, disabled ones too."""
        with self._engine.begin() as connection:
            return connection.execute(select(table.c.key).limit(1)).first() is not None

    def all(self) -> tuple[Account, ...]:
        """Return every account by name."""
        with self._engine.begin() as connection:
            rows = connection.execute(select(table).order_by(table.c.key)).mappings()
            return tuple(_account(row) for row in rows)

    def find(self, name: str) -> Account | None:
        """Return the account of a name, if there is one."""
        query = select(table).where(table.c.key == key_of(name))
        with self._engine.begin() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _account(row)

    def get(self, name: str) -> Account:
        """Return the account of a name.

        Raises
        ------
        InputError
            If there is none.
        """
        found = self.find(name)
        if found is None:
            raise InputError(f"there is no account {name[:64]!r}: see radcopilot users list")
        return found

    def add(self, name: str, roles: frozenset[Role], password: str, actor: str) -> Account:
        """Make a local account.

        Raises
        ------
        InputError
            If name or password are not taken, or there is such an account.
        """
        check_name(name)
        check_password(password, name)
        self._insert(name, roles, self._passwords.kept(password), "", actor)
        return self.get(name)

    def vouched(self, name: str, roles: frozenset[Role], subject: str) -> Account:
        """Return the account of a person for whom an OpenID provider vouches, with roles of now.

        Raises
        ------
        InputError
            If the name is another's here, so that one person never acts under another's name.
        """
        check_name(name)
        query = select(table).where(table.c.subject == subject)
        with self._engine.begin() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            self._insert(name, roles, "", subject, name)
            return self.get(name)
        found = _account(row)
        if found.roles != roles:
            self._change(
                found, {"roles": _written(roles)}, f"account.roles {_written(roles)}", name
            )
        return self.get(found.name)

    def set_password(self, name: str, password: str, actor: str) -> None:
        """Set another password; every session of the account is over.

        Raises
        ------
        InputError
            If it is not taken, or a provider vouches for this account.
        """
        account = self.get(name)
        if account.subject:
            raise InputError(f"{account.name} logs in at the OpenID provider: change it there")
        check_password(password, account.name)
        values = {"secret": self._passwords.kept(password), "epoch": _new_epoch()}
        self._change(account, values, "account.password", actor)

    def set_roles(self, name: str, roles: frozenset[Role], actor: str) -> None:
        """Give other roles; they hold from the next request on."""
        account = self.get(name)
        self._change(account, {"roles": _written(roles)}, f"account.roles {_written(roles)}", actor)

    def enable(self, name: str, actor: str) -> None:
        """Let an account in again."""
        self._change(self.get(name), {"is_enabled": True}, "account.enabled", actor)

    def disable(self, name: str, actor: str) -> None:
        """Let an account in no longer; every session of it is over."""
        account = self.get(name)
        values = {"is_enabled": False, "epoch": _new_epoch()}
        self._change(account, values, "account.disabled", actor)

    def remove(self, name: str, actor: str) -> None:
        """Remove an account; what it did stays in the audit trail."""
        account = self.get(name)
        with self._engine.begin() as connection:
            connection.execute(table.delete().where(table.c.key == account.key))
            self._note(connection, "account.removed", account.name, actor)

    def hashed_anew(self, account: Account, password: str) -> None:
        """Keep a password that was right with the parameters of now."""
        secret = self._passwords.kept(password)
        with self._engine.begin() as connection:
            connection.execute(
                update(table)
                .where(table.c.key == account.key, table.c.secret == account.secret)
                .values(secret=secret)
            )

    def _insert(
        self, name: str, roles: frozenset[Role], secret: str, subject: str, actor: str
    ) -> None:
        values = {
            "key": key_of(name),
            "name": name,
            "roles": _written(roles),
            "secret": secret,
            "subject": subject,
            "is_enabled": True,
            "epoch": _new_epoch(),
            "at": self._clock.now().isoformat(),
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(table.insert().values(**values))
                self._note(connection, f"account.added {_written(roles)}", name, actor)
        except IntegrityError as error:
            raise InputError(
                f"there is an account {name!r} already: choose another name"
            ) from error

    def _change(self, account: Account, values: Mapping[str, object], act: str, actor: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                update(table)
                .where(table.c.key == account.key)
                .values(**values, at=self._clock.now().isoformat())
            )
            self._note(connection, act, account.name, actor)

    def _note(self, connection: Connection, act: str, subject: str, actor: str) -> None:
        self._audit.record_in(connection, actor=actor, act=act, subject=subject)


def check_name(name: str) -> None:
    """Refuse a name that cannot stand in the audit trail.

    Raises
    ------
    InputError
        With the reason.
    """
    if name != name.strip() or not name or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise InputError(
            f"{name[:64]!r} is no account's name: give 1 to {_LONGEST_NAME} printable characters"
        )
    if key_of(name) in {key_of(each) for each in _OURS}:
        raise InputError(f"{name!r} is a name of the station itself: choose another")


def key_of(name: str) -> str:
    """Return a name as it is compared, so that no two look alike."""
    return unicodedata.normalize("NFKC", name).casefold()[:200]


def _new_epoch() -> int:
    """Return a number that no earlier session has, nor one of a removed namesake."""
    return secrets.randbelow(_MOST_EPOCHS)


def _written(roles: frozenset[Role]) -> str:
    return ",".join(role.value for role in Role if role in roles)


def _account(row: RowMapping) -> Account:
    return Account(
        key=row["key"],
        name=row["name"],
        roles=frozenset(Role(each) for each in row["roles"].split(",") if each),
        secret=row["secret"],
        subject=row["subject"],
        is_enabled=row["is_enabled"],
        epoch=row["epoch"],
        at=row["at"],
    )

"""Sessions: a random secret in the browser's cookie, its digest in the database."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Engine, Float, Integer, MetaData, String, Table, delete, select

from copilot.access.accounts import Account
from copilot.access.accounts import table as accounts
from copilot.access.roles import How, Person, Role
from copilot.audit import SqlAuditLog
from domain.ports import Clock

metadata: Final = MetaData()
table: Final = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("account", String(200), nullable=False, index=True),
    Column("epoch", Integer, nullable=False),
    Column("began_s", Float, nullable=False),
    Column("used_s", Float, nullable=False),
)
_BYTES: Final = 32
_OFTEN_S: Final = 15.0  # a use is written down at most so often


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long a session lasts: without an act of the person, and at all."""

    idle_s: float
    whole_s: float


class Sessions:
    """The table of sessions; one is good while its account is enabled and of the same epoch."""

    def __init__(
        self, *, engine: Engine, audit: SqlAuditLog, clock: Clock, timeouts: Timeouts
    ) -> None:
        self._engine = engine
        self._audit = audit
        self._clock = clock
        self._timeouts = timeouts
        metadata.create_all(engine)

    @property
    def timeouts(self) -> Timeouts:
        """How long sessions last."""
        return self._timeouts

    def begin(self, account: Account, address: str) -> tuple[str, Person]:
        """Begin a session; return the cookie's secret, and who it lets in."""
        secret = secrets.token_urlsafe(_BYTES)
        now = self._now_s()
        with self._engine.begin() as connection:
            connection.execute(
                delete(table).where(
                    (table.c.began_s < now - self._timeouts.whole_s)
                    | (table.c.used_s < now - self._timeouts.idle_s)
                )
            )
            connection.execute(
                table.insert().values(
                    digest=_digest(secret),
                    account=account.key,
                    epoch=account.epoch,
                    began_s=now,
                    used_s=now,
                )
            )
            self._audit.record_in(connection, actor=account.name, act="login", subject=address)
        return secret, _person(account.name, account.roles, secret)

    def of(self, secret: str) -> Person | None:
        """Return whose session a cookie's secret is of; None where it is over."""
        row = self._row(_digest(secret))
        if row is None:
            return None
        roles = frozenset(Role(each) for each in row[1].split(",") if each)
        return _person(row[0], roles, secret)

    def is_on(self, person: Person) -> bool:
        """Return whether a person's session goes on."""
        return self._row(person.session) is not None

    def used(self, person: Person) -> None:
        """Write down that the person did something."""
        now = self._now_s()
        with self._engine.begin() as connection:
            connection.execute(
                table.update()
                .where(table.c.digest == person.session, table.c.used_s < now - _OFTEN_S)
                .values(used_s=now)
            )

    def end(self, person: Person) -> None:
        """End a session."""
        with self._engine.begin() as connection:
            gone = connection.execute(delete(table).where(table.c.digest == person.session))
            if gone.rowcount:
                self._audit.record_in(connection, actor=person.name, act="logout", subject="")

    def _row(self, digest: str) -> tuple[str, str] | None:
        now = self._now_s()
        query = (
            select(accounts.c.name, accounts.c.roles)
            .join_from(table, accounts, table.c.account == accounts.c.key)
            .where(
                table.c.digest == digest,
                table.c.epoch == accounts.c.epoch,
                accounts.c.is_enabled,
                table.c.began_s > now - self._timeouts.whole_s,
                table.c.used_s > now - self._timeouts.idle_s,
            )
        )
        with self._engine.begin() as connection:
            row = connection.execute(query).first()
        return None if row is None else (str(row[0]), str(row[1]))

    def _now_s(self) -> float:
        return self._clock.now().timestamp()


def _person(name: str, roles: frozenset[Role], secret: str) -> Person:
    page_token = hmac.new(secret.encode(), b"page", hashlib.sha256).hexdigest()
    return Person(
        name=name, roles=roles, how=How.SESSION, session=_digest(secret), page_token=page_token
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

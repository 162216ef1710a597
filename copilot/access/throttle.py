"""Tries to log in: after a few that failed, each waits longer, by account and by address."""

import hashlib
import ipaddress
import threading
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Column, Engine, Float, Integer, MetaData, String, Table, delete, select

from domain.errors import TooManyTriesError
from domain.ports import Clock

metadata: Final = MetaData()
table: Final = Table(
    "login_tries",
    metadata,
    Column("key", String(64), primary_key=True),  # digests: what is typed may be a password
    Column("count", Integer, nullable=False),
    Column("at_s", Float, nullable=False),
    Column("until_s", Float, nullable=False),
)
FREE_BY_ACCOUNT: Final = 3
FREE_BY_ADDRESS: Final = 10  # a reading room may share one
_LONGEST_S: Final = 300.0
_FORGOTTEN_S: Final = 86_400.0
_IPV6_NETWORK: Final = 64


class Throttle:
    """Counts tries before they are made, so that many at once are not free."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._turn = threading.Lock()
        metadata.create_all(engine)

    def trying(self, account: str, address: str) -> None:
        """Count a try.

        Raises
        ------
        TooManyTriesError
            If one has to wait first; this try is then not counted.
        """
        now = self._clock.now().timestamp()
        free = self._keys(account, address)
        with self._turn, self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.at_s < now - _FORGOTTEN_S))
            found = {
                str(row["key"]): row
                for row in connection.execute(
                    select(table).where(table.c.key.in_(list(free)))
                ).mappings()
            }
            wait_s = max((row["until_s"] - now for row in found.values()), default=0.0)
            if wait_s > 0:
                raise TooManyTriesError(
                    f"too many failed tries: wait {wait_s:.0f} s, then try again", wait_s=wait_s
                )
            connection.execute(delete(table).where(table.c.key.in_(list(free))))
            for key, without_wait in free.items():
                count = (found[key]["count"] if key in found else 0) + 1
                over = count - without_wait
                delay_s = min(_LONGEST_S, 2.0 ** min(over, 20)) if over >= 0 else 0.0
                connection.execute(
                    table.insert().values(key=key, count=count, at_s=now, until_s=now + delay_s)
                )

    def succeeded(self, account: str, address: str) -> None:
        """Forget the tries on an account, and let its address try again at once."""
        mine, shared = self._keys(account, address)
        with self._turn, self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.key == mine))
            connection.execute(
                table.update()
                .where(table.c.key == shared)
                .values(count=table.c.count - 1, until_s=0.0)
            )

    def _keys(self, account: str, address: str) -> Mapping[str, int]:
        return {
            _digest(f"account {account}"): FREE_BY_ACCOUNT,
            _digest(f"address {_network(address)}"): FREE_BY_ADDRESS,
        }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _network(address: str) -> str:
    """Return what one caller can change at will: of IPv6 a network, of IPv4 the address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:  # noqa: PLR2004 - the protocol's number
        return str(found)
    return str(ipaddress.ip_network((found, _IPV6_NETWORK), strict=False))

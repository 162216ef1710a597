"""The entrance: who is let in, by password, by session, by token, or as the one local user."""

import hmac
from typing import Final

from copilot.access.accounts import Account, Accounts, key_of
from copilot.access.passwords import Passwords
from copilot.access.roles import SITE_TOKEN, How, Person, Role
from copilot.access.sessions import Sessions
from copilot.access.throttle import Throttle
from copilot.audit import SqlAuditLog
from domain.errors import LoginRefusedError

WRONG: Final = "name or password are wrong, or the account is disabled"
NOBODY: Final = "nobody"


class Entrance:
    """Lets persons and programs in."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        sessions: Sessions,
        throttle: Throttle,
        passwords: Passwords,
        audit: SqlAuditLog,
        token: str = "",
        token_roles: frozenset[Role] = frozenset({Role.PROGRAM}),
        has_provider: bool = False,
    ) -> None:
        self.accounts = accounts
        self.sessions = sessions
        self._throttle = throttle
        self._passwords = passwords
        self._audit = audit
        self._token = token
        self._token_roles = token_roles
        self.has_provider = has_provider

    @property
    def has_token(self) -> bool:
        """Whether programs can come in."""
        return bool(self._token)

    def needs_login(self) -> bool:
        """Return whether there are persons to tell apart; else this machine's user is the one."""
        return self.has_provider or self.accounts.there_are()

    def login(self, name: str, password: str, address: str) -> tuple[str, Person]:
        """Begin a session by password; return the cookie's secret, and who it lets in.

        Raises
        ------
        LoginRefusedError
            The same, after the same time, for an unknown name and a wrong password.
        TooManyTriesError
            If one has to wait first.
        """
        key = key_of(name)
        self._throttle.trying(key, address)
        account = self.accounts.find(name)
        is_right = self._passwords.is_right(account.secret if account else "", password)
        if account is None or not is_right or not account.is_enabled:
            self.refused(account.name if account else NOBODY, address)
            raise LoginRefusedError(WRONG)
        self._throttle.succeeded(key, address)
        if self._passwords.is_outdated(account.secret):
            self.accounts.hashed_anew(account, password)
        return self.sessions.begin(account, address)

    def vouched(self, account: Account, address: str) -> tuple[str, Person]:
        """Begin a session of a person for whom a provider vouches.

        Raises
        ------
        LoginRefusedError
            If the account is disabled here.
        """
        if not account.is_enabled:
            self.refused(account.name, address)
            raise LoginRefusedError("this account is disabled here: ask an administrator")
        return self.sessions.begin(account, address)

    def refused(self, name: str, address: str) -> None:
        """Write down that somebody was not let in."""
        self._audit.record(actor=name, act="login.failed", subject=address)

    def by_token(self, shown: str) -> Person | None:
        """Return the program that shows the site's token."""
        if not self._token or not hmac.compare_digest(shown.encode(), self._token.encode()):
            return None
        return Person(name=SITE_TOKEN, roles=self._token_roles, how=How.TOKEN)

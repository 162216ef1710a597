"""Roles and rights: one table says which role holds which right."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from domain.errors import InputError


class Role(StrEnum):
    """What an account is for; one account may hold several."""

    READER = "reader"
    RADIOLOGIST = "radiologist"
    ADMINISTRATOR = "administrator"
    PROGRAM = "program"  # workers, viewers and gateways that show the site's token


PERSONS: Final = (Role.READER, Role.RADIOLOGIST, Role.ADMINISTRATOR)


class Right(StrEnum):
    """What may be done."""

    ENTER = "enter"  # be here: log out, ask for the page's own facts
    LOOK = "look"  # see studies, results, reports
    COMMAND = "command"  # say what is to be outlined; the result waits
    DECIDE = "decide"  # accept, reject, correct, name, write the report, send
    SIGN = "sign"  # vouch for a report with one's name
    RULES = "rules"  # order what the site's rules say of a study
    DELIVER = "deliver"  # retry or cancel a delivery
    FETCH = "fetch"  # bring a patient's studies from a peer
    STORE = "store"  # add objects (STOW-RS)
    WORK = "work"  # take orders of engines, and give their results back
    MONITOR = "monitor"  # counts for a monitor
    MANAGE = "manage"  # see accounts and the audit trail


RIGHTS: Final[Mapping[Role, frozenset[Right]]] = {
    Role.READER: frozenset({Right.ENTER, Right.LOOK, Right.COMMAND}),
    Role.RADIOLOGIST: frozenset(
        {
            Right.ENTER,
            Right.LOOK,
            Right.COMMAND,
            Right.DECIDE,
            Right.SIGN,
            Right.RULES,
            Right.DELIVER,
            Right.FETCH,
        }
    ),
    Role.ADMINISTRATOR: frozenset(
        {
            Right.ENTER,
            Right.LOOK,
            Right.RULES,
            Right.DELIVER,
            Right.FETCH,
            Right.MONITOR,
            Right.MANAGE,
        }
    ),
    Role.PROGRAM: frozenset(
        {Right.ENTER, Right.LOOK, Right.FETCH, Right.STORE, Right.WORK, Right.MONITOR}
    ),
}
LOCAL_USER: Final = "local user"
SITE_TOKEN: Final = "program (site token)"  # noqa: S105 - a name in the audit trail


class How(StrEnum):
    """How somebody came in."""

    LOCAL = "local"  # on this machine, where no account exists
    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - a kind, not a secret


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who asks.

    Attributes
    ----------
    session
        The session's identity in the database, a digest; empty without one.
    page_token
        What the page shows with each act, so that no other site's page can act.
    """

    name: str
    roles: frozenset[Role]
    how: How
    session: str = ""
    page_token: str = ""

    @property
    def rights(self) -> frozenset[Right]:
        """What this person may do."""
        return frozenset().union(*(RIGHTS[role] for role in self.roles))

    def may(self, right: Right) -> bool:
        """Return whether this person has a right."""
        return right in self.rights


LOCAL_PERSON: Final = Person(name=LOCAL_USER, roles=frozenset(Role), how=How.LOCAL)


def roles_of(names: Iterable[str], allowed: Iterable[Role] = PERSONS) -> frozenset[Role]:
    """Return the roles of these names.

    Raises
    ------
    InputError
        If there is no such role for an account, or none is named.
    """
    known = {role.value: role for role in allowed}
    wanted = list(names)
    for name in wanted:
        if name not in known:
            raise InputError(f"there is no role {name[:40]!r}: give {', '.join(known)}")
    if not wanted:
        raise InputError(f"no role is given: give one or more of {', '.join(known)}")
    return frozenset(known[name] for name in wanted)


def holders(right: Right) -> str:
    """Return which roles hold a right, in words."""
    return " or ".join(role.value for role in Role if right in RIGHTS[role])

"""Who is let in, as the settings say."""

from sqlalchemy import Engine

from copilot.access.accounts import Accounts
from copilot.access.entrance import Entrance
from copilot.access.openid import OpenId
from copilot.access.passwords import Passwords
from copilot.access.roles import Role, roles_of
from copilot.access.sessions import Sessions, Timeouts
from copilot.access.throttle import Throttle
from copilot.audit import SqlAuditLog
from copilot.settings import Settings, read_secret
from copilot.system import SystemClock


def openid_provider(settings: Settings) -> OpenId | None:
    """Return the OpenID provider that the settings name, if any.

    Raises
    ------
    SettingsError
        If the file of its secret cannot be read.
    """
    openid = settings.openid
    if not openid.issuer:
        return None
    return OpenId(openid, read_secret(openid.client_secret_file, "openid.client_secret_file"))


def entrance(
    settings: Settings,
    database: Engine,
    audit: SqlAuditLog,
    *,
    accounts: Accounts,
    passwords: Passwords,
    has_provider: bool,
) -> Entrance:
    """Return what lets people and programs in.

    Raises
    ------
    SettingsError
        If the file of the site's token cannot be read.
    """
    access, web = settings.access, settings.web
    clock = SystemClock()
    return Entrance(
        accounts=accounts,
        sessions=Sessions(
            engine=database,
            audit=audit,
            clock=clock,
            timeouts=Timeouts(idle_s=access.idle_timeout_s, whole_s=access.session_timeout_s),
        ),
        throttle=Throttle(database, clock),
        passwords=passwords,
        audit=audit,
        token=read_secret(web.token_file, "web.token_file"),
        token_roles=roles_of(web.token_roles, Role),
        has_provider=has_provider,
    )

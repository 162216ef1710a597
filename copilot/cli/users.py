"""``radcopilot users``: accounts of persons. A password is typed or read, and never an argument."""

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from copilot.access.accounts import check_name
from copilot.access.passwords import check_password
from copilot.access.roles import roles_of
from copilot.cli.console import emit, house, say
from domain.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Who may come in, and what each may do.")
Config = Annotated[Path | None, typer.Option(help="Settings of the site.")]
Name = Annotated[str, typer.Argument(help="The person's name, as it stands in the audit trail.")]
Roles = Annotated[
    list[str], typer.Option("--role", help="reader, radiologist, administrator; may be repeated.")
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="File whose first line is the password; - for standard input."),
]


@app.command("add")
def add(
    name: Name,
    *,
    role: Roles,
    password_file: PasswordFile = None,
    config: Config = None,
) -> None:
    """Make an account; from the first one on, the server asks everybody to log in."""
    home = house(config)
    roles = roles_of(role)
    check_name(name)
    is_first = not home.entrance.needs_login()
    home.accounts.add(name, roles, _password(name, password_file), _actor())
    say(f"{name}: {', '.join(sorted(roles))}")
    if is_first:
        say("from now on the page asks for a login, and programs show [web] token_file")


@app.command("list")
def list_users(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: Config = None,
) -> None:
    """Show accounts and their roles."""
    home = house(config)
    found = [each.printed() for each in home.accounts.all()]
    if as_json:
        emit(found)
        return
    for each in found:
        off = "" if each["enabled"] else ", disabled"
        say(f"{each['name']}: {', '.join(each['roles'])} (by {each['login']}{off})")
    if not found:
        say(home.exposure())


@app.command()
def disable(name: Name, *, config: Config = None) -> None:
    """Let a person in no longer; their sessions end at once."""
    house(config).accounts.disable(name, _actor())
    say(f"{name}: disabled, every session is over")


@app.command()
def enable(name: Name, *, config: Config = None) -> None:
    """Let a person in again."""
    house(config).accounts.enable(name, _actor())
    say(f"{name}: enabled")


@app.command()
def password(name: Name, *, password_file: PasswordFile = None, config: Config = None) -> None:
    """Set another password; the person's sessions end at once."""
    home = house(config)
    account = home.accounts.get(name)
    home.accounts.set_password(name, _password(account.name, password_file), _actor())
    say(f"{account.name}: the password is changed, every session is over")


@app.command("role")
def set_role(name: Name, *, role: Roles, config: Config = None) -> None:
    """Give other roles in place of those there were."""
    roles = roles_of(role)
    house(config).accounts.set_roles(name, roles, _actor())
    say(f"{name}: {', '.join(sorted(roles))}")


@app.command()
def remove(name: Name, *, config: Config = None) -> None:
    """Remove an account; what the person did stays in the audit trail."""
    home = house(config)
    home.accounts.remove(name, _actor())
    say(f"{name}: removed, every session is over")
    if not home.entrance.needs_login():
        say(f"access: {home.exposure()}")


def _password(name: str, file: Path | None) -> str:
    if file is None and sys.stdin.isatty():
        typed = getpass.getpass("Password: ")
        check_password(typed, name)
        if getpass.getpass("Again: ") != typed:
            raise InputError("the two passwords differ: try again")
        return typed
    if file is None or str(file) == "-":
        return _first_line(sys.stdin.read(), "standard input")
    try:
        return _first_line(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"password file {file} cannot be read: give a text file") from error


def _first_line(text: str, place: str) -> str:
    lines = text.splitlines()
    if not lines or not lines[0]:
        raise InputError(f"{place} holds no password: write it into the first line")
    return lines[0]


def _actor() -> str:
    """Return who is at this machine's command line, as the audit trail names them."""
    return f"{getpass.getuser()[:40]} (command line)"

"""``radcopilot users``: accounts on the command line, in SQLite and in PostgreSQL."""

import json

import pytest

from copilot.cli.main import run

WORDS = "four quiet words here"


@pytest.fixture(params=["sqlite", "postgres"])
def users(request, tmp_path, capsys):
    """What an administrator types, and what is answered."""
    database = ""
    if request.param == "postgres":
        database = f'database = "{request.getfixturevalue("postgres")}"\n'
    config = tmp_path / "site.toml"
    config.write_text(f'[storage]\nfolder = "{tmp_path / "site"}"\n{database}', encoding="utf-8")
    words = tmp_path / "words.txt"
    words.write_text(f"{WORDS}\n", encoding="utf-8")

    def typed(*arguments):
        more = ["--password-file", str(words)] if arguments[0] in {"add", "password"} else []
        status = run(["users", *arguments, *more, "--config", str(config)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return typed


def listed(users):
    status, out, _ = users("list", "--json")
    assert status == 0
    return {each["name"]: each for each in json.loads(out)}


def test_an_account_from_its_first_day_to_its_last(users):
    assert users("add", "Dr. Rolf Roe", "--role", "radiologist")[0] == 0
    assert users("add", "Ada Admin", "--role", "administrator", "--role", "reader")[0] == 0
    found = listed(users)
    assert found["Dr. Rolf Roe"]["roles"] == ["radiologist"]
    assert sorted(found["Ada Admin"]["roles"]) == ["administrator", "reader"]
    assert users("role", "Dr. Rolf Roe", "--role", "reader")[0] == 0
    assert users("disable", "Ada Admin")[0] == 0
    found = listed(users)
    assert found["Dr. Rolf Roe"]["roles"] == ["reader"]
    assert found["Ada Admin"]["enabled"] is False
    assert users("enable", "Ada Admin")[0] == users("password", "Ada Admin")[0] == 0
    assert listed(users)["Ada Admin"]["enabled"] is True
    assert users("remove", "Dr. Rolf Roe")[0] == 0
    assert listed(users).keys() == {"Ada Admin"}


def test_what_is_wrong_is_named_and_changes_nothing(users):
    assert users("add", "Dr. Rolf Roe", "--role", "radiologist")[0] == 0
    for arguments, says in (
        (("add", "Dr. Rolf Roe", "--role", "reader"), "Dr. Rolf Roe"),
        (("add", "X", "--role", "surgeon"), "there is no role 'surgeon'"),
        (("remove", "Nobody"), "Nobody"),
        (("disable", "Nobody"), "Nobody"),
    ):
        status, out, err = users(*arguments)
        assert (status, out) == (2, "")
        assert says in err
        assert err.count("\n") == 1
    assert listed(users)["Dr. Rolf Roe"]["roles"] == ["radiologist"]


def test_no_password_is_ever_printed(users):
    _, out, err = users("add", "Dr. Rolf Roe", "--role", "radiologist")
    _, listing, _ = users("list")
    assert WORDS not in out + err + listing

import pytest

from copilot.settings import load_settings
from domain.errors import SettingsError


@pytest.fixture
def site(tmp_path):
    def write(text):
        path = tmp_path / "site.toml"
        path.write_text(text)
        return path

    return write


def test_defaults_bind_to_loopback_and_send_nowhere():
    settings = load_settings()
    assert settings.node.host == settings.web.host == "127.0.0.1"
    assert settings.peers == ()


def test_a_site_table_keeps_the_defaults_it_does_not_name(site):
    settings = load_settings(site('[node]\nae_title = "READING1"\n'))
    assert settings.node.ae_title == "READING1"
    assert settings.node.port == load_settings().node.port
    assert settings.web == load_settings().web


def test_the_shipped_examples_are_valid(pytestconfig):
    configs = pytestconfig.rootpath / "configs"
    for name in ("site.example.toml", "docker.toml"):
        assert load_settings(configs / name).peers


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[node]\nae_titel = "X"\n', r"node\.ae_titel"),
        ("[nodes]\nport = 1\n", r"nodes"),
        ("[node]\nport = 99999\n", r"node\.port = 99999"),
        ('[node]\nae_title = "A TITLE THAT IS TOO LONG"\n', r"node\.ae_title"),
        ('[[peers]]\nae_title = "PACS"\nport = 104\n', r"peers\.0\.host"),
        ('[speech]\nengine = "siri"\n', r"speech\.engine"),
        ("[node\n", "not TOML"),
    ],
)
def test_a_wrong_key_or_value_stops_the_start_with_its_name(site, text, named):
    with pytest.raises(SettingsError, match=named):
        load_settings(site(text))


def test_a_settings_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.toml does not exist"):
        load_settings(tmp_path / "nowhere.toml")

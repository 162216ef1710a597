import json

import pytest

from copilot.cli.main import run
from copilot.settings import load_settings
from copilot.wiring.network import node_door, node_tls
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


def test_only_loopback_may_call_us_by_default_and_peers_are_added(site):
    assert [str(entry) for entry in node_door(load_settings()).allowed] == [
        "* from 127.0.0.0/8",
        "* from ::1",
    ]
    text = '[node]\nallow = [{ ae_title = "CT1" }]\n[[peers]]\nae_title = "PACS"\n'
    door = node_door(load_settings(site(text + 'host = "pacs.example.org"\nport = 104\n')))
    listed = [str(entry) for entry in door.allowed]
    assert listed == ["CT1 from *", "PACS from pacs.example.org"]


def test_check_shows_who_may_call_and_whether_over_tls(site, tmp_path, capsys):
    text = f'[storage]\nfolder = "{tmp_path}"\n[node]\nport = 0\ncheck_called_ae = true\n'
    text += 'allow = [{ ae_title = "CT1", host = "10.1.2.3" }]\n[node.tls]\ncertificate = "x.pem"\n'
    run(["check", "--json", "--config", str(site(text + 'key = "x.key"\n'))])
    rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["DICOM callers"]["says"] == "CT1 from 10.1.2.3, who must call RADCOPILOT"
    assert not rows["DICOM TLS"]["ok"]
    assert "x.pem" in rows["DICOM TLS"]["says"]


def test_half_a_tls_table_stops_the_start(site):
    with pytest.raises(SettingsError, match="certificate and key together"):
        node_tls(load_settings(site('[node.tls]\ncertificate = "node.pem"\n')).node)


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
        ('[[peers]]\nae_title = "PACS"\nport = 104\n', r"peers\.0: host and port"),
        ('[speech]\nengine = "siri"\n', r"speech\.engine"),
        ('[node]\nallow = [{ title = "X" }]\n', r"node\.allow\.0\.title"),
        ('[node.tls]\ncert = "x"\n', r"node\.tls\.cert"),
        ("[node\n", "not TOML"),
    ],
)
def test_a_wrong_key_or_value_stops_the_start_with_its_name(site, text, named):
    with pytest.raises(SettingsError, match=named):
        load_settings(site(text))


def test_a_settings_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.toml does not exist"):
        load_settings(tmp_path / "nowhere.toml")


PEER = '[[peers]]\nae_title = "PACS"\n'
DIMSE = PEER + 'host = "127.0.0.1"\nport = 104\n'


def test_a_destination_gets_seg_and_sr_unless_told_otherwise(site):
    (peer,) = load_settings(site(DIMSE)).peers
    assert peer.objects == ("seg", "sr")
    assert not peer.retract


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (DIMSE + 'objects = ["seg", "labelmap"]\n', "seg and labelmap"),
        (DIMSE + 'objects = ["seg", "seg"]\n', "a kind twice"),
        (DIMSE + 'objects = ["png"]\n', "'labelmap', 'sr'"),
        (DIMSE + "objects = []\n", "at least 1 item"),
        (PEER, "host and port are needed, or stow_url"),
        (DIMSE + 'stow_url = "https://pacs/dicom-web"\n', "not both"),
        (DIMSE + 'user = "me"\n', "go with stow_url alone"),
        (PEER + 'stow_url = "pacs/dicom-web"\n', "no URL such as"),
        (PEER + 'stow_url = "https://me:secret@pacs/dicom-web"\n', "names a user"),
        (PEER + 'stow_url = "http://pacs/dicom-web"\n', "to pacs over plain http: use https"),
        (PEER + 'stow_url = "https://pacs/dicom-web"\nuser = "me"\n', "user and password_file"),
    ],
)
def test_a_destination_that_could_not_work_stops_the_start(site, text, says):
    with pytest.raises(SettingsError, match=says) as caught:
        load_settings(site(text))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8042/dicom-web", "https://pacs/dicom-web"])
def test_a_dicomweb_destination_needs_no_host(site, url):
    (peer,) = load_settings(site(PEER + f'stow_url = "{url}"\nobjects = ["pdf"]\n')).peers
    assert (peer.stow_url, peer.objects) == (url, ("pdf",))

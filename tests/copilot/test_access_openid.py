"""A login at an OpenID provider: a real small one, and everything it may get wrong."""

import time
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from joserfc.jwk import RSAKey

from copilot.access.openid import OpenId
from copilot.serving import application
from copilot.settings import Settings, load_settings
from domain.errors import LoginRefusedError, PeerRefusedError, PeerUnreachableError
from tests.clients import here
from tests.copilot.access_site import PASSWORD, acts, site
from tests.openid_server import CLIENT, SECRET, running_provider

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette")

DOCTOR = {"preferred_username": "rolf.roe", "groups": ["staff", "radiology-doctors"]}


@pytest.fixture
def provider():
    with running_provider() as made:
        made.claims = dict(DOCTOR)
        yield made


def table(provider, **more):
    return {
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret_file": "secret",
        "redirect_url": "http://127.0.0.1/api/access/openid/callback",
        "roles": {
            "radiology-doctors": ("radiologist",),
            "radiology-admins": ("administrator",),
        },
        **more,
    }


def settings(provider, **more):
    defaults = load_settings().model_dump()
    defaults["openid"] |= table(provider, **more)
    return Settings.model_validate(defaults).openid


def logged_in(openid, provider, **more):
    """Go to the provider and back."""
    begun = openid.begin()
    back = parse_qs(urlsplit(provider.authorize(begun.url)).query)
    given = {"state": back["state"][0], "browsers_state": begun.state, "code": back["code"][0]}
    return openid.finish(**given | more)


def test_a_person_comes_in_with_the_roles_of_their_groups(provider):
    found = logged_in(OpenId(settings(provider), SECRET), provider)
    assert found.name == "rolf.roe"
    assert found.roles == {"radiologist"}
    assert found.subject == f"{provider.issuer} person-1"


def test_a_person_of_two_groups_has_the_roles_of_both(provider):
    provider.claims["groups"] = ["radiology-doctors", "radiology-admins"]
    found = logged_in(OpenId(settings(provider), SECRET), provider)
    assert found.roles == {"radiologist", "administrator"}


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        ({"nonce": "another login's"}, "nonce"),
        ({"aud": "another-program"}, "aud"),
        ({"iss": "https://elsewhere.example"}, "iss"),
        ({"exp": -600, "iat": -900}, "expired"),  # seconds from now
        ({"iat": +900}, "issued in the future"),
        ({"aud": [CLIENT, "other"], "azp": "other"}, "azp"),
        ({"preferred_username": ""}, "preferred_username"),
        ({"groups": ["visitors"]}, "no group"),
        ({"groups": []}, "no group"),
    ],
)
def test_a_token_that_is_not_what_was_asked_for_lets_nobody_in(provider, lie, says):
    now = int(time.time())
    provider.lies = {
        name: now + value if name in {"exp", "iat"} else value for name, value in lie.items()
    }
    with pytest.raises(LoginRefusedError, match=f"(?i){says}"):
        logged_in(OpenId(settings(provider), SECRET), provider)


def test_a_token_of_another_key_lets_nobody_in(provider):
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "one"})
    with pytest.raises(LoginRefusedError, match="not believed"):
        logged_in(OpenId(settings(provider), SECRET), provider)


def test_a_login_that_another_browser_began_lets_nobody_in(provider):
    openid = OpenId(settings(provider), SECRET)
    with pytest.raises(LoginRefusedError, match="not begun by this browser"):
        logged_in(openid, provider, browsers_state="that of another")
    with pytest.raises(LoginRefusedError, match="not begun by this browser"):
        logged_in(openid, provider, state="made up", browsers_state="made up")


def test_a_code_is_good_once_and_only_with_its_verifier(provider):
    openid = OpenId(settings(provider), SECRET)
    begun, other = openid.begin(), openid.begin()
    stolen = parse_qs(urlsplit(provider.authorize(begun.url)).query)["code"][0]
    with pytest.raises(LoginRefusedError, match="invalid_grant"):
        openid.finish(state=other.state, browsers_state=other.state, code=stolen)
    with pytest.raises(LoginRefusedError, match="not begun"):
        openid.finish(state=other.state, browsers_state=other.state, code=stolen)


def test_a_login_that_took_too_long_begins_again(provider):
    now = [0.0]
    openid = OpenId(settings(provider), SECRET, lambda: now[0])
    begun = openid.begin()
    now[0] = 601.0
    with pytest.raises(LoginRefusedError, match="too long"):
        openid.finish(state=begun.state, browsers_state=begun.state, code="x")


def test_a_provider_of_another_name_or_that_is_away_is_named(provider):
    slash = settings(provider, issuer=f"{provider.issuer}/")
    with pytest.raises(PeerRefusedError, match="to the letter"):
        OpenId(slash, SECRET).begin()
    away = settings(provider, issuer="http://127.0.0.1:9")
    with pytest.raises(PeerUnreachableError, match="does not answer"):
        OpenId(away, SECRET).begin()


def test_the_whole_way_through_the_station(provider, tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    given = table(provider, client_secret_file=str(tmp_path / "secret"), label="Hospital login")
    home = site(tmp_path, openid=given)
    with here(application(home)) as client:
        assert client.get("/api/studies").status_code == 401
        assert client.get("/api/access").json()["provider"] == "Hospital login"
        client.follow_redirects = False
        sent = client.get("/api/access/openid")
        assert sent.status_code == 303
        back = urlsplit(provider.authorize(sent.headers["location"]))
        came = client.get(f"{back.path}?{back.query}")
        assert came.headers["location"] == "/"
        said = client.get("/api/access").json()
        assert said["person"]["name"] == "rolf.roe"
        assert said["person"]["roles"] == ["radiologist"]
        assert client.get("/api/studies").status_code == 200

        client.cookies.delete("radcopilot")
        again = client.get(f"{back.path}?{back.query}")  # the same answer a second time
        assert "not begun by this browser" in unquote(again.headers["location"])
        assert client.get("/api/studies").status_code == 401

        home.accounts.disable("rolf.roe", "test")
        sent = client.get("/api/access/openid")
        back = urlsplit(provider.authorize(sent.headers["location"]))
        refused = client.get(f"{back.path}?{back.query}")
        assert "disabled" in unquote(refused.headers["location"])
    assert ("rolf.roe", "login") in acts(home)
    assert ("nobody", "login.failed") in acts(home)
    assert home.audit.verify() > 4
    home.store.close()
    home.close()


def test_a_name_that_is_anothers_here_is_refused(provider, tmp_path):
    home = site(tmp_path)
    home.accounts.add("Rolf.Roe", frozenset({"reader"}), PASSWORD, "test")
    found = logged_in(OpenId(settings(provider), SECRET), provider)
    with pytest.raises(Exception, match="already"):
        home.accounts.vouched(found.name, found.roles, found.subject)
    home.close()

"""Who may come in, from where, and with which right: the guard before the real application."""

from collections.abc import Iterator

import pydicom
import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError
from starlette.websockets import WebSocketDisconnect

from copilot.access.exposure import check_exposure
from copilot.access.roles import RIGHTS, Right, Role
from copilot.api.rights import SOCKET, TABLE, asked
from copilot.serving import application
from copilot.settings import load_settings
from copilot.wiring.house import House
from domain.errors import SettingsError
from domain.uids import InstanceUID
from tests.clients import elsewhere, here
from tests.copilot.access_site import PASSWORD, ROLES, acts, log_in, site, staffed
from tests.phantoms import ct, ellipsoid, grid, series

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette")


VOICE = "ws://127.0.0.1/api/voice"


@pytest.fixture
def home(tmp_path) -> Iterator[House]:
    made = site(tmp_path, web={"hosts": ["station.example.org"], "token_file": str(tmp_path / "t")})
    (tmp_path / "t").write_text("a long random line\n")
    yield staffed(made)
    made.store.close()
    made.close()


@pytest.fixture
def client(home) -> Iterator[TestClient]:
    with here(application(home)) as made:
        yield made


@pytest.fixture
def open_home(tmp_path) -> Iterator[House]:
    made = site(tmp_path)
    yield made
    made.store.close()
    made.close()


def stored(home, folder):
    """A study in the store; its UID and that of its series."""
    on = grid(shape=(4, 32, 32), spacing_mm=(2.0, 1.0, 1.0))
    files = series(folder, ct(on, ellipsoid(on, (3.0, 5.0, 5.0)), hu=50.0, background=-850.0))
    for path in files:
        home.store.keep(InstanceUID(str(pydicom.dcmread(path).SOPInstanceUID)), path.read_bytes())
    home.store.settle()
    header = pydicom.dcmread(files[0])
    return str(header.StudyInstanceUID), str(header.SeriesInstanceUID)


def routes(app):
    """Method and template of every route, however deep it is included."""
    found = set()

    def walk(each, prefix):
        within = getattr(each, "original_router", None)
        if within is not None:
            inner = prefix + each.include_context.prefix
            for one in within.routes:
                walk(one, inner)
            return
        methods = getattr(each, "methods", None) or {SOCKET}
        found.update((method, prefix + each.path) for method in methods - {"HEAD"})

    for each in app.router.routes:
        walk(each, "")
    return found


def test_every_route_has_its_right_and_no_right_is_left_over(tmp_path):
    given = site(
        tmp_path,
        openid={
            "issuer": "https://login.example.org",
            "client_id": "station",
            "client_secret_file": str(tmp_path / "secret"),
            "redirect_url": "https://station.example.org/api/access/openid/callback",
            "roles": {"doctors": ("radiologist",)},
        },
    )
    (tmp_path / "secret").write_text("secret\n")
    served = routes(application(given))
    given.store.close()
    given.close()
    assert len(served) > 60
    assert served == {(each.method, each.template) for each in TABLE}


@pytest.mark.parametrize("entry", TABLE, ids=lambda each: f"{each.method} {each.template}")
def test_an_address_is_guarded_by_the_entry_of_its_own_route(entry):
    path = entry.template.replace(":path", "").replace("{", "").replace("}", "")
    found = asked(entry.method, path)
    assert found is not None
    assert found.entry == entry


def test_nobody_comes_in_without_a_login(client):
    for entry in TABLE:
        if entry.right is None or entry.method == SOCKET:
            continue
        path = entry.template.replace(":path", "").replace("{", "").replace("}", "")
        assert client.request(entry.method, path).status_code == 401, path
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(VOICE):
        raise AssertionError("it was let in")


@pytest.mark.parametrize("name", ROLES)
def test_a_role_may_do_what_the_table_says_and_nothing_else(client, name):
    log_in(client, name)
    rights = frozenset().union(*(RIGHTS[role] for role in ROLES[name]))
    for entry in TABLE:
        if entry.right is None or entry.method == SOCKET or entry.template == "/api/events":
            continue
        if entry.template in {"/api/access/logout", "/api/transcriptions"}:
            continue
        path = entry.template.replace(":path", "").replace("{", "").replace("}", "")
        status = client.request(entry.method, path).status_code
        assert (status == 403) is (entry.right not in rights), (path, status)
        assert status != 401


def test_only_radiologists_decide(client):
    log_in(client, "Ada Admin")
    refused = client.post("/api/commands/x/accept")
    assert refused.status_code == 403
    assert refused.json()["detail"] == ("Ada Admin may not do this: it takes the role radiologist")
    assert [role for role in Role if Right.DECIDE in RIGHTS[role]] == [Role.RADIOLOGIST]


def test_without_an_account_this_machine_has_one_local_user(open_home):
    with here(application(open_home)) as client:
        said = client.get("/api/access").json()
        assert said["person"]["name"] == "local user"
        assert said["person"]["is_local"]
        assert not said["needs_login"]
        assert "no account" in said["says"]
        assert client.get("/api/studies").status_code == 200
    assert "no account" in open_home.exposure()


def test_without_an_account_nobody_comes_in_from_another_machine(open_home):
    with elsewhere(application(open_home)) as client:
        assert client.get("/health").status_code == 200
        assert client.get("/api/studies").status_code == 401
        assert client.get("/api/access").json()["person"] is None


def test_what_a_proxy_on_this_machine_hands_on_is_not_the_local_user(open_home):
    with here(application(open_home)) as client:
        handed_on = {"X-Forwarded-For": "203.0.113.9"}
        assert client.get("/api/studies", headers=handed_on).status_code == 401


def test_the_first_account_asks_for_a_login_at_once(open_home):
    with here(application(open_home)) as client:
        assert client.get("/api/studies").status_code == 200
        staffed(open_home)
        assert client.get("/api/studies").status_code == 401
        log_in(client, "Rita Reader")
        assert client.get("/api/studies").status_code == 200


def test_a_login_and_a_logout(client, home):
    said = log_in(client, "dr. rolf roe")
    assert said["person"]["name"] == "Dr. Rolf Roe"
    assert said["person"]["roles"] == ["radiologist"]
    assert client.get("/api/studies").status_code == 200
    client.post("/api/access/logout")
    assert client.get("/api/studies").status_code == 401
    assert acts(home)[-3:] == [
        ("Dr. Rolf Roe", "login"),
        ("Dr. Rolf Roe", "studies.listed"),
        ("Dr. Rolf Roe", "logout"),
    ]
    assert home.audit.verify() == 6


def test_an_ended_session_is_not_taken_up_again_with_its_cookie(client):
    log_in(client, "Rita Reader")
    kept = client.cookies["radcopilot"]
    client.post("/api/access/logout")
    client.cookies.set("radcopilot", kept)
    assert client.get("/api/studies").status_code == 401


def test_the_cookie_is_shut_to_scripts_and_to_other_sites(home):
    app = application(home)
    with here(app) as client:
        answer = client.post(
            "/api/access/login", json={"name": "Rita Reader", "password": PASSWORD}
        )
        plain = answer.headers["set-cookie"]
        assert plain.startswith("radcopilot=")
        assert "HttpOnly" in plain
        assert "SameSite=strict" in plain
    client = elsewhere(app)
    answer = client.post("/api/access/login", json={"name": "Rita Reader", "password": PASSWORD})
    over_tls = answer.headers["set-cookie"]
    assert over_tls.startswith("__Host-radcopilot=")
    assert "Secure" in over_tls
    assert "Path=/" in over_tls
    assert "Domain" not in over_tls


def test_the_session_in_the_database_is_of_no_use_to_a_thief(client, home):
    log_in(client, "Rita Reader")
    secret = client.cookies["radcopilot"]
    kept = (home.settings.storage.root / "radcopilot.db").read_bytes()
    wal = home.settings.storage.root / "radcopilot.db-wal"
    kept += wal.read_bytes() if wal.is_file() else b""
    assert b"sessions" in kept
    assert secret.encode() not in kept
    assert PASSWORD.encode() not in kept


def test_an_unknown_name_and_a_wrong_password_are_answered_alike(client, home):
    wrong = client.post("/api/access/login", json={"name": "Rita Reader", "password": "x" * 12})
    unknown = client.post("/api/access/login", json={"name": "Nobody Here", "password": "x" * 12})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert acts(home)[-2:] == [("Rita Reader", "login.failed"), ("nobody", "login.failed")]


def test_failed_tries_make_the_next_wait_even_with_the_right_password(client):
    body = {"name": "Rita Reader", "password": "not this one"}
    statuses = [client.post("/api/access/login", json=body).status_code for _ in range(4)]
    assert statuses == [401, 401, 401, 429]
    refused = client.post("/api/access/login", json=body | {"password": PASSWORD})
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert "wait" in refused.json()["detail"]


@pytest.mark.parametrize("how", ["disable", "password", "remove"])
def test_a_session_ends_at_once_with_its_account(client, home, how):
    log_in(client, "Rita Reader")
    assert client.get("/api/studies").status_code == 200
    match how:
        case "disable":
            home.accounts.disable("Rita Reader", "test")
        case "password":
            home.accounts.set_password("Rita Reader", "another four words", "test")
        case "remove":
            home.accounts.remove("Rita Reader", "test")
    assert client.get("/api/studies").status_code == 401


def test_a_disabled_account_that_is_enabled_again_logs_in_anew(client, home):
    log_in(client, "Rita Reader")
    home.accounts.disable("Rita Reader", "test")
    home.accounts.enable("Rita Reader", "test")
    assert client.get("/api/studies").status_code == 401
    log_in(client, "Rita Reader")


def test_another_role_holds_from_the_next_request_on(client, home):
    log_in(client, "Rita Reader")
    assert client.post("/api/commands/x/accept").status_code == 403
    home.accounts.set_roles("Rita Reader", frozenset({Role.RADIOLOGIST}), "test")
    assert client.post("/api/commands/x/accept").status_code == 422


def test_an_act_without_the_pages_token_is_refused(client):
    log_in(client, "Dr. Rolf Roe")
    del client.headers["X-Page-Token"]
    refused = client.post("/api/commands/x/accept")
    assert refused.status_code == 403
    assert "load the page again" in refused.json()["detail"]


FOREIGN = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://elsewhere.example"},
    {"Origin": "http://127.0.0.1:3000"},
    {"Origin": "null"},
)


def test_an_act_that_another_sites_page_asks_for_is_refused(client):
    login = {"name": "Rita Reader", "password": PASSWORD}
    for headers in FOREIGN:
        assert client.post("/api/access/login", json=login, headers=headers).status_code == 403
    log_in(client, "Dr. Rolf Roe")
    for headers in FOREIGN:
        assert client.post("/api/commands/x/accept", headers=headers).status_code == 403
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(VOICE, headers=headers):
            raise AssertionError("it was let in")


def test_a_socket_with_a_cookie_names_its_page(client):
    log_in(client, "Rita Reader")
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(VOICE):
        raise AssertionError("it was let in")
    ours = {"Origin": "http://127.0.0.1"}
    with client.websocket_connect(VOICE, headers=ours) as socket:
        socket.send_json({"type": "stop"})
        assert socket.receive_json()["error"] == "MessageError"


def test_a_name_that_is_not_ours_is_refused(client):
    rebound = client.get("/health", headers={"Host": "attacker.example:8765"})
    assert rebound.status_code == 421
    assert "[web] hosts" in rebound.json()["detail"]
    for name in ("localhost:8765", "127.0.0.1", "[::1]:8765", "station.example.org", "10.0.0.5"):
        assert client.get("/health", headers={"Host": name}).status_code == 200


def test_answers_are_kept_by_no_browser_and_shown_in_no_frame(client, home, tmp_path):
    log_in(client, "Rita Reader")
    headers = client.get("/api/studies").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    study, _ = stored(home, tmp_path / "chest")
    of_dicomweb = client.get(f"/dicom-web/studies/{study}/metadata").headers
    assert of_dicomweb["cache-control"] == "no-store"


def test_a_viewer_may_show_the_page_in_a_frame_where_the_site_says_so(tmp_path):
    viewer = "https://viewer.example.org"
    home = site(tmp_path, web={"frame_ancestors": (viewer,)})
    with here(application(home)) as client:
        for path in ("/", "/api/studies"):
            policy = client.get(path).headers["content-security-policy"]
            assert policy.endswith(f"frame-ancestors {viewer}")
    home.store.close()
    home.close()


def test_a_program_with_the_token_looks_and_does_not_decide(home):
    with elsewhere(application(home)) as program:
        program.headers["Authorization"] = "Bearer a long random line"
        assert program.get("/api/studies").status_code == 200
        assert program.get("/metrics").status_code == 200
        assert program.post("/api/commands/x/accept").status_code == 403
        assert program.post("/api/commands", json={}).status_code == 403
        program.headers["Authorization"] = "Bearer another line"
        assert program.get("/api/studies").status_code == 401
    assert ("program (site token)", "studies.listed") in acts(home)


def test_a_view_of_a_study_is_written_down_once_in_a_while(client, home, tmp_path):
    study, uid = stored(home, tmp_path / "chest")
    log_in(client, "Rita Reader")
    for index in range(3):
        assert client.get(f"/api/series/{uid}/images/{index}").status_code == 200
    assert client.get(f"/dicom-web/studies/{study}/metadata").status_code == 200
    assert client.get(f"/api/studies/{study}/report").status_code == 200
    assert acts(home).count(("Rita Reader", "study.viewed")) == 1
    client.post("/api/access/logout")
    log_in(client, "Rita Reader")
    client.get(f"/api/series/{uid}")
    assert acts(home).count(("Rita Reader", "study.viewed")) == 2
    assert [each["subject"] for each in home.audit.last(1)] == [study]


def test_what_cannot_be_written_down_is_not_shown(client, home, tmp_path):
    _, uid = stored(home, tmp_path / "chest")
    log_in(client, "Rita Reader")
    with home.database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit RENAME TO audit_away")
    refused = client.get(f"/api/series/{uid}/images/0")
    assert refused.status_code == 503
    assert "audit trail" in refused.json()["detail"]
    client.cookies.clear()
    with pytest.raises(OperationalError):
        client.post("/api/access/login", json={"name": "Rita Reader", "password": PASSWORD})
    assert client.get("/api/studies").status_code == 401


def test_what_a_person_does_is_theirs_in_the_audit_trail(client, home, tmp_path):
    study, _ = stored(home, tmp_path / "chest")
    log_in(client, "Dr. Rolf Roe")
    field = f"/api/studies/{study}/report/fields/findings/own"
    assert client.put(field, json={"text": "Quiet."}).status_code == 200
    assert client.delete(field).status_code == 200
    mine = [act for actor, act in acts(home) if actor == "Dr. Rolf Roe"]
    assert mine == ["login", "report.edited", "report.taken_back"]


def web(**more):
    return load_settings().web.model_copy(update=more)


@pytest.mark.parametrize(
    ("more", "needs_login", "has_token", "says"),
    [
        ({"host": "10.1.2.3"}, False, False, "nobody would be asked"),
        ({"host": "10.1.2.3"}, True, False, "without TLS"),
        ({"host": "10.1.2.3"}, False, True, "without TLS"),
        ({"proxies": ("127.0.0.1",)}, False, False, "nobody would be asked"),
        ({"certificate": "web.pem"}, True, False, "certificate and key go together"),
    ],
)
def test_a_server_that_others_reach_unguarded_does_not_start(more, needs_login, has_token, says):
    with pytest.raises(SettingsError, match=says):
        check_exposure(web(**more), needs_login=needs_login, has_token=has_token)


@pytest.mark.parametrize(
    ("more", "needs_login", "has_token", "says"),
    [
        ({}, False, False, "no account"),
        ({}, True, False, "a login is needed, this machine only"),
        ({"host": "10.1.2.3", "certificate": "a", "key": "b"}, True, False, "needed, HTTPS"),
        ({"host": "10.1.2.3", "certificate": "a", "key": "b"}, False, True, "token alone"),
        ({"host": "10.1.2.3", "proxies": ("10.0.0.2",)}, True, False, "TLS ends at 10.0.0.2"),
        ({"host": "10.1.2.3", "published_on_loopback": True}, False, False, "no account"),
    ],
)
def test_who_may_come_in_is_said(more, needs_login, has_token, says):
    assert says in check_exposure(web(**more), needs_login=needs_login, has_token=has_token)

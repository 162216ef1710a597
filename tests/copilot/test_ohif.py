import base64
import hashlib
import http.server
import io
import re
import tarfile
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from copilot import ohif
from copilot.api.ohif import ohif_router
from copilot.api.ohif_viewer import Viewer
from copilot.ohif import INSTALLED, RELEASE, Release, install
from domain.errors import (
    DigestMismatchError,
    PeerUnreachableError,
    SettingsError,
    UnreadableFileError,
)
from domain.ports import no_progress

INLINE = 'window.PUBLIC_URL="/"'
PAGE = (
    '<!doctype html><link href="/app.css"><meta content="/assets/tile.png">'
    f'<script>{INLINE}</script><script src="/app.js"></script><a href="//elsewhere">x</a>'
)
DIST = {
    "index.html": PAGE,
    "app.js": 'loader.p = "/"; other.p="";',
    "worker.js": 'n.p="/";',
    "app.css": "@font-face{src:url(/font.woff2)} a{background:url(data:x)}",
    "app-config.js": "window.config = 'not ours';",
    "assets/tile.png": "png",
}


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    for name, content in DIST.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def client(viewer: Viewer | None) -> TestClient:
    app = FastAPI()
    app.include_router(ohif_router(viewer))
    return TestClient(app)


def test_every_address_of_the_release_moves_under_ours_and_no_other_word_does(dist):
    web = client(Viewer(dist))
    page = web.get("/ohif/").text
    assert 'href="/ohif/app.css"' in page
    assert 'content="/ohif/assets/tile.png"' in page
    assert 'window.PUBLIC_URL="/ohif/"' in page
    assert 'href="//elsewhere"' in page
    assert web.get("/ohif/app.js").text == 'loader.p = "/ohif/"; other.p="";'
    assert web.get("/ohif/worker.js").text == 'n.p="/ohif/";'
    assert "url(/ohif/font.woff2)" in web.get("/ohif/app.css").text
    assert "url(data:x)" in web.get("/ohif/app.css").text
    assert (dist / "index.html").read_text() == PAGE


def test_one_that_was_built_for_our_address_is_served_as_it_is(dist):
    page = PAGE.replace("/app.", "/ohif/app.").replace('URL="/"', 'URL="/ohif/"')
    (dist / "index.html").write_text(page)
    assert client(Viewer(dist)).get("/ohif/").text == page


def test_one_that_was_built_for_another_address_is_refused_with_the_remedy(dist):
    (dist / "index.html").write_text(PAGE.replace('URL="/"', 'URL="/viewer/"'))
    with pytest.raises(SettingsError, match=r"was built for /viewer/: .*PUBLIC_URL=/ohif/"):
        Viewer(dist)
    with pytest.raises(SettingsError, match=r"index\.html cannot be read"):
        Viewer(dist / "nothing")


def test_places_of_the_viewers_own_router_are_its_page_and_missing_files_are_missing(dist):
    web = client(Viewer(dist))
    assert web.get("/ohif/copilot?StudyInstanceUIDs=1.2").text == web.get("/ohif/").text
    assert web.get("/ohif").text == web.get("/ohif/").text
    assert web.get("/ohif/gone.js").status_code == 404


@pytest.mark.parametrize(
    "path", ["../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "link.txt"]
)
def test_nothing_beside_the_folder_is_served(dist, path):
    secret = dist.parent / "secret.txt"
    secret.write_text("hidden words")
    (dist / "link.txt").symlink_to(secret)
    assert "hidden words" not in client(Viewer(dist)).get(f"/ohif/{path}").text


def test_the_policy_names_the_inline_scripts_and_lets_nothing_come_from_elsewhere(dist):
    answer = client(Viewer(dist)).get("/ohif/")
    policy = answer.headers["content-security-policy"]
    (inline,) = re.findall("<script>(.+?)</script>", answer.text)
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    scripts = next(each for each in policy.split("; ") if each.startswith("script-src"))
    assert "'unsafe-inline'" not in scripts
    assert "'unsafe-eval'" not in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"https?:|\*", policy)


def test_a_file_is_sent_packed_and_once(dist):
    web = client(Viewer(dist))
    first = web.get("/ohif/app.js", headers={"accept-encoding": "gzip"})
    assert first.headers["content-encoding"] == "gzip"
    assert first.headers["cache-control"] == "no-cache"
    again = web.get("/ohif/app.js", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert not again.content


def test_without_an_ohif_it_is_said_how_to_get_one():
    answer = client(None).get("/ohif/")
    assert answer.status_code == 503
    assert "radcopilot ohif install" in answer.json()["detail"]


def packed(files: dict[str, str], *extra: tarfile.TarInfo) -> bytes:
    """Return a package of npm."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
        for member in extra:
            archive.addfile(member)
    return made.getvalue()


def release(content: bytes) -> Release:
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    return Release(version="1.2.3", path="app/app.tgz", size=len(content), integrity=digest)


def put(folder: Path, content: bytes) -> tuple[Path, Release]:
    path = folder / "package.tgz"
    path.write_bytes(content)
    return path, release(content)


WHOLE = {f"package/dist/{name}": content for name, content in DIST.items()} | {
    "package/LICENSE": "MIT",
    "package/package.json": "{}",
    "package/dist/app.js.map": "map",
    "package/dist/ort/run.wasm": "wasm",
}


def test_the_release_is_unpacked_with_its_licence_and_without_what_is_never_asked_for(tmp_path):
    path, pinned = put(tmp_path, packed(WHOLE))
    models = tmp_path / "models"
    folder = install(models, path, no_progress, pinned)
    assert folder == models / INSTALLED
    assert {
        each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()
    } == {*DIST}
    assert (folder.parent / "LICENSE").read_text() == "MIT"
    assert "index.html" in Viewer(folder)
    path.unlink()
    assert install(models, path, no_progress, pinned) == folder


def test_another_file_than_the_pinned_one_is_refused_and_the_installed_one_stays(tmp_path):
    path, pinned = put(tmp_path, packed(WHOLE))
    models = tmp_path / "models"
    folder = install(models, path, no_progress, pinned)
    other, _ = put(tmp_path, packed({**WHOLE, "package/dist/app.js": "evil()"}))
    newer = Release(version="1.2.4", path="", size=1, integrity=pinned.integrity)
    with pytest.raises(DigestMismatchError, match=r"sha512 .* nothing was installed"):
        install(models, other, no_progress, newer)
    assert (folder / "app.js").read_text() == DIST["app.js"]
    assert [each.name for each in models.iterdir()] == ["ohif"]


@pytest.mark.parametrize(
    "name", ["package/../../evil", "/etc/evil", "elsewhere/dist/evil", "package/dist/../../../evil"]
)
def test_a_name_that_leads_elsewhere_installs_nothing(tmp_path, name):
    path, pinned = put(tmp_path, packed({**WHOLE, name: "evil"}))
    with pytest.raises(UnreadableFileError, match="nothing was installed"):
        install(tmp_path / "models", path, no_progress, pinned)
    assert not list(tmp_path.rglob("evil"))
    assert not (tmp_path / "models" / "ohif").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_and_devices_install_nothing(tmp_path, kind):
    link = tarfile.TarInfo("package/dist/evil")
    link.type, link.linkname = kind, "../../../secret"
    path, pinned = put(tmp_path, packed(WHOLE, link))
    with pytest.raises(UnreadableFileError, match="'package/dist/evil'"):
        install(tmp_path / "models", path, no_progress, pinned)


def test_the_release_is_brought_from_the_sites_own_registry(tmp_path, monkeypatch):
    content = packed(WHOLE)
    pinned = release(content)
    path = tmp_path / "registry" / pinned.path
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "registry")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        monkeypatch.setattr(ohif, "npm_registry", lambda: url)
        folder = install(tmp_path / "models", None, no_progress, pinned)
        with pytest.raises(DigestMismatchError):
            install(tmp_path / "other", None, no_progress, replace(pinned, integrity="other"))
        server.shutdown()
    assert "index.html" in Viewer(folder)


def test_a_registry_that_does_not_answer_is_named_with_what_helps(tmp_path, monkeypatch):
    monkeypatch.setattr(ohif, "npm_registry", lambda: "http://127.0.0.1:9")
    with pytest.raises(PeerUnreachableError, match="NPM_CONFIG_REGISTRY, or give the file"):
        install(tmp_path, None, no_progress)


def test_a_file_that_is_not_there_is_named_with_how_to_get_it(tmp_path):
    with pytest.raises(UnreadableFileError, match=f"npm pack @ohif/app@{RELEASE.version}"):
        install(tmp_path, tmp_path / "none.tgz", no_progress)

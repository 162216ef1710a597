"""A real server process, a real archive and a real browser; the sample study is stored."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pydicom
import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from copilot.demo.orthanc import KnownModality, Orthanc, free_port, is_installed
from copilot.demo.study import SampleCase, make_chest_ct
from copilot.settings import environment
from copilot.system import RandomUids
from dicom_node.scu import DicomPeer, Peer
from tests.conftest import missing
from tests.phantoms import ct, ellipsoid, grid, series
from tests.server import Server

CHROMIUM = Path("/usr/bin/chromium")
_BUSY_TIMES = 4
_START_S = 90.0
_SERVE = "from copilot.cli.main import main; main()"
_STATIC = Path(__file__).resolve().parents[2] / "copilot" / "static" / "index.html"


@dataclass(kw_only=True)
class Station:
    """A running server, and the archive behind it."""

    folder: Path
    web_port: int
    dicom_port: int
    orthanc: Orthanc
    process: subprocess.Popen[bytes] | None = None
    log: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=60.0, trust_env=False)

    def post(self, path: str, **more: object) -> httpx.Response:
        return httpx.post(self.url + path, timeout=120.0, trust_env=False, **more)  # type: ignore[arg-type]

    def store(self, files: tuple[Path, ...]) -> None:
        """Send images as a scanner does, and wait until they are listed."""
        node = Peer(ae_title="RADCOPILOT", host="127.0.0.1", port=self.dicom_port)
        before = self.get("/health").json()["instances"]
        DicomPeer("SCANNER", node).store(files)
        self.wait(lambda: self.get("/health").json()["instances"] >= before + len(files))

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Keep the engine at work while within: it has a large phantom several times before it."""
        on = grid(shape=(60, 256, 256), spacing_mm=(1.0, 1.0, 1.0))
        thing = ellipsoid(on, (25.0, 60.0, 60.0))
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        files = series(folder, ct(on, thing, hu=50.0, background=-850.0))
        self.store(files)
        body = {
            "series_instance_uid": str(pydicom.dcmread(files[0]).SeriesInstanceUID),
            "text": "segment the lung lesion",
            "boxes": [
                {
                    "slice": 30,
                    "row_start": 60,
                    "column_start": 60,
                    "row_stop": 190,
                    "column_stop": 190,
                }
            ],
            "wait": False,
        }
        began = [self.post("/api/commands", json=body).json()["id"] for _ in range(_BUSY_TIMES)]
        yield
        for identity in began:
            self.post(f"/api/commands/{identity}/stop")  # refused where it is at its end
        for identity in began:
            self.wait(
                lambda at=identity: self.get(f"/api/commands/{at}").json()["state"] != "running"
            )

    def wait(self, until: Callable[[], bool], timeout_s: float = _START_S) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                if until():
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise AssertionError((self.folder / "server.log").read_text()[-3000:])


@pytest.fixture(scope="package")
def station(
    tmp_path_factory: pytest.TempPathFactory, models_folder: Path, sample_study: Path
) -> Iterator[Station]:
    if not _STATIC.is_file():
        missing("the page is not built (make page)")
    if not is_installed():
        missing("Orthanc is not installed")
    folder = tmp_path_factory.mktemp("station")
    dicom_port = free_port()
    known = KnownModality(ae_title="RADCOPILOT", host="127.0.0.1", port=dicom_port)
    with Orthanc(folder / "orthanc", (known,)) as orthanc:
        made = Station(folder=folder, web_port=free_port(), dicom_port=dicom_port, orthanc=orthanc)
        site = folder / "site.toml"
        site.write_text(
            f"""
            [storage]
            folder = "{folder / "data"}"
            models_folder = "{models_folder}"
            [node]
            port = {dicom_port}
            [web]
            port = {made.web_port}
            [segmentation]
            look_ahead = false
            [[peers]]
            ae_title = "ORTHANC"
            host = "127.0.0.1"
            port = {orthanc.dicom_port}
            storage_commitment = true
            """
        )
        with (folder / "server.log").open("wb") as log:
            made.process = subprocess.Popen(
                [sys.executable, "-c", _SERVE, "serve", "--config", str(site)],
                env=environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            made.wait(lambda: made.get("/health").is_success)
            yield made
        finally:
            made.process.terminate()
            made.process.wait(30)


@pytest.fixture(scope="package")
def chest(
    station: Station, sample_study: Path, tmp_path_factory: pytest.TempPathFactory
) -> SampleCase:
    """The sample study, stored, with the expert's mask."""
    case = make_chest_ct(sample_study, RandomUids(""), tmp_path_factory.mktemp("chest"))
    station.store(case.files)
    return case


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Playwright, ended with this folder: its event loop would run on in the tests' own thread."""
    if not CHROMIUM.exists():
        missing("chromium is not installed")
    with sync_playwright() as made:
        yield made


def launched(playwright: Playwright, *flags: str) -> Browser:
    """Start Debian's chromium without a window."""
    return playwright.chromium.launch(
        executable_path=str(CHROMIUM), args=["--no-sandbox", "--no-proxy-server", *flags]
    )


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    made = launched(playwright, "--use-gl=angle", "--use-angle=swiftshader")
    yield made
    made.close()


@pytest.fixture
def ratio() -> float:
    """Screen pixels to a pixel of the page."""
    return 1.0


@pytest.fixture
def page(browser: Browser, station: Station, ratio: float) -> Iterator[Page]:
    """A page that may ask nobody but the station, and may not complain."""
    with watched_page(browser, station, ratio) as made:
        yield made


@contextmanager
def watched_page(browser: Browser, station: Station | Server, ratio: float = 1.0) -> Iterator[Page]:
    """Open a page, and see in the end that it asked nobody else and did not complain."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, base_url=station.url, device_scale_factor=ratio
    )
    made = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    made.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on("request", lambda request: asked.append(request.url))
    yield made
    context.close()
    outside = [
        url for url in asked if not url.startswith((station.url, "data:", f"blob:{station.url}"))
    ]
    assert not outside
    assert not complaints

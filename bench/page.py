"""What a reader waits for at the page: ``python -m bench.page [FOLDER]``, in a real Chromium.

A series is sent to a real server and read with keys: from opening to the first image, from a box
asked about to the mask on the screen, what scrolling a second time asks the server for, and how
heavy the page is. The folder is of DICOM files; left out, that of the shared lung lesion.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.table import Table

from bench.serving import Server, serving, until
from dicom_node.scu import DicomPeer, Peer
from dicom_node.volumes import load_series

_CHROMIUM: Final = "/usr/bin/chromium"
_FOLDER: Final = Path(__file__).resolve().parents[2] / "shared" / "data" / "ct_lung1" / "dicom"
_MASK: Final = "mask.nrrd"
_WAIT_MS: Final = 120_000
_SENTENCE: Final = "segment the lung lesion"


@dataclass(frozen=True, kw_only=True)
class Box:
    """A half-open box on one image."""

    slice: int
    rows: tuple[int, int]
    columns: tuple[int, int]


def store(server: Server, files: tuple[Path, ...]) -> None:
    """Send images as a scanner does, and wait until they are listed."""
    node = Peer(ae_title="RADCOPILOT", host="127.0.0.1", port=server.dicom_port)
    DicomPeer("SCANNER", node).store(files)
    until(lambda: server.get("/health").json()["instances"] >= len(files))


def opened(page: Page) -> float:
    """Open the only study with the keyboard; return the seconds to its first image."""
    page.goto("/")
    row = page.get_by_role("row").nth(1).get_by_role("button")
    row.wait_for(timeout=_WAIT_MS)
    row.focus()
    began = time.perf_counter()
    page.keyboard.press("Enter")
    page.wait_for_selector('[data-testid="viewport-0"][data-shown="true"]', timeout=_WAIT_MS)
    return time.perf_counter() - began


def scrolled(page: Page, count: int) -> float:
    """Go through all images by key; return the seconds."""
    page.keyboard.press("Home")
    began = time.perf_counter()
    for _ in range(count - 1):
        page.keyboard.press("ArrowDown")
    last = f'[data-testid="viewport-0"][data-slice="{count - 1}"]'
    page.wait_for_selector(last, timeout=_WAIT_MS)
    return time.perf_counter() - began


def boxed(page: Page, box: Box, at: tuple[int, int]) -> tuple[int, int]:
    """Draw a box with keys from where their cursor is; return where it is then."""
    page.keyboard.press("Home")
    for _ in range(box.slice):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("b")
    corners = ((box.rows[0], box.columns[0]), (box.rows[1] - 1, box.columns[1] - 1))
    for corner in corners:
        for axis, keys in enumerate((("ArrowUp", "ArrowDown"), ("ArrowLeft", "ArrowRight"))):
            way = corner[axis] - at[axis]
            key = keys[way > 0]
            for _ in range(abs(way) // 10):
                page.keyboard.press(f"Shift+{key}")
            for _ in range(abs(way) % 10):
                page.keyboard.press(key)
        page.keyboard.press("Enter")
        at = corner
    page.get_by_role("list", name="Pointed at").wait_for(timeout=_WAIT_MS)
    return at


def asked(page: Page) -> tuple[float, float]:
    """Ask for the mask of what is boxed.

    Return the seconds until its outline is on the screen, and until its numbers are.
    """
    page.keyboard.press("/")
    page.keyboard.type(_SENTENCE)
    began = time.perf_counter()
    page.keyboard.press("Enter")
    page.wait_for_selector('canvas[data-glimpses="1"]', timeout=_WAIT_MS, state="attached")
    page.evaluate("() => new Promise((shown) => requestAnimationFrame(() => shown()))")
    outlined_s = time.perf_counter() - began
    card = page.locator('.is-selected[data-testid="finding"][data-state="waiting"]')
    card.get_by_role("button", name="Brush").wait_for(timeout=_WAIT_MS)
    return outlined_s, time.perf_counter() - began


def weight(server: Server) -> int:
    """Return the bytes over the wire of all that the page loads at its start."""
    answer = server.get("/")
    names = [part.split('"')[0] for part in answer.text.split("./assets/")[1:]]
    assets = [server.get(f"/assets/{name}") for name in names]
    sizes = [int(each.headers["content-length"]) for each in (answer, *assets)]
    return sum(sizes)


def expected_box(folder: Path) -> Box:
    """Return the box of the expert's mask on its largest image."""
    import numpy as np  # noqa: PLC0415 - with SimpleITK, for this alone
    import SimpleITK as sitk  # noqa: PLC0415, N813

    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(folder.parent / _MASK))) > 0
    at = int(mask.sum(axis=(1, 2)).argmax())
    rows, columns = (np.flatnonzero(mask[at].any(axis=axis)) for axis in (1, 0))
    return Box(
        slice=at,
        rows=(int(rows[0]), int(rows[-1]) + 1),
        columns=(int(columns[0]), int(columns[-1]) + 1),
    )


def measured(browser: Browser, server: Server, box: Box, shape: tuple[int, int, int]) -> Table:
    """Read the stored series, and return what was waited for."""
    slices, rows, columns = shape
    page = browser.new_page(base_url=server.url, viewport={"width": 1440, "height": 900})
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    table = Table("", "measured", "at most", title=f"load {os.getloadavg()[0]:.1f}")
    table.add_row("opened → first image painted", f"{opened(page):.2f} s", "3 s")
    scrolled(page, slices)
    page.wait_for_load_state("networkidle")
    requests.clear()
    seconds = scrolled(page, slices)
    page.wait_for_timeout(500)
    table.add_row(f"requests, {slices} images again ({seconds:.1f} s)", str(len(requests)), "0")
    at = rows // 2, columns // 2
    for name in ("first", "second"):
        at = boxed(page, box, at)
        outlined_s, measured_s = asked(page)
        table.add_row(f"box asked about → mask painted, {name}", f"{outlined_s:.2f} s", "1.5 s")
        table.add_row("  … and its numbers there", f"{measured_s:.2f} s", "")
        made = server.get("/api/commands").json()[0]
        steps = "  ".join(f"{step} {taken:.2f}" for step, taken in made["timings_s"].items())
        table.add_row(f"  of these on the server: {steps}", "", "")
        page.keyboard.press("n")
        page.locator('[data-testid="finding"]').wait_for(state="detached")
    table.add_row("page, compressed", f"{weight(server) / 1e6:.2f} MB", "3 MB")
    page.close()
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=_FOLDER)
    parser.add_argument("--look-ahead", action="store_true", help="prepare images before a command")
    given = parser.parse_args()
    files = tuple(sorted(each for each in given.folder.iterdir() if each.is_file()))
    shape = load_series(files).grid.shape
    with (
        tempfile.TemporaryDirectory() as aside,
        serving(Path(aside), look_ahead=given.look_ahead) as server,
        sync_playwright() as playwright,
    ):
        store(server, files)
        browser = playwright.chromium.launch(
            executable_path=_CHROMIUM,
            args=["--no-sandbox", "--no-proxy-server", "--use-gl=angle", "--use-angle=swiftshader"],
        )
        Console().print(measured(browser, server, expected_box(given.folder), shape))
        browser.close()


if __name__ == "__main__":
    main()

"""A reader's hands at the page, and places on the screen worked out without the page's own code."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page

from copilot.system import RandomUids
from dicom_node.series_writer import SeriesIdentity, write_series
from domain.volume import Mask, Volume
from tests.browser.conftest import Station
from tests.phantoms import ct, ellipsoid, grid

SOON = 20_000
ENGINE = 60_000
_STILL = 5
_LOOKS = 50
_UIDS = RandomUids()


@dataclass(frozen=True, kw_only=True)
class Phantom:
    """A stored volume with a bright thing in it, lopsided, so that no flip goes unseen."""

    volume: Volume
    thing: Mask
    files: tuple[Path, ...]
    patient_id: str


def lopsided(
    folder: Path, patient_id: str, name: str = "PHANTOM^LOPSIDED", description: str = "phantom"
) -> Phantom:
    """Return a CT of 12 x 64 x 48 with an ellipsoid off the middle, and one bright voxel."""
    on = grid(shape=(12, 64, 48), spacing_mm=(2.0, 1.0, 1.0))
    thing = ellipsoid(on, (7.0, 9.0, 6.0), centre=np.array([5.0, 24.0, 30.0]))
    volume = ct(on, thing, hu=50.0, background=-850.0)
    volume.voxels[5, 50, 7] = 1234
    identity = SeriesIdentity(
        patient_name=name,
        patient_id=patient_id,
        study_instance_uid=_UIDS.new_uid(),
        series_instance_uid=_UIDS.new_uid(),
        frame_of_reference_uid=_UIDS.new_uid(),
        study_date="20200102",
        study_description=description,
        series_description="phantom",
    )
    files = write_series(volume, identity, _UIDS, folder)
    return Phantom(volume=volume, thing=thing, files=files, patient_id=patient_id)


def open_study(page: Page, patient_id: str) -> Locator:
    """Open a study from the list with the keyboard and return its first viewport."""
    page.goto("/")
    page.get_by_role("searchbox", name="Find a study").fill(patient_id)
    row = page.get_by_role("row").filter(has_text=patient_id)
    row.first.wait_for(timeout=SOON)
    row.first.get_by_role("button").press("Enter")
    viewport = page.get_by_test_id("viewport-0")
    viewport.wait_for(timeout=SOON)
    page.wait_for_selector('[data-testid="viewport-0"][data-shown="true"]', timeout=SOON)
    return viewport


def comes_to(page: Page, hold: Callable[[], bool]) -> bool:
    """Look at the screen until something holds: painting follows a key by a frame or many."""
    for _ in range(_LOOKS):
        if hold():
            return True
        page.wait_for_timeout(100)
    return False


def three_cuts(page: Page) -> None:
    """Show the cuts, and wait until each viewport stands still in its new size."""
    page.keyboard.press("m")
    page.wait_for_selector('[data-testid="viewport-2"][data-shown="true"]', timeout=SOON)
    before, still = None, 0
    for _ in range(100):
        boxes = [page.get_by_test_id(f"viewport-{n}").bounding_box() for n in range(3)]
        still = still + 1 if boxes == before else 0
        if still == _STILL:
            break
        before = boxes
        page.wait_for_timeout(100)


def go_to(page: Page, slice_index: int) -> None:
    """Go to a slice by its keys."""
    page.keyboard.press("Home")
    for _ in range(slice_index):
        page.keyboard.press("ArrowDown")
    wanted = f'[data-testid="viewport-0"][data-slice="{slice_index}"]'
    page.wait_for_selector(wanted, timeout=SOON)


def move_cursor(page: Page, start: tuple[int, int], to: tuple[int, int]) -> None:
    """Move the keyboard's cursor from one pixel to another."""
    for axis, (back, on) in enumerate((("ArrowUp", "ArrowDown"), ("ArrowLeft", "ArrowRight"))):
        way = to[axis] - start[axis]
        key = on if way > 0 else back
        for _ in range(abs(way) // 10):
            page.keyboard.press(f"Shift+{key}")
        for _ in range(abs(way) % 10):
            page.keyboard.press(key)


def box_by_keys(
    page: Page, middle: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    """Draw a half-open box with the keyboard; ``middle`` is where its cursor starts."""
    page.keyboard.press("b")
    first, last = (rows[0], columns[0]), (rows[1] - 1, columns[1] - 1)
    move_cursor(page, middle, first)
    page.keyboard.press("Enter")
    move_cursor(page, first, last)
    page.keyboard.press("Enter")
    page.get_by_role("list", name="Pointed at").wait_for(timeout=SOON)


def say(page: Page, sentence: str) -> None:
    """Type a command."""
    page.keyboard.press("/")
    page.keyboard.type(sentence)
    page.keyboard.press("Enter")


def finding(page: Page, state: str) -> Locator:
    """Wait for a finding in a state."""
    found = page.locator(f'[data-testid="finding"][data-state="{state}"]').first
    found.wait_for(timeout=ENGINE)
    return found


def drawn_finding(page: Page) -> Locator:
    """Wait for the selected finding, and for its outline on the screen."""
    found = page.locator('.is-selected[data-testid="finding"][data-state="waiting"]')
    found.wait_for(timeout=ENGINE)
    found.get_by_role("button", name="Brush").wait_for(timeout=SOON)
    return found


def places(viewport: Locator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return where the middle of each pixel (rows, columns, 2: x, y) is in a fitted viewport."""
    box = viewport.bounding_box()
    assert box is not None
    rows, columns = shape
    scale = min(box["height"] / rows, box["width"] / columns)
    left = (box["width"] - scale * columns) / 2
    top = (box["height"] - scale * rows) / 2
    across = left + (np.arange(columns) + 0.5) * scale
    down = top + (np.arange(rows) + 0.5) * scale
    y, x = np.meshgrid(down, across, indexing="ij")
    return np.stack([x, y], axis=-1)


def overlay_at(viewport: Locator, at: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return red, green, blue and opacity of the overlay at places."""
    colours = viewport.locator("canvas.overlay").evaluate(
        """(canvas, places) => {
            const ratio = canvas.width / canvas.clientWidth;
            const paint = canvas.getContext('2d');
            const { data } = paint.getImageData(0, 0, canvas.width, canvas.height);
            return places.map(([x, y]) => {
                const at = (Math.floor(y * ratio) * canvas.width + Math.floor(x * ratio)) * 4;
                return [...data.slice(at, at + 4)];
            });
        }""",
        at.reshape(-1, 2).tolist(),
    )
    return np.array(colours, dtype=np.uint8).reshape(*at.shape[:2], 4)


def image_at(viewport: Locator, at: NDArray[np.float64], aside: Path) -> NDArray[np.uint8]:
    """Return the grey of the image itself at places, everything over it hidden."""
    viewport.evaluate(
        """(frame) => { for (const each of frame.children) {
            if (!each.classList.contains('image')) each.style.visibility = 'hidden'; } }"""
    )
    viewport.screenshot(path=aside, scale="css")
    viewport.evaluate(
        "(frame) => { for (const each of frame.children) each.style.visibility = ''; }"
    )
    grey = np.asarray(Image.open(aside).convert("L"))
    x, y = np.floor(at[..., 0]).astype(int), np.floor(at[..., 1]).astype(int)
    return grey[y, x]


def shows(page: Page, viewport: Locator, mask: Mask) -> bool:
    """Go through all slices; return whether the overlay is the mask, voxel for voxel."""
    slices, *shape = mask.voxels.shape
    at = places(viewport, (shape[0], shape[1]))

    def is_painted(slice_index: int) -> bool:
        drawn = overlay_at(viewport, at)[..., 3] > 0
        return np.array_equal(drawn, mask.voxels[slice_index])

    for slice_index in range(slices):
        go_to(page, slice_index)
        if not comes_to(page, lambda slice_index=slice_index: is_painted(slice_index)):
            return False
    return True


def identity_of(page: Page) -> str:
    """Return the result of the first finding."""
    key = page.locator('[data-testid="finding"]').first.get_attribute("data-key")
    assert key is not None
    return key.split("/")[0]


def seg_of(station: Station, identity: str, folder: Path) -> Path:
    """Return a result's segmentation, as the server gives it."""
    path = folder / f"{identity}.dcm"
    path.write_bytes(station.get(f"/api/commands/{identity}/seg.dcm").content)
    return path

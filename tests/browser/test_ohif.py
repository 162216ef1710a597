"""OHIF's own release from our server, with our panel in it: what it draws is what was measured."""

import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page

from copilot.evaluation.gestures import tight_box
from copilot.ohif import INSTALLED
from dicom_node.orthanc import OrthancRest
from dicom_node.seg_reader import read_segmentation
from dicom_node.volumes import load_series
from domain.uids import InstanceUID
from tests.browser.conftest import watched_page
from tests.browser.hands import ENGINE, SOON, Phantom, lopsided, seg_of
from tests.browser.test_login import PASSWORD, log_in, users
from tests.browser.test_page import AXE
from tests.conftest import missing
from tests.server import Server, running_server
from tests.waiting import until

STARTS = 120_000
SENTENCE = "segment the lung lesion"

VOXELS = """(key) => {
    const { segmentationService } = window.services;
    const { cache, metaData } = window.cornerstone;
    const found = segmentationService.getSegmentations().find(
        ({ segmentationId }) => segmentationId.startsWith(`radcopilot:${key}:`)
    );
    if (!found) return null;
    const { imageIds, referencedImageIds } = found.representationData.Labelmap;
    return imageIds.map((id, n) => ({
        origin: [...metaData.get('imagePlaneModule', referencedImageIds[n]).imagePositionPatient],
        voxels: [...cache.getImage(id).voxelManager.getScalarData()],
    }));
}"""
PLACE = """(position) => {
    const { viewportGridService, cornerstoneViewportService } = window.services;
    const id = viewportGridService.getActiveViewportId();
    const viewport = cornerstoneViewportService.getCornerstoneViewport(id);
    const [x, y] = viewport.worldToCanvas(position);
    const frame = viewport.canvas.getBoundingClientRect();
    return [frame.left + x, frame.top + y];
}"""
SHOWN = """(origin) => {
    const { viewportGridService, cornerstoneViewportService } = window.services;
    const id = viewportGridService.getActiveViewportId();
    const viewport = cornerstoneViewportService.getCornerstoneViewport(id);
    const image = viewport?.getCurrentImageId?.();
    if (!image) return false;
    const plane = window.cornerstone.metaData.get('imagePlaneModule', image);
    return Math.hypot(...plane.imagePositionPatient.map((each, n) => each - origin[n])) < 0.01;
}"""


@pytest.fixture(scope="module")
def ohif(models_folder) -> None:
    if not (models_folder / INSTALLED).is_dir():
        missing("OHIF is not installed (radcopilot ohif install)")


def stored(
    station,
    folder: Path,
    patient_id: str,
    name: str = "PHANTOM^LOPSIDED",
    packer: str | None = None,
) -> Phantom:
    """Store a phantom whose images state a window: OHIF needs one where a slice is all alike."""
    made = lopsided(folder, patient_id, name=name)
    for path in made.files:
        header = pydicom.dcmread(path)
        header.WindowCenter, header.WindowWidth = -400, 1500
        header.save_as(path)
        if packer:
            subprocess.run([packer, path, path], check=True)
    station.store(made.files)
    return made


@pytest.fixture(scope="module")
def phantom(station, tmp_path_factory) -> Phantom:
    return stored(station, tmp_path_factory.mktemp("ohif"), "OHIF-1")


@pytest.fixture(scope="module")
def other(station, tmp_path_factory, tool) -> Phantom:
    """Another patient's, its images compressed."""
    folder = tmp_path_factory.mktemp("other")
    return stored(station, folder, "OHIF-2", "PHANTOM^OTHER", packer=tool("dcmcjpls"))


@pytest.fixture(scope="module")
def guarded(ohif, tmp_path_factory) -> Iterator[tuple[Server, Phantom]]:
    """A station with one account and one study."""
    folder = tmp_path_factory.mktemp("guarded")
    with running_server(folder) as server:
        made = lopsided(folder / "study", "OHIF-3")
        server.peer.store(made.files)
        until(lambda: server.get("/health").json()["instances"] == len(made.files))
        users(server, PASSWORD, "add", "Dr. Rolf Roe", "--role", "radiologist")
        yield server, made


@pytest.fixture(scope="module")
def page(ohif, browser, station) -> Iterator[Page]:
    """One page for all: OHIF takes long to begin."""
    with watched_page(browser, station) as made:
        yield made


def address(phantom: Phantom) -> str:
    study = pydicom.dcmread(phantom.files[0]).StudyInstanceUID
    return f"copilot?StudyInstanceUIDs={study}"


def opened(page: Page, phantom: Phantom) -> Locator:
    """Open a study, without a new start of OHIF where it has begun, and return our panel."""
    if "/ohif/" in page.url:
        page.evaluate(
            "(to) => window.commandsManager.runCommand('navigateHistory', { to })",
            f"/{address(phantom)}",
        )
    else:
        page.goto(f"/ohif/{address(phantom)}", wait_until="commit")
    panel = page.get_by_test_id("copilot")
    panel.get_by_test_id("about").filter(has_text=phantom.patient_id).wait_for(timeout=STARTS)
    first = np.asarray(load_series(phantom.files).grid.affine)
    shown = "(origins) => origins.some((each) => (" + SHOWN + ")(each))"
    origins = [(first @ [n, 0, 0, 1])[:3].tolist() for n in range(len(phantom.files))]
    page.wait_for_function(shown, arg=origins, timeout=STARTS)
    return panel


def position(phantom: Phantom, index: tuple[float, float, float]) -> list[float]:
    """Return where an index (slice, row, column) is, in LPS millimetres."""
    affine = np.asarray(load_series(phantom.files).grid.affine)
    return (affine @ [*index, 1.0])[:3].tolist()


def go_to(page: Page, phantom: Phantom, slice_index: int) -> None:
    """Go to a slice as a sentence says it, and see by its place that it is shown."""
    say(page, f"go to slice {slice_index + 1}")
    origin = position(phantom, (slice_index, 0, 0))
    page.wait_for_function(SHOWN, arg=origin, timeout=SOON)


def say(page: Page, sentence: str) -> None:
    line = page.get_by_label("Command")
    line.fill(sentence)
    line.press("Enter")


def draw_box(page: Page, phantom: Phantom) -> None:
    """Draw a box round the phantom's thing with OHIF's rectangle and the mouse."""
    box = tight_box(phantom.thing)
    go_to(page, phantom, box.slice_start)
    page.get_by_role("button", name="Box", exact=True).click()
    ends = [
        (box.slice_start, box.row_start, box.column_start),
        (box.slice_start, box.row_stop - 1, box.column_stop - 1),
    ]
    (left, top), (right, bottom) = (page.evaluate(PLACE, position(phantom, end)) for end in ends)
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move((left + right) / 2, (top + bottom) / 2, steps=3)
    page.mouse.move(right, bottom, steps=3)
    page.mouse.up()
    page.get_by_role("list", name="Pointed at").wait_for(timeout=SOON)


def newest(station) -> dict[str, object]:
    return station.get("/api/commands").json()[0]


def test_a_sentence_and_ohifs_own_box_give_the_servers_mask_voxel_for_voxel(
    page, station, phantom, tmp_path
):
    panel = opened(page, phantom)
    assert "PHANTOM, LOPSIDED" in panel.get_by_test_id("about").inner_text()
    draw_box(page, phantom)
    say(page, SENTENCE)
    card = panel.locator('[data-testid="finding"][data-state="waiting"]')
    card.wait_for(timeout=ENGINE)
    made = newest(station)
    box = tight_box(phantom.thing)
    assert made["hints"]["boxes"] == [{**asdict(box), "slice_stop": box.slice_start + 1}]
    told = card.inner_text()
    (mask,) = made["masks"]
    assert f"{mask['volume_ml']:.2f} mL" in told
    assert f"{mask['made_by']['engine']} {mask['made_by']['version']}" in told
    assert all(each in told for each in mask["warnings"])
    key = f"{made['id']}/1"
    is_there = f"(key) => ({VOXELS})(key)?.some(({{ voxels }}) => voxels.some(Boolean))"
    page.wait_for_function(is_there, arg=key, timeout=SOON)
    grid = load_series(phantom.files).grid
    ours = read_segmentation(seg_of(station, made["id"], tmp_path), grid).segments[0].mask
    drawn = np.zeros(ours.voxels.shape, dtype=np.bool_)
    origins = np.array([position(phantom, (n, 0, 0)) for n in range(grid.shape[0])])
    for image in page.evaluate(VOXELS, key):
        away = np.linalg.norm(origins - np.array(image["origin"]), axis=1)
        assert away.min() < 0.01
        drawn[away.argmin()] = np.array(image["voxels"]).reshape(grid.shape[1:]) == 1
    assert ours.voxel_count > 500
    assert not np.array_equal(drawn, drawn[::-1])
    assert np.array_equal(drawn, ours.voxels)
    assert tints(page, phantom, [(5, 24, 30), (5, 20, 32)]) == [True, True]
    assert tints(page, phantom, [(5, 50, 30), (5, 24, 10)]) == [False, False]


def tints(page: Page, phantom: Phantom, indices: list[tuple[int, int, int]]) -> list[bool]:
    """Tell which voxels are coloured on the screen; the images themselves are grey."""
    go_to(page, phantom, indices[0][0])
    page.wait_for_timeout(1500)
    seen = np.asarray(Image.open(BytesIO(page.screenshot())).convert("RGB"), dtype=np.int64)
    found = []
    for index in indices:
        x, y = page.evaluate(PLACE, position(phantom, index))
        red, _, blue = seen[round(y), round(x)]
        found.append(bool(blue - red > 5))
    return found


def test_the_box_is_gone_once_its_mask_is_there(page):
    left = page.evaluate(
        """() => window.cornerstoneTools.annotation.state.getAllAnnotations()
            .filter(({ metadata }) => metadata.toolName === 'RectangleROI').length"""
    )
    assert left == 0
    assert page.get_by_role("list", name="Pointed at").count() == 0


def test_what_is_typed_is_not_for_the_keys_of_ohif(page):
    looks = """() => {
        const { viewportGridService, cornerstoneViewportService } = window.services;
        const id = viewportGridService.getActiveViewportId();
        const viewport = cornerstoneViewportService.getCornerstoneViewport(id);
        return JSON.stringify([viewport.getViewPresentation(), viewport.getCurrentImageId()]);
    }"""
    before = page.evaluate(looks)
    line = page.get_by_label("Command")
    line.press_sequentially("rlhvi+-=1357 ")
    line.press("ArrowDown")
    line.press("ArrowLeft")
    page.wait_for_timeout(500)
    assert page.evaluate(looks) == before
    line.fill("")


def test_axe_finds_nothing_wrong_with_the_panel(page):
    page.evaluate(AXE.read_text())
    host = "document.querySelectorAll('*')"
    found = page.evaluate(
        f"""() => {{
            const ours = [...{host}].find((each) => each.shadowRoot?.querySelector('.beside'));
            return axe.run(ours);
        }}"""
    )
    told = [
        (each["id"], [node["target"] for node in each["nodes"]]) for each in found["violations"]
    ]
    assert not told


def test_what_is_not_understood_comes_back_as_a_question_with_choices(page):
    say(page, "segmend teh lunk lesion pleas")
    question = page.get_by_role("alertdialog")
    question.wait_for(timeout=SOON)
    assert "do not understand" in question.inner_text()
    question.get_by_role("button", name="Leave it").click()
    question.wait_for(state="detached", timeout=SOON)


def test_nothing_leaves_before_the_sheet_was_confirmed(page, station, phantom, tmp_path):
    panel = page.get_by_test_id("copilot")
    identity = newest_of(station, phantom)["id"]
    panel.get_by_role("button", name="Accept").click()
    panel.locator('[data-testid="finding"][data-state="accepted"]').wait_for(timeout=SOON)
    assert station.get(f"/api/commands/{identity}").json()["state"] == "accepted"
    panel.get_by_role("button", name="Send…").click()
    sheet = page.get_by_role("dialog", name="What is sent, and where")
    assert "ORTHANC" in sheet.inner_text()
    assert "Segmentation (DICOM-SEG)" in sheet.inner_text()
    sheet.get_by_role("button", name="Not now").click()
    sheet.wait_for(state="detached", timeout=SOON)
    assert station.get(f"/api/deliveries/{identity}").json() == []
    panel.get_by_role("button", name="Send…").click()
    sheet.get_by_role("button", name="Send", exact=True).click()
    panel.locator('[data-testid="finding"][data-state="sent"]').wait_for(timeout=ENGINE)
    panel.get_by_text("confirmed").wait_for(timeout=ENGINE)
    uid = InstanceUID(str(pydicom.dcmread(seg_of(station, identity, tmp_path)).SOPInstanceUID))
    assert OrthancRest(station.orthanc.url).instance(uid)


def newest_of(station, phantom: Phantom) -> dict[str, object]:
    series = pydicom.dcmread(phantom.files[0]).SeriesInstanceUID
    made = station.get("/api/commands").json()
    return next(each for each in made if each["series_instance_uid"] == series and each["masks"])


def test_an_answer_never_lands_on_another_patient(page, station, phantom, other):
    draw_box(page, phantom)
    with station.busy():
        say(page, SENTENCE)
        page.get_by_role("button", name="Stop").wait_for(timeout=SOON)
        identity = next(
            each["id"]
            for each in station.get("/api/commands").json()
            if each["state"] == "running"
            and each["text"] == SENTENCE
            and each["series_instance_uid"] == pydicom.dcmread(phantom.files[0]).SeriesInstanceUID
        )
        panel = opened(page, other)
        assert page.get_by_role("list", name="Pointed at").count() == 0
    station.wait(lambda: station.get(f"/api/commands/{identity}").json()["state"] == "waiting")
    panel.get_by_text("An answer has come for a study that is not open").wait_for(timeout=SOON)
    assert page.locator('[data-testid="finding"]').count() == 0
    assert page.evaluate(VOXELS, f"{identity}/1") is None
    assert page.evaluate("() => window.services.segmentationService.getSegmentations().length") == 0
    opened(page, phantom)
    page.locator(f'[data-key^="{identity}"]').wait_for(timeout=SOON)


def test_compressed_images_have_the_values_that_engines_get(page, other):
    opened(page, other)
    go_to(page, other, 5)
    seen = page.evaluate(
        """() => {
            const { viewportGridService, cornerstoneViewportService } = window.services;
            const id = viewportGridService.getActiveViewportId();
            const viewport = cornerstoneViewportService.getCornerstoneViewport(id);
            return [...viewport.getCornerstoneImage().getPixelData()];
        }"""
    )
    volume = load_series(other.files)
    assert np.array_equal(np.reshape(seen, volume.grid.shape[1:]), volume.voxels[5])


def test_ohif_begins_once_somebody_is_logged_in(browser, guarded):
    server, made = guarded
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=server.url)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/ohif/{address(made)}", wait_until="commit")
    page.get_by_role("dialog").wait_for(timeout=STARTS)
    page.wait_for_timeout(1500)
    assert not [url for url in asked if "/dicom-web/" in url]
    log_in(page, "Dr. Rolf Roe")
    panel = page.get_by_test_id("copilot")
    panel.get_by_test_id("about").filter(has_text="OHIF-3").wait_for(timeout=STARTS)
    assert "Dr. Rolf Roe" in panel.inner_text()
    context.close()

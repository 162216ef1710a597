"""A station without WebGL sees the same, on fine screens too: the renderer's other way places
pixels differently.
"""

import pytest

from tests.browser.conftest import launched
from tests.browser.hands import SOON, lopsided, open_study
from tests.browser.test_images import (
    test_every_pixel_is_where_its_voxel_is_and_as_bright,
    test_the_three_cuts_show_one_voxel_as_one_value,
)
from tests.browser.test_reading import (
    outlined,
    test_the_mask_on_the_screen_is_the_seg_voxel_for_voxel,
)

__all__ = [
    "outlined",
    "test_every_pixel_is_where_its_voxel_is_and_as_bright",
    "test_the_mask_on_the_screen_is_the_seg_voxel_for_voxel",
    "test_the_three_cuts_show_one_voxel_as_one_value",
]


@pytest.fixture(scope="module")
def browser(playwright):
    made = launched(playwright, "--disable-gpu", "--disable-3d-apis")
    yield made
    made.close()


@pytest.fixture(params=[1.0, 1.5])
def ratio(request):
    return request.param


@pytest.fixture(scope="module")
def phantom(station, tmp_path_factory):
    made = lopsided(tmp_path_factory.mktemp("phantom"), "NO-WEBGL")
    station.store(made.files)
    return made


def test_there_is_no_webgl(page, phantom):
    open_study(page, phantom.patient_id)
    assert page.evaluate("document.createElement('canvas').getContext('webgl2')") is None
    assert page.get_by_test_id("viewport-0").get_attribute("data-shown") == "true"
    assert page.get_by_text("Image 7 / 12").is_visible(timeout=SOON)

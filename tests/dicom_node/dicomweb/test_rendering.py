import io

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from dicom_node.dicomweb.pixels import open_pixels
from dicom_node.dicomweb.refusal import RequestRefusedError
from dicom_node.dicomweb.rendering import JPEG, PNG, Picture, Window, picture_wanted, rendered
from tests.dicomweb_server import COLOUR_JPEG, PALETTE, PLAIN, content_of, sample


def drawn(tmp_path, dataset, *, kind=PNG, **parameters):
    path = tmp_path / "image.dcm"
    path.write_bytes(content_of(dataset))
    with open_pixels(path, "image") as pixels:
        content = rendered(pixels, 0, picture_wanted(parameters.items()), kind)
    return Image.open(io.BytesIO(content))


def ramp(**more):
    dataset = sample(PLAIN)
    for keyword in ("WindowCenter", "WindowWidth"):
        if keyword in dataset:
            del dataset[keyword]
    values = np.tile(np.arange(128, dtype="<i2") * 16, (128, 1))
    dataset.PixelData = values.tobytes()
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("function", "centre", "width", "value", "grey"),
    [
        ("LINEAR", 40, 400, -160, 0),
        ("LINEAR", 40, 400, 239, 255),
        ("LINEAR", 40, 400, 39.5, 127.5),
        ("LINEAR", 100, 1, 99, 0),
        ("LINEAR", 100, 1, 100, 255),
        ("LINEAR_EXACT", 40, 400, -160, 0),
        ("LINEAR_EXACT", 40, 400, 40, 127.5),
        ("LINEAR_EXACT", 40, 400, 240, 255),
        ("SIGMOID", 40, 400, 40, 127.5),
        ("SIGMOID", 40, 400, 240, 255 / (1 + np.exp(-2))),
        ("SIGMOID", 0, 1e-3, -1e9, 0),
    ],
)
def test_a_window_is_what_the_standard_says(function, centre, width, value, grey):
    window = Window(centre=centre, width=width, function=function)
    assert window.grey(np.array([float(value)]))[0] == pytest.approx(grey, abs=1e-6)


def test_the_window_asked_for_goes_before_the_image_s_own_and_that_before_all_values(tmp_path):
    wide = np.asarray(drawn(tmp_path, ramp()))
    assert (wide[0, 0], wide[0, -1]) == (0, 255)
    own = np.asarray(drawn(tmp_path, ramp(WindowCenter="0", WindowWidth="100")))
    assert set(own[0, :60]) == {0}
    assert set(own[0, 70:]) == {255}
    asked = ramp(WindowCenter="0", WindowWidth="100")
    row = np.asarray(drawn(tmp_path, asked, window="0,2048,linear-exact"))[0].astype(int)
    assert (np.diff(row) >= 0).all()
    assert abs(row[64] - 127.5) < 1


def test_monochrome1_is_turned_round(tmp_path):
    bright = np.asarray(drawn(tmp_path, ramp()))
    dark = np.asarray(drawn(tmp_path, ramp(PhotometricInterpretation="MONOCHROME1")))
    assert np.abs(bright.astype(int) + dark - 255).max() <= 1


def test_the_window_of_a_frame_stands_in_its_functional_group(tmp_path):
    dataset = ramp()
    group, voi = Dataset(), Dataset()
    voi.WindowCenter, voi.WindowWidth = "0", "100"
    group.FrameVOILUTSequence = [voi]
    dataset.PerFrameFunctionalGroupsSequence = [group]
    assert set(np.asarray(drawn(tmp_path, dataset))[0, 70:]) == {255}


@pytest.mark.parametrize("name", [COLOUR_JPEG, PALETTE])
@pytest.mark.parametrize("kind", [PNG, JPEG])
def test_colour_stays_colour(tmp_path, name, kind):
    picture = drawn(tmp_path, sample(name), kind=kind)
    assert picture.mode == "RGB"
    assert picture.format == ("PNG" if kind == PNG else "JPEG")
    assert np.ptp(np.asarray(picture).astype(int), axis=2).max() > 50


def test_a_viewport_keeps_the_shape_and_quality_makes_it_smaller(tmp_path):
    dataset = sample(PALETTE)
    picture = drawn(tmp_path, dataset, viewport="100,400")
    assert picture.width == 100
    assert picture.height == round(100 * dataset.Rows / dataset.Columns)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window", "40"),
        ("window", "40,0"),
        ("window", "40,400,cubic"),
        ("window", "nan,1"),
        ("quality", "0"),
        ("quality", "101"),
        ("viewport", "0,5"),
        ("viewport", "5"),
        ("annotation", "patient"),
    ],
)
def test_what_cannot_be_drawn_is_named(name, value):
    with pytest.raises(RequestRefusedError, match=name):
        picture_wanted([(name, value)])


def test_nothing_asked_is_a_whole_picture():
    assert picture_wanted([("accept", "image/png")]) == Picture()

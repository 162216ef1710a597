"""A house with two destinations: an archive by DIMSE, and one by DICOMweb."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from copilot.demo.orthanc import KnownModality, is_installed
from copilot.settings import Settings, load_settings
from copilot.wiring.house import House
from tests.conformance.archives import Pacs
from tests.conftest import missing

EVERYTHING = ["seg", "sr", "secondary_capture", "pdf", "rtstruct", "gsps"]


@pytest.fixture
def pacs(tmp_path) -> Pacs:
    if not is_installed():
        missing("Orthanc is not installed")
    return Pacs(
        tmp_path / "pacs", (KnownModality(ae_title="RADCOPILOT", host="127.0.0.1", port=1),)
    )


@pytest.fixture
def web(tmp_path) -> Pacs:
    return Pacs(tmp_path / "web")


@pytest.fixture
def home(tmp_path, pacs, web) -> Iterator[Callable[..., House]]:
    opened: list[House] = []

    def made(report_destinations: Sequence[object] = (), **of_web: object) -> House:
        defaults = load_settings().model_dump()
        defaults["storage"]["folder"] = str(tmp_path / "site")
        defaults["node"]["port"] = 0
        defaults["segmentation"]["look_ahead"] = False
        defaults["peers"] = [
            {
                "ae_title": "ORTHANC",
                "host": "127.0.0.1",
                "port": pacs.dicom_port,
                "objects": EVERYTHING,
                "retract": True,
            },
            {
                "ae_title": "WEB",
                "stow_url": web.dicomweb_url,
                "objects": ["labelmap", "sr", "pdf"],
                **of_web,
            },
        ]
        defaults["report_destinations"] = list(report_destinations)
        house = House(Settings.model_validate(defaults))
        opened.append(house)
        return house

    yield made
    for house in opened:
        house.store.close()
        house.close()

"""Comparing on the server while the world is in the way: kills, stops, work that others do."""

import threading
from collections.abc import Iterator

import pytest

from copilot.hints import Hints
from copilot.results import Result, State
from copilot.serving import application
from copilot.settings import Settings, load_settings
from copilot.system import SystemClock
from copilot.wiring.house import House
from copilot.workflows.durable import Workflow, step
from copilot.workflows.orders import COMMAND, Order
from domain.prompt import Point
from domain.uids import SeriesUID
from tests.clients import here
from tests.copilot.test_comparing_stored import GROWS, MOVED, NOW, THEN, Site, click
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette")


@pytest.fixture
def home(tmp_path) -> Iterator[House]:
    """A house whose engines' work is left to workers, of whom there are none."""
    defaults = load_settings().model_dump()
    defaults["storage"]["folder"] = str(tmp_path / "site")
    defaults["node"]["port"] = 0
    defaults["segmentation"]["look_ahead"] = False
    defaults["work"]["node_takes"] = []
    made = House(Settings.model_validate(defaults))
    yield made
    made.store.close()


def stored(home, tmp_path) -> tuple[str, str]:
    """Store both studies, and return the series of the prior and of the current one."""
    site = Site(home=home, client=None, patient="RC-1")
    return (
        site.store(tmp_path / "then", THEN, "20230101"),
        site.store(tmp_path / "now", NOW, "20230720"),
    )


def test_a_comparison_that_a_kill_cut_off_is_made_at_the_next_start_with_the_same_prior(
    home, tmp_path
):
    then, now = stored(home, tmp_path)
    series = SeriesUID(now)
    began = Result(
        id="c" * 32,
        at=SystemClock().now().isoformat(),
        series_instance_uid=series,
        state=State.RUNNING,
        document={
            "text": "compare with the prior",
            "command": {"action": "compare"},
            "masks": [],
        },
    )
    home.results.add(began, "tester")
    at = click(NOW, GROWS, MOVED)
    point = Point(slice_index=at["slice"], row=at["row"], column=at["column"])
    order = Order(
        identity=began.id,
        series=series,
        sentence="compare with the prior",
        hints=Hints(points=(point,)),
        engine=None,
        agent=None,
        prior=SeriesUID(then),
    )
    held = threading.Event()

    def command(_order):
        step(lambda: held.wait(60), "carry out")

    home.durable.start([Workflow(name=COMMAND, run=command, queue="commands")])
    home.durable.begin(COMMAND, began.id, order)
    home.durable.close()
    with here(application(home)) as client:
        held.set()
        path = f"/api/commands/{began.id}"
        assert until(lambda: client.get(path).json()["state"] == "waiting")
        made = client.get(path).json()
    assert made["prior"]["series_instance_uid"] == then
    assert made["comparison"]["lesions"][0]["verdict"] == "larger"


def test_comparing_is_done_here_and_stops_where_it_is_asked_to(home, tmp_path):
    _, now = stored(home, tmp_path)
    body = {
        "series_instance_uid": now,
        "text": "compare with the prior",
        "points": [click(NOW, GROWS, MOVED)],
        "wait": False,
    }
    with here(application(home)) as client:
        began = client.post("/api/commands", json=body).json()
        path = f"/api/commands/{began['id']}"

        def is_over() -> bool:
            client.post(f"{path}/stop")  # refused once it is over
            return client.get(path).json()["state"] != "running"

        assert until(is_over)
        stopped = client.get(path).json()
        assert stopped["state"] == "failed"
        assert "stopped" in stopped["error"]
        made = client.post("/api/commands", json=body | {"wait": True}).json()
    assert made["comparison"]["lesions"][0]["verdict"] == "larger"

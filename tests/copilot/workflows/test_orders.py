"""Orders: persons first, what was cut off is begun again, and failures by their kind."""

import threading
import time

import pytest

from copilot.hints import Hints
from copilot.workflows.durable import Durable, Workflow, patient_step
from copilot.workflows.orders import Hand, Order, Precedence
from domain.errors import InputError, PeerUnreachableError, StorageError


def test_a_rules_work_stands_still_while_a_person_is_served():
    precedence = Precedence()
    steps: list[str] = []
    begun, served = threading.Event(), threading.Event()

    def work():
        with precedence.background() as progress:
            progress(0.0, "")
            begun.set()
            served.wait(5)
            progress(0.5, "")
            steps.append("rule")

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(5)
    with precedence.person():
        served.set()
        time.sleep(0.3)
        steps.append("person")
    thread.join(5)
    assert steps == ["person", "rule"]


def test_persons_are_served_one_at_a_time():
    precedence = Precedence()
    inside, most = [], []

    def serve():
        with precedence.person():
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.05)
            inside.pop()

    threads = [threading.Thread(target=serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert most == [1, 1, 1, 1]


def test_a_rules_work_is_cut_off_at_the_end_and_done_at_the_next_start(tmp_path):
    precedence = Precedence()
    began = threading.Event()
    done: list[str] = []

    def cut(_subject):
        with precedence.background() as progress:
            began.set()
            while True:
                progress(0.0, "")
                time.sleep(0.02)

    durable = Durable(f"sqlite:///{tmp_path}/work.db")

    def run(subject):
        patient_step(lambda: cut(subject), "one")

    durable.start([Workflow(name="analyse-1", run=run, queue="q")])
    durable.enqueue("analyse-1", "job", "a")
    assert began.wait(20)
    precedence.close()
    durable.close()
    again = Durable(f"sqlite:///{tmp_path}/work.db")
    again.start([Workflow(name="analyse-1", run=done.append, queue="q")])
    try:
        again.result("job")
    finally:
        again.close()
    assert done == ["a"]


class Place:
    """A place whose series fails as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.failed: list[str] = []
        self.looks = 0

    def is_running(self, _identity):
        """Say whether it is open."""
        return not self.failed

    def files(self, _series):
        """Fail."""
        self.looks += 1
        raise self.failures.pop(0)

    def fail(self, _order, reason):
        """Note why."""
        self.failed.append(reason)


def an_order(rule="lungs"):
    return Order(
        identity="a" * 32,
        series="1.2.3",
        sentence="segment the liver",
        hints=Hints(),
        engine=None,
        agent=None,
        rule=rule,
    )


class Words:
    """A grammar that knows no sentence."""

    def parse(self, _text):
        """Return nothing."""

    def nearest(self, _texts, _limit):
        """Return nothing."""
        return ()


@pytest.mark.parametrize(
    ("failures", "looks", "says"),
    [
        ([InputError("the series is tilted")], 1, "the series is tilted"),
        ([StorageError("disk")] * 2 + [InputError("no")], 3, "no"),
        ([PeerUnreachableError("away")] * 6, 6, "away"),
        ([ValueError("deep inside")], 1, "the engine broke down (ValueError)"),
    ],
)
def test_what_may_pass_is_tried_again_and_what_cannot_is_not(tmp_path, failures, looks, says):
    place = Place(*failures)
    hand = Hand(place=place, analyst=None, grammar=Words())
    order = an_order()

    def run(_order):
        try:
            patient_step(lambda: hand.attempt(order), "carry out", first_pause_s=0.01)
        except Exception as error:  # noqa: BLE001 - as the workflow of the server does it
            hand.give_up(order, error)

    durable = Durable(f"sqlite:///{tmp_path}/work.db")
    durable.start([Workflow(name="analyse-1", run=run, queue="q")])
    try:
        durable.enqueue("analyse-1", "job", order)
        durable.result("job")
    finally:
        durable.close()
    assert place.looks == looks
    assert place.failed == [says]


def test_an_order_that_was_finished_is_not_done_again():
    place = Place(InputError("never asked"))
    place.failed.append("finished by another")
    Hand(place=place, analyst=None, grammar=Words()).carry_out(an_order())
    assert place.looks == 0

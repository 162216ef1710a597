"""Tracebacks say where and what, and never what a foreign exception quotes."""

import sys

from copilot.logs import Reticent
from domain.errors import StorageError

NAME = "DOE^JANE"
PLACE = f"/nowhere/{NAME}"


def told(act):
    try:
        act()
    except (ValueError, StorageError, OSError):
        return Reticent("%(message)s").formatException(sys.exc_info())
    raise AssertionError


def number_of(value):
    return float(value)


def test_a_foreign_exception_is_placed_and_named_without_its_words():
    said = told(lambda: number_of(NAME))
    assert "DOE" not in said
    assert "in number_of" in said
    assert said.endswith("ValueError (its words may quote a header: left out)")


def test_our_own_words_and_those_of_the_system_stay_and_causes_are_reticent_too():
    def wrapped():
        try:
            number_of(NAME)
        except ValueError as error:
            raise StorageError("the index cannot be written: make room") from error

    said = told(wrapped)
    assert "DOE" not in said
    assert said.index("ValueError") < said.index("which led to:") < said.index("StorageError")
    assert said.endswith("StorageError: the index cannot be written: make room")
    missing = told(lambda: open(PLACE))  # noqa: PTH123, SIM115
    assert missing.endswith("FileNotFoundError: No such file or directory")

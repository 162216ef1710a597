"""Malformed input, seeded: the full run is ``python -m bench.garbage``."""

import random

import pytest

from bench.garbage import damaged, originals, run
from bench.pdus import STORED, echo, reassembled

INPUTS = 300


@pytest.fixture
def sources(shared_data):
    return originals(sorted((shared_data / "zoo").rglob("*.dcm")))


def test_malformed_input_is_refused_with_a_reason_and_nothing_wrong_is_kept(
    node, store, sources, tmp_path
):
    report = run(node, store, tmp_path / "store", sources, inputs=INPUTS, seed=20)
    assert report.silent == []
    assert report.wrong == []
    assert report.unanswered_echoes == 0
    assert sum(report.outcomes.values()) == INPUTS
    stored = sum(number for (_, said), number in report.outcomes.items() if said == STORED)
    assert 0 < stored < INPUTS  # the damage is neither always harmless nor always fatal
    assert echo(node.port)


def test_damage_is_the_same_for_the_same_seed():
    content = bytes(range(256)) * 4
    first = [damaged(content, random.Random(7)) for _ in range(2)]  # noqa: S311 - damage, not a secret
    assert first[0] == first[1] != content


def test_a_data_set_is_reassembled_from_fragments():
    head = b"\x04\x00\x00\x00\x00"
    first = head + b"\x08\x00\x00\x00\x04\x01\x00ab"
    last = head + b"\x07\x00\x00\x00\x03\x01\x02c"
    assert reassembled(first + last) == b"abc"

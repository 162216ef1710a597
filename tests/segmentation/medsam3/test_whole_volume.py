"""A whole volume by words: each slice is seen once, each phrase read once, whatever is asked."""

from dataclasses import replace

import numpy as np
import pytest

from domain.ports import no_progress
from domain.prompt import Prompt
from segmentation.medsam3.engine import MedSam3, Options
from segmentation.medsam3.segmenter import MedSam3Segmenter
from segmentation.slicewise.embeddings import EmbeddingCache, EmbeddingFolder
from tests.contracts.segmenters import BrightWords, axial_grid, bright_ball, small_table

CONCEPTS = [Prompt(concept=name) for name in ("lung lesion", "lung nodule", "pancreas")]


def _noise(slices):
    grid = axial_grid((slices, 24, 32))
    voxels = np.random.default_rng(2).normal(40, 200, grid.shape).astype(np.float32)
    return replace(bright_ball()[0], voxels=voxels, grid=grid)


def _all(network, volume, cache=None):
    engine = MedSam3Segmenter(network, small_table(), cache)
    with engine.open(volume) as session:
        return list(session.segment(CONCEPTS, no_progress))


def test_three_concepts_on_300_slices_see_each_slice_and_read_each_phrase_once(tiny):
    network = MedSam3(tiny.installed, Options(device="cpu", slices_at_once=8, threads=1))
    _all(network, _noise(300))
    assert network.encoder_runs == 300
    assert network.text_runs == 3
    assert network.head_runs == 900


def test_slices_seen_together_give_what_each_alone_gives(tiny):
    alone, together = (
        _all(
            MedSam3(tiny.installed, Options(device="cpu", slices_at_once=size, threads=1)),
            _noise(10),
        )
        for size in (1, 4)
    )
    assert len(alone) == len(together)
    for one, other in zip(alone, together, strict=True):
        assert one.concept == other.concept
        assert one.score == pytest.approx(other.score, abs=1e-3)
        assert (one.mask.voxels != other.mask.voxels).mean() < 1e-3


class Several(BrightWords):
    """Bright things again, three slices at once."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def most_at_once(self):
        return 3

    def embed_each(self, images):
        self.batches.append(len(images))
        return tuple(self.embed(image) for image in images)


def test_a_network_that_sees_several_is_given_several_and_only_what_is_new():
    volume, _ = bright_ball()
    network = Several()
    engine = MedSam3Segmenter(network, small_table())
    with engine.open(volume) as session:
        first = list(session.segment([replace(CONCEPTS[0], slice_range=(4, 9))], no_progress))
        assert network.batches == [3, 2]
        list(session.segment([replace(CONCEPTS[1], slice_range=(3, 11))], no_progress))
    assert network.batches == [3, 2, 1, 2]
    (single,) = _all(BrightWords(), volume)[:1]
    seen = slice(4, 9)
    assert np.array_equal(first[0].mask.voxels[seen], single.mask.voxels[seen])


def test_more_slices_than_memory_holds_are_answered_all_the_same():
    volume, _ = bright_ball()
    small = EmbeddingCache(memory_bytes=1)
    for one, other in zip(_all(Several(), volume, small), _all(Several(), volume), strict=True):
        assert np.array_equal(one.mask.voxels, other.mask.voxels)


def test_what_is_kept_on_disk_is_not_seen_again(tmp_path):
    cache = EmbeddingCache(1, EmbeddingFolder(tmp_path / "seen", 2**24))
    made = []

    def make(places):
        made.append(list(places))
        engine = BrightWords()
        return [engine.embed(np.full((4, 4), float(place), np.float32)) for place in places]

    first = cache.get_each(["a", "b", "c"], make, on_disk=True)
    again = cache.get_each(["c", "d", "a"], make, on_disk=False)
    assert made == [[0, 1, 2], [1]]
    assert np.array_equal(again[0].features, first[2].features)
    assert np.array_equal(again[2].features, first[0].features)
    cache.get_each(["d"], make, on_disk=False)
    assert made[2:] == [[0]]

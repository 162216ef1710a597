"""Words propose, boxes and clicks confirm: with a network that needs no weights."""

from dataclasses import replace

import numpy as np
import pytest

from domain.errors import CannotDoError
from domain.ports import no_progress
from domain.prompt import Point, Prompt
from domain.segment import AlgorithmType
from domain.volume import Mask
from segmentation.medsam3.segmenter import (
    PROPOSED_BY_WORDS,
    RANDOM_WEIGHTS,
    MedSam3Segmenter,
)
from segmentation.slicewise.embeddings import EmbeddingCache
from segmentation.slicewise.segmenter import PROPOSED_BOX
from tests.contracts.segmenters import BrightWords, axial_grid, ball, bright_ball, small_table
from tests.segmentation.test_slicewise import BOX, RANGE

WORDS = Prompt(concept="lung lesion")


def _segments(volume, *prompts, network=None):
    engine = MedSam3Segmenter(BrightWords() if network is None else network, small_table())
    with engine.open(volume) as session:
        return list(session.segment(prompts, no_progress))


def _dice(one: Mask, other: Mask) -> float:
    overlap = np.count_nonzero(one.voxels & other.voxels)
    return 2 * overlap / (one.voxel_count + other.voxel_count)


def test_words_alone_propose_the_ball_and_ask_to_be_confirmed():
    volume, truth = bright_ball()
    (segment,) = _segments(volume, WORDS)
    assert _dice(segment.mask, truth) > 0.9
    assert segment.is_proposal
    assert segment.warnings == (PROPOSED_BY_WORDS,)
    assert segment.provenance.algorithm_type is AlgorithmType.AUTOMATIC
    assert len(segment.slice_profile) == len(segment.mask.slice_indices())
    assert segment.score == pytest.approx(max(segment.slice_profile))


def test_two_balls_are_two_proposals():
    grid = axial_grid((20, 64, 72))
    share = ball(grid, (6, 20, 20), 8) + ball(grid, (13, 45, 50), 10)
    volume = replace(bright_ball()[0], voxels=(100 + 300 * share).astype(np.float32))
    one, other = _segments(volume, WORDS)
    assert not (one.mask.voxels & other.mask.voxels).any()
    assert {_where(one), _where(other)} == {(6, 20, 20), (13, 45, 50)}


def _where(segment) -> tuple[int, ...]:
    return tuple(round(float(places.mean())) for places in np.nonzero(segment.mask.voxels))


def test_words_and_a_box_are_a_result():
    volume, truth = bright_ball()
    (segment,) = _segments(volume, replace(WORDS, boxes=(BOX,), slice_range=RANGE))
    assert _dice(segment.mask, truth) > 0.9
    assert not segment.is_proposal
    assert segment.provenance.algorithm_type is AlgorithmType.SEMIAUTOMATIC
    assert segment.provenance.prompt == '"lung lesion", box on slice 10, slices 4 to 16'


def test_a_box_on_a_side_keeps_the_side_it_was_given():
    volume, _ = bright_ball()
    asked = replace(WORDS, side="left", boxes=(BOX,), slice_range=RANGE)
    (segment,) = _segments(volume, asked)
    assert segment.side == "left"


def test_a_click_on_what_the_words_find_gives_its_outline_to_confirm():
    volume, truth = bright_ball()
    click = Point(slice_index=10, row=30, column=36)
    (segment,) = _segments(volume, replace(WORDS, points=(click,), slice_range=RANGE))
    assert _dice(segment.mask, truth) > 0.9
    assert segment.warnings == (PROPOSED_BOX,)


def test_absent_is_an_answer_with_what_was_searched():
    volume, _ = bright_ball()
    network = BrightWords(unknown=("lung lesion",))
    (segment,) = _segments(volume, replace(WORDS, slice_range=(3, 9)), network=network)
    assert segment.mask.is_empty
    assert "slices 3 to 8" in segment.absent_reason
    assert "best score is 0.00" in segment.absent_reason
    assert "rules nothing out" in segment.absent_reason


def test_a_box_round_nothing_the_network_knows_is_absent_and_no_ellipse_is_made_up():
    volume, _ = bright_ball()
    network = BrightWords(unknown=("lung lesion",))
    (segment,) = _segments(volume, replace(WORDS, boxes=(BOX,), slice_range=RANGE), network=network)
    assert segment.mask.is_empty
    assert "check the name" in segment.absent_reason


def test_three_concepts_see_each_slice_once():
    volume, _ = bright_ball()
    network = BrightWords()
    prompts = [Prompt(concept=name) for name in ("lung lesion", "lung nodule", "pancreas")]
    assert len(_segments(volume, *prompts, network=network)) == 3
    assert network.encoder_runs == volume.grid.shape[0]


def test_another_volume_without_uids_is_not_taken_for_the_one_before():
    network, cache = BrightWords(), EmbeddingCache()
    engine = MedSam3Segmenter(network, small_table(), cache)
    volume, _ = bright_ball()
    dark = replace(volume, voxels=np.full_like(volume.voxels, 100.0))
    with engine.open(volume) as first, engine.open(dark) as second:
        assert not next(first.segment([WORDS], no_progress)).mask.is_empty
        assert next(second.segment([WORDS], no_progress)).mask.is_empty
    assert len(cache) == 0


def test_left_and_right_are_not_told_by_words_alone():
    volume, _ = bright_ball()
    with pytest.raises(CannotDoError, match="left from right"):
        _segments(volume, Prompt(concept="lung", side="right"))


def test_what_is_missing_is_said_by_name():
    class Bare(BrightWords):
        def missing(self):
            return "MedSAM-3 needs torch"

    volume, _ = bright_ball()
    engine = MedSam3Segmenter(Bare(), small_table())
    assert engine.supports(volume, WORDS) == "MedSAM-3 needs torch"


def test_a_mask_of_random_numbers_says_so_first():
    class Dice(BrightWords):
        is_random = True

    volume, _ = bright_ball()
    asked = replace(WORDS, boxes=(BOX,), slice_range=RANGE)
    (segment,) = _segments(volume, asked, network=Dice())
    assert segment.is_proposal
    assert segment.warnings[0] == RANDOM_WEIGHTS

"""From one outline to a volume, or through time; with a network and a tracker without weights."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from domain.errors import CannotDoError
from domain.grid import Grid
from domain.ports import no_progress
from domain.prompt import Box, Point, Prompt
from domain.volume import Mask, Volume
from segmentation.medsam3.asking import Question
from segmentation.medsam3.following import (
    Followed,
    Pursuit,
    is_elsewhere,
    joined,
    largest_part,
    without_specks,
)
from segmentation.medsam3.keys import ONE_KEY_FRAME, key_to_follow
from segmentation.medsam3.segmenter import MedSam3Segmenter
from segmentation.medsam3.tracker import Key, Tracked
from segmentation.slicewise.segmenter import PROPOSED_RANGE
from tests.cines import FRAMES, beating, loaded
from tests.contracts.segmenters import (
    BrightTracker,
    BrightWords,
    axial_grid,
    ball,
    bright_ball,
    small_table,
)
from tests.segmentation.test_slicewise import BOX, RANGE

BOXED = Prompt(concept="lung lesion", boxes=(BOX,))
FRAME_BOX = Box.on_slice(3, (30, 66), (38, 74))


def _segment(volume, prompt, network=None, tracker=None):
    network = BrightWords() if network is None else network
    tracker = BrightTracker() if tracker is None else tracker
    engine = MedSam3Segmenter(network, small_table(), tracker=tracker)
    with engine.open(volume) as session:
        (segment,) = session.segment([prompt], no_progress)
    return segment


def _dice(one, other):
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def test_a_box_on_one_slice_becomes_the_ball():
    volume, truth = bright_ball()
    segment = _segment(volume, BOXED)
    assert _dice(segment.mask.voxels, truth.voxels) > 0.95
    assert segment.mask.slice_indices() == truth.slice_indices()[1:-1]  # a pixel at each pole
    assert len(segment.slice_profile) == len(segment.mask.slice_indices())
    assert segment.is_proposal
    assert (
        "from slice 10 over slices 5 to 15; below: it shrank from 138 to 1 pixels"
        in segment.warnings[-1]
    )
    assert "followed by the tracker from slice 10" in segment.provenance.prompt


def test_the_encoder_sees_each_slice_once():
    volume, _ = bright_ball()
    network = BrightWords()
    _segment(volume, BOXED, network=network)
    assert network.encoder_runs == len(range(4, 17))  # the ball, and the slice at each end


def test_a_flipped_volume_gives_the_flipped_mask():
    volume, _ = bright_ball()
    flipped = replace(volume, voxels=np.ascontiguousarray(volume.voxels[::-1]))
    other = replace(BOX, slice_start=19 - BOX.slice_start, slice_stop=20 - BOX.slice_start)
    one = _segment(volume, BOXED).mask.voxels
    assert np.array_equal(one, _segment(flipped, replace(BOXED, boxes=(other,))).mask.voxels[::-1])


def test_with_a_range_it_is_outlined_as_before():
    volume, _ = bright_ball()
    tracker = BrightTracker()
    segment = _segment(volume, replace(BOXED, slice_range=RANGE), tracker=tracker)
    assert tracker.seen == []
    assert not segment.is_proposal


def test_without_a_tracker_the_range_is_guessed_and_it_is_said_why():
    class Absent(BrightTracker):
        def missing(self):
            return "no tracker here"

    volume, _ = bright_ball()
    segment = _segment(volume, BOXED, tracker=Absent())
    assert segment.warnings == (PROPOSED_RANGE, "not followed from its image: no tracker here")


def test_a_click_on_what_the_words_find_is_followed():
    volume, truth = bright_ball()
    click = Prompt(concept="lung lesion", points=(Point(slice_index=10, row=30, column=36),))
    assert _dice(_segment(volume, click).mask.voxels, truth.voxels) > 0.95


def test_a_mask_of_both_has_a_digest_of_both():
    volume, _ = bright_ball()

    class Weighed(BrightWords):
        weights_sha256 = "ab" * 32

    segment = _segment(volume, BOXED, network=Weighed())
    assert segment.provenance.weights_sha256 not in {None, "ab" * 32, "cd" * 32}
    assert len(segment.provenance.weights_sha256) == 64


def test_what_hangs_on_by_a_leak_into_a_larger_thing_ends_there():
    grid = axial_grid((20, 64, 72))
    share = ball(grid, (10.0, 30.0, 30.0), 9.0)
    share[14:] = np.maximum(share[14:], ball(grid, (15.0, 30.0, 36.0), 26.0)[14:])
    share[13, 28:32, 28:50] = 1
    volume = replace(bright_ball()[0], voxels=(100 + 300 * share).astype(np.float32))
    box = Box.on_slice(10, (20, 41), (20, 41))
    segment = _segment(volume, replace(BOXED, boxes=(box,)))
    assert segment.mask.slice_indices()[-1] <= 13
    assert "it grew from" in segment.warnings[-1]


class Scripted(BrightTracker):
    """Answers with outlines and scores that were written down."""

    def __init__(self, outlines, scores=None):
        super().__init__()
        self._outlines, self._scores = outlines, scores or {}

    def track(self, key, order, count, embedded):
        assert embedded is not None
        assert max(order) < count
        for index in order:
            logits = np.where(self._outlines[index], 5.0, -5.0).astype(np.float32)
            yield Tracked(index=index, logits=logits, score=self._scores.get(index, 0.9))
            assert key.index == 0


def _square(row, column, side=20):
    image = np.zeros((96, 120), dtype=np.bool_)
    image[row : row + side, column : column + side] = True
    return image


def _pursued(outlines, scores=None, words=None, *, is_time=False):
    count = len(outlines)
    grid = axial_grid((count, 96, 120), (2.0, 1.0, 1.0))
    if is_time:
        grid = Grid(affine=grid.affine, shape=grid.shape, slice_spacing_known=False, is_time=True)
    volume = Volume(voxels=np.zeros(grid.shape), grid=grid, modality="US" if is_time else "MR")
    pursuit = Pursuit(
        view=_View(volume),
        tracker=Scripted(outlines, scores),
        key=Key(index=0, inside=outlines[0]),
        key_score=0.9,
        span=(0, count),
        words=words,
    )
    return pursuit.run(no_progress)


class _View:
    def __init__(self, volume):
        self.volume = volume

    def whole(self, index):
        raise AssertionError(f"image {index} is not to be looked at here")


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (_square(30, 30, 29), "it grew from 400 to 841 pixels"),
        (_square(34, 34, 6), "it shrank from 400 to 36 pixels"),
        (_square(30, 43), "it moved by more than half of its width"),
        (_square(30, 70), "not seen"),
        (np.zeros((96, 120), dtype=np.bool_), "not seen"),
    ],
    ids=["growth", "a remnant", "drift", "not joined", "nothing"],
)
def test_what_speaks_against_an_outline_ends_the_pursuit(second, reason):
    found = _pursued([_square(30, 30), second, _square(30, 30)])
    assert list(found.outlines) == [0]
    assert reason in found.ends["above"]
    assert "slice 1" in found.ends["above"]


@pytest.mark.parametrize("second", [_square(33, 33, 14), _square(28, 27, 26), _square(37, 30)])
def test_what_a_thing_may_do_from_slice_to_slice_is_followed(second):
    assert list(_pursued([_square(30, 30), second]).outlines) == [0, 1]


def test_a_score_below_half_ends_it_in_space():
    found = _pursued([_square(30, 30)] * 4, {2: 0.4})
    assert list(found.outlines) == [0, 1]
    assert found.ends["above"] == "not seen on slice 2"


def test_in_time_it_may_be_gone_for_some_frames_and_come_back():
    found = _pursued([_square(30, 30)] * 8, {2: 0.4, 3: 0.1}, is_time=True)
    assert list(found.outlines) == [0, 1, 4, 5, 6, 7]
    assert found.profile(0, 7)[2:4] == (0.0, 0.0)
    assert "not seen on 2 of them" in found.in_words(0, "frame")


def test_in_time_it_is_not_waited_for_for_ever():
    found = _pursued([_square(30, 30)] * 40, dict.fromkeys(range(5, 30), 0.1), is_time=True)
    assert max(found.outlines) == 4
    assert found.ends["above"] == "not seen on frame 14"


def _words(at):
    image = np.where(at, 200.0, 0.0).astype(np.float32)
    network = BrightWords()
    return network.answers(network.embed(image), [Question(phrase="lung lesion")])[0]


def test_words_that_are_sure_of_another_place_end_it_and_silent_words_do_not():
    here, there, nowhere = _square(30, 30), _square(60, 80), np.zeros((96, 120), dtype=np.bool_)
    assert not is_elsewhere(_words(here), here)
    assert not is_elsewhere(_words(here | there), here)
    assert is_elsewhere(_words(there), here)
    assert not is_elsewhere(_words(nowhere), here)
    found = _pursued([here] * 3, words=lambda index: _words(there if index == 2 else nowhere))
    assert list(found.outlines) == [0, 1]
    assert found.ends["above"] == "the words find it elsewhere on slice 2"


def test_parts_are_joined_in_millimetres():
    before, far = _square(30, 30), _square(30, 52)  # two pixels apart
    assert joined(before | far, before, (2.0, (1.0, 0.6))).sum() == 800
    assert joined(before | far, before, (2.0, (1.0, 1.0))).sum() == 400
    assert joined(far, before, (0.0, (1.0, 1.0))).sum() == 0


def test_specks_and_holes_of_the_trackers_own_mask_go_and_nothing_else():
    mask = np.zeros((288, 288), dtype=np.bool_)
    mask[100:150, 100:150] = True
    marked = mask.copy()
    marked[120:124, 120:124] = False
    marked[10:14, 10:14] = True
    assert np.array_equal(without_specks(marked), mask)
    marked[200:206, 200:206] = True
    _, count = ndimage.label(without_specks(marked))
    assert count == 2
    assert largest_part(without_specks(marked)).sum() == 2500


def test_a_box_on_a_frame_is_followed_through_time(tmp_path):
    volume = loaded(tmp_path)
    segment = _segment(volume, Prompt(boxes=(FRAME_BOX,)))
    assert segment.mask.slice_indices() == tuple(range(FRAMES))
    for frame in range(FRAMES):
        assert _dice(segment.mask.voxels[frame], beating().inside(frame)) > 0.95
    assert "followed by the tracker from frame 3 over frames 0 to 7" in segment.warnings[-1]
    assert segment.provenance.prompt.startswith("no words, box on frame 3")


def test_a_range_limits_how_far_it_is_followed_through_time(tmp_path):
    segment = _segment(loaded(tmp_path), Prompt(boxes=(FRAME_BOX,), slice_range=(2, 6)))
    assert segment.mask.slice_indices() == (2, 3, 4, 5)


def test_words_are_followed_from_the_first_frame_where_they_are_sure(tmp_path):
    volume = loaded(tmp_path)
    voxels = volume.voxels.copy()
    voxels[:3] = 40
    network, late = BrightWords(), replace(volume, voxels=voxels)
    segment = _segment(late, Prompt(concept="pancreas"), network=network)
    assert segment.mask.slice_indices() == tuple(range(3, FRAMES))
    assert network.encoder_runs == FRAMES
    assert "from frame 3 over frames 3 to 7; below: not seen" not in segment.warnings[-1]


def test_words_that_find_nothing_on_any_frame_are_an_answer(tmp_path):
    network = BrightWords(unknown=("pancreas",))
    segment = _segment(loaded(tmp_path), Prompt(concept="pancreas"), network=network)
    assert segment.mask.is_empty
    assert "no pancreas was found on frames 0 to 7" in segment.absent_reason


def test_two_frames_pointed_at_are_refused(tmp_path):
    boxes = (FRAME_BOX, replace(FRAME_BOX, slice_start=5, slice_stop=6))
    with pytest.raises(CannotDoError, match=ONE_KEY_FRAME.split(":", maxsplit=1)[0]):
        _segment(loaded(tmp_path), Prompt(boxes=boxes))


def test_frames_at_no_known_distance_and_time_are_not_followed():
    grid = axial_grid((4, 96, 120))
    pages = Grid(affine=grid.affine, shape=grid.shape, slice_spacing_known=False)
    assert key_to_follow(Prompt(boxes=(FRAME_BOX,)), pages) is None
    assert key_to_follow(Prompt(boxes=(FRAME_BOX,)), grid) == 3


def test_what_was_followed_knows_its_ends():
    found = Followed(outlines={4: _square(1, 1), 6: _square(1, 1)}, scores={4: 0.8, 6: 0.6})
    mask = Mask(voxels=found.voxels((8, 96, 120)), grid=axial_grid((8, 96, 120)))
    assert mask.slice_indices() == (4, 6)
    assert found.profile(4, 6) == (0.8, 0.0, 0.6)

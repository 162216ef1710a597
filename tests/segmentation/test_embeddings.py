"""What was seen is not looked at again: in memory, on disk, and ahead of time."""

import shutil

import numpy as np
import pytest

from domain.errors import Cancelled
from domain.ports import no_progress, seen_name
from domain.prompt import Box, Prompt
from domain.uids import InstanceUID, SeriesUID, SopClassUID, StudyUID
from domain.volume import SeriesReference, SourceFrame, Volume
from segmentation.slicewise.embeddings import EmbeddingCache, EmbeddingFolder, Recent
from segmentation.slicewise.segmenter import SlicewiseSegmenter
from segmentation.slicewise.slices import Embedding
from tests.contracts.segmenters import BrightNetwork, axial_grid, bright_ball, chest, small_table

BOX = Box.on_slice(10, (18, 43), (24, 49))
RANGE = (4, 17)
SLICES = RANGE[1] - RANGE[0]


def _embedding(value=0.0, count=8):
    return Embedding(features=np.full(count, value, dtype=np.float16), image_shape=(2, 3))


def _sourced(volume, series="1.2.4", modality=None):
    frames = tuple(
        SourceFrame(
            sop_class_uid=SopClassUID("1.2.840.10008.5.1.4.1.1.4"),
            sop_instance_uid=InstanceUID(f"{series}.{index}"),
        )
        for index in range(volume.grid.shape[0])
    )
    source = SeriesReference(
        study_instance_uid=StudyUID("1.2.3"), series_instance_uid=SeriesUID(series), frames=frames
    )
    return Volume(
        voxels=volume.voxels, grid=volume.grid, modality=modality or volume.modality, source=source
    )


def _outline(engine, volume, *boxes, slice_range=RANGE):
    with engine.open(volume) as session:
        prompt = Prompt(boxes=boxes, slice_range=slice_range)
        (segment,) = session.segment([prompt], no_progress)
    return segment


def test_memory_keeps_what_was_used_last_within_its_bytes():
    cache = EmbeddingCache(memory_bytes=2 * 16)
    made: list[str] = []

    def make(key: str):
        made.append(key)
        return _embedding()

    for key in ("a", "b", "a", "c", "a", "b"):
        cache.get(("series", key), lambda key=key: make(key))
    assert made == ["a", "b", "c", "b"]
    assert len(cache) == 2


def test_what_is_larger_than_all_the_room_is_not_kept():
    recent: Recent[str] = Recent(10)
    recent.put("small", "x", 4)
    recent.put("large", "y", 11)
    assert recent.get("large") is None
    recent.put("small", "z", 6)
    assert recent.get("small") == "z"
    assert len(recent) == 1


def test_a_series_can_be_forgotten():
    cache = EmbeddingCache()
    cache.get(("one", 1), _embedding)
    cache.get(("other", 1), _embedding)
    cache.forget("one")
    assert len(cache) == 1


def test_the_folder_gives_back_what_was_kept_and_only_its_owner_may_read_it(tmp_path):
    folder = EmbeddingFolder(tmp_path / "seen", limit_bytes=10**6)
    assert folder.get(("1.2", 0)) is None
    folder.put(("1.2", 0), _embedding(1.5))
    found = folder.get(("1.2", 0))
    assert found is not None
    assert found.image_shape == (2, 3)
    assert found.features.dtype == np.float16
    assert (found.features == 1.5).all()
    assert folder.get(("1.2", 1)) is None
    assert (tmp_path / "seen").stat().st_mode & 0o077 == 0


def test_the_folder_drops_the_longest_unused_beyond_its_bytes(tmp_path):
    folder = EmbeddingFolder(tmp_path, limit_bytes=3000)
    for number in range(4):
        folder.put(("1.2", number), _embedding(count=400))
        folder.get(("1.2", 0))
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.npz")) <= 3000
    assert folder.has(("1.2", 0))
    assert not folder.has(("1.2", 1))


def test_what_is_of_one_series_lies_in_its_folder_and_goes_with_it(tmp_path):
    folder = EmbeddingFolder(tmp_path, limit_bytes=10**6)
    for series in ("1.2", "1.3"):
        folder.put((series, 0), _embedding())
    shutil.rmtree(tmp_path / seen_name("1.2"))
    assert folder.get(("1.2", 0)) is None
    assert folder.get(("1.3", 0)) is not None


def test_a_damaged_file_is_looked_at_again_and_not_believed(tmp_path):
    folder = EmbeddingFolder(tmp_path, limit_bytes=10**6)
    folder.put(("1.2", 0), _embedding())
    (path,) = tmp_path.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:100])
    assert folder.get(("1.2", 0)) is None
    assert not path.exists()


def test_a_folder_that_cannot_be_written_loses_nothing_but_time(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    cache = EmbeddingCache(folder=EmbeddingFolder(blocked / "seen", limit_bytes=10**6))
    assert cache.prepare(("1.2", 0), _embedding)
    assert cache.get(("1.2", 0), lambda: _embedding(2)).features[0] == 2


def test_on_a_series_looked_at_ahead_a_box_runs_no_encoder(tmp_path):
    volume = _sourced(bright_ball()[0])
    network = BrightNetwork()
    folder = EmbeddingFolder(tmp_path, limit_bytes=10**8)
    ahead = SlicewiseSegmenter(network, small_table(), EmbeddingCache(folder=folder))
    assert ahead.look_ahead(volume, no_progress) == volume.grid.shape[0]
    assert [path.name for path in tmp_path.iterdir()] == [seen_name("1.2.4")]
    assert network.encoder_runs == volume.grid.shape[0]
    later = BrightNetwork()
    asked = SlicewiseSegmenter(later, small_table(), EmbeddingCache(folder=folder))
    prepared = _outline(asked, volume, BOX)
    assert later.encoder_runs == 0
    assert ahead.look_ahead(volume, no_progress) == 0
    fresh = _outline(SlicewiseSegmenter(BrightNetwork(), small_table()), volume, BOX)
    assert np.array_equal(prepared.mask.voxels, fresh.mask.voxels)


def test_another_networks_sight_is_not_borrowed(tmp_path):
    volume = _sourced(bright_ball()[0])
    folder = EmbeddingFolder(tmp_path, limit_bytes=10**8)
    first = SlicewiseSegmenter(BrightNetwork(), small_table(), EmbeddingCache(folder=folder))
    first.look_ahead(volume, no_progress)
    retrained = BrightNetwork()
    retrained.weights_sha256 = "ab" * 32
    other = SlicewiseSegmenter(retrained, small_table(), EmbeddingCache(folder=folder))
    _outline(other, volume, BOX)
    assert retrained.encoder_runs == SLICES


def test_looking_ahead_stops_when_told_and_keeps_what_it_saw():
    volume = _sourced(bright_ball()[0])
    network = BrightNetwork()
    engine = SlicewiseSegmenter(network, small_table())

    def enough(fraction: float, stage: str) -> None:
        if network.encoder_runs >= 5:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        engine.look_ahead(volume, enough)
    assert network.encoder_runs == 5
    assert engine.look_ahead(volume, no_progress) == volume.grid.shape[0] - 5


def test_a_chest_ct_is_seen_in_two_windows_where_lung_is():
    volume = _sourced(chest()[0] if isinstance(chest(), tuple) else chest(), modality="CT")
    network = BrightNetwork()
    seen = SlicewiseSegmenter(network, small_table()).look_ahead(volume, no_progress)
    assert volume.grid.shape[0] < seen <= 2 * volume.grid.shape[0]


def test_a_volume_without_uids_is_not_looked_at_ahead():
    network = BrightNetwork()
    volume = Volume(voxels=np.zeros((3, 9, 9)), grid=axial_grid((3, 9, 9)), modality="MR")
    assert SlicewiseSegmenter(network, small_table()).look_ahead(volume, no_progress) == 0
    assert network.encoder_runs == 0


def test_the_same_box_again_asks_the_network_nothing():
    volume = _sourced(bright_ball()[0])
    network = BrightNetwork()
    engine = SlicewiseSegmenter(network, small_table())
    first = _outline(engine, volume, BOX)
    runs = network.decoder_runs
    again = _outline(engine, volume, BOX)
    assert network.decoder_runs == runs
    assert np.array_equal(first.mask.voxels, again.mask.voxels)


def test_a_second_box_asks_only_about_the_slices_it_touches():
    volume = _sourced(bright_ball()[0])
    network = BrightNetwork()
    engine = SlicewiseSegmenter(network, small_table())
    _outline(engine, volume, BOX)
    encoded, asked = network.encoder_runs, network.decoder_runs
    assert asked == SLICES + 1  # once more for the confidence
    _outline(engine, volume, BOX, Box.on_slice(15, (25, 37), (31, 43)))
    assert network.encoder_runs == encoded
    assert network.decoder_runs - asked <= 16 - 11 + 1  # those beyond the first box


def test_the_answer_after_corrections_does_not_depend_on_what_was_asked_before():
    volume = _sourced(bright_ball()[0])
    second = Box.on_slice(15, (25, 37), (31, 43))
    engine = SlicewiseSegmenter(BrightNetwork(), small_table())
    _outline(engine, volume, BOX)
    corrected = _outline(engine, volume, BOX, second)
    fresh = _outline(SlicewiseSegmenter(BrightNetwork(), small_table()), volume, BOX, second)
    assert np.array_equal(corrected.mask.voxels, fresh.mask.voxels)

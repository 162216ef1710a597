"""The tracker with random weights: every tensor has its place, and it runs as transformers' own."""

import json
import shutil

import numpy as np
import pytest

from domain.errors import DigestMismatchError, ModelMissingError, UnreadableFileError
from domain.ports import no_progress
from domain.prompt import Prompt
from segmentation.medsam3.checkpoint import read_base, read_torch
from segmentation.medsam3.engine import MedSam3
from segmentation.medsam3.install import Sources, build, network_of
from segmentation.medsam3.names import names_of_meta
from segmentation.medsam3.segmenter import MedSam3Segmenter
from segmentation.medsam3.tiny import CONFIG, TRACKER_CONFIG, write_tiny
from segmentation.medsam3.tracker import Key, Sam3Tracker
from segmentation.medsam3.tracker_checkpoint import read_tracker, read_tracker_config, tracker_of
from segmentation.medsam3.tracker_names import POINTS_APART, TABLE
from tests.cines import FRAMES, loaded
from tests.contracts.segmenters import BrightTracker, BrightWords, small_table
from tests.segmentation.medsam3.test_following import FRAME_BOX

torch = pytest.importorskip("torch", reason="needs the extra [medsam3]")
transformers = pytest.importorskip("transformers", reason="needs the extra [medsam3]")
safetensors = pytest.importorskip("safetensors.torch", reason="needs the extra [medsam3]")

COUNT = 6


@pytest.fixture(scope="module")
def shapes(extra):
    return tracker_of(network_of(CONFIG)[0], TRACKER_CONFIG)[1]


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(1)
    return [random.uniform(0, 255, (48, 64)).astype(np.float32) for _ in range(COUNT)]


@pytest.fixture(scope="module")
def engine(tiny):
    return MedSam3(tiny.installed)


@pytest.fixture(scope="module")
def embeddings(engine, images):
    return [engine.embed(image) for image in images]


@pytest.fixture
def tracker(tiny):
    return Sam3Tracker(tiny.installed)


def _key(index):
    inside = np.zeros((48, 64), dtype=np.bool_)
    inside[10:30, 20:50] = True
    return Key(index=index, inside=inside)


def test_every_tensor_of_the_published_tracker_is_accounted_for():
    shapes = tracker_of(network_of({})[0], {})[1]
    placements = names_of_meta(shapes, TABLE)
    targets = [name for each in placements.values() for name in each.targets]
    assert sorted(targets) == sorted(shapes)
    assert len(shapes) == 329
    assert len(placements) - 1 + len(POINTS_APART) == 331
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 11_743_874 + 7_802_112


def test_metas_file_and_the_folder_of_transformers_are_the_same_tracker(tiny, tmp_path, shapes):
    of_meta = read_tracker(tiny.base, shapes)
    whole = {key: value.clone() for key, value in of_meta.items()}
    safetensors.save_file(
        whole | {"detector_model.x": torch.zeros(2)}, tmp_path / "model.safetensors"
    )
    of_folder = read_tracker(tmp_path, shapes)
    assert set(of_folder) == set(shapes)
    assert all(torch.equal(of_folder[key], of_meta[key]) for key in of_meta)


def test_kinds_of_points_keep_their_order(tiny, shapes):
    state = read_torch(tiny.base)
    found = read_tracker(tiny.base, shapes)["tracker_model.prompt_encoder.point_embed.weight"]
    for row, key in zip(found, POINTS_APART, strict=True):
        assert torch.equal(row, state[key][0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda state: state.pop("tracker.no_obj_ptr"), "lacks 1 of .*no_object_pointer"),
        (lambda state: state.pop(POINTS_APART[2]), "point_embeddings.0"),
        (
            lambda state: state.pop(
                "detector.backbone.vision_backbone.sam2_convs.2.conv_1x1.weight"
            ),
            "tracker_neck.fpn_layers.2.proj1.weight",
        ),
        (lambda state: state.update({"tracker.stranger": torch.zeros(1)}), "stranger"),
        (lambda state: state.update({"tracker.no_obj_ptr": torch.zeros(1, 3)}), "has shape"),
    ],
    ids=["missing", "a kind of points missing", "neck missing", "unknown", "another shape"],
)
def test_a_tracker_that_is_not_whole_is_refused_by_name(tiny, tmp_path, shapes, change, says):
    state = {key: value.clone() for key, value in read_torch(tiny.base).items()}
    change(state)
    torch.save(state, tmp_path / "sam3.pt")
    with pytest.raises(UnreadableFileError, match=says):
        read_tracker(tmp_path / "sam3.pt", shapes)


def test_a_base_without_a_tracker_installs_and_says_what_it_lacks(tiny, tmp_path):
    base, adapter = write_tiny(tmp_path / "release", with_tracker=False)
    assert read_tracker(base, {}) is None
    (tmp_path / "installed").mkdir()
    build(Sources(base=base, adapter=adapter), tiny.words, tmp_path / "installed", no_progress)
    bare = Sam3Tracker(tmp_path / "installed")
    assert "without SAM 3's tracker" in bare.missing()
    assert bare.weights_sha256 is None
    with pytest.raises(ModelMissingError, match=r"sam3\.pt"):
        bare.load()
    assert MedSam3(tmp_path / "installed").missing() is None


def test_the_detector_is_the_same_with_and_without_a_tracker_in_the_file(tiny, tmp_path):
    shapes = network_of(CONFIG)[1]
    bare, _ = write_tiny(tmp_path, with_tracker=False)
    one, other = read_base(tiny.base, shapes), read_base(bare, shapes)
    assert all(torch.equal(one[key], other[key]) for key in shapes)


def test_what_it_was_installed_from_is_written_down(tiny):
    described = json.loads((tiny.installed / "medsam3.json").read_text())
    assert described["tracker_sha256"] == Sam3Tracker(tiny.installed).weights_sha256
    assert read_tracker_config(tiny.base) == TRACKER_CONFIG
    assert json.loads((tiny.installed / "tracker.json").read_text())["image_size"] == 112


def test_a_tracker_that_was_changed_later_is_refused(tiny, tmp_path):
    shutil.copytree(tiny.installed, tmp_path / "copy")
    weights = tmp_path / "copy" / "tracker.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(DigestMismatchError, match="not what was installed"):
        Sam3Tracker(tmp_path / "copy").load()
    weights.unlink()
    with pytest.raises(DigestMismatchError, match="not what was installed"):
        Sam3Tracker(tmp_path / "copy").load()


def test_what_was_kept_is_tracked_as_transformers_own_network_tracks_the_images(
    tiny, engine, tracker, images, embeddings
):
    found = list(tracker.track(_key(1), range(2, COUNT), COUNT, lambda index: embeddings[index]))
    expected = _by_transformers(tiny, engine, images, _key(1))
    assert [each.index for each in found] == list(expected)
    for each in found:
        masks, score = expected[each.index]
        assert each.logits.shape == (48, 64)
        assert each.score == pytest.approx(score, abs=5e-3)
        assert np.corrcoef(each.logits.ravel(), masks.ravel())[0, 1] > 0.999
        assert np.ptp(each.logits) > 0


def _by_transformers(tiny, engine, images, key):
    """Track with the whole network of transformers, its own image encoder and its own session."""
    config = json.loads((tiny.installed / "tracker.json").read_text())
    model = transformers.Sam3TrackerVideoModel(transformers.Sam3TrackerVideoConfig(**config))
    ours = safetensors.load_file(tiny.installed / "tracker.safetensors")
    encoder = safetensors.load_file(tiny.installed / "model.safetensors")
    state = {k.removeprefix("tracker_model."): v for k, v in ours.items() if "neck" not in k}
    state |= {
        k.replace("tracker_neck.", "vision_encoder.neck."): v
        for k, v in ours.items()
        if k.startswith("tracker_neck.")
    }
    state |= {k: v for k, v in encoder.items() if k.startswith("vision_encoder.backbone.")}
    model.load_state_dict(state, strict=True)
    model.eval()
    session = transformers.Sam3TrackerVideoInferenceSession(
        video=torch.cat([engine._pixels(torch, image) for image in images]),
        video_height=48,
        video_width=64,
        dtype=torch.float32,
    )
    session.add_mask_inputs(
        session.obj_id_to_idx(1), key.index, torch.from_numpy(key.inside)[None, None].float()
    )
    session.obj_with_new_inputs = [1]
    found = {}
    for output in model.propagate_in_video_iterator(session, start_frame_idx=key.index):
        masks = torch.nn.functional.interpolate(output.pred_masks, (48, 64), mode="bilinear")
        score = output.object_score_logits.sigmoid().item()
        found[output.frame_idx] = (masks[0, 0].numpy(), score)
    found.pop(key.index)
    return found


def test_backward_is_forward_through_the_images_turned_round(tracker, embeddings):
    forward = list(tracker.track(_key(1), range(2, COUNT), COUNT, lambda index: embeddings[index]))
    turned = embeddings[::-1]
    last = COUNT - 1
    order = range(last - 2, -1, -1)
    backward = list(tracker.track(_key(last - 1), order, COUNT, lambda index: turned[index]))
    for one, other in zip(forward, backward, strict=True):
        assert one.index == last - other.index
        np.testing.assert_allclose(one.logits, other.logits, rtol=1e-3, atol=1e-3)
        assert one.score == pytest.approx(other.score, abs=1e-4)


def test_it_remembers_more_than_the_key_and_what_it_saw_elsewhere_is_forgotten(tracker, embeddings):
    def tracked(order, sources):
        return list(tracker.track(_key(0), order, COUNT, lambda index: sources[index]))[-1].logits

    plain = tracked(range(1, 4), embeddings)
    other = [embeddings[0], embeddings[4], *embeddings[2:]]
    assert not np.allclose(plain, tracked(range(1, 4), other), atol=1e-3)
    np.testing.assert_allclose(plain, tracked(range(1, 4), embeddings), atol=1e-5)


def test_a_long_series_does_not_grow_in_memory(tiny, embeddings):
    sizes = []

    class Counted(Sam3Tracker):
        def _forget(self, session, index):
            super()._forget(session, index)
            outputs = session.output_dict_per_obj[0]["non_cond_frame_outputs"]
            sizes.append((len(outputs), any("high_res_masks" in each for each in outputs.values())))

    tracker = Counted(tiny.installed)
    images = [embeddings[n % COUNT] for n in range(40)]
    assert len(list(tracker.track(_key(0), range(1, 40), 40, lambda n: images[n]))) == 39
    assert max(size for size, _ in sizes) <= 17
    assert not any(has_masks for _, has_masks in sizes)


@pytest.fixture(params=["bright", "tiny"])
def any_tracker(request):
    """Each tracker with a network whose embeddings it knows."""
    if request.param == "bright":
        return BrightTracker(), BrightWords()
    installed = request.getfixturevalue("tiny").installed
    return Sam3Tracker(installed), MedSam3(installed)


def test_every_tracker_looks_at_images_in_order_and_only_when_asked(any_tracker, images):
    tracker, network = any_tracker
    looked = []

    def embedded(index):
        looked.append(index)
        return network.embed(images[index])

    seen = tracker.track(_key(3), range(2, -1, -1), COUNT, embedded)
    first = next(seen)
    assert (first.index, first.logits.shape) == (2, (48, 64))
    assert 0.0 <= first.score <= 1.0
    assert max(looked) <= 3
    assert 1 not in looked
    assert [each.index for each in seen] == [1, 0]


def test_the_encoder_runs_once_on_each_frame_for_box_words_and_tracker(tiny, tmp_path):
    network = MedSam3(tiny.installed)
    tracker = Sam3Tracker(tiny.installed)
    engine = MedSam3Segmenter(network, small_table(), tracker=tracker)
    volume = loaded(tmp_path)
    with engine.open(volume) as session:
        (segment,) = session.segment([Prompt(concept="pancreas", boxes=(FRAME_BOX,))], no_progress)
        found = list(session.segment([Prompt(concept="pancreas")], no_progress))
    assert network.encoder_runs <= FRAMES
    assert "followed by the tracker from frame 3" in segment.warnings[-1]
    assert found

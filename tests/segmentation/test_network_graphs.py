"""The graphs we build, with random weights of a tiny network, and with the real ones."""

import itertools

import numpy as np
import onnxruntime
import pytest
from scipy.signal import correlate2d

from domain.errors import UnreadableFileError
from segmentation.litemedsam.decoder import DecoderShape, build_decoder, grid_encoding
from segmentation.litemedsam.encoder import EncoderShape, build_encoder, relative_biases
from segmentation.litemedsam.graph import GraphBuilder, Weights
from segmentation.litemedsam.network import LiteMedSam, prepared, tokens_of
from segmentation.slicewise.slices import SliceBox, SliceHint, SlicePoint

ENCODER = EncoderShape(
    input_px=32,
    widths=(8, 8, 12, 16),
    depths=(1, 1, 1, 1),
    heads=(1, 2, 3, 2),
    windows=(3, 3, 5, 3),
    output_width=16,
)
DECODER = DecoderShape(
    input_px=32, embedding_px=8, width=16, heads=2, perceptron=24, mask_channels=8
)


class RandomWeights(Weights):
    """Makes up whatever is asked for, and keeps it."""

    def __init__(self, seed: int) -> None:
        super().__init__({})
        self._random = np.random.default_rng(seed)

    def take(self, name, shape=None):
        if name not in self._tensors:
            low = 0.5 if name.endswith("running_var") else -0.5
            made = self._random.uniform(low, 1.0, () if shape is None else tuple(shape))
            self._tensors[name] = made.astype(np.float32)
        return super().take(name, shape)


def _session(model) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    weights = RandomWeights(5)
    build_encoder(weights, ENCODER)
    build_decoder(weights, DECODER)
    return dict(weights._tensors)


@pytest.fixture(scope="module")
def decoder(tensors):
    return _session(build_decoder(Weights(tensors), DECODER))


def _feeds(coordinates, labels, *, mask: float | None = None):
    random = np.random.default_rng(1)
    batch = len(coordinates)
    return {
        "embedding": random.normal(0, 1, (1, 16, 8, 8)).astype(np.float32),
        "coordinates": np.asarray(coordinates, dtype=np.float32),
        "labels": np.asarray(labels, dtype=np.float32),
        "mask": np.full((batch, 1, 32, 32), mask or 0, dtype=np.float32),
        "has_mask": np.array([0.0 if mask is None else 1.0], dtype=np.float32),
    }


def test_a_whole_checkpoint_is_used_to_the_last_tensor(tensors):
    weights = Weights(tensors)
    build_encoder(weights, ENCODER)
    with pytest.raises(UnreadableFileError, match="have no place"):
        weights.check_all_taken()
    build_decoder(weights, DECODER)
    weights.check_all_taken()


def test_a_missing_or_misshapen_tensor_is_named(tensors):
    name = "image_encoder.layers.2.blocks.0.attn.qkv.weight"
    without = {key: value for key, value in tensors.items() if key != name}
    with pytest.raises(UnreadableFileError, match=name):
        build_encoder(Weights(without), ENCODER)
    with pytest.raises(UnreadableFileError, match="expected"):
        build_encoder(Weights({**tensors, name: tensors[name].T}), ENCODER)


def test_weights_that_are_not_numbers_are_refused(tensors):
    name = "mask_decoder.iou_token.weight"
    broken = {**tensors, name: np.full_like(tensors[name], np.nan)}
    with pytest.raises(UnreadableFileError, match="NaN"):
        build_decoder(Weights(broken), DECODER)


def test_the_encoder_answers_at_a_quarter_of_the_resolution(tensors):
    session = _session(build_encoder(Weights(tensors), ENCODER))
    image = np.random.default_rng(2).uniform(0, 1, (1, 3, 32, 32)).astype(np.float32)
    (embedding,) = session.run(None, {"image": image})
    assert embedding.shape == (1, 16, 8, 8)
    assert np.isfinite(embedding).all()


def test_a_folded_batch_norm_is_convolution_then_norm():
    weights = RandomWeights(3)
    kernel, bias = weights.folded_convolution("layer", (1, 1, 3, 3))
    image = np.random.default_rng(4).normal(size=(6, 6)).astype(np.float32)
    raw = correlate2d(image, weights.take("layer.c.weight")[0, 0], mode="valid")
    spread = np.sqrt(weights.take("layer.bn.running_var")[0] + 1e-5)
    normal = (raw - weights.take("layer.bn.running_mean")[0]) / spread
    expected = normal * weights.take("layer.bn.weight")[0] + weights.take("layer.bn.bias")[0]
    assert correlate2d(image, kernel[0, 0], mode="valid") + bias[0] == pytest.approx(
        expected, abs=1e-5
    )


def test_attention_biases_depend_on_distance_alone_in_order_of_first_appearance():
    window = 3
    biases = np.arange(2 * 9, dtype=np.float32).reshape(2, 9)
    points = list(itertools.product(range(window), repeat=2))
    offsets: dict[tuple[int, int], int] = {}
    spread = relative_biases(biases, window)
    for (i, one), (j, other) in itertools.product(enumerate(points), repeat=2):
        apart = (abs(one[0] - other[0]), abs(one[1] - other[1]))
        index = offsets.setdefault(apart, len(offsets))
        assert spread[:, i, j].tolist() == biases[:, index].tolist()


def test_places_are_encoded_by_their_sine_and_cosine():
    gaussian = np.array([[0.5, 0.0], [0.0, 2.0]], dtype=np.float32)
    encoding = grid_encoding(gaussian, 2)
    x, y = 2 * 0.75 - 1, 2 * 0.25 - 1
    angles = 2 * np.pi * np.array([0.5 * x, 2.0 * y])
    assert encoding[1] == pytest.approx([*np.sin(angles), *np.cos(angles)], abs=1e-6)


def test_prompts_of_a_batch_do_not_touch_one_another(decoder):
    boxes = [[[4, 5], [20, 22]], [[1, 1], [9, 30]]]
    labels = [[2, 3], [2, 3]]
    both, _ = decoder.run(None, _feeds(boxes, labels))
    for index in range(2):
        alone, _ = decoder.run(None, _feeds(boxes[index : index + 1], labels[:1]))
        assert alone[0] == pytest.approx(both[index], abs=1e-4)
    assert np.abs(both[0] - both[1]).max() > 1e-3


def test_an_earlier_mask_counts_only_when_it_is_given(decoder):
    prompt = ([[[4, 5], [20, 22]]], [[2, 3]])
    without, _ = decoder.run(None, _feeds(*prompt))
    ignored = _feeds(*prompt)
    ignored["mask"] += 9
    assert decoder.run(None, ignored)[0] == pytest.approx(without)
    assert np.abs(decoder.run(None, _feeds(*prompt, mask=9.0))[0] - without).max() > 1e-3


def test_a_padding_token_has_no_place(decoder):
    one, _ = decoder.run(None, _feeds([[[4, 5], [0, 0]]], [[1, -1]]))
    other, _ = decoder.run(None, _feeds([[[4, 5], [30, 7]]], [[1, -1]]))
    assert other == pytest.approx(one)


def test_a_graph_that_is_not_valid_is_not_returned():
    graph = GraphBuilder("broken")
    value = graph.input("image", (1, 3))
    graph.output(graph.node("NoSuchOperator", value), "out", (1, 3))
    with pytest.raises(Exception, match="NoSuchOperator"):
        graph.model()


def test_images_are_fitted_stretched_and_padded():
    image = np.linspace(20, 220, 100 * 200, dtype=np.float32).reshape(100, 200)
    square = prepared(image)
    assert square.shape == (256, 256)
    assert square[:128].min() == 0
    assert square[:128].max() == pytest.approx(1)
    assert not square[128:].any()


def test_a_box_becomes_its_first_and_last_pixel():
    box = SliceBox(row_start=10, row_stop=20, column_start=30, column_stop=50)
    coordinates, labels = tokens_of([SliceHint(box=box)], (128, 128))
    assert coordinates.tolist() == [[[60, 20], [99, 39]]]
    assert labels.tolist() == [[2, 3]]


def test_clicks_end_with_padding_and_short_lists_are_filled():
    click = SlicePoint(row=3, column=5)
    other = SlicePoint(row=9, column=1, positive=False)
    coordinates, labels = tokens_of(
        [SliceHint(points=(click,)), SliceHint(points=(click, other))], (256, 256)
    )
    assert labels.tolist() == [[1, -1, -1], [1, 0, -1]]
    assert coordinates[1, 1].tolist() == [1, 9]


def test_the_real_network_answers_as_torch_does(models_folder):
    """Logits of the package in torch 2.13 for this image and box, taken once."""
    network = LiteMedSam(models_folder / "litemedsam")
    rows, columns = np.mgrid[:256, :256] / 256
    disc = (rows - 0.4) ** 2 + (columns - 0.35) ** 2 < 0.03
    image = 0.3 + 0.4 * disc + 0.2 * np.sin(9 * rows) * np.cos(7 * columns)
    embedding = network.embed(image.astype(np.float32))
    box = SliceBox(row_start=50, row_stop=151, column_start=40, column_stop=141)
    logits = network.decode(embedding, [SliceHint(box=box)])[0]
    places = ((102, 90), (60, 90), (150, 90), (102, 30), (200, 200))
    expected = (16.45827, 8.93696, -9.63199, -26.01230, -33.37219)
    assert [logits[place] for place in places] == pytest.approx(expected, abs=1e-3)
    assert np.count_nonzero(logits > 0) == 6175
    assert network.weights_sha256 is not None
    assert network.weights_sha256.startswith("79d8c9dc")


def test_boxes_asked_together_are_answered_as_one_by_one(models_folder):
    network = LiteMedSam(models_folder / "litemedsam")
    image = np.random.default_rng(3).uniform(0, 255, (120, 90)).astype(np.float32)
    embedding = network.embed(image)
    hints = [
        SliceHint(
            box=SliceBox(row_start=20 + at, row_stop=70, column_start=10, column_stop=50 + at)
        )
        for at in range(4)
    ]
    together = network.decode(embedding, hints)
    alone = np.concatenate([network.decode(embedding, [hint]) for hint in hints])
    assert np.abs(alone[0] - alone[3]).max() > 1
    assert np.abs(together - alone).max() < 1e-3

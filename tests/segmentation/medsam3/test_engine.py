"""The network on one slice: what is kept is what is used, and order and company change nothing."""

import numpy as np
import pytest

from domain.errors import ModelMissingError, SettingsError
from segmentation.medsam3.asking import Question, Worded, fitting
from segmentation.medsam3.engine import MedSam3, Options
from segmentation.slicewise.slices import SliceBox, SliceHint

torch = pytest.importorskip("torch", reason="needs the extra [medsam3]")

BOX = SliceBox(row_start=10, row_stop=30, column_start=20, column_stop=50)
QUESTIONS = (
    Question(phrase="lung lesion"),
    Question(phrase="liver", boxes=(BOX,)),
    Question(phrase="kidney", boxes=(BOX, BOX.shifted(8, 4))),
)


@pytest.fixture
def engine(tiny):
    return MedSam3(tiny.installed)


def _image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 255, (48, 64)).astype(np.float32)


def _same(one, other):
    assert one.presence == pytest.approx(other.presence, abs=1e-5)
    assert len(one.instances) == len(other.instances)
    for mine, theirs in zip(one.instances, other.instances, strict=True):
        assert mine.score == pytest.approx(theirs.score, abs=1e-4)
        np.testing.assert_allclose(mine.logits, theirs.logits, rtol=1e-3, atol=1e-3)


def test_masks_are_logits_of_the_slice_with_boxes_in_its_pixels(engine):
    (answer,) = engine.answers(engine.embed(_image()), [QUESTIONS[0]])
    assert answer.instances
    assert [each.score for each in answer.instances] == sorted(
        (each.score for each in answer.instances), reverse=True
    )
    for each in answer.instances:
        assert each.logits.shape == (48, 64)
        assert len(np.unique(each.logits)) > 1000
        assert each.score <= answer.presence
        assert each.box.row_stop <= 48
        assert each.box.column_stop <= 64


def test_a_batch_of_questions_is_answered_as_each_alone(engine):
    embedding = engine.embed(_image())
    together = engine.answers(embedding, QUESTIONS)
    for answer, question in zip(together, QUESTIONS, strict=True):
        _same(answer, engine.answers(embedding, [question])[0])


def test_a_batch_of_slices_is_seen_as_each_alone(engine):
    images = [_image(1), _image(2)]
    for together, image in zip(engine.embed_each(images), images, strict=True):
        alone = engine.embed(image)
        np.testing.assert_allclose(together.features, alone.features, rtol=1e-2, atol=1e-2)


def test_what_was_kept_answers_as_what_is_seen_anew(engine, tiny):
    kept = engine.embed(_image())
    engine.answers(engine.embed(_image(5)), QUESTIONS)
    _same(engine.answers(kept, QUESTIONS[:1])[0], _fresh(tiny, QUESTIONS[0]))


def _fresh(tiny, question):
    engine = MedSam3(tiny.installed)
    return engine.answers(engine.embed(_image()), [question])[0]


def test_what_was_kept_answers_as_the_whole_network_in_one_go(engine):
    question = QUESTIONS[0]
    (answer,) = engine.answers(engine.embed(_image()), [question], least_score=0.0)
    with torch.inference_mode():
        pixels = engine._pixels(torch, _image())
        tokens = engine._tokenizer([question.phrase], return_tensors="pt")
        padding = {
            "input_boxes": torch.zeros(1, 1, 4),
            "input_boxes_labels": torch.full((1, 1), -10, dtype=torch.long),
        }
        whole = engine._model(pixel_values=pixels, **tokens, **padding)
    assert answer.presence == pytest.approx(whole.presence_logits.sigmoid().item(), abs=2e-3)
    scores = whole.pred_logits[0].sigmoid() * whole.presence_logits.sigmoid()
    assert answer.score == pytest.approx(scores.max().item(), abs=5e-3)


def test_three_concepts_on_a_slice_run_the_encoder_once_and_each_phrase_is_read_once(engine):
    embedding = engine.embed(_image())
    for _ in range(2):
        for question in QUESTIONS:
            engine.answers(embedding, [question])
    assert (engine.encoder_runs, engine.text_runs, engine.head_runs) == (1, 3, 6)


def test_a_grey_level_between_two_is_seen_as_the_nearer(engine):
    image = np.full((32, 32), 100.0, dtype=np.float32)
    assert np.array_equal(engine.embed(image).features, engine.embed(image + 0.3).features)


def test_it_stands_for_a_network_for_boxes_with_words(engine):
    network = Worded(engine, "lung lesion")
    embedding = network.embed(_image())
    logits = network.decode(embedding, [SliceHint(box=BOX), SliceHint()])
    assert logits.shape == (2, 48, 64)
    assert (logits[1] < 0).all()
    (answer,) = engine.answers(embedding, [Question(phrase="lung lesion", boxes=(BOX,))])
    best = fitting(answer, BOX)
    if best is not None:
        np.testing.assert_allclose(logits[0], best.logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_answers_nearly_the_same(engine, tiny, precision):
    half = MedSam3(tiny.installed, Options(device="cpu", precision=precision))
    (one,) = engine.answers(engine.embed(_image()), [QUESTIONS[1]])
    (other,) = half.answers(half.embed(_image()), [QUESTIONS[1]])
    assert other.score == pytest.approx(one.score, abs=0.03)


def test_an_unknown_device_or_precision_is_refused():
    with pytest.raises(SettingsError, match="tpu"):
        Options(device="tpu")
    with pytest.raises(SettingsError, match="int8"):
        Options(precision="int8")
    with pytest.raises(SettingsError, match="-1 slices at once"):
        Options(slices_at_once=-1)


def test_slices_are_seen_one_by_one_on_a_cpu_unless_it_is_told_otherwise(tiny):
    alone = MedSam3(tiny.installed, Options(device="cpu"))
    several = MedSam3(tiny.installed, Options(device="cpu", slices_at_once=4))
    assert (alone.most_at_once(), several.most_at_once()) == (1, 4)


def test_without_weights_or_extra_it_says_what_is_missing(tmp_path):
    engine = MedSam3(tmp_path)
    assert engine.missing() is not None
    assert engine.weights_sha256 is None
    with pytest.raises(ModelMissingError, match=r"MedSAM-3"):
        engine.load()

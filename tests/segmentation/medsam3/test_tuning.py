"""An adapter that learns: losses fall, and what is written is what the loader reads."""

from dataclasses import replace

import numpy as np
import pytest

from domain.errors import Cancelled, InputError, UnreadableFileError
from domain.ports import no_progress
from segmentation.medsam3.checkpoint import read_base, read_config
from segmentation.medsam3.engine import MedSam3
from segmentation.medsam3.install import Sources, build, network_of
from segmentation.medsam3.lora import merged, read_adapter
from segmentation.medsam3.tuning.examples import Example, examples_of
from segmentation.medsam3.tuning.factors import Learning
from segmentation.medsam3.tuning.training import (
    STATE_FILE,
    Lessons,
    Recipe,
    Start,
    asked_of,
    train,
)
from segmentation.windows import window_for
from tests.contracts.segmenters import bright_ball

torch = pytest.importorskip("torch", reason="needs the extra [medsam3]: torch")
transformers = pytest.importorskip("transformers", reason="needs the extra [medsam3]")

RECIPE = Recipe(steps=8, learning_rate=3e-3, examples_per_step=2, check_every=4)


def lessons(count=4):
    """Bright balls of two sizes: one to train on, one held out."""
    groups = []
    for radius_mm in (12.0, 9.0):
        volume, mask = bright_ball(radius_mm)
        found = examples_of(
            volume,
            mask,
            "lesion",
            window_for(volume, None),
            random=np.random.default_rng(0),
        )
        groups.append((*found[: count // 2], *found[-(count // 2) :]))
    return Lessons(examples=groups[0], held_out=groups[1])


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    start = Start(base=tiny.base, adapter=tiny.adapter, words=tiny.installed)
    return train(start, lessons(), folder, RECIPE, no_progress)


def test_every_slice_of_a_mask_is_an_example_and_as_many_without_it_and_none_at_its_edge():
    volume, mask = bright_ball()
    found = examples_of(
        volume, mask, "lesion", window_for(volume, None), random=np.random.default_rng(0)
    )
    with_thing = [each for each in found if not each.is_negative]
    without = [each for each in found if each.is_negative]
    assert len(with_thing) == len(mask.slice_indices())
    assert without
    assert all(each.image.max() < 200 for each in without), "a negative shows no bright ball"


def test_two_parts_on_a_slice_are_two_things():
    volume, mask = bright_ball()
    mask.voxels[10, :5, :5] = True
    found = examples_of(
        volume, mask, "lesion", window_for(volume, None), random=np.random.default_rng(0)
    )
    counts = [len(each.things) for each in found]
    assert max(counts) == 2


def test_a_box_is_drawn_as_hands_do_and_asks_for_one_thing():
    things = np.zeros((2, 40, 50), dtype=np.bool_)
    things[0, 5:15, 10:30] = True
    things[1, 25:35, 35:45] = True
    example = Example(image=np.zeros((40, 50), np.uint8), phrase="lesion", things=things)
    random = np.random.default_rng(1)
    asked = [asked_of(example, random) for _ in range(40)]
    boxed = [(one, box) for one, box in asked if box is not None]
    assert 10 < len(boxed) < 30
    for one, (x, y, width, height) in boxed:
        assert len(one.things) == 1
        left, right = (x - width / 2) * 50, (x + width / 2) * 50
        columns = np.flatnonzero(one.things[0].any(axis=0))
        sides = columns.max() + 1 - columns.min()
        assert abs(left - columns.min()) <= 0.1 * sides + 1e-6
        assert abs(right - columns.max() - 1) <= 0.1 * sides + 1e-6
        assert 0 < height < 1
        assert 0 < y < 1


def test_the_loss_falls(trained):
    assert trained.checks[-1].trained < 0.8 * trained.checks[0].trained
    assert trained.best.held_out <= trained.checks[0].held_out


def test_what_was_learned_is_in_the_form_of_the_release_and_installs(tiny, trained, tmp_path):
    build(Sources(base=tiny.base, adapter=trained.adapter), tiny.installed, tmp_path, no_progress)
    image = lessons().examples[0].image.astype(np.float32)
    before, after = MedSam3(tiny.installed), MedSam3(tmp_path)
    assert after.weights_sha256 != before.weights_sha256
    assert not np.array_equal(after.embed(image).features, before.embed(image).features)


def test_what_is_kept_before_the_first_step_is_the_adapter_it_began_with(tiny, trained):
    _, expected = network_of({})
    began = read_torch_keys(tiny.adapter)
    kept = read_torch_keys(trained.start)
    assert set(kept) == set(began)
    for key, value in began.items():
        assert np.array_equal(kept[key], value)
    assert expected


def read_torch_keys(path):
    return {key: value.numpy() for key, value in torch.load(path, weights_only=True).items()}


def test_learning_adds_what_the_installer_merges(tiny):
    config, expected = network_of(read_config(tiny.base))
    base = read_base(tiny.base, expected)
    adapter = read_adapter(tiny.adapter, base)
    plain = transformers.Sam3Model(transformers.Sam3Config.from_dict(config)).eval()
    plain.load_state_dict(merged(base, adapter))
    learning = transformers.Sam3Model(transformers.Sam3Config.from_dict(config)).eval()
    learning.load_state_dict(base)
    Learning(learning, adapter)
    image = torch.linspace(-1, 1, 3 * 112 * 112).reshape(1, 3, 112, 112)
    with torch.no_grad():
        one = plain.vision_encoder(image).last_hidden_state
        other = learning.vision_encoder(image).last_hidden_state
    torch.testing.assert_close(other, one, atol=1e-5, rtol=1e-5)


def test_a_training_without_an_adapter_begins_as_the_base_alone(tiny, tmp_path):
    start = Start(base=tiny.base, adapter=None, words=tiny.installed)
    found = train(start, lessons(2), tmp_path, replace(RECIPE, steps=1, check_every=1), no_progress)
    state = read_torch_keys(found.start)
    outwards = [value for key, value in state.items() if key.endswith("lora_B")]
    assert outwards
    assert all(not value.any() for value in outwards)


def test_a_stopped_training_goes_on_and_comes_to_the_same_end(tiny, trained, tmp_path):
    start = Start(base=tiny.base, adapter=tiny.adapter, words=tiny.installed)

    def stop_after_five(fraction, stage):
        if fraction >= 5 / RECIPE.steps:
            raise Cancelled

    with pytest.raises(Cancelled):
        train(start, lessons(), tmp_path, RECIPE, stop_after_five)
    again = train(start, lessons(), tmp_path, RECIPE, no_progress)
    assert again.resumed_at == 4
    for check, expected in zip(again.checks, trained.checks, strict=True):
        assert check.trained == pytest.approx(expected.trained, rel=1e-4)


def test_another_training_is_not_written_over(tiny, trained):
    start = Start(base=tiny.base, adapter=None, words=tiny.installed)
    with pytest.raises(InputError, match="is of another training"):
        train(start, lessons(), trained.adapter.parent, RECIPE, no_progress)


def test_a_damaged_state_is_named(tiny, tmp_path):
    (tmp_path / STATE_FILE).write_bytes(b"half")
    start = Start(base=tiny.base, adapter=tiny.adapter, words=tiny.installed)
    with pytest.raises(UnreadableFileError, match="no whole training state"):
        train(start, lessons(2), tmp_path, RECIPE, no_progress)


def test_nothing_held_out_is_refused():
    with pytest.raises(InputError, match="two patients"):
        Lessons(examples=lessons(2).examples, held_out=())

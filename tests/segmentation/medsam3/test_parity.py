"""Both our backends against the package they stand for: same files, images and prompts, small."""

import hashlib
import json
import shutil
from importlib.util import find_spec

import numpy as np
import pytest

from domain.errors import DigestMismatchError, ModelMissingError, UnreadableFileError
from segmentation.medsam3.asking import Question
from segmentation.medsam3.engine import MedSam3, Options
from segmentation.medsam3.reference import Sam3Package
from segmentation.medsam3.tiny import CONFIG

REASON = "needs the extra [medsam3]: "
torch = pytest.importorskip("torch", reason=REASON + "torch")
for package in ("torchvision", "transformers", "safetensors", "sam3", "psutil"):
    if find_spec(package) is None:
        pytest.skip(REASON + package, allow_module_level=True)
network = pytest.importorskip("bench.sam3_network")
parity = pytest.importorskip("bench.medsam3_parity")

IMAGES = {"as seen": parity.ct_like((112, 112)), "stretched": parity.ct_like((96, 72))}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the folder of files, and how far both backends are from the package."""
    folder = tmp_path_factory.mktemp("parity")
    words = parity.tiny_words(folder / "words")
    return folder, parity.compare(folder, words, CONFIG, IMAGES)


@pytest.mark.parametrize("backend", ["sam3", "transformers"])
def test_masks_boxes_and_scores_agree_and_the_same_queries_are_kept(made, backend):
    for (image, prompt), each in made[1][backend].items():
        assert each.agrees, (image, prompt, each)
        assert each.scores < 5e-4
        assert each.boxes < 5e-4
        assert each.presence < 1e-4
        assert each.instances[0] == each.instances[1]


def test_the_answers_spread_enough_for_their_agreement_to_mean_something(made):
    found = list(made[1]["transformers"].values())
    for each in found:
        assert each.mask_deviation > 0.5
        assert 0.1 < each.inside < 0.9
        assert each.log_odds_deviation > 50 * parity.TIED
        assert 0 < each.kept[1] < 10


def _turned(folder, target, one, other):
    """Copy an installed network, two of its tensors exchanged."""
    safetensors = pytest.importorskip("safetensors.torch")
    shutil.copytree(folder / "installed", target)
    weights = target / "model.safetensors"
    tensors = safetensors.load_file(weights)
    tensors[one], tensors[other] = tensors[other].clone(), tensors[one].clone()
    safetensors.save_file(tensors, weights)
    described = json.loads((target / "medsam3.json").read_text())
    described["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    (target / "medsam3.json").write_text(json.dumps(described))
    return target


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("detr_encoder.layers.0.layer_norm1.weight", "detr_encoder.layers.0.layer_norm2.weight"),
        (
            "geometry_encoder.layers.0.self_attn.q_proj.weight",
            "geometry_encoder.layers.0.self_attn.k_proj.weight",
        ),
        (
            "detr_decoder.box_rpb_embed_x.layer1.weight",
            "detr_decoder.box_rpb_embed_y.layer1.weight",
        ),
    ],
)
def test_one_tensor_in_another_place_would_show(made, tmp_path, one, other):
    folder, _ = made
    images = {"as seen": IMAGES["as seen"]}
    right = parity.heard(MedSam3(folder / "installed", Options(device="cpu")), images)
    wrong_files = _turned(folder, tmp_path / "wrong", one, other)
    wrong = parity.heard(MedSam3(wrong_files, Options(device="cpu")), images)
    assert not all(parity.apart(wrong[key], right[key]).agrees for key in right)


def _package(folder, **named):
    return Sam3Package(
        folder,
        Options(device="cpu"),
        device="cpu",
        **{"make": network.maker_of(CONFIG), **named},
    )


def test_the_package_answers_as_ours_for_instances_on_the_slice(made):
    image = IMAGES["stretched"]
    question = Question(phrase="lung", boxes=parity.questions_on((96, 72))["box alone"].boxes)
    with network.cuda_is_cpu():
        package = _package(made[0] / "installed")
        (theirs,) = package.answers(package.embed(image), [question])
    ours_network = MedSam3(made[0] / "installed", Options(device="cpu"))
    (ours,) = ours_network.answers(ours_network.embed(image), [question])
    assert theirs.instances
    assert len(ours.instances) == len(theirs.instances)
    for mine, other in zip(ours.instances, theirs.instances, strict=True):
        assert other.logits.shape == (96, 72)
        assert mine.score == pytest.approx(other.score, abs=5e-3)
        assert ((mine.logits > 0) == (other.logits > 0)).mean() > 0.99
        assert mine.box.overlap(other.box) > 0.98


def test_the_package_reads_a_phrase_once_and_keeps_what_it_saw(made):
    with network.cuda_is_cpu():
        package = _package(made[0] / "installed")
        embedding = package.embed(IMAGES["as seen"])
        for phrase in ("lung", "liver", "lung"):
            package.answers(embedding, [Question(phrase=phrase)])
    assert (package.encoder_runs, package.text_runs, package.head_runs) == (1, 2, 3)
    assert package.input_px == 112


@pytest.mark.parametrize("prompt", ["words", "words and two boxes"])
def test_the_package_at_half_precision_answers_nearly_the_same(made, prompt):
    found = []
    question = parity.questions_on((112, 112))[prompt]
    with network.cuda_is_cpu():
        for options in (Options(device="cpu"), Options(device="cpu", precision="bf16")):
            package = Sam3Package(
                made[0] / "installed", options, device="cpu", make=network.maker_of(CONFIG)
            )
            (answer,) = package.answers(package.embed(IMAGES["as seen"]), [question])
            found.append(answer.score)
    assert found[1] == pytest.approx(found[0], abs=0.03)


def test_the_words_are_the_same_numbers_for_both(made):
    ours = MedSam3(made[0] / "installed", Options(device="cpu"))
    ours.load()
    with network.cuda_is_cpu():
        package = _package(made[0] / "installed")
        package.load()
    for phrase in ("lung lesion", "left-sided pleural effusion, 2 cm", "Kidney  CYST"):
        mine = ours._tokenizer([phrase], max_length=32, truncation=True).input_ids[0]
        theirs = package._model.backbone.language_backbone.tokenizer([phrase], context_length=32)[0]
        assert mine == theirs[theirs != 0].tolist()


def test_weights_that_do_not_fill_the_packages_network_are_refused_by_name(made, tmp_path):
    larger = json.loads(json.dumps(CONFIG))
    larger["detr_decoder_config"]["num_queries"] = 11
    with network.cuda_is_cpu():
        with pytest.raises(UnreadableFileError, match="another size"):
            _package(made[0] / "installed", make=network.maker_of(larger)).load()
        deeper = json.loads(json.dumps(CONFIG))
        deeper["detr_decoder_config"]["num_layers"] = 3
        with pytest.raises(UnreadableFileError, match=r"does not fill.*decoder\.layers\.2"):
            _package(made[0] / "installed", make=network.maker_of(deeper)).load()


def test_weights_that_were_changed_later_are_refused(made, tmp_path):
    shutil.copytree(made[0] / "installed", tmp_path / "copy")
    weights = tmp_path / "copy" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with network.cuda_is_cpu(), pytest.raises(DigestMismatchError, match="truncated or changed"):
        _package(tmp_path / "copy").embed(np.zeros((9, 9), np.float32))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_without_cuda_the_package_says_so_and_what_would_help(made):
    package = Sam3Package(made[0] / "installed")
    assert package.missing() is not None
    assert "runs on CUDA alone" in package.missing()
    assert "segmentation.backend to 'transformers'" in package.missing()
    with pytest.raises(ModelMissingError, match="CUDA"):
        package.load()


def test_set_to_a_cpu_the_package_names_the_setting(made):
    reason = Sam3Package(made[0] / "installed", Options(device="cpu")).missing()
    assert "segmentation.device is 'cpu'" in reason

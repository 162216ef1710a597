"""Compare our MedSAM-3 with the ``sam3`` package it stands for: same files, images and prompts.

Random weights are made in the package's own network and written as they are released. The package
runs them with the adapter beside its layers, as in training; both our backends run what our
installer made of the files. Needs the extra ``[medsam3]`` and the list of byte pairs that
``open_clip_torch`` carries::

    python -m bench.medsam3_parity --words bpe_simple_vocab_16e6.txt.gz
    python -m bench.medsam3_parity --tiny
"""

import argparse
import gzip
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.sam3_network import Maker, cuda_is_cpu, maker_of
from bench.sam3_release import put_beside, take_apart, write_release
from domain.ports import no_progress
from segmentation.medsam3.asking import Question
from segmentation.medsam3.checkpoint import CONFIG_FILE, read_torch
from segmentation.medsam3.engine import MedSam3, Options
from segmentation.medsam3.install import Sources, build
from segmentation.medsam3.names import WHOLE_PREFIX
from segmentation.medsam3.reference import Sam3Package
from segmentation.medsam3.tiny import CONFIG
from segmentation.medsam3.tokenizer import BPE_FILE
from segmentation.slicewise.slices import Embedding, SliceBox

TOLERANCE: Final = 1e-2  # of mask logits, against the largest of them
TIED: Final = 1e-3  # log-odds nearer than this have no order

_TINY_PAIRS: Final = ("l u", "n g</w>", "lu ng</w>", "i n", "o n</w>")
_ON_CPU: Final = Options(device="cpu")

Image = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Heard:
    """What a network said to one question on one image, each query's.

    Attributes
    ----------
    features
        What the encoder made of the image.
    log_odds, scores
        (queries,): before presence counts, and with it as a probability.
    boxes, masks
        (queries, 4) as shares of the slice, (queries, rows, columns) logits.
    instances
        How many are left of those above the least score when doubles are taken out.
    """

    features: NDArray[np.float32]
    presence: float
    log_odds: NDArray[np.float32]
    scores: NDArray[np.float32]
    boxes: NDArray[np.float32]
    masks: NDArray[np.float32]
    instances: int


@dataclass(frozen=True, kw_only=True)
class Apart:
    """How far two networks are apart on one question, and how far their answers spread.

    Attributes
    ----------
    kept
        How many queries are above the middle of the package's log-odds: ours, and its own.
    is_same_kept
        Whether they are the same ones, and all queries in the same order, but for ties.
    """

    features: float
    presence: float
    scores: float
    boxes: float
    masks: float
    masks_relative: float
    kept: tuple[int, int]
    is_same_kept: bool
    score_spread: tuple[float, float]
    log_odds_deviation: float
    mask_deviation: float
    inside: float
    instances: tuple[int, int] = field(default=(0, 0))

    @property
    def agrees(self) -> bool:
        """Whether the masks are within tolerance and the same queries are kept."""
        return self.masks_relative <= TOLERANCE and self.is_same_kept


class Beside(Sam3Package):
    """The package with base and adapter as they were released, the adapter beside the layers."""

    def __init__(self, installed: Path, release: Sources, make: Maker) -> None:
        super().__init__(installed, _ON_CPU, device="cpu", make=make)
        self._release = release

    def _fill(self, model: Any) -> None:  # noqa: ANN401 - the package's
        base = read_torch(self._release.base)
        model.load_state_dict({k.removeprefix(WHOLE_PREFIX): v for k, v in base.items()})
        take_apart(model)
        put_beside(model, self._release.adapter)


def ct_like(shape: tuple[int, int], seed: int = 3) -> Image:
    """Return (rows, columns) grey levels of a body with lungs, spine and a lesion, and noise."""
    rows, columns = (each.astype(np.float32) for each in np.mgrid[: shape[0], : shape[1]])
    rows, columns = rows / shape[0] - 0.5, columns / shape[1] - 0.5

    def disc(row: float, column: float, height: float, width: float) -> NDArray[np.bool_]:
        inside = ((rows - row) / height) ** 2 + ((columns - column) / width) ** 2 < 1
        return np.asarray(inside, dtype=np.bool_)

    image = np.where(disc(0, 0, 0.38, 0.46), 140.0, 0.0)
    image[disc(-0.02, -0.2, 0.25, 0.15) | disc(-0.02, 0.2, 0.25, 0.15)] = 25
    image[disc(0.24, 0, 0.07, 0.06)] = 245
    image[disc(0.05, 0.22, 0.05, 0.04)] = 170
    noise = np.random.default_rng(seed).normal(0, 6, shape)
    return np.clip(image + noise * (image > 0), 0, 255).astype(np.float32)


def questions_on(shape: tuple[int, int]) -> dict[str, Question]:
    """Return words, words with a box, a box alone, and words with two boxes."""

    def box(row: float, column: float, height: float, width: float) -> SliceBox:
        return SliceBox(
            row_start=(0.5 + row - height) * shape[0],
            row_stop=(0.5 + row + height) * shape[0],
            column_start=(0.5 + column - width) * shape[1],
            column_stop=(0.5 + column + width) * shape[1],
        )

    lesion, lung = box(0.05, 0.22, 0.055, 0.045), box(-0.02, -0.2, 0.25, 0.15)
    return {
        "words": Question(phrase="lung lesion"),
        "words and box": Question(phrase="lung lesion", boxes=(lesion,)),
        "box alone": Question(boxes=(lesion,)),
        "words and two boxes": Question(phrase="lung", boxes=(lesion, lung)),
    }


def heard(
    network: MedSam3 | Sam3Package, images: Mapping[str, Image]
) -> dict[tuple[str, str], Heard]:
    """Return what a network says to every question on every image."""
    found = {}
    for name, image in images.items():
        started = time.process_time()
        embedding = network.embed(image)
        seconds = time.process_time() - started
        for prompt, question in questions_on((image.shape[0], image.shape[1])).items():
            found[name, prompt] = _heard(network, embedding, question)
        print(f"  {name}: encoder {seconds:.0f} CPU s, all {time.process_time() - started:.0f}")
    return found


def _heard(network: MedSam3 | Sam3Package, embedding: Embedding, question: Question) -> Heard:
    output = network.heads(embedding, [question])
    presence = float(output.presence_logits[0].sigmoid())
    (answer,) = network.answers(embedding, [question])
    return Heard(
        features=embedding.features.astype(np.float32),
        presence=presence,
        log_odds=output.pred_logits[0].numpy(),
        scores=output.pred_logits[0].sigmoid().numpy() * presence,
        boxes=output.pred_boxes[0].numpy(),
        masks=output.pred_masks[0].numpy(),
        instances=len(answer.instances),
    )


def apart(ours: Heard, theirs: Heard) -> Apart:
    """Return how far two answers are apart."""
    masks = float(np.abs(ours.masks - theirs.masks).max())
    middle = np.median(theirs.log_odds)
    mine, reference = ours.log_odds > middle, theirs.log_odds > middle
    clear = np.abs(theirs.log_odds - middle) > TIED
    return Apart(
        features=_relative(ours.features, theirs.features),
        presence=abs(ours.presence - theirs.presence),
        scores=float(np.abs(ours.scores - theirs.scores).max()),
        boxes=float(np.abs(ours.boxes - theirs.boxes).max()),
        masks=masks,
        masks_relative=_relative(ours.masks, theirs.masks),
        kept=(int(mine.sum()), int(reference.sum())),
        is_same_kept=np.array_equal(mine[clear], reference[clear]) and _same_order(ours, theirs),
        score_spread=(float(theirs.scores.min()), float(theirs.scores.max())),
        log_odds_deviation=float(theirs.log_odds.std()),
        mask_deviation=float(theirs.masks.std()),
        inside=float((theirs.masks > 0).mean()),
        instances=(ours.instances, theirs.instances),
    )


def _relative(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def _same_order(ours: Heard, theirs: Heard) -> bool:
    """Tell whether our order is theirs too, but for ties."""
    ranked = theirs.log_odds[np.argsort(-ours.log_odds, kind="stable")]
    best_after = np.maximum.accumulate(ranked[::-1])[::-1]
    return bool((best_after - ranked <= TIED).all())


def compare(
    folder: Path, words: Path, config: Mapping[str, Any] | None, images: Mapping[str, Image]
) -> dict[str, dict[tuple[str, str], Apart]]:
    """Return how far both our backends are from the package, by backend, image and prompt.

    Parameters
    ----------
    words
        Folder with the list of byte pairs.
    config
        Sizes of the network; None for the published one.
    """
    make = maker_of(config)
    installed = folder / "installed"
    installed.mkdir()
    with cuda_is_cpu():
        base, adapter = write_release(make(words / BPE_FILE), folder / "release")
    if config is not None:
        (base.parent / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")
    release = Sources(base=base, adapter=adapter)
    print("installing: every tensor and every adapted module by name and shape")
    build(release, words, installed, no_progress)
    with cuda_is_cpu():
        print("the package, the adapter beside its layers")
        reference = heard(Beside(installed, release, make), images)
        print("backend sam3")
        package = Sam3Package(installed, _ON_CPU, device="cpu", make=make)
        found = {"sam3": heard(package, images)}
        del package
    print("backend transformers")
    found["transformers"] = heard(MedSam3(installed, _ON_CPU), images)
    return {
        backend: {key: apart(each, reference[key]) for key, each in answers.items()}
        for backend, answers in found.items()
    }


def table(found: Mapping[str, Mapping[tuple[str, str], Apart]]) -> str:
    """Return the comparison as a table."""
    heading = (
        "| backend | image | prompt | features, rel. | presence | score | box | mask logits "
        "| rel. | kept | instances | its scores, deviation of log-odds "
        "| its mask logits: deviation, inside |"
    )
    lines = [heading, "|---|---|---|--:|--:|--:|--:|--:|--:|---|---|---|---|"]
    for backend, answers in found.items():
        for (image, prompt), each in answers.items():
            same = "same" if each.is_same_kept else "DIFFERENT"
            low, high = each.score_spread
            lines.append(
                f"| {backend} | {image} | {prompt} | {each.features:.1e} | {each.presence:.1e} "
                f"| {each.scores:.1e} | {each.boxes:.1e} | {each.masks:.1e} "
                f"| {each.masks_relative:.1e} | {each.kept[0]} and {each.kept[1]}, {same} "
                f"| {each.instances[0]} and {each.instances[1]} | {low:.2f} to {high:.2f}, "
                f"{each.log_odds_deviation:.2f} | {each.mask_deviation:.1f}, {each.inside:.0%} |"
            )
    return "\n".join(lines)


def tiny_words(folder: Path) -> Path:
    """Write a short list of byte pairs, and return its folder."""
    folder.mkdir()
    text = "\n".join(("#version: 0.2", *_TINY_PAIRS))
    (folder / BPE_FILE).write_bytes(gzip.compress(text.encode()))
    return folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; exit status 1 when the networks disagree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tiny", action="store_true", help="a network of 1.9 million numbers")
    parser.add_argument("--words", type=Path, help=f"{BPE_FILE} of open_clip_torch")
    parser.add_argument("--folder", type=Path, help="where the files go: 7 GB at full size")
    asked = parser.parse_args(arguments)
    if not asked.tiny and asked.words is None:
        parser.error("give --words, or --tiny")
    print(f"torch {torch.__version__}, load average {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        words = tiny_words(folder / "words") if asked.tiny else asked.words.parent
        side = 112 if asked.tiny else 1008
        images = {
            f"{side} x {side}": ct_like((side, side)),
            "512 x 400": ct_like((512, 400)),
        }
        found = compare(folder, words, CONFIG if asked.tiny else None, images)
    print(table(found))
    print(f"load average {os.getloadavg()[0]:.1f} at the end")
    return 0 if all(each.agrees for rows in found.values() for each in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

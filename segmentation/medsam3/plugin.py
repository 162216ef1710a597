"""The factory named in the entry points ``radcopilot.segmenters``; imports no torch."""

from pathlib import Path
from typing import Final

from domain.errors import SettingsError
from domain.ports import EngineContext, Segmenter
from segmentation.medsam3.asking import ConceptNetwork
from segmentation.medsam3.engine import MedSam3, Options
from segmentation.medsam3.reference import Sam3Package
from segmentation.medsam3.segmenter import MedSam3Segmenter
from segmentation.medsam3.tracker import Sam3Tracker
from segmentation.slicewise.embeddings import EmbeddingCache, EmbeddingFolder

MODEL_FOLDER: Final = "medsam3"


def medsam3(context: EngineContext) -> Segmenter:
    """Return MedSAM-3: words propose, boxes and clicks confirm.

    Cheap: weights are loaded when the first prompt is answered. Without the extra or the weights
    it is there all the same, and says by name what is missing.
    """
    options = Options(device=context.device, precision=context.precision, threads=context.threads)
    network = _network(context.backend, context.models_folder / MODEL_FOLDER, options)
    folder = None
    if context.seen_folder is not None:
        folder = EmbeddingFolder(context.seen_folder / MODEL_FOLDER, context.seen_bytes)
    cache = EmbeddingCache(context.memory_bytes, folder)
    tracker = Sam3Tracker(context.models_folder / MODEL_FOLDER, options)
    return MedSam3Segmenter(network, context.concepts, cache, tracker)


def _network(backend: str, folder: Path, options: Options) -> ConceptNetwork:
    match backend:
        case "transformers":
            return MedSam3(folder, options)
        case "sam3":
            return Sam3Package(folder, options)
        case _:
            raise SettingsError(f"backend {backend!r} is none of transformers, sam3")

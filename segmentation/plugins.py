"""Factories named in the entry points ``radcopilot.segmenters``."""

from typing import Final

from domain.ports import EngineContext, Segmenter
from segmentation.litemedsam.network import LiteMedSam
from segmentation.lung.half_maximum import HalfMaximumSegmenter
from segmentation.organs import finders
from segmentation.organs.segmenter import FoundOrganSegmenter
from segmentation.routing import (
    ROUTE_AIR,
    ROUTE_BODY,
    ROUTE_FAT,
    ROUTE_KIDNEYS,
    ROUTE_LIVER,
    ROUTE_LUNGS,
    ROUTE_SPLEEN,
    Engines,
    Router,
)
from segmentation.rules.lungs_and_body import body_rule, lungs_rule
from segmentation.rules.tissues import air_rule, fat_rule
from segmentation.slicewise.embeddings import EmbeddingCache, EmbeddingFolder
from segmentation.slicewise.segmenter import SlicewiseSegmenter

MODEL_FOLDER: Final = "litemedsam"
NAME: Final = "default"
VERSION: Final = "1.0.0"


def default(context: EngineContext) -> Segmenter:
    """Return the embedded default: rules where they are honest, LiteMedSAM for the rest.

    Cheap: weights are loaded when the first box is answered.
    """
    network = LiteMedSam(context.models_folder / MODEL_FOLDER, context.threads)
    concepts = context.concepts
    boxed = SlicewiseSegmenter(
        network, concepts, _cache(context), checks_windows=context.checks_windows
    )
    organs = {
        ROUTE_LIVER: finders.liver,
        ROUTE_SPLEEN: finders.spleen,
        ROUTE_KIDNEYS: finders.kidneys,
    }
    return Router(
        NAME,
        VERSION,
        concepts,
        Engines(
            by_route={
                ROUTE_LUNGS: lungs_rule(concepts),
                ROUTE_BODY: body_rule(concepts),
                ROUTE_FAT: fat_rule(concepts),
                ROUTE_AIR: air_rule(concepts),
                **{
                    route: FoundOrganSegmenter(route, concepts, finder, boxed)
                    for route, finder in organs.items()
                },
            },
            solid_lung_lesion=HalfMaximumSegmenter(),
            boxed=boxed,
        ),
    )


def _cache(context: EngineContext) -> EmbeddingCache:
    if context.seen_folder is None:
        return EmbeddingCache(context.memory_bytes)
    folder = EmbeddingFolder(context.seen_folder / MODEL_FOLDER, context.seen_bytes)
    return EmbeddingCache(context.memory_bytes, folder)

"""Factories named in the entry points ``radcopilot.segmenters``."""

from typing import Final

from domain.ports import EngineContext, Segmenter
from segmentation.half_maximum import HalfMaximumSegmenter
from segmentation.litemedsam.network import LiteMedSam
from segmentation.routing import ROUTE_BODY, ROUTE_LUNGS, Engines, Router
from segmentation.rules import body_rule, lungs_rule
from segmentation.slicewise import SlicewiseSegmenter

MODEL_FOLDER: Final = "litemedsam"
NAME: Final = "default"
VERSION: Final = "1.0.0"


def default(context: EngineContext) -> Segmenter:
    """Return the embedded default: rules where they are honest, LiteMedSAM for boxes and clicks.

    Cheap: weights are loaded when the first box is answered.
    """
    network = LiteMedSam(context.models_folder / MODEL_FOLDER, context.threads)
    concepts = context.concepts
    return Router(
        NAME,
        VERSION,
        concepts,
        Engines(
            by_route={ROUTE_LUNGS: lungs_rule(concepts), ROUTE_BODY: body_rule(concepts)},
            solid_lung_lesion=HalfMaximumSegmenter(),
            boxed=SlicewiseSegmenter(network, concepts),
        ),
    )

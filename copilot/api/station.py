"""What a page asks once: engines, and where results go after a yes."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from copilot.intent.rules import load_rules
from copilot.settings import PeerSettings, Settings
from domain.concepts import ConceptTable
from reporting.exports.formats import FORMATS


def station_router(
    settings: Settings, engines: Sequence[str], concepts: ConceptTable, *, has_ohif: bool
) -> APIRouter:
    """Return the route of the station's own facts."""
    router = APIRouter(prefix="/api", tags=["station"])

    @router.get("/station")
    def get_station() -> dict[str, Any]:
        """Say which engines, concepts and sentences there are, and what each destination gets."""
        return {
            "ae_title": settings.node.ae_title,
            "engines": sorted(engines),
            "default_engine": settings.segmentation.engine,
            "concepts": sorted(concept.phrase for concept in concepts.concepts),
            "sentences": {intent: list(said) for intent, said in load_rules().examples.items()},
            "has_ohif": has_ohif,
            "polishes": settings.reporting.polish,
            "report_formats": [each.name for each in FORMATS],
            "destinations": [_destination(peer) for peer in settings.peers],
        }

    return router


def _destination(peer: PeerSettings) -> dict[str, Any]:
    return {
        "name": peer.ae_title,
        "at": peer.stow_url or f"{peer.host}:{peer.port}",
        "by": "DICOMweb" if peer.stow_url else "DICOM",
        "objects": list(peer.objects),
        "confirms": peer.storage_commitment or bool(peer.stow_url),
    }

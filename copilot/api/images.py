"""Series for the page: their geometry as the server reads it, and their slices as values.

The page interprets no DICOM: order, positions, units and values are those that engines get.
"""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response
from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName

from copilot.api.packet import MEDIA_TYPE, pixels_packet
from copilot.lightbox import Lightbox
from dicom_node.frames import FramePlane
from dicom_node.slices import SeriesSlices
from domain.uids import SeriesUID

_KEEP_NOTHING = {"Cache-Control": "no-store"}


def images_router(lightbox: Lightbox, ready: Callable[[SeriesUID], None]) -> APIRouter:
    """Return the routes of series and their slices; ``ready`` prepares for a command on one."""
    router = APIRouter(prefix="/api/series/{series}", tags=["images"])

    @router.get("")
    def get_series(series: str, response: Response) -> dict[str, Any]:
        """Describe a series: order, geometry and unit of its slices, and whose they are."""
        response.headers.update(_KEEP_NOTHING)
        return printed_series(lightbox.of(SeriesUID(series)))

    @router.get("/images/{index}", response_class=Response)
    def get_image(series: str, index: int) -> Response:
        """Return the values of one slice, zero-based, as a packet."""
        values = lightbox.of(SeriesUID(series)).values(index)
        return Response(pixels_packet(values), media_type=MEDIA_TYPE, headers=_KEEP_NOTHING)

    @router.post("/ready", status_code=202)
    def post_ready(series: str) -> dict[str, Any]:
        """Get ready for a command on a series: it is read now, and its turn comes first."""
        ready(SeriesUID(series))
        return {"series_instance_uid": series}

    return router


def printed_series(found: SeriesSlices) -> dict[str, Any]:
    """Return a series as plain JSON values."""
    header, grid = found.header, found.grid
    return {
        "study_instance_uid": str(header.get("StudyInstanceUID") or ""),
        "series_instance_uid": str(header.get("SeriesInstanceUID") or ""),
        "modality": str(header.get("Modality") or ""),
        "description": str(header.get("SeriesDescription") or ""),
        "body_part": str(header.get("BodyPartExamined") or ""),
        "patient": _patient(header),
        "study": {
            "date": str(header.get("StudyDate") or ""),
            "description": str(header.get("StudyDescription") or ""),
            "accession_number": str(header.get("AccessionNumber") or ""),
        },
        "unit": found.unit.value,
        "window": found.window,
        "refusal": found.refusal,
        "notes": list(found.notes),
        "affine": None if grid is None else grid.affine.tolist(),
        "frame_of_reference_uid": None if grid is None else grid.frame_of_reference_uid,
        "is_time": grid is not None and grid.is_time,
        "slice_spacing_known": grid is not None and grid.slice_spacing_known,
        "frame_times_ms": list(found.frame_times_ms),
        "slices": [{"frame": each.frame_number, **_plane(each.plane)} for each in found.slices],
    }


def _plane(plane: FramePlane) -> dict[str, Any]:
    """Return where one slice stands; ``origin`` is None where no place in the patient is known."""
    placed = plane.position_lps_mm is not None and plane.row_direction is not None
    return {
        "rows": plane.rows,
        "columns": plane.columns,
        "spacing_mm": plane.spacing_mm,
        "origin": None if plane.position_lps_mm is None else plane.position_lps_mm.tolist(),
        "row": plane.row_direction.tolist() if placed and plane.row_direction is not None else None,
        "column": (
            plane.column_direction.tolist()
            if placed and plane.column_direction is not None
            else None
        ),
    }


def _patient(header: Dataset) -> dict[str, str]:
    name = PersonName(str(header.get("PatientName") or ""))
    return {
        "name": name.family_comma_given().strip(", "),
        "id": str(header.get("PatientID") or ""),
        "birth_date": str(header.get("PatientBirthDate") or ""),
        "sex": str(header.get("PatientSex") or ""),
    }

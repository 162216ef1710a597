"""The DICOM Conformance Statement, made from the tables that the node itself works by.

``python -m copilot.conformance > docs/conformance.md``

Its words are in ``configs/templates/conformance.md.j2``; what they say of classes, syntaxes,
statuses, limits and addresses is put in here.
"""

import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from jinja2 import Environment, StrictUndefined
from pydicom.charset import python_encoding
from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pynetdicom import DEFAULT_TRANSFER_SYNTAXES, PYNETDICOM_IMPLEMENTATION_UID
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # names made at run time
    StorageCommitmentPushModel,
    Verification,
)

from copilot.api.dicomweb import add_dicomweb
from copilot.api.dicomweb_answers import DicomWeb
from copilot.settings import load_settings
from dicom_node.dicomweb.matching import keys_at
from dicom_node.dicomweb.media import frame_types
from dicom_node.dicomweb.query import MOST_RESULTS
from dicom_node.door import Caller, Door, Rejection, too_many, unknown_application_context
from dicom_node.equipment import software_version
from dicom_node.index import Index
from dicom_node.index_search import Level
from dicom_node.presentation import IMPLEMENTATION_VERSION, TRANSFER_SYNTAXES, offered_contexts
from dicom_node.receiving import (
    CANNOT_UNDERSTAND,
    NOT_INDEXED,
    NOT_ITS_OBJECT,
    OUT_OF_RESOURCES,
    SUCCESS,
)
from dicom_node.scp import PROCESSING_FAILURE, UNRECOGNISED_OPERATION
from dicom_node.scu import ASKED, WARNINGS
from dicom_node.seg_reader import LABELMAP_STORAGE
from dicom_node.store import Store

STATUSES: Final = (
    (SUCCESS, "C-STORE", "the object is on the disk (flushed and renamed), or was there already"),
    (
        OUT_OF_RESOURCES,
        "C-STORE",
        (
            "it cannot be written, less than `[retention] least_free_gb` would stay free, or it is "
            "larger than `[node] largest_instance_mb`"
        ),
    ),
    (
        NOT_ITS_OBJECT,
        "C-STORE",
        "the data set has another SOP Class or Instance UID than the command",
    ),
    (
        CANNOT_UNDERSTAND,
        "C-STORE",
        "a UID is none, the context was not accepted, or the data set is unreadable up to its UIDs",
    ),
    (NOT_INDEXED, "C-STORE", "the index was not written at the last try"),
    (PROCESSING_FAILURE, "N-EVENT-REPORT", "the answer to a commitment request cannot be read"),
    (
        UNRECOGNISED_OPERATION,
        "any other",
        "an operation other than C-STORE, C-ECHO and N-EVENT-REPORT",
    ),
)
OBJECTS: Final = {
    "seg": (SegmentationStorage, "BINARY, empty frames left out"),
    "labelmap": (UID(LABELMAP_STORAGE), "for `seg` where a destination takes it"),
    "sr": (Comprehensive3DSRStorage, "TID 1500: PARTIAL, PRELIMINARY, UNVERIFIED"),
    "secondary_capture": (SecondaryCaptureImageStorage, "outlines on the images"),
    "pdf": (EncapsulatedPDFStorage, "the draft"),
    "rtstruct": (RTStructureSetStorage, "the outlines as contours"),
    "gsps": (GrayscaleSoftcopyPresentationStateStorage, "outlines and diameters over the images"),
    "rejection note": (KeyObjectSelectionDocumentStorage, "IHE IOCM, with `retract`"),
}
"""Kinds of object that a destination may ask for, by the word of ``objects`` in [[peers]]."""

_COMMAND: Final = "python -m copilot.conformance > docs/conformance.md"


def statement() -> str:
    """Return the statement as Markdown."""
    template = resources.files("configs").joinpath("templates/conformance.md.j2").read_text("utf-8")
    environment = Environment(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701
    )
    return environment.from_string(template).render(_facts())


def _facts() -> dict[str, Any]:
    settings = load_settings()
    storage = [
        context
        for context in offered_contexts()
        if context.abstract_syntax not in (Verification, StorageCommitmentPushModel)
    ]
    return {
        "command": _COMMAND,
        "version": software_version(),
        "implementation_uid": str(PYNETDICOM_IMPLEMENTATION_UID),
        "implementation_version": IMPLEMENTATION_VERSION,
        "node": settings.node,
        "web": settings.web,
        "retention": settings.retention,
        "services": _services(len(storage)),
        "storage_classes": _uids(str(context.abstract_syntax) for context in storage),
        "storage_count": len(storage),
        "transfer_syntaxes": _uids(map(str, TRANSFER_SYNTAXES)),
        "default_syntaxes": ", ".join(UID(each).name for each in DEFAULT_TRANSFER_SYNTAXES),
        "rejections": _rejections(),
        "statuses": _table(
            ("status", "operation", "when"),
            ((f"0x{code:04X}", operation, when) for code, operation, when in STATUSES),
        ),
        "warnings": ", ".join(f"0x{code:04X}" for code in sorted(WARNINGS)),
        "out_of_resources": f"0x{OUT_OF_RESOURCES:04X}",
        "not_its_object": f"0x{NOT_ITS_OBJECT:04X}",
        "cannot_understand": f"0x{CANNOT_UNDERSTAND:04X}",
        "objects": _table(
            ("`objects`", "SOP class", "UID", "remarks"),
            ((kind, _name(uid), str(uid), says) for kind, (uid, says) in OBJECTS.items()),
        ),
        "resources": _resources(),
        "frame_types": ", ".join(f"`{kind}`" for kind in frame_types()),
        "most_results": MOST_RESULTS,
        "keys": _keys(),
        "character_sets": ", ".join(f"`{name}`" for name in python_encoding if name),
    }


def _services(storage_count: int) -> str:
    rows = [
        ("Verification", "SCP", "C-ECHO", Verification.name, "default"),
        ("Storage", "SCP", "C-STORE", f"{storage_count} classes (annex A)", "annex B"),
        (
            "Storage Commitment",
            "SCU, answered on an association of the peer or on ours",
            "N-EVENT-REPORT",
            StorageCommitmentPushModel.name,
            "default",
        ),
    ]
    rows += [("", "SCU", operation, UID(uid).name, "default") for operation, uid in ASKED]
    rows += [
        ("Storage", "SCU", "C-STORE", "those of the objects sent", "as stored, one context each"),
        (
            "Storage by C-GET",
            "SCU that takes the SCP role (role selection)",
            "C-STORE",
            "those that the peer names at image level",
            "annex B, one context each, so that nothing is transcoded",
        ),
    ]
    return _table(("service", "role", "operation", "SOP class", "transfer syntaxes"), rows)


def _rejections() -> str:
    door = Door(ae_title="RADCOPILOT", check_called_ae=True)
    strange = Caller(calling_ae_title="A", called_ae_title="B", host="192.0.2.1")
    wrong = door.rejection(strange)
    unknown = Door(ae_title="B").rejection(strange)
    assert wrong is not None
    assert unknown is not None
    found: Sequence[tuple[Rejection, str]] = (
        (unknown, "calling AE title and host are not in `[node] allow`, nor those of a peer"),
        (wrong, "the called AE title is not ours, where `check_called_ae` is set"),
        (unknown_application_context(""), "another application context than DICOM's"),
        (too_many(0), "more associations than `[node] most_associations`"),
    )
    return _table(
        ("result", "source", "reason", "when"),
        ((each.result, each.source, each.reason, when) for each, when in found),
    )


def _resources() -> str:
    """Return what DICOMweb answers at, as the application has it."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), Index(f"sqlite:///{folder}/index.db"))
        app = FastAPI()
        web = DicomWeb(store=store, folder=Path(folder), largest_upload=0, largest_instance=0)
        add_dicomweb(app, web)
        store.close()
    paths: dict[str, dict[str, dict[str, Any]]] = app.openapi()["paths"]
    return _table(
        ("method", "resource", "what it does"),
        (
            (method.upper(), f"`{path}`", said["description"].rstrip("."))
            for path, operations in paths.items()
            for method, said in operations.items()
        ),
    )


def _keys() -> str:
    rows, before = [], 0
    for level, name in (
        (Level.STUDY, "studies"),
        (Level.SERIES, "series, also"),
        (Level.INSTANCE, "instances, also"),
    ):
        keys = keys_at(level)
        rows.append((name, ", ".join(keys[before:])))
        before = len(keys)
    return _table(("of", "matched on"), rows)


def _uids(uids: Iterable[str]) -> str:
    return _table(("name", "UID"), ((_name(each), each) for each in uids))


def _name(uid: str) -> str:
    """Return the name of a UID; pydicom does not know that of the newest class yet."""
    return "Label Map Segmentation Storage" if uid == LABELMAP_STORAGE else UID(uid).name


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(statement())

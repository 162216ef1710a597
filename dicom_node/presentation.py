"""What the node offers to take, and how what it takes is written: contexts and file meta."""

import logging
import struct
from typing import Final

from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)
from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID
from pynetdicom.presentation import (
    AllStoragePresentationContexts,
    PresentationContext,
    build_context,
)
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # names made at run time
    StorageCommitmentPushModel,
    Verification,
)

from dicom_node.seg_reader import LABELMAP_STORAGE
from dicom_node.upper_layer import Acceptor, padded_uid

log: Final = logging.getLogger(__name__)

IMPLEMENTATION_VERSION: Final = "RADCOPILOT"
TRANSFER_SYNTAXES: Final[list[str | UID]] = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    *JPEGTransferSyntaxes,
    *JPEGLSTransferSyntaxes,
    *JPEG2000TransferSyntaxes,
    RLELossless,
]


def file_meta(sop_class: str, instance: str, syntax: str, source: str) -> bytes:
    """Return preamble and file meta information of a received object (PS3.10 section 7.1)."""
    title = source.encode("ascii", "replace")
    version = IMPLEMENTATION_VERSION.encode()
    short = (
        (0x0002, b"UI", padded_uid(sop_class)),
        (0x0003, b"UI", padded_uid(instance)),
        (0x0010, b"UI", padded_uid(syntax)),
        (0x0012, b"UI", padded_uid(PYNETDICOM_IMPLEMENTATION_UID)),
        (0x0013, b"SH", version + b" " * (len(version) % 2)),
        (0x0016, b"AE", title + b" " * (len(title) % 2)),
    )
    body = b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01" + b"".join(
        struct.pack("<HH2sH", 2, element, kind, len(value)) + value
        for element, kind, value in short
    )
    length = struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(body))
    return b"\0" * 128 + b"DICM" + length + body


def log_refused(acceptor: Acceptor, host: str) -> None:
    """Say which presentation contexts were proposed in vain, and what is taken instead.

    The acceptance tells the peer the same context by context (PS3.8 table 9-18); a rejection has
    no room for it.
    """
    if not acceptor.refused:
        return
    taken = {str(context.abstract_syntax) for context in acceptor.supported}
    proposed = "; ".join(
        f"{UID(str(context.abstract_syntax)).name} "
        + (
            f"in {', '.join(UID(str(each)).name for each in context.transfer_syntax)}"
            if str(context.abstract_syntax) in taken
            else "(not known here)"
        )
        for context in acceptor.refused
    )
    log.log(
        logging.INFO if acceptor.transfer_syntaxes else logging.WARNING,
        "association.contexts ae_title=%r host=%s accepted=%d refused=%s; taken here: verification,"
        " storage commitment and %d storage classes in %d transfer syntaxes (docs/conformance.md)",
        acceptor.calling_ae_title,
        host,
        len(acceptor.transfer_syntaxes),
        proposed,
        len(taken) - 2,
        len(TRANSFER_SYNTAXES),
    )


def offered_contexts() -> list[PresentationContext]:
    """Return every presentation context that the node accepts."""
    contexts = [build_context(Verification)]
    contexts += [
        build_context(str(context.abstract_syntax), TRANSFER_SYNTAXES)
        for context in AllStoragePresentationContexts
    ]
    contexts.append(build_context(LABELMAP_STORAGE, TRANSFER_SYNTAXES))
    commitment = build_context(StorageCommitmentPushModel)
    commitment.scu_role = commitment.scp_role = True
    contexts.append(commitment)
    return contexts

"""Beside a result's objects: who signed the report that tells of it, once for each version."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Final

from dicom_node.files import headers, write_whole
from domain.report import LeftOut, Signature
from domain.uids import InstanceUID
from reporting.sr_signing import Verification

_SIGNED: Final = "signed_"


def keep_verification(folder: Path, version: int, verification: Verification) -> None:
    """Write a verification into a folder of objects; one that is there stays as it is."""
    path = folder / f"{_SIGNED}{version}.json"
    if path.is_file():
        return
    signature = verification.signature
    document = {
        "name": signature.name,
        "at": signature.at.isoformat(),
        "organization": verification.organization,
        "reason": verification.reason,
        "left_out": [asdict(each) for each in verification.left_out],
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(document).encode())


def verifications_in(folder: Path) -> dict[int, Verification]:
    """Return the verifications of a folder of objects by version, the first first."""
    found = {}
    for path in folder.glob(f"{_SIGNED}*.json"):
        document = json.loads(path.read_text())
        signature = Signature(name=document["name"], at=datetime.fromisoformat(document["at"]))
        found[int(path.stem.removeprefix(_SIGNED))] = Verification(
            signature=signature,
            organization=document["organization"],
            reason=document.get("reason", ""),  # a file of an earlier release has none
            left_out=tuple(LeftOut(**each) for each in document.get("left_out", ())),
        )
    return dict(sorted(found.items()))


def report_file(folder: Path, version: int) -> Path:
    """Return where a folder of objects keeps the PDF of a signed version."""
    return folder / f"{_SIGNED}{version}.pdf"


def signed_report_in(folder: Path) -> int | None:
    """Return the newest signed version whose PDF lies in a folder of objects; None without one."""
    found = verifications_in(folder)
    return next((each for each in reversed(found) if report_file(folder, each).is_file()), None)


def verified_reports_in(folder: Path) -> tuple[InstanceUID, ...]:
    """Return the verified SR of a folder of objects that archives have, the last that each took.

    Those before it are replaced by it, and named in it.
    """
    found: dict[InstanceUID, None] = {}
    for receipt in sorted(folder.glob("received_*.json")):
        taken = [folder.parent / name for name in json.loads(receipt.read_text())]
        signed = [each for each in taken if each.name.startswith(_SIGNED) and each.is_file()]
        reports = [each for each in headers(signed) if each.Modality == "SR"]
        if reports:
            found[InstanceUID(reports[-1].SOPInstanceUID)] = None
    return tuple(found)


def signed_name(version: int, draft: str) -> str:
    """Return the file of a draft's report as signed, by the draft's own."""
    return f"{_SIGNED}{version}_{Path(draft).name}"

"""Who we are in the objects we make, and how we know them again."""

import hashlib
import uuid
from collections.abc import Iterable
from importlib.metadata import version
from typing import Final

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from domain.segment import Provenance
from domain.uids import InstanceUID

MANUFACTURER: Final = "radcopilot"
MODEL_NAME: Final = "radcopilot"
SERIAL_NUMBER: Final = "0"


def software_version() -> str:
    """Return our version, as written into every object."""
    return version("radcopilot")


def device_uid(provenance: Provenance) -> InstanceUID:
    """Return the UID of engine, version and weights: another model is another device (IHE AIR).

    A name-based UUID under 2.25 (PS3.5 section B.2), so the same engine has the same UID anywhere.
    """
    said = "\n".join((provenance.engine, provenance.version, provenance.weights_sha256 or "rules"))
    digest = hashlib.sha256(said.encode()).digest()[:16]
    return InstanceUID(f"2.25.{uuid.UUID(bytes=digest, version=5).int}")


def contributing_equipment(provenance: Provenance) -> hd.ContributingEquipment:
    """Return the item that names the engine which made a mask (PS3.3 section C.12.1.1.5)."""
    item = hd.ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=provenance.engine,
        software_versions=provenance.version,
        contribution_description=_contribution(provenance),
    )
    item.DeviceUID = device_uid(provenance)
    return item


def is_ours(dataset: Dataset) -> bool:
    """Tell whether we made an object, whoever sends it: such never start work (loop guard)."""
    if str(dataset.get("Manufacturer", "")) == MANUFACTURER:
        return True
    made_by: Iterable[Dataset] = dataset.get("ContributingEquipmentSequence") or ()
    return any(str(item.get("Manufacturer", "")) == MANUFACTURER for item in made_by)


def _contribution(provenance: Provenance) -> str:
    directed = f"; directed by {provenance.directed_by}" if provenance.directed_by else ""
    return f"Segmentation, {provenance.algorithm_type}{directed}"

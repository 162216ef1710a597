"""Archives whose objects are read back, and what is sent to them."""

import httpx
import pydicom
from fastapi.testclient import TestClient

from copilot.demo.orthanc import Orthanc


class Pacs(Orthanc):
    """An archive whose objects are read back."""

    def objects(self) -> list[pydicom.Dataset]:
        with httpx.Client(trust_env=False, timeout=60, base_url=self.url) as client:
            found = []
            for each in client.get("/instances").json():
                path = self.folder / f"{each}.dcm"
                path.write_bytes(client.get(f"/instances/{each}/file").content)
                found.append(pydicom.dcmread(path))
            return found

    def by_class(self) -> dict[str, list[pydicom.Dataset]]:
        found: dict[str, list[pydicom.Dataset]] = {}
        for each in self.objects():
            found.setdefault(each.SOPClassUID.name, []).append(each)
        return found


def sent(client: TestClient, command: dict[str, object]) -> dict[str, object]:
    made = client.post("/api/commands", json=command)
    assert made.status_code == 201, made.text
    identity = made.json()["id"]
    assert client.post(f"/api/commands/{identity}/accept").status_code == 200
    return client.post(f"/api/commands/{identity}/send").json()

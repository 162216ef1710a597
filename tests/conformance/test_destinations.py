"""Destinations at real archives: what each gets, and what it confirms."""

import json
import time

import pytest

from copilot.cli.main import run
from copilot.serving import application
from copilot.workflows.delivery import OLD_DELIVER
from dicom_node.equipment import is_ours
from tests.chest import stored_chest
from tests.clients import here
from tests.conformance.archives import sent

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette")

CLASSES = {
    "Segmentation Storage",
    "Comprehensive 3D SR Storage",
    "Secondary Capture Image Storage",
    "Encapsulated PDF Storage",
    "RT Structure Set Storage",
    "Grayscale Softcopy Presentation State Storage",
}
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"


def corrected(command: dict[str, object], identity: str) -> dict[str, object]:
    """Return a command that takes a corner off the mask of a result."""
    (box,) = command["boxes"]
    corner = {key: box[key] for key in ("row_start", "column_start", "row_stop")}
    return {
        "series_instance_uid": command["series_instance_uid"],
        "text": "segment the lung lesion",
        "mask": {"result": identity},
        "boxes": [
            {**corner, "slice": 5, "column_stop": box["column_start"] + 4, "positive": False}
        ],
    }


def test_each_destination_gets_what_its_table_says(home, pacs, web, tmp_path):
    house = home()
    with pacs, web, here(application(house)) as client:
        result = sent(client, stored_chest(house.store, tmp_path))
        assert result["state"] == "sent", result["peers"]
        says = {each["peer"]: each["says"] for each in result["peers"]}
        assert says == {"ORTHANC": "6 objects confirmed", "WEB": "3 objects confirmed"}
        found = pacs.by_class()
        assert found.keys() == CLASSES
        assert all(is_ours(each) for several in found.values() for each in several)
        (seg,) = found["Segmentation Storage"]
        (labels,) = [each for each in web.objects() if each.SOPClassUID == LABEL_MAP]
        (report,) = web.by_class()["Comprehensive 3D SR Storage"]
        text = str(report)
        assert labels.SOPInstanceUID in text
        assert seg.SOPInstanceUID not in text, "the SR names what this destination holds"
        assert seg.SeriesInstanceUID not in text


def test_a_corrected_result_replaces_the_earlier_one_there_too(home, pacs, web, tmp_path):
    house = home()
    with pacs, web, here(application(house)) as client:
        command = stored_chest(house.store, tmp_path)
        first = sent(client, command)
        before = pacs.by_class()
        second = sent(client, corrected(command, first["id"]))
        assert second["replaces"] == first["id"]
        assert second["state"] == "sent", second["peers"]
        earlier = client.get(f"/api/commands/{first['id']}").json()
        assert (earlier["state"], earlier["replaced_by"]) == ("replaced", second["id"])
        assert client.get(f"/api/commands/{first['id']}/seg.dcm").status_code == 200
        after = pacs.by_class()
        (note,) = after["Key Object Selection Document Storage"]
        assert note.ConceptNameCodeSequence[0].CodeValue == "113001"
        named = {
            item.ReferencedSOPInstanceUID
            for study in note.CurrentRequestedProcedureEvidenceSequence
            for of_series in study.ReferencedSeriesSequence
            for item in of_series.ReferencedSOPSequence
        }
        assert named == {each.SOPInstanceUID for several in before.values() for each in several}
        old = before["Comprehensive 3D SR Storage"][0].SOPInstanceUID
        (new,) = [
            each for each in after["Comprehensive 3D SR Storage"] if each.SOPInstanceUID != old
        ]
        assert old in str(new.PredecessorDocumentsSequence)
        assert "Key Object Selection Document Storage" not in web.by_class(), "it did not ask"
        assert len(after["Segmentation Storage"]) == 2
        house.audit.verify()


def test_what_is_on_its_way_is_stopped_when_it_is_replaced(home, pacs, web, tmp_path):
    house = home()
    with web, here(application(house)) as client:
        command = stored_chest(house.store, tmp_path)
        first = sent(client, command)
        assert {each["peer"]: each["state"] for each in first["peers"]}["ORTHANC"] == "queued"
        second = sent(client, corrected(command, first["id"]))
        of_first = client.get(f"/api/deliveries/{first['id']}").json()
        assert {each["peer"]: each["state"] for each in of_first}["ORTHANC"] == "cancelled"
        with pacs:
            for _ in range(200):
                if client.get(f"/api/commands/{second['id']}").json()["state"] == "sent":
                    break
                time.sleep(0.1)
            found = pacs.by_class()
        assert len(found["Segmentation Storage"]) == 1
        assert "Key Object Selection Document Storage" not in found, "it never had the first"


def test_a_dicomweb_destination_that_is_off_has_it_when_it_is_on_again(home, pacs, web, tmp_path):
    house = home()
    with pacs, here(application(house)) as client:
        result = sent(client, stored_chest(house.store, tmp_path))
        states = {each["peer"]: each for each in result["peers"]}
        assert states["ORTHANC"]["state"] == "committed"
        assert states["WEB"]["state"] == "queued"
        assert "does not answer" in states["WEB"]["says"]
        with web:
            for _ in range(300):
                if client.get(f"/api/commands/{result['id']}").json()["state"] == "sent":
                    break
                time.sleep(0.1)
            assert len(web.objects()) == 3


def test_check_asks_a_dicomweb_destination(home, pacs, web, tmp_path, capsys):
    text = f'[storage]\nfolder = "{tmp_path / "site"}"\n[node]\nport = 0\n[web]\nport = 0\n'
    text += f'[[peers]]\nae_title = "WEB"\nstow_url = "{web.dicomweb_url}"\n'
    path = tmp_path / "site.toml"
    path.write_text(text)

    def says() -> dict[str, object]:
        run(["check", "--json", "--config", str(path)])
        rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
        return rows["peer WEB"]

    assert not says()["ok"]
    with web:
        assert says() == {
            "check": "peer WEB",
            "ok": True,
            "says": f"answers at {web.dicomweb_url}",
        }


def test_a_delivery_of_an_older_version_goes_on_after_an_upgrade(home, pacs, web, tmp_path):
    house = home()
    with here(application(house)) as client:
        command = stored_chest(house.store, tmp_path)
        identity = client.post("/api/commands", json=command).json()["id"]
        client.post(f"/api/commands/{identity}/accept")
        delivery = house.outbox.put(identity, "ORTHANC")
        house.durable.enqueue(
            OLD_DELIVER, delivery.old_workflow_id, identity, "ORTHANC", delay_s=3.0
        )
    with pacs, here(application(house)) as client:
        assert house.durable.status(delivery.old_workflow_id) is not None
        assert house.durable.status(delivery.workflow_id) is None, "it is not queued twice"
        for _ in range(200):
            if house.durable.status(delivery.old_workflow_id) == "SUCCESS":
                break
            time.sleep(0.1)
        assert house.outbox.get(identity, "ORTHANC").says == "2 objects confirmed"
        assert house.durable.status(delivery.old_workflow_id) == "SUCCESS"
        assert len(pacs.objects()) == 2

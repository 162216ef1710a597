"""A signed report at real archives: its measurements arrive verified, after what they replace."""

import time

import pytest

from copilot.serving import application
from copilot.workflows.delivery import State
from tests.chest import stored_chest
from tests.clients import here
from tests.conformance.archives import sent
from tests.conformance.validators import complaints, dciodvfy, pixelmed
from tests.copilot.access_site import log_in, staffed

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette")

LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
SR = "Comprehensive 3D SR Storage"
ROE = "Dr. Rolf Roe"


def report_of(client):
    """Return the address of the only study's report."""
    (study,) = client.get("/api/studies").json()
    return f"/api/studies/{study['study_instance_uid']}/report"


def accepted(client, command):
    identity = client.post("/api/commands", json=command).json()["id"]
    assert client.post(f"/api/commands/{identity}/accept").status_code == 200
    return identity


def looked_at(client, path):
    """Keep every word of the template, as a reader does who has looked."""
    for part in client.get(path).json()["sections"]:
        for each in part["fields"]:
            if each["unseen"]:
                kept = {"text": each["made"], "over": each["made"]}
                assert client.put(f"{path}/fields/{each['id']}", json=kept).status_code == 200


def signed(client, path):
    looked_at(client, path)
    shown = client.post(f"{path}/review").json()
    answer = client.post(f"{path}/sign", json={"digest": shown["digest"]})
    assert answer.status_code == 200, answer.text
    return answer.json()


def until_committed(house, identity):
    for _ in range(400):
        deliveries = house.outbox.of(identity)
        if deliveries and all(each.state is State.COMMITTED for each in deliveries):
            return
        time.sleep(0.1)
    raise AssertionError(deliveries)


def arrived(archive, count):
    """Return the measurement reports of an archive, drafts first."""
    for _ in range(200):
        found = archive.by_class().get(SR, [])
        if len(found) == count:
            return sorted(found, key=lambda each: each.VerificationFlag)
        time.sleep(0.1)
    raise AssertionError(len(found))


def replaces(report):
    (study,) = report.PredecessorDocumentsSequence
    return study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID


def test_a_signature_sends_the_measurements_again_verified(home, pacs, web, tool, tmp_path):
    house = staffed(home())
    with pacs, web, here(application(house)) as client:
        log_in(client, ROE)
        result = sent(client, stored_chest(house.store, tmp_path))
        path = report_of(client)
        assert signed(client, path)["versions"][0]["signer"] == ROE
        draft, verified = arrived(pacs, 2)
        until_committed(house, result["id"])
        of_labels = arrived(web, 2)[1]
        (labels,) = [each for each in web.objects() if each.SOPClassUID == LABEL_MAP]
    assert (draft.CompletionFlag, draft.VerificationFlag) == ("PARTIAL", "UNVERIFIED")
    assert (verified.CompletionFlag, verified.VerificationFlag) == ("COMPLETE", "VERIFIED")
    assert verified.PreliminaryFlag == "FINAL"
    (observer,) = verified.VerifyingObserverSequence
    assert observer.VerifyingObserverName.family_name == ROE
    assert observer.VerifyingOrganization == "Not stated"
    assert replaces(verified) == draft.SOPInstanceUID
    assert verified.SOPInstanceUID != draft.SOPInstanceUID
    assert labels.SOPInstanceUID in str(of_labels)
    assert of_labels.VerificationFlag == "VERIFIED"
    kept = tmp_path / "verified.dcm"
    verified.save_as(kept, enforce_file_format=True)
    assert dciodvfy(kept, tool) == []
    assert complaints(pixelmed(kept, tool)) == []
    assert house.audit.verify() > 0


def test_an_amended_report_replaces_the_signed_one(home, pacs, web, tmp_path):
    house = staffed(home())
    with pacs, web, here(application(house)) as client:
        log_in(client, ROE)
        result = sent(client, stored_chest(house.store, tmp_path))
        path = report_of(client)
        signed(client, path)
        first = next(each for each in arrived(pacs, 2) if each.VerificationFlag == "VERIFIED")
        until_committed(house, result["id"])
        assert client.post(f"{path}/amend", json={"reason": "A typing error."}).status_code == 200
        assert client.put(f"{path}/fields/impression/own", json={"text": "Quiet."}).json()
        assert signed(client, path)["status"] == "amended"
        reports = arrived(pacs, 3)
        until_committed(house, result["id"])
    (second,) = [
        each
        for each in reports
        if each.VerificationFlag == "VERIFIED" and each.SOPInstanceUID != first.SOPInstanceUID
    ]
    assert replaces(second) == first.SOPInstanceUID


def test_what_is_sent_after_the_signature_is_verified_from_the_start(home, pacs, web, tmp_path):
    house = staffed(home())
    with pacs, web, here(application(house)) as client:
        log_in(client, ROE)
        identity = accepted(client, stored_chest(house.store, tmp_path))
        signed(client, report_of(client))
        assert not pacs.by_class()
        assert client.post(f"/api/commands/{identity}/send").json()["state"] == "sent"
        (report,) = arrived(pacs, 1)
    assert report.VerificationFlag == "VERIFIED"


def test_a_reader_signs_nothing(home, pacs, tmp_path):
    house = staffed(home())
    with pacs, here(application(house)) as client:
        log_in(client, ROE)
        accepted(client, stored_chest(house.store, tmp_path))
        path = report_of(client)
        digest = client.post(f"{path}/review").json()["digest"]
        client.post("/api/access/logout")
        log_in(client, "Rita Reader")
        refused = client.post(f"{path}/sign", json={"digest": digest})
        assert refused.status_code == 403
        assert client.get(path).json()["status"] == "in_review"

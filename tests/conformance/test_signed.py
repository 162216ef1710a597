"""A signed report at real archives: its measurements arrive verified, after what they replace."""

import time

import pypdfium2
import pytest

from copilot.reports.signatures import verified_reports_in
from copilot.serving import application
from copilot.twins import FOLDER
from copilot.workflows.delivery import State
from reporting.exports.formats import FORMATS
from tests.chest import stored_chest
from tests.clients import here
from tests.conformance.archives import sent
from tests.conformance.validators import complaints, dciodvfy, pixelmed
from tests.copilot.access_site import log_in, staffed
from tests.hl7_listener import Hl7Listener
from tests.waiting import until

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


def text_of(document):
    """Return the text of every page of an Encapsulated PDF."""
    pdf = pypdfium2.PdfDocument(document.EncapsulatedDocument)
    text = " ".join(page.get_textpage().get_text_range() for page in pdf)
    pdf.close()
    return text


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
        documents = pacs.by_class()["Encapsulated PDF Storage"]
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
    assert sorted(each.VerificationFlag for each in documents) == ["UNVERIFIED", "VERIFIED"]
    signed_document = next(each for each in documents if each.VerificationFlag == "VERIFIED")
    pdf = tmp_path / "report.dcm"
    signed_document.save_as(pdf, enforce_file_format=True)
    assert dciodvfy(pdf, tool) == []
    assert "DRAFT" not in text_of(signed_document)
    assert ROE in text_of(signed_document)
    assert labels.SOPInstanceUID in str(of_labels)
    assert of_labels.VerificationFlag == "VERIFIED"
    kept = tmp_path / "verified.dcm"
    verified.save_as(kept, enforce_file_format=True)
    assert dciodvfy(kept, tool) == []
    assert complaints(pixelmed(kept, tool)) == []
    assert house.audit.verify() > 0


def test_an_amended_report_replaces_the_signed_one_and_says_why(home, pacs, web, tool, tmp_path):
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
    standing = verified_reports_in(house.results.folder(result["id"]) / FOLDER)
    assert second.SOPInstanceUID in standing
    assert first.SOPInstanceUID not in standing
    assert len(standing) == 2  # the other destination has the one of its label map
    assert f"by {ROE}: A typing error." in second.to_json()
    assert "A typing error." not in first.to_json()
    kept = tmp_path / "amended.dcm"
    second.save_as(kept, enforce_file_format=True)
    assert dciodvfy(kept, tool) == []
    assert complaints(pixelmed(kept, tool)) == []


def test_a_number_that_the_signed_sentence_contradicts_is_not_verified(
    home, pacs, web, tool, tmp_path
):
    house = staffed(home())
    with pacs, web, here(application(house)) as client:
        log_in(client, ROE)
        result = sent(client, stored_chest(house.store, tmp_path))
        path = report_of(client)
        fields = [
            each
            for part in client.get(path).json()["sections"]
            for each in part["fields"]
            if each["result"]
        ]
        for field in fields:
            body = {"text": "Larger, 999 mL.", "over": field["made"]}
            client.put(f"{path}/fields/{field['id']}", json=body)
        kinds = [each["kind"] for each in client.get(path).json()["obstacles"]]
        assert kinds.count("numbers") == len(fields)
        for field in fields:
            body = {"field": field["id"], "text": "Larger, 999 mL."}
            assert client.post(f"{path}/left-out", json=body).status_code == 200
        signed(client, path)
        draft, verified = arrived(pacs, 2)
        until_committed(house, result["id"])
        message = exported(client, path, "hl7").text
    assert ("ml" in units_of(draft), "ml" in units_of(verified)) == (True, False)
    assert units_of(verified) == units_of(draft) - {"ml"}
    said = verified.to_json()
    assert "In words" not in said
    assert "was left out: the sentence of the report says" in said
    assert "|ml^" not in message
    assert "999 mL" in message
    kept = tmp_path / "verified.dcm"
    verified.save_as(kept, enforce_file_format=True)
    assert dciodvfy(kept, tool) == []
    assert complaints(pixelmed(kept, tool)) == []


def units_of(item):
    """Return the units of the numbers of a measurement report."""
    found = {
        unit.CodeValue
        for measured in item.get("MeasuredValueSequence", ())
        for unit in measured.MeasurementUnitsCodeSequence
    }
    return found.union(*(units_of(each) for each in item.get("ContentSequence", ())))


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


def exported(client, path, name, version=None):
    answer = client.get(f"{path}/exports/{name}", params={"version": version} if version else {})
    assert answer.status_code == 200, answer.text
    return answer


def test_every_export_says_draft_until_it_is_signed_and_then_who_signed(home, pacs, web, tmp_path):
    house = staffed(home())
    with pacs, web, here(application(house)) as client:
        log_in(client, ROE)
        accepted(client, stored_chest(house.store, tmp_path))
        path = report_of(client)
        for each in FORMATS:
            made = exported(client, path, each.name)
            assert made.headers["content-disposition"].endswith(f'-draft.{each.ending}"')
            assert "no-store" in made.headers["cache-control"]
        assert "DRAFT" in exported(client, path, "text").text
        assert exported(client, path, "fhir").json()["entry"][0]["resource"]["status"] == (
            "preliminary"
        )
        signed(client, path)
        text = exported(client, path, "text").text
        assert "DRAFT" not in text
        assert ROE in text
        fhir = exported(client, path, "fhir").json()["entry"][0]["resource"]
        assert fhir["status"] == "final"
        assert "|F|" in exported(client, path, "hl7").text
        pdf = pypdfium2.PdfDocument(exported(client, path, "pdf").content)
        pages = [page.get_textpage().get_text_range() for page in pdf]
        pdf.close()
        assert any(ROE in page for page in pages)
        assert not any("DRAFT" in page for page in pages)
        first = exported(client, path, "csv", version=1).text
        client.post(f"{path}/amend", json={"reason": "More was seen."})
        client.put(f"{path}/fields/impression/own", json={"text": "Quiet."})
        assert exported(client, path, "csv", version=1).text == first
        assert "DRAFT" in exported(client, path, "text").text
        refused = client.get(f"{path}/exports/docx")
        assert (refused.status_code, "it has text, markdown" in refused.text) == (422, True)


def test_a_signed_report_goes_to_the_hospitals_system_and_the_amendment_after_it(
    home, pacs, web, tmp_path
):
    with Hl7Listener() as system:
        house = staffed(
            home(report_destinations=[{"name": "RIS", "host": "127.0.0.1", "port": system.port}])
        )
        with pacs, web, here(application(house)) as client:
            log_in(client, ROE)
            accepted(client, stored_chest(house.store, tmp_path))
            path = report_of(client)
            assert not system.messages
            signed(client, path)
            assert until(lambda: len(system.messages) == 1)
            client.post(f"{path}/amend", json={"reason": "More was seen."})
            signed(client, path)
            assert until(lambda: len(system.messages) == 2)
    first, second = system.messages
    assert [line.split("|")[25] for line in first.split("\r") if line.startswith("OBR")] == ["F"]
    assert [line.split("|")[25] for line in second.split("\r") if line.startswith("OBR")] == ["C"]
    assert ROE in first


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

"""DICOMweb as HTTP: status, headers and bodies, over a real server."""

import io
from email import message_from_bytes
from email.policy import HTTP

import httpx
import numpy as np
import pydicom
import pytest
from PIL import Image

from tests.dicomweb_server import (
    BIG_ENDIAN,
    COLOUR_JPEG,
    COLOUR_RLE_FRAMES,
    DEFLATED,
    DOSE,
    IMPLICIT,
    JPEG_2000,
    JPEG_LS,
    LARGEST_UPLOAD,
    ONE_BIT,
    PALETTE,
    PLAIN,
    REPORT,
    RLE,
    TWELVE_BIT,
    content_of,
    keep,
    place,
    sample,
    serving,
)

AS_STORED = {"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
OCTETS = {"accept": 'multipart/related; type="application/octet-stream"'}
IMAGES = (
    PLAIN, IMPLICIT, BIG_ENDIAN, DEFLATED, RLE, JPEG_LS, JPEG_2000, COLOUR_JPEG,
    COLOUR_RLE_FRAMES, PALETTE, ONE_BIT, DOSE,
)  # fmt: skip


@pytest.fixture
def web(store, tmp_path):
    with serving(store, tmp_path) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def parts(response):
    assert response.status_code in {200, 206}, response.text
    head = f"Content-Type: {response.headers['content-type']}\r\n\r\n".encode()
    return list(message_from_bytes(head + response.content, policy=HTTP).iter_parts())


def content(part):
    return part.get_payload(decode=True)


@pytest.mark.parametrize("name", IMAGES)
def test_every_encoding_is_had_as_stored_in_explicit_little_endian_and_frame_by_frame(
    store, web, name
):
    dataset = sample(name)
    keep(store, dataset)
    expected = dataset.pixel_array
    whole = web.get(place(dataset), headers={"accept": "application/dicom; transfer-syntax=*"})
    assert whole.content == store.path_of(dataset.SOPInstanceUID).read_bytes()
    plain = web.get(place(dataset), headers={"accept": "application/dicom"})
    read = pydicom.dcmread(io.BytesIO(plain.content))
    assert read.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert np.array_equal(read.pixel_array, expected)
    assert read.SOPInstanceUID == dataset.SOPInstanceUID
    frames = int(dataset.get("NumberOfFrames") or 1)
    for number in (1, frames):
        one = web.get(
            f"{place(dataset)}/frames/{number}", headers={"accept": "application/octet-stream"}
        )
        of_it = expected[number - 1] if frames > 1 else expected
        if name == ONE_BIT:
            of_it = np.packbits(of_it, bitorder="little")
        assert one.content == of_it.astype(of_it.dtype.newbyteorder("<")).tobytes()
        drawn = web.get(f"{place(dataset)}/frames/{number}/rendered")
        assert Image.open(io.BytesIO(drawn.content)).size == (dataset.Columns, dataset.Rows)


def test_twelve_bit_jpeg_is_had_decoded_too(store, web):
    dataset = sample(TWELVE_BIT)
    keep(store, dataset)
    plain = web.get(place(dataset), headers={"accept": "application/dicom"})
    frame = web.get(f"{place(dataset)}/frames/1", headers={"accept": "application/octet-stream"})
    assert pydicom.dcmread(io.BytesIO(plain.content)).pixel_array.tobytes() == frame.content
    assert len(frame.content) == dataset.Rows * dataset.Columns * 2


@pytest.mark.parametrize(
    ("name", "kind"), [(JPEG_LS, "image/jls"), (JPEG_2000, "image/jp2"), (RLE, "image/dicom-rle")]
)
def test_frames_leave_undecoded_where_they_are_asked_for_as_stored(store, web, name, kind):
    dataset = sample(name)
    keep(store, dataset)
    syntax = dataset.file_meta.TransferSyntaxUID
    (inside,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    for accept in (kind, "application/octet-stream; transfer-syntax=*", "*/*"):
        answer = web.get(f"{place(dataset)}/frames/1", headers={"accept": accept})
        if answer.headers["content-type"].startswith("multipart"):
            (part,) = parts(answer)
            found = part["content-type"].replace('"', ""), content(part)
        else:
            found = answer.headers["content-type"], answer.content
        assert found == (f"{kind}; transfer-syntax={syntax}", inside)


def test_several_frames_are_parts_in_the_order_asked_for(store, web):
    dataset = sample(DOSE)
    keep(store, dataset)
    found = parts(web.get(f"{place(dataset)}/frames/3,1", headers=OCTETS))
    pixels = dataset.pixel_array
    assert [content(part) for part in found] == [pixels[2].tobytes(), pixels[0].tobytes()]
    refused = web.get(
        f"{place(dataset)}/frames/3,1", headers={"accept": "application/octet-stream"}
    )
    assert refused.status_code == 406


def test_a_study_is_a_part_for_each_object(store, web):
    first, second = sample(PLAIN), sample(PLAIN)
    keep(store, first, second)
    study = f"/studies/{first.StudyInstanceUID}"
    found = {str(pydicom.dcmread(io.BytesIO(content(part))).SOPInstanceUID) for part in parts(
        web.get(study, headers=AS_STORED)
    )}  # fmt: skip
    assert found == {first.SOPInstanceUID, second.SOPInstanceUID}
    headers = web.get(f"{study}/series/{first.SeriesInstanceUID}/metadata").json()
    assert {each["00080018"]["Value"][0] for each in headers} == found


def test_bulk_data_are_where_the_metadata_say(store, web):
    dataset = sample(PLAIN)
    keep(store, dataset)
    (header,) = web.get(f"{place(dataset)}/metadata").json()
    long = web.get(header["00431029"]["BulkDataURI"])
    assert content(parts(long)[0]) == dataset[0x00431029].value
    pixels = web.get(
        header["7FE00010"]["BulkDataURI"], headers={"accept": "application/octet-stream"}
    )
    assert pixels.content == dataset.PixelData
    assert list(header) == sorted(header)
    for path in ("00100010", "00990099", "x", "00081140/0/00081155"):
        assert web.get(f"{place(dataset)}/bulkdata/{path}").status_code == 404


def test_what_has_not_changed_is_not_sent_again(store, web):
    dataset = sample(JPEG_LS)
    keep(store, dataset)
    series = f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
    tags = []
    for path in ("", "/metadata", "/frames/1", "/rendered", "/thumbnail", "/bulkdata/7FE00010"):
        first = web.get(place(dataset) + path)
        tags.append(first.headers["etag"])
        again = web.get(place(dataset) + path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = web.get(place(dataset) + path, headers={"if-none-match": '"other"'})
        assert other.status_code == 200
    assert len(set(tags)) == len(tags) - 1  # the one frame is the pixel data
    before = web.get(f"{series}/metadata").headers["etag"]
    keep(store, sample(JPEG_LS))
    after = web.get(f"{series}/metadata", headers={"if-none-match": before})
    assert after.status_code == 200
    assert len(after.json()) == 2


def test_searches_answer_with_a_list_nothing_or_the_reason(store, web):
    dataset = sample(PLAIN)
    keep(store, dataset)
    found = web.get("/studies", params={"PatientID": dataset.PatientID, "fuzzymatching": "true"})
    assert found.headers["content-type"] == "application/dicom+json"
    assert "fuzzymatching parameter is not supported" in found.headers["warning"]
    assert found.json()[0]["00081190"]["Value"][0] == (
        f"{str(web.base_url).rstrip('/')}/studies/{dataset.StudyInstanceUID}"
    )
    nothing = web.get("/studies", params={"PatientID": "nobody"})
    assert (nothing.status_code, nothing.content) == (204, b"")
    keep(store, sample(PLAIN))
    page = web.get("/instances", params={"limit": 1})
    assert "There are 1 additional results" in page.headers["warning"]
    wrong = web.get("/studies", params={"Shoe": "1"})
    assert wrong.status_code == 400
    assert "'Shoe'" in wrong.json()["detail"]
    assert web.get("/studies", headers={"accept": "application/dicom+xml"}).status_code == 406


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/studies/1.2.3", 404, "1.2.3 is not stored here"),
        ("/studies/../../etc/series", 404, ""),
        ("/studies/abc/metadata", 400, "of 3 characters is not a DICOM UID"),
        ("{place}/frames/2", 404, "has no frame 2: it has 1"),
        ("{place}/frames/0", 404, "has no frame 0"),
        ("{place}/frames/one", 400, "frames/one"),
        ("{place}/rendered?window=1", 400, "window='1'"),
        ("{place}/rendered?accept=image/gif", 406, "image/jpeg or image/png"),
    ],
)
def test_what_cannot_be_retrieved_is_said(store, web, path, status, said):
    dataset = sample(PLAIN)
    keep(store, dataset)
    answer = web.get(path.format(place=place(dataset)))
    assert answer.status_code == status
    assert said in answer.text


def test_a_report_has_no_picture_and_a_study_shows_its_image(store, web):
    report, image = sample(REPORT), sample(PLAIN)
    image.StudyInstanceUID = report.StudyInstanceUID
    keep(store, report, image)
    assert web.get(f"{place(report)}/rendered").status_code == 404
    small = web.get(f"/studies/{report.StudyInstanceUID}/thumbnail")
    assert max(Image.open(io.BytesIO(small.content)).size) == 128


def test_pixels_that_cannot_be_decoded_are_not_acceptable_but_had_as_stored(store, web):
    dataset = sample(JPEG_2000)
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f no codestream"])
    keep(store, dataset)
    for path, accept in (
        ("/frames/1", "application/octet-stream"),
        ("/rendered", "image/png"),
        ("", "application/dicom"),
    ):
        refused = web.get(place(dataset) + path, headers={"accept": accept})
        assert refused.status_code == 406, path
        assert "coded" in refused.json()["detail"]
    assert web.get(f"{place(dataset)}/frames/1", headers={"accept": "image/jp2"}).status_code == 200


def stow(web, *contents, path="/studies", **headers):
    body = b"".join(
        b"--b\r\nContent-Type: application/dicom\r\n\r\n" + each + b"\r\n" for each in contents
    )
    kind = {"content-type": 'multipart/related; type="application/dicom"; boundary=b'}
    return web.post(path, content=body + b"--b--", headers=kind | headers)


def test_objects_are_stored_and_partly_and_not(store, web, tmp_path):
    dataset = sample(PLAIN)
    stored = stow(web, content_of(dataset), path=f"/studies/{dataset.StudyInstanceUID}")
    assert stored.status_code == 200, stored.text
    assert web.get(place(dataset), headers=AS_STORED).status_code == 200
    assert stow(web, content_of(sample(PLAIN)), b"garbage").status_code == 202
    failed = stow(web, content_of(sample(PLAIN)), path="/studies/1.2.3")
    assert failed.status_code == 409
    assert failed.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]
    assert "part 1: it is of study" in failed.headers["warning"]
    assert store.index.count() == 2


def test_uploads_that_are_none_are_refused_and_leave_nothing(web, tmp_path):
    assert web.post("/studies", content=b"x").status_code == 415
    assert stow(web, b"", **{"content-type": "multipart/related"}).status_code == 400
    empty = {"content-type": 'multipart/related; type="application/dicom"; boundary=b'}
    assert web.post("/studies", headers=empty).status_code == 400
    assert stow(web, bytes(LARGEST_UPLOAD)).status_code == 413

    def pieces():  # no Content-Length: the limit holds while it comes in
        yield from (bytes(2**20) for _ in range(LARGEST_UPLOAD // 2**20 + 1))

    assert web.post("/studies", content=pieces(), headers=empty).status_code == 413
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert not list(tmp_path.glob(".upload-*"))


def test_an_upload_that_is_broken_off_leaves_nothing(web, store, tmp_path):
    whole = content_of(sample(PLAIN))

    def pieces():
        yield b"--b\r\nContent-Type: application/dicom\r\n\r\n" + whole + b"\r\n--b"
        raise ConnectionAbortedError

    kind = {"content-type": 'multipart/related; type="application/dicom"; boundary=b'}
    with pytest.raises(ConnectionAbortedError):
        web.post("/studies", content=pieces(), headers=kind)
    assert web.get("/studies").status_code == 204
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_a_host_without_its_port_still_gets_addresses_that_lead_back(store, web):
    keep(store, sample(PLAIN))
    (study,) = web.get("/studies", headers={"host": "127.0.0.1"}).json()
    assert study["00081190"]["Value"][0].startswith(str(web.base_url).rstrip("/"))
    behind = web.get("/studies", headers={"host": "pacs.example", "x-forwarded-for": "10.0.0.1"})
    assert behind.json()[0]["00081190"]["Value"][0].startswith("http://pacs.example/dicom-web/")

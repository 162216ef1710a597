import json
import struct
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicom_node.dicomweb.refusal import RequestRefusedError
from dicom_node.dicomweb.storing import Limits, boundary_of, stored
from dicom_node.files import read_dataset
from dicom_node.index import Index
from dicom_node.store import Store
from domain.errors import UnreadableFileError
from domain.uids import InstanceUID, StudyUID
from tests.dicomweb_server import DEFLATED, JPEG_LS, PLAIN, REPORT, content_of, sample

BASE = "http://x"
UNDEFINED = 0xFFFFFFFF


def body_of(*contents, kind="application/dicom"):
    parts = [
        b"--b\r\nContent-Type: " + kind.encode() + b"\r\n\r\n" + content + b"\r\n"
        for content in contents
    ]
    return b"".join(parts) + b"--b--\r\n"


def put(store, body, *, study=None, largest=2**20):
    limits = Limits(study=study and StudyUID(study), largest_instance=largest)
    return stored(store, body, "b", BASE, limits)


def items(answer, tag):
    return json.loads(answer.body).get(tag, {}).get("Value", [])


def reasons(answer):
    tags = ("00081198", "0008119A")
    return [item["00081197"]["Value"][0] for tag in tags for item in items(answer, tag)]


@pytest.mark.parametrize("name", [PLAIN, JPEG_LS, DEFLATED, REPORT])
def test_what_is_stored_is_found_at_once_and_is_the_same_data_set(store, name):
    dataset = sample(name)
    answer = put(store, body_of(content_of(dataset)), study=dataset.StudyInstanceUID)
    assert answer.status == 200
    (item,) = items(answer, "00081199")
    assert item["00081155"]["Value"] == [dataset.SOPInstanceUID]
    (kept,) = store.index.kept(StudyUID(dataset.StudyInstanceUID))
    read = pydicom.dcmread(kept.path)
    assert read == dataset
    assert read.file_meta.TransferSyntaxUID == dataset.file_meta.TransferSyntaxUID
    assert read.file_meta.SourceApplicationEntityTitle == "STOW-RS"


def test_the_same_object_again_changes_nothing_and_another_under_its_uid_is_set_aside(
    store, tmp_path
):
    dataset = sample(PLAIN)
    first = content_of(dataset)
    assert put(store, body_of(first, first)).status == 200
    assert put(store, body_of(first)).status == 200
    dataset.PatientComments = "changed"
    answer = put(store, body_of(content_of(dataset)))
    assert answer.status == 409
    assert reasons(answer) == [0xA900]
    assert "quarantine" in answer.warnings[0]
    assert len(list((tmp_path / "store" / "quarantine").iterdir())) == 1
    assert store.index.count() == 1
    assert "PatientComments" not in pydicom.dcmread(
        store.path_of(InstanceUID(dataset.SOPInstanceUID))
    )


def test_what_can_be_kept_is_kept_and_the_rest_is_named(store):
    good, other = sample(PLAIN), sample(REPORT)
    plain = content_of(good)
    answer = put(
        store,
        body_of(b"garbage", plain, plain[:-400], content_of(other), plain + bytes(2**20)),
        study=good.StudyInstanceUID,
    )
    assert answer.status == 202
    assert [item["00081155"]["Value"] for item in items(answer, "00081199")] == [
        [good.SOPInstanceUID]
    ]
    assert sorted(reasons(answer)) == [0xA700, 0xA900, 0xC000, 0xC000]
    said = " ".join(answer.warnings)
    for named in ("part 1: it is no DICOM", "part 3: it is cut short", "part 4: it is of study"):
        assert named in said
    assert "part 5: it has" in said
    assert store.index.count() == 1


def broken_sequence():
    """Return a file whose last element is a sequence with half a tag in it."""
    return (
        content_of(sample(REPORT))
        + struct.pack("<HH2sHL", 0xFFFA, 0xFFFA, b"SQ", 0, UNDEFINED)
        + b"ab"
    )


def test_a_sequence_that_ends_too_early_is_no_matter_of_the_disk(store, tmp_path):
    """pydicom calls it an OSError; the sender must not try for ever."""
    answer = put(store, body_of(broken_sequence()))
    assert answer.status == 409
    assert reasons(answer) == [0xC000]
    assert kept_files(tmp_path) == []


def test_a_file_with_such_a_sequence_is_named(tmp_path):
    (tmp_path / "broken.dcm").write_bytes(broken_sequence())
    with pytest.raises(UnreadableFileError, match="is not a readable DICOM file"):
        read_dataset(tmp_path / "broken.dcm", with_pixels=False)


def test_a_uid_that_names_a_file_outside_is_refused(store, tmp_path):
    dataset = sample(PLAIN)
    uid = dataset.SOPInstanceUID
    content = content_of(dataset).replace(uid.encode(), b"../" + uid[3:].encode())
    answer = put(store, body_of(content))
    assert answer.status == 409
    assert kept_files(tmp_path) == []


def test_another_kind_of_part_is_not_taken(store):
    answer = put(store, body_of(content_of(sample(PLAIN)), kind="application/pdf"))
    assert answer.status == 409
    assert "'application/pdf'" in answer.warnings[0]


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ('multipart/related; type="application/dicom"; boundary=abc', "abc"),
        ('Multipart/Related; boundary="a c"; type=application/dicom', "a c"),
        ("multipart/related; boundary=abc", "abc"),
    ],
)
def test_the_boundary_is_read(header, boundary):
    assert boundary_of(header) == boundary


@pytest.mark.parametrize(
    "header",
    ["", "application/dicom", 'multipart/related; type="application/dicom+json"; boundary=b'],
)
def test_another_type_of_body_is_refused(header):
    with pytest.raises(RequestRefusedError, match="application/dicom") as refusal:
        boundary_of(header)
    assert refusal.value.status == 415


def kept_files(folder: Path):
    return [path for path in (folder / "store" / "instances").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    folder = tmp_path_factory.mktemp("malformed")
    store = Store(folder / "store", Index(f"sqlite:///{folder / 'index.db'}"))
    yield store, folder
    store.close()


WHOLE = body_of(content_of(sample(PLAIN)), content_of(sample(REPORT)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cut=st.integers(0, len(WHOLE) - 5))
def test_a_body_that_was_cut_short_keeps_nothing(lasting, cut):
    store, folder = lasting
    with pytest.raises(RequestRefusedError):
        put(store, WHOLE[:cut])
    assert kept_files(folder) == []


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=400) | st.binary(max_size=400).map(lambda b: body_of(b, b"DICM")))
def test_garbage_keeps_nothing(lasting, body):
    store, folder = lasting
    try:
        answer = put(store, body)
    except RequestRefusedError:
        answer = None
    assert answer is None or answer.status == 409
    assert kept_files(folder) == []


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@settings(max_examples=150, deadline=None)
@given(
    at=st.integers(0, 1500), change=st.binary(min_size=1, max_size=8), cut=st.integers(0, 30_000)
)
def test_a_broken_object_is_refused_or_kept_whole_and_findable(lasting, at, change, cut):
    store, folder = lasting
    content = bytearray(content_of(sample(PLAIN)))
    content[at : at + len(change)] = change
    del content[len(content) - cut :]
    answer = put(store, body_of(bytes(content)))
    assert len(items(answer, "00081199")) == (answer.status == 200)
    for path in kept_files(folder):
        assert pydicom.dcmread(path).SOPInstanceUID == path.stem
        path.unlink()

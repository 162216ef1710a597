import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.dicomweb.multipart import OutgoingPart, parts_of, written
from dicom_node.dicomweb.refusal import RequestRefusedError

BOUNDARY = "a-boundary"


def body_of(contents, boundary=BOUNDARY):
    parts = [
        OutgoingPart(content_type="application/dicom", location="/x", content=(content,))
        for content in contents
    ]
    return b"".join(written(parts, boundary))


def read(body, boundary=BOUNDARY):
    return [body[part.start : part.stop] for part in parts_of(body, boundary)]


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_what_was_written_is_read(contents):
    assert read(body_of(contents)) == contents


def test_content_that_looks_like_the_boundary_is_content():
    contents = [b"\r\n--a-boundaryish\r\n", b"x--a-boundary\r\n", b"\r\n", b"\r\n--a-bound"]
    assert read(body_of(contents)) == contents


def test_a_preamble_an_epilogue_and_a_part_without_headers_are_allowed():
    body = b"preamble\r\n--b  \r\n\r\none\r\n--b\r\nX: y\r\n\r\ntwo\r\n--b--\r\nepilogue"
    assert read(body, "b") == [b"one", b"two"]


def test_the_last_line_may_lack_its_end():
    assert read(body_of([b"one"]).removesuffix(b"\r\n")) == [b"one"]


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=4), st.data())
def test_a_body_that_was_cut_short_is_refused(contents, data):
    body = body_of(contents).removesuffix(b"--\r\n")
    cut = data.draw(st.integers(0, len(body)))
    with pytest.raises(RequestRefusedError, match=r"cut short|no end to its headers|header"):
        read(body[:cut])


@pytest.mark.parametrize(
    ("body", "boundary", "said"),
    [
        (b"--b--\r\n", "b", "no part"),
        (b"--b\r\nno colon\r\n\r\nx\r\n--b--", "b", "part 1.*without a name"),
        (b"--b\r\nA: b\r\nx\r\n--b--", "b", "part 1.*no end"),
        (b"anything", "", "boundary"),
        (b"anything", "x" * 80, "boundary"),
    ],
)
def test_what_is_wrong_is_named(body, boundary, said):
    with pytest.raises(RequestRefusedError, match=said):
        read(body, boundary)


@given(st.binary(max_size=300))
def test_any_bytes_are_parts_or_refused(body):
    try:
        found = parts_of(b"--b" + body, "b")
    except RequestRefusedError:
        return
    assert all(part.start <= part.stop <= len(body) + 3 for part in found)

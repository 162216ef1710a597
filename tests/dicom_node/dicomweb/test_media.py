import pytest

from dicom_node.dicomweb.media import (
    EXPLICIT,
    OCTETS,
    accepted,
    chosen,
    frame_form,
    object_form,
)
from dicom_node.dicomweb.refusal import RequestRefusedError

JLS = "1.2.840.10008.1.2.4.80"
RLE = "1.2.840.10008.1.2.5"
IMPLICIT = "1.2.840.10008.1.2"
PARTS = 'multipart/related; type="{}"{}'


@pytest.mark.parametrize(
    ("accept", "stored", "kind", "syntax", "decoded"),
    [
        (PARTS.format("image/jls", ""), JLS, "image/jls", JLS, False),
        (PARTS.format("image/jls", f"; transfer-syntax={JLS}"), JLS, "image/jls", JLS, False),
        (PARTS.format("image/*", ""), RLE, "image/dicom-rle", RLE, False),
        (PARTS.format(OCTETS, ""), JLS, OCTETS, EXPLICIT, True),
        (PARTS.format(OCTETS, f"; transfer-syntax={EXPLICIT}"), JLS, OCTETS, EXPLICIT, True),
        ("multipart/related; type=application/octet-stream; transfer-syntax=*",
         JLS, "image/jls", JLS, False),
        ("*/*", JLS, "image/jls", JLS, False),
        ("", JLS, "image/jls", JLS, False),
        ("*/*", IMPLICIT, OCTETS, EXPLICIT, False),
        (PARTS.format(OCTETS, ""), IMPLICIT, OCTETS, EXPLICIT, False),
        (f"{PARTS.format('image/jp2', '')}, {PARTS.format(OCTETS, '')}", JLS, OCTETS, EXPLICIT,
         True),
        (f"{PARTS.format(OCTETS, '; q=0.5')}, {PARTS.format('image/jls', '')}", JLS, "image/jls",
         JLS, False),
    ],
)  # fmt: skip
def test_a_frame_leaves_as_it_is_liked_best(accept, stored, kind, syntax, decoded):
    form = frame_form(accepted(accept), stored)
    assert (form.kind, form.transfer_syntax, form.decoded) == (kind, syntax, decoded)


@pytest.mark.parametrize(
    ("accept", "stored"),
    [
        (PARTS.format("image/jp2", ""), JLS),
        (PARTS.format(OCTETS, f"; transfer-syntax={RLE}"), JLS),
        ("image/jls;q=0", JLS),
        ("text/html", IMPLICIT),
        (PARTS.format("image/jls", ""), IMPLICIT),
    ],
)
def test_a_frame_that_cannot_be_had_so_is_refused_naming_how_it_can(accept, stored):
    with pytest.raises(RequestRefusedError, match=r"application/octet-stream") as refusal:
        frame_form(accepted(accept), stored)
    assert refusal.value.status == 406
    assert stored == IMPLICIT or f'type="image/jls"; transfer-syntax={JLS}' in str(refusal.value)


@pytest.mark.parametrize(
    ("accept", "syntax", "multipart"),
    [
        (PARTS.format("application/dicom", ""), EXPLICIT, True),
        (PARTS.format("application/dicom", "; transfer-syntax=*"), JLS, True),
        (PARTS.format("application/dicom", f'; transfer-syntax="{JLS}"'), JLS, True),
        ("application/dicom; transfer-syntax=*", JLS, False),
        ("multipart/related", EXPLICIT, True),
        ("", EXPLICIT, True),
    ],
)
def test_an_object_is_explicit_little_endian_unless_it_is_asked_for_as_stored(
    accept, syntax, multipart
):
    form = object_form(accepted(accept), JLS, alone=True)
    assert (form.transfer_syntax, form.multipart, form.decoded) == (
        syntax,
        multipart,
        syntax == EXPLICIT,
    )


def test_objects_that_cannot_be_had_so_are_refused():
    for accept in ("application/dicom", PARTS.format("application/dicom+xml", "")):
        with pytest.raises(RequestRefusedError, match=r"transfer-syntax=\*"):
            object_form(accepted(accept), JLS, alone=False)
    with pytest.raises(RequestRefusedError, match=JLS):
        object_form(
            accepted(PARTS.format("application/dicom", f"; transfer-syntax={RLE}")), JLS, alone=True
        )


def test_what_is_liked_best_is_chosen():
    assert chosen(accepted("image/png;q=0.4, image/jpeg"), ["image/png", "image/jpeg"], "x") == (
        "image/jpeg"
    )
    with pytest.raises(RequestRefusedError, match="x is to be had as image/png"):
        chosen(accepted("image/gif"), ["image/png"], "x")
    with pytest.raises(RequestRefusedError, match="q='high'"):
        accepted("image/png;q=high")

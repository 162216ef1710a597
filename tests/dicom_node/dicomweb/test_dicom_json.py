import json
from decimal import Decimal

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_node.dicom_json import dataset_json, number_token
from tests.dicomweb_server import BIG_ENDIAN, IMPLICIT, PLAIN, REPORT, content_of, sample


def through_a_file(dataset, syntax=ExplicitVRLittleEndian):
    made = FileDataset(None, dataset, preamble=b"\0" * 128)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = "1.2.3"
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = "1.2.3.4"
    return pydicom.dcmread(pydicom.filebase.DicomBytesIO(content_of(made)))


def said(dataset, **named):
    return json.loads(dataset_json(dataset, **named), parse_float=Decimal)


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("-123.456789012345", "-123.456789012345"),
        ("0.1234567890123456789", "0.1234567890123456789"),
        ("+1.50", "1.50"),
        (".5", "0.5"),
        ("5.", "5"),
        ("007", "7"),
        ("-0.0", "-0.0"),
        ("1e-05", "1E-05"),
        ("1E400", '"1E400"'),
        ("1,5", '"1,5"'),
        ("NaN", '"NaN"'),
    ],
)
def test_a_number_keeps_the_digits_of_its_string(text, token):
    assert number_token(text) == token


@given(st.decimals(allow_nan=False, allow_infinity=False, places=20).map(lambda d: f"{d:f}"))
def test_no_decimal_string_loses_a_digit(text):
    assert json.loads(number_token(text), parse_float=Decimal, parse_int=Decimal) == Decimal(text)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_position_longer_than_a_double_survives(syntax):
    dataset = Dataset()
    dataset.add_new("ImagePositionPatient", "DS", "1")
    position = ["-1234.56789012345678901", "0.30000000000000004441", "1"]
    with pytest.warns(UserWarning, match="DS"):
        dataset.ImagePositionPatient = position
    read = through_a_file(dataset, syntax)
    assert said(read)["00200032"]["Value"] == [Decimal(each) for each in position[:2]] + [1]


def test_values_of_each_kind():
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    dataset.AccessionNumber = ""
    dataset.ImageType = ["ORIGINAL", "", "AXIAL"]
    dataset.FrameIncrementPointer = 0x00181063
    dataset.add_new(0x00089459, "FL", float("nan"))
    dataset.add_new(0x00720082, "SV", 2**60)
    dataset.SeriesNumber = "12"
    dataset.ICCProfile = b"abc\0"
    item = Dataset()
    item.StudyDescription = "Größe"
    dataset.ReferencedStudySequence = [item]
    found = said(through_a_file(dataset))
    assert found["00100010"]["Value"] == [
        {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
    ]
    assert found["00080050"] == {"vr": "SH"}
    assert found["00080008"]["Value"] == ["ORIGINAL", None, "AXIAL"]
    assert found["00280009"]["Value"] == ["00181063"]
    assert found["00089459"]["Value"] == ["NaN"]
    assert found["00720082"]["Value"] == [str(2**60)]
    assert found["00200011"]["Value"] == [12]
    assert found["00282000"] == {"vr": "OB", "InlineBinary": "YWJjAA=="}
    assert found["00081110"]["Value"][0]["00081030"]["Value"] == ["Größe"]


def test_a_long_value_has_its_address_and_without_one_is_left_out():
    dataset = Dataset()
    item = Dataset()
    item.ICCProfile = bytes(4096)
    dataset.OpticalPathSequence = [Dataset(), item]
    read = through_a_file(dataset)
    found = said(read, uri_of=lambda path: f"http://x/{path}")
    profile = found["00480105"]["Value"][1]["00282000"]
    assert profile == {"vr": "OB", "BulkDataURI": "http://x/00480105/1/00282000"}
    assert said(read)["00480105"]["Value"][1]["00282000"] == {"vr": "OB"}


def test_a_value_that_is_none_of_its_vr_is_said_as_it_stands():
    dataset = Dataset()
    dataset.PatientID = "P"
    read = through_a_file(dataset)
    content = content_of(read).replace(b"\x10\x00\x20\x00LO", b"\x18\x00\x50\x00DS")
    odd = pydicom.dcmread(pydicom.filebase.DicomBytesIO(content))
    assert said(odd)["00180050"] == {"vr": "DS", "Value": ["P"]}


@pytest.mark.parametrize("name", [PLAIN, IMPLICIT, BIG_ENDIAN, REPORT])
def test_pydicom_reads_back_what_it_would_have_read_from_the_file(name):
    dataset = sample(name)
    text = dataset_json(dataset, uri_of=str)
    read = Dataset.from_json(text, lambda tag, _vr, _uri: dataset[tag].value)
    for element in read:
        if element.tag != 0x00080005:
            assert element.value == dataset[element.tag].value, element.tag


def test_big_endian_words_become_little():
    dataset = Dataset()
    dataset.add_new(0x00281201, "OW", np.array([1, 2], dtype="<u2").tobytes())
    assert said(through_a_file(dataset))["00281201"]["InlineBinary"] == "AQACAA=="

import json
import sqlite3

import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SegmentationStorage

from dicom_node.dicomweb.answers import answer
from dicom_node.dicomweb.query import MOST_RESULTS, NOT_FUZZY, Scope, query
from dicom_node.dicomweb.refusal import RequestRefusedError
from dicom_node.index import Index
from dicom_node.index_search import Level
from dicom_node.store import Store
from domain.uids import SeriesUID, StudyUID
from tests.dicomweb_server import keep

STUDIES = {
    "1.1": {
        "PatientName": "Müller^Ännchen",
        "PatientID": "A-1",
        "StudyDate": "20200131",
        "StudyTime": "101530.25",
        "AccessionNumber": "ACC[1]",
        "StudyDescription": "Chest",
    },
    "1.2": {
        "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "PatientID": "a-1",
        "StudyDate": "20210615",
        "StudyTime": "08",
        "AccessionNumber": "ACC12",
    },
    "1.3": {"PatientName": "DOE^JOHN^^^", "PatientID": "B_2", "StudyDate": ""},
}


def instance(study, series, number, **more):
    uid = f"{study}.{series}.{number}"
    dataset = FileDataset(None, Dataset(), preamble=b"\0" * 128)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = SegmentationStorage if series == 9 else CTImageStorage
    dataset.Modality = "SEG" if series == 9 else "CT"
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, f"{study}.{series}"
    dataset.SeriesNumber, dataset.InstanceNumber = series, number
    dataset.Rows, dataset.Columns, dataset.PatientAge = 4, 5, "061Y"
    dataset.SliceLocation = "1.5"
    for keyword, value in (STUDIES[study] | more).items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.fixture
def filled(store):
    for study in STUDIES:
        keep(store, *(instance(study, 2, number) for number in (1, 2, 10)))
    keep(store, instance("1.1", 9, 1))
    return store


def found(place, level, parameters, study=None, series=None):
    scope = Scope(
        level=level,
        study=study and StudyUID(study),
        series=series and SeriesUID(series),
    )
    asked = query(scope, parameters)
    index = place if isinstance(place, Index) else place.index
    matches, _ = index.search(asked.search)
    return json.loads("".join(answer(matches, asked, scope, "http://x")))


def studies(store, **parameters):
    answers = found(store, Level.STUDY, parameters.items())
    return [each["0020000D"]["Value"][0] for each in answers]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("PatientID", "A-1", ["1.1"]),
        ("00100020", "a-1", ["1.2"]),
        ("PatientID", "?-1", ["1.2", "1.1"]),
        ("PatientID", "B_?", ["1.3"]),
        ("PatientID", "B?2", ["1.3"]),
        ("PatientID", "A%", []),
        ("PatientName", "müller*", ["1.1"]),
        ("PatientName", "MÜLLER^ÄNNCHEN", ["1.1"]),
        ("PatientName", "山田*", ["1.2"]),
        ("PatientName", "やまだ^たろう", ["1.2"]),
        ("PatientName", "yamada*太郎", []),
        ("PatientName", "Doe^John", ["1.3"]),
        ("PatientName", "*", ["1.2", "1.1", "1.3"]),
        ("AccessionNumber", "ACC[1]", ["1.1"]),
        ("AccessionNumber", "*C[1]", ["1.1"]),
        ("AccessionNumber", "ACC*", ["1.2", "1.1"]),
        ("StudyDate", "20200131", ["1.1"]),
        ("StudyDate", "20200101-20201231", ["1.1"]),
        ("StudyDate", "-20200131", ["1.1"]),
        ("StudyDate", "20200201-", ["1.2"]),
        ("StudyTime", "10", ["1.1"]),
        ("StudyTime", "10:15-1016", ["1.1"]),
        ("StudyTime", "08-10", ["1.2", "1.1"]),
        ("StudyTime", "1016-", []),
        ("ModalitiesInStudy", "SEG", ["1.1"]),
        ("ModalitiesInStudy", "SEG,MR", ["1.1"]),
        ("ModalitiesInStudy", "S*", ["1.1"]),
        ("SOPClassesInStudy", str(SegmentationStorage), ["1.1"]),
        ("StudyInstanceUID", "1.2,1.3", ["1.2", "1.3"]),
        ("StudyInstanceUID", "1.2\\1.3", ["1.2", "1.3"]),
        ("StudyDescription", "Chest", ["1.1"]),
        ("StudyDescription", "chest", []),
        ("StudyDescription", "", ["1.2", "1.1", "1.3"]),
    ],
)
def test_studies_are_matched_as_the_standard_says(filled, key, value, expected):
    assert studies(filled, **{key: value}) == expected


def test_a_study_says_what_it_holds_whatever_was_matched(filled):
    (study,) = found(filled, Level.STUDY, [("ModalitiesInStudy", "SEG")])
    assert study["00080061"]["Value"] == ["CT", "SEG"]
    assert study["00201206"]["Value"] == [2]
    assert study["00201208"]["Value"] == [4]
    assert study["00081190"]["Value"] == ["http://x/studies/1.1"]
    assert study["00100010"]["Value"] == [{"Alphabetic": "Müller^Ännchen"}]


def test_series_and_instances_are_found_in_the_order_of_their_numbers(filled):
    series = found(filled, Level.SERIES, [("Modality", "CT")], study="1.1")
    assert [(each["00200011"]["Value"], each["00201209"]["Value"]) for each in series] == [
        ([2], [3])
    ]
    assert "00100010" not in series[0]
    everywhere = found(filled, Level.SERIES, [("SeriesNumber", "2"), ("PatientID", "A-1")])
    assert [each["00100020"]["Value"] for each in everywhere] == [["A-1"]]
    instances = found(filled, Level.INSTANCE, [], study="1.1", series="1.1.2")
    assert [each["00200013"]["Value"] for each in instances] == [[1], [2], [10]]
    assert instances[0]["00083002"]["Value"] == [str(ExplicitVRLittleEndian)]
    (one,) = found(filled, Level.INSTANCE, [("InstanceNumber", "10"), ("StudyInstanceUID", "1.2")])
    assert one["00080018"]["Value"] == ["1.2.2.10"]


def test_pages_cover_everything_once(filled):
    pages = [studies(filled, limit="2", offset=str(offset)) for offset in (0, 2, 4)]
    assert pages == [["1.2", "1.1"], ["1.3"], []]
    asked = query(Scope(level=Level.STUDY), [("limit", "2")])
    assert filled.index.search(asked.search)[1] == 1
    assert query(Scope(level=Level.STUDY), [("limit", "99999999")]).search.limit == MOST_RESULTS


def test_fields_are_included_where_they_belong_to_the_level(filled):
    fields = [("includefield", "PatientAge,00201041"), ("StudyInstanceUID", "1.1")]
    (study,) = found(filled, Level.STUDY, fields)
    assert study["00101010"]["Value"] == ["061Y"]
    assert "00201041" not in study  # of one slice, not of the study
    image = found(filled, Level.INSTANCE, [("includefield", "all")], study="1.1")[0]
    assert image["00201041"]["Value"] == [1.5]
    (study,) = found(filled, Level.STUDY, [("includefield", "all"), ("PatientID", "A-1")])
    assert study["00101010"]["Value"] == ["061Y"]
    assert "00280010" not in study


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        (("Shoe", "1"), "'Shoe' is not known for studies"),
        (("Modality", "CT"), "'Modality' is not known for studies.*ModalitiesInStudy"),
        (("99999999", "CT"), "'99999999'"),
        (("StudyDate", "2020"), "StudyDate='2020' cannot be read"),
        (("StudyTime", "25:1"), "StudyTime='25:1' cannot be read"),
        (("limit", "-1"), "limit='-1'"),
        (("PatientID", "a\0"), "null character"),
        (("offset", "x"), "offset='x'"),
        (("includefield", "Shoe"), "includefield='Shoe'"),
        (("fuzzymatching", "maybe"), "fuzzymatching='maybe'"),
        (("ModalitiesInStudy", "C*,MR"), r"'C\*' stands in a list"),
    ],
)
def test_what_cannot_be_searched_for_is_named(parameter, said):
    with pytest.raises(RequestRefusedError, match=said):
        query(Scope(level=Level.STUDY), [parameter])


def test_fuzzy_matching_is_said_to_be_literal():
    assert query(Scope(level=Level.STUDY), [("fuzzymatching", "true")]).warnings == (NOT_FUZZY,)
    assert query(Scope(level=Level.STUDY), [("fuzzymatching", "false")]).warnings == ()


def test_an_index_of_an_older_schema_is_read_again_from_the_files_which_do_not_arrive_again(
    tmp_path,
):
    database = tmp_path / "index.db"
    first = Store(tmp_path / "s", Index(f"sqlite:///{database}"))
    keep(first, *(instance("1.1", 2, number) for number in (1, 2)))
    first.close()
    with sqlite3.connect(database) as old:
        old.execute(
            "CREATE TABLE before AS SELECT sop_instance_uid, sop_class_uid, series_instance_uid,"
            " study_instance_uid, patient_id, study_date, study_description, series_description,"
            " modality, instance_number, made_by_us, path FROM instances"
        )
        old.execute("DROP TABLE instances")
        old.execute("ALTER TABLE before RENAME TO instances")
    old.close()
    arrived = []
    index = Index(f"sqlite:///{database}")
    assert index.count() == 2  # there while it is read again
    (study,) = found(index, Level.STUDY, [("PatientID", "A-1")])
    assert study["0020000D"]["Value"] == ["1.1"]
    assert {each.transfer_syntax_uid for each in index.kept(StudyUID("1.1"))} == {
        str(ExplicitVRLittleEndian)
    }
    again = Store(
        tmp_path / "s", index, lambda header, _path: arrived.append(header.SOPInstanceUID)
    )
    keep(again, instance("1.2", 2, 1))
    assert arrived == ["1.2.2.1"]
    assert again.index.count() == 3
    assert not again.index.outdated_paths()
    assert studies(again, PatientName="müller*") == ["1.1"]
    again.close()


def test_postgres_finds_what_sqlite_finds(postgres, tmp_path):
    store = Store(tmp_path / "p", Index(postgres))
    for study in STUDIES:
        keep(store, instance(study, 2, 1), instance(study, 9, 1))
    assert studies(store, PatientID="?-1") == ["1.2", "1.1"]
    assert studies(store, PatientID="B_*", ModalitiesInStudy="SEG") == ["1.3"]
    assert studies(store, AccessionNumber="*C[1]") == ["1.1"]
    assert studies(store, PatientID="A%") == []
    assert len(found(store, Level.INSTANCE, [], study="1.1")) == 2
    store.close()

"""Questions to a real archive, and what is fetched of it."""

import json
from datetime import date

import pydicom
import pytest

from copilot.cli.main import run
from copilot.demo.orthanc import free_port
from copilot.fetching import Fetcher, counted
from dicom_node.priors import PriorRules
from dicom_node.queries import Level
from dicom_node.scu import DicomPeer, Peer
from dicom_node.stow import WebPeer
from dicom_node.wado import WebSource
from domain.errors import InputError, NotOfferedError, PeerRefusedError, PeerUnreachableError
from tests.conftest import AE_TITLE
from tests.phantoms import UIDS, ct, ellipsoid, grid, series

PACS = "ORTHANC"


@pytest.fixture
def archive(orthanc):
    return DicomPeer(AE_TITLE, Peer(ae_title=PACS, host="127.0.0.1", port=orthanc.dicom_port))


@pytest.fixture(params=["DIMSE", "DICOMweb"])
def source(request, archive, orthanc):
    """The archive, asked and fetched from in either way."""
    if request.param == "DIMSE":
        return archive
    return WebSource(WebPeer(name=PACS, url=orthanc.dicomweb_url))


@pytest.fixture
def fetcher(source, store):
    return lambda most=1000: Fetcher(PACS, source, store, most)


@pytest.fixture
def study(archive, tmp_path):
    """A study of one series in the archive; its files."""
    on = grid()
    files = series(tmp_path / "series", ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))
    archive.store(files)
    return files


def uid_of(files):
    return str(pydicom.dcmread(files[0]).StudyInstanceUID)


def made(archive, files, folder, **values):
    """Send the series again as another study, with other values."""
    folder.mkdir()
    study_uid, series_uid, sent = UIDS.new_uid(), UIDS.new_uid(), []
    for path in files[:2]:
        dataset = pydicom.dcmread(path)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study_uid, series_uid
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UIDS.new_uid()
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        dataset.save_as(folder / path.name)
        sent.append(folder / path.name)
    archive.store(sent)
    return study_uid


def test_an_archive_is_asked_at_every_level(archive, study):
    header = pydicom.dcmread(study[0])
    by_study = {"StudyInstanceUID": header.StudyInstanceUID}
    [patient] = archive.find(Level.PATIENT, {"PatientID": "PHANTOM"})
    [found] = archive.find(Level.STUDY, {"PatientID": "PHANTOM"})
    [one] = archive.find(Level.SERIES, by_study)
    images = list(
        archive.find(Level.IMAGE, by_study | {"SeriesInstanceUID": header.SeriesInstanceUID})
    )
    assert patient.PatientID == "PHANTOM"
    assert found.StudyInstanceUID == header.StudyInstanceUID
    assert found.ModalitiesInStudy == "CT"
    assert int(one.NumberOfSeriesRelatedInstances) == len(study)
    assert {each.SOPClassUID for each in images} == {header.SOPClassUID}
    assert counted(archive, header.StudyInstanceUID) == {header.SeriesInstanceUID: len(study)}


def test_a_dicomweb_archive_is_asked_at_every_level(orthanc, study):
    web = WebSource(WebPeer(name=PACS, url=orthanc.dicomweb_url))
    header = pydicom.dcmread(study[0])
    by_study = {"StudyInstanceUID": header.StudyInstanceUID}
    [found] = web.find(Level.STUDY, {"PatientID": "PHANTOM"})
    [one] = web.find(Level.SERIES, by_study)
    by_series = by_study | {"SeriesInstanceUID": header.SeriesInstanceUID}
    images = list(web.find(Level.IMAGE, by_series))
    assert found.StudyInstanceUID == header.StudyInstanceUID
    assert found.ModalitiesInStudy == "CT"
    assert int(one.NumberOfSeriesRelatedInstances) == len(study)
    assert {each.SOPClassUID for each in images} == {header.SOPClassUID}
    assert counted(web, header.StudyInstanceUID) == {header.SeriesInstanceUID: len(study)}
    assert len(list(web.find(Level.IMAGE, by_series, most=3))) == 3
    assert list(web.find(Level.STUDY, {"PatientID": "NOBODY"})) == []


def test_a_dicomweb_archive_that_is_away_is_named():
    gone = WebSource(WebPeer(name=PACS, url=f"http://127.0.0.1:{free_port()}/dicom-web"))
    with pytest.raises(PeerUnreachableError, match=r"ORTHANC at http:.* does not answer"):
        list(gone.find(Level.STUDY, {"PatientID": "X"}))


def test_a_question_ends_after_the_limit_and_the_archive_goes_on(archive, study):
    header = pydicom.dcmread(study[0])
    place = {
        "StudyInstanceUID": header.StudyInstanceUID,
        "SeriesInstanceUID": header.SeriesInstanceUID,
    }
    assert len(list(archive.find(Level.IMAGE, place, most=3))) == 3
    for _ in archive.find(Level.IMAGE, place):
        break  # a reader that goes away
    archive.echo()


def test_a_node_without_queries_is_named(node):
    peer = DicomPeer("SCU", Peer(ae_title=AE_TITLE, host="127.0.0.1", port=node.port))
    with pytest.raises(NotOfferedError, match="FIND"):
        list(peer.find(Level.STUDY, {"PatientID": "X"}))


def test_a_study_is_fetched_equal_and_only_once(fetcher, store, study):
    first = fetcher().fetch(uid_of(study))
    assert (first.instances, first.here_before, first.fetched) == (len(study), 0, len(study))
    for path in study:
        sent = pydicom.dcmread(path)
        assert pydicom.dcmread(store.path_of(sent.SOPInstanceUID)) == sent
    again = fetcher().fetch(uid_of(study))
    assert (again.here_before, again.fetched, again.whole) == (len(study), 0, True)


def test_a_bounded_call_says_what_is_left_and_the_next_one_goes_on(fetcher, store, study):
    first = fetcher(most=3).fetch(uid_of(study))
    assert (first.fetched, first.left, first.whole) == (3, len(study) - 3, False)
    second = fetcher().fetch(uid_of(study))
    assert (second.here_before, second.fetched, second.whole) == (3, len(study) - 3, True)
    store.settle()
    assert store.index.count() == len(study)


def test_no_transfer_syntax_is_changed_on_the_way(archive, fetcher, store, shared_data, tmp_path):
    study_uid, series_uid, sent = UIDS.new_uid(), UIDS.new_uid(), []
    for path in sorted((shared_data / "zoo" / "ct_transfer_syntaxes").glob("*.dcm")):
        dataset = pydicom.dcmread(path)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study_uid, series_uid
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UIDS.new_uid()
        dataset.save_as(tmp_path / path.name)
        sent.append(tmp_path / path.name)
    archive.store(sent)
    fetched = fetcher().fetch(study_uid)
    assert (fetched.fetched, fetched.failed) == (len(sent), 0)
    for path in sent:
        original = pydicom.dcmread(path)
        kept = pydicom.dcmread(store.path_of(original.SOPInstanceUID))
        assert kept.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
        assert kept.PixelData == original.PixelData


def test_an_unknown_study_is_said_to_be_so(fetcher, study):
    with pytest.raises(PeerRefusedError, match=r"knows no study 1\.2\.3"):
        fetcher().fetch("1.2.3")


@pytest.mark.parametrize("pattern", ["*", "PHAN*", "PHANTO?", "", "A\\B"])
def test_a_pattern_in_place_of_a_patient_is_refused(node, store, pattern):
    nobody = DicomPeer("SCU", Peer(ae_title=AE_TITLE, host="127.0.0.1", port=node.port))
    with pytest.raises(InputError, match="pattern"):
        Fetcher(AE_TITLE, nobody, store, 10).newest(pattern, date(2025, 1, 1), PriorRules())


def test_priors_are_the_patients_own(archive, fetcher, study, tmp_path):
    mine = {"PatientID": "PHANTOM", "BodyPartExamined": "CHEST"}
    current = made(archive, study, tmp_path / "a", StudyDate="20240501", **mine)
    prior = made(archive, study, tmp_path / "b", StudyDate="20230501", **mine)
    made(archive, study, tmp_path / "c", StudyDate="20230502", PatientID="PHANTOM2")
    made(archive, study, tmp_path / "d", StudyDate="20250501", **mine)
    other = made(archive, study, tmp_path / "e", StudyDate="20230601", PatientID="phantom")
    asked = fetcher()
    choices = asked.priors(asked.described(current), PriorRules(most=1))
    assert [each.study.study_instance_uid for each in choices if each.chosen] == [prior]
    assert choices[0].says == "same modality and same body part"
    assert other not in {each.study.study_instance_uid for each in choices if each.chosen}


def settings(folder, port):
    path = folder / "site.toml"
    path.write_text(
        f'[storage]\nfolder = "{folder / "here"}"\n[segmentation]\nlook_ahead = false\n'
        f'[[peers]]\nae_title = "{PACS}"\nhost = "127.0.0.1"\nport = {port}\n'
    )
    return str(path)


@pytest.fixture
def site(tmp_path, orthanc):
    return settings(tmp_path, orthanc.dicom_port)


def test_fetch_on_the_command_line_goes_on_where_it_stopped(site, study, capsys):
    command = ["fetch", uid_of(study), "--from", PACS, "--config", site]
    assert run([*command, "--most", "2"]) == 1
    told = capsys.readouterr()
    assert "2 fetched" in told.out
    assert "the same command goes on" in told.err
    assert run([*command, "--json"]) == 0
    [done] = json.loads(capsys.readouterr().out)["studies"]
    assert (done["here_before"], done["fetched"]) == (2, len(study) - 2)


def test_studies_say_whether_they_are_complete(site, study, capsys):
    assert run(["fetch", uid_of(study), "--from", PACS, "--most", "2", "--config", site]) == 1
    capsys.readouterr()
    waiting = ["studies", "--complete", "--from", PACS, "--json", "--config", site]
    assert run(waiting) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert found["state"] == "arriving"
    assert list(found["missing"].values()) == [len(study) - 2]


def test_a_patients_newest_studies_are_fetched(site, archive, study, tmp_path, capsys):
    made(archive, study, tmp_path / "old", StudyDate="19990101", PatientID="PHANTOM")
    recent = made(archive, study, tmp_path / "new", StudyDate="20260101", PatientID="PHANTOM")
    assert run(["fetch", "--patient", "PHANTOM", "--from", PACS, "--json", "--config", site]) == 0
    told = json.loads(capsys.readouterr().out)
    assert recent in {each["study_instance_uid"] for each in told["studies"]}
    says = {each["study_date"]: each["says"] for each in told["choices"]}
    assert says["1999-01-01"] == "more than 5 years earlier"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["1.2.3", "--from", "NOBODY"], "no peer 'NOBODY'"),
        (["--from", PACS], "give a Study Instance UID"),
        (["../x", "--from", PACS], "not a DICOM UID"),
    ],
)
def test_what_cannot_be_fetched_is_said(tmp_path, arguments, said, capsys):
    assert run(["fetch", *arguments, "--config", settings(tmp_path, free_port())]) == 2
    assert said in capsys.readouterr().err

"""Studies leave the store whole or not at all, whatever is sent or breaks meanwhile."""

import random
import threading
import time

import pydicom
import pytest

from dicom_node.index import Index
from dicom_node.leaving import Leaving
from dicom_node.room import Room
from dicom_node.store import Store
from domain.errors import InputError, NoRoomError, StorageError
from domain.uids import InstanceUID, SeriesUID, StudyUID
from tests.phantoms import ct, ellipsoid, grid, series


def nothing(_connection):
    return


@pytest.fixture
def files(tmp_path):
    on = grid()
    return series(tmp_path / "series", ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))


@pytest.fixture
def study(store, files):
    for path in files:
        store.keep(uid_of(path), path.read_bytes())
    store.settle()
    return StudyUID(str(pydicom.dcmread(files[0]).StudyInstanceUID))


def uid_of(path):
    return InstanceUID(str(pydicom.dcmread(path).SOPInstanceUID))


def last_arrival_s(store, files):
    return store.last_arrival_s(SeriesUID(str(pydicom.dcmread(files[0]).SeriesInstanceUID)))


def kept_files(folder):
    return sorted(path.stem for path in folder.rglob("*.dcm") if path.is_file())


def test_a_removed_study_leaves_neither_rows_nor_files(store, study, files, tmp_path):
    size = sum(path.stat().st_size for path in files)
    assert abs(store.index.totals()[1] - size) < 1000  # our own file meta information
    removed = store.remove(study, last_arrival_s(store, files), nothing)
    assert removed.instances == len(files)
    assert abs(removed.size_bytes - size) < 1000
    assert store.index.count() == 0
    assert kept_files(tmp_path / "store") == []
    assert store.index.totals()[1] == 0


def test_what_goes_with_a_removal_and_fails_leaves_everything(store, study, files, tmp_path):
    def refuse(_connection):
        raise InputError("somebody keeps it")

    before = kept_files(tmp_path / "store" / "instances")
    with pytest.raises(InputError, match="somebody keeps it"):
        store.remove(study, last_arrival_s(store, files), refuse)
    assert kept_files(tmp_path / "store" / "instances") == before
    assert store.index.count() == len(files)


def test_a_study_that_is_sent_again_stays_whole(store, study, files, tmp_path):
    known_s = last_arrival_s(store, files)
    time.sleep(0.02)
    assert not store.keep(uid_of(files[3]), files[3].read_bytes())
    with pytest.raises(InputError, match="sent again"):
        store.remove(study, known_s, nothing)
    assert len(kept_files(tmp_path / "store" / "instances")) == len(files)
    assert store.index.count() == len(files)


def test_a_study_that_grew_stays_whole(store, study, files, tmp_path):
    def grow(_connection):
        late = pydicom.dcmread(files[0])
        late.SOPInstanceUID = late.file_meta.MediaStorageSOPInstanceUID = "1.2.3.99"
        late.save_as(tmp_path / "late.dcm")
        other.keep(InstanceUID("1.2.3.99"), (tmp_path / "late.dcm").read_bytes())
        other.settle()

    other = Store(tmp_path / "store", Index(f"sqlite:///{tmp_path / 'index.db'}"))
    with pytest.raises(InputError, match="grew meanwhile"):
        store.remove(study, last_arrival_s(store, files), grow)
    assert store.index.count() == len(files) + 1
    other.close()
    assert len(kept_files(tmp_path / "store" / "instances")) == len(files) + 1


@pytest.mark.parametrize("settled", [False, True])
def test_a_removal_cut_off_is_undone_before_it_is_settled_and_ended_after(files, tmp_path, settled):
    url = f"sqlite:///{tmp_path / 'i.db'}"
    store = Store(tmp_path / "s", Index(url))
    for path in files:
        store.keep(uid_of(path), path.read_bytes())
    store.settle()
    header = pydicom.dcmread(files[0])
    study = StudyUID(str(header.StudyInstanceUID))
    uids = [uid_of(path) for path in files]
    leaving = Leaving(tmp_path / "s" / "leaving", store.path_of)
    with leaving.alone():
        leaving.set_aside(uids, time.time() + 1)
        if settled:
            store.index.remove(study, uids, nothing)
    store.close()
    again = Store(tmp_path / "s", Index(url))
    again.settle()
    expected = 0 if settled else len(files)
    assert again.index.count() == expected
    assert len(kept_files(tmp_path / "s")) == expected
    found = again.instance_paths(SeriesUID(str(header.SeriesInstanceUID)))
    assert all(path.exists() for path in found)
    again.close()


def test_a_removal_that_another_process_is_at_is_left_to_it(store, study, files, tmp_path):
    with store.unremoved():
        with pytest.raises(StorageError, match="try again"):
            store.remove(study, last_arrival_s(store, files), nothing)
        aside = tmp_path / "store" / "leaving" / "1.2.3.dcm"
        aside.write_bytes(b"another process has it")
        Store(tmp_path / "store", Index(f"sqlite:///{tmp_path / 'index.db'}")).close()
        assert aside.exists()
    assert store.index.count() == len(files)


def test_files_that_are_on_another_machine_are_not_forgotten_here(store, study, files, tmp_path):
    (tmp_path / "store" / "instances").rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="on the machine that holds it"):
        store.remove(study, time.time(), nothing)
    assert store.index.count() == len(files)


def test_rows_without_files_are_said_at_the_start(store, study, files, tmp_path, caplog):
    store.path_of(uid_of(files[0])).unlink()
    Store(tmp_path / "store", Index(f"sqlite:///{tmp_path / 'index.db'}")).close()
    assert "index.without_file instances=1" in caplog.text


def test_no_image_is_lost_that_is_sent_while_its_study_is_removed(store, study, files):
    """A sender repeats the study without pause; what it was told is kept is kept, or left later."""
    ended = threading.Event()
    kept_anew = []
    contents = [(uid_of(path), path.read_bytes()) for path in files]
    pauses = random.Random(5)  # noqa: S311 - no secret

    def send():
        while not ended.is_set():
            kept_anew.extend(uid for uid, content in contents if store.keep(uid, content))
            time.sleep(pauses.uniform(0, 0.05))

    sender = threading.Thread(target=send)
    sender.start()
    removed = 0
    until = time.monotonic() + 4
    while time.monotonic() < until:
        try:
            removed += bool(store.remove(study, last_arrival_s(store, files), nothing))
        except InputError:
            continue
    ended.set()
    sender.join()
    assert removed > 0
    assert len(kept_anew) > 0
    for uid, content in contents:
        store.keep(uid, content)
    store.settle()
    header = pydicom.dcmread(files[0])
    found = store.instance_paths(SeriesUID(str(header.SeriesInstanceUID)))
    assert sorted(path.stem for path in found) == sorted(map(uid_of, files))
    assert all(path.exists() for path in found)


def test_a_disk_that_is_nearly_full_refuses_before_it_is_full(files, tmp_path):
    room = Room(tmp_path, least_free_bytes=2**62)
    store = Store(tmp_path / "s", Index(f"sqlite:///{tmp_path / 'i.db'}"), room=room)
    assert room.is_low
    with pytest.raises(NoRoomError, match="must stay free: make room"):
        store.keep(uid_of(files[0]), files[0].read_bytes())
    assert room.refused == 1
    assert kept_files(tmp_path / "s") == []
    room.least_free_bytes = 0
    assert store.keep(uid_of(files[0]), files[0].read_bytes())
    store.close()


def test_sizes_that_an_older_index_lacks_are_measured_at_the_start(store, study, files, tmp_path):
    url = f"sqlite:///{tmp_path / 'index.db'}"
    before = store.index.totals()[1]
    with store.index._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE instances SET size_bytes = NULL")
    assert store.index.totals()[1] == 0
    again = Store(tmp_path / "store", Index(url))
    assert again.index.totals()[1] == before
    again.close()

import errno
import os
import threading
import time

import pydicom
import pytest
from sqlalchemy import create_engine, text

from dicom_node.index import Index
from dicom_node.store import Store
from domain.errors import IndexUnavailableError, InputError, StorageError
from domain.uids import InstanceUID, SeriesUID, StudyUID
from tests.phantoms import ct, ellipsoid, grid, series


@pytest.fixture
def files(tmp_path):
    on = grid()
    return series(tmp_path / "series", ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))


def uid_of(path):
    return InstanceUID(str(pydicom.dcmread(path).SOPInstanceUID))


def keep_all(store, files):
    for path in files:
        store.keep(uid_of(path), path.read_bytes())


def test_kept_files_are_found_by_series_and_study(store, files):
    keep_all(store, files)
    header = pydicom.dcmread(files[0])
    found = store.instance_paths(SeriesUID(header.SeriesInstanceUID))
    assert [path.read_bytes() for path in found] == [path.read_bytes() for path in files]
    assert store.series_of(StudyUID(header.StudyInstanceUID)) == (header.SeriesInstanceUID,)
    assert store.series_of(StudyUID("1.2.3")) == ()


def test_a_resend_changes_nothing(store, files):
    keep_all(store, files)
    assert not store.keep(uid_of(files[0]), files[0].read_bytes())
    store.settle()
    assert store.index.count() == len(files)


def test_the_same_object_from_another_sender_changes_nothing(store, files, tmp_path):
    keep_all(store, files)
    again = pydicom.dcmread(files[0])
    again.file_meta.SourceApplicationEntityTitle = "ARCHIVE"
    again.save_as(tmp_path / "again.dcm")
    content = (tmp_path / "again.dcm").read_bytes()
    assert content != files[0].read_bytes()
    assert not store.keep(uid_of(files[0]), content)
    assert not (tmp_path / "store" / "quarantine").exists()


def test_another_object_under_a_known_uid_never_replaces_the_first(store, files, tmp_path):
    keep_all(store, files)
    first = files[0].read_bytes()
    assert not store.keep(uid_of(files[0]), first + b"\0\0")
    assert store.path_of(uid_of(files[0])).read_bytes() == first
    assert len(list((tmp_path / "store" / "quarantine").iterdir())) == 1


def test_garbage_is_kept_aside_and_the_rest_goes_on(store, files, tmp_path):
    store.keep(InstanceUID("1.2.3"), b"no DICOM at all")
    keep_all(store, files)
    store.settle()
    assert store.index.count() == len(files)
    assert (tmp_path / "store" / "quarantine" / "1.2.3.dcm").read_bytes() == b"no DICOM at all"


def test_a_uid_cannot_name_a_file_outside(store):
    with pytest.raises(InputError):
        store.keep(InstanceUID("../../1.2"), b"x")


def test_what_a_crash_left_unindexed_is_found_at_the_next_start(files, tmp_path):
    folder = tmp_path / "s"
    first = Store(folder, Index(f"sqlite:///{tmp_path / 'a.db'}"))
    keep_all(first, files)
    first.close()
    spread = next((folder / "instances").iterdir())
    for name, age_s in ((".half.part", 7200), (".now.part", 0)):
        (spread / name).write_bytes(b"half a file")
        os.utime(spread / name, (time.time() - age_s,) * 2)
    again = Store(folder, Index(f"sqlite:///{tmp_path / 'b.db'}"))
    again.settle()
    assert again.index.count() == len(files)
    assert [path.name for path in folder.rglob("*.part")] == [".now.part"]  # another's, at work
    again.close()


def test_an_index_that_fails_stops_taking_in_until_it_is_written_again(files, tmp_path):
    url = f"sqlite:///{tmp_path / 'index.db'}"
    store = Store(tmp_path / "s", Index(url))
    store.keep(uid_of(files[0]), files[0].read_bytes())
    store.settle()
    with create_engine(url).begin() as other:
        other.execute(text("ALTER TABLE instances RENAME TO gone"))
    store.keep(uid_of(files[1]), files[1].read_bytes())
    store.settle()
    with pytest.raises(IndexUnavailableError, match="index cannot be written"):
        store.keep(uid_of(files[2]), files[2].read_bytes())
    assert not store.path_of(uid_of(files[2])).exists()
    with create_engine(url).begin() as other:
        other.execute(text("ALTER TABLE gone RENAME TO instances"))
    deadline = time.monotonic() + 30
    while store.index.count() < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert store.index.count() == 2
    assert taken_again(store, files[2], deadline)
    store.close()


def taken_again(store, path, deadline):
    while time.monotonic() < deadline:
        try:
            return store.keep(uid_of(path), path.read_bytes())
        except IndexUnavailableError:
            time.sleep(0.05)
    return False


def test_an_object_under_another_name_is_set_aside_and_the_rest_goes_on(store, files, tmp_path):
    store.keep(InstanceUID("1.2.3"), files[0].read_bytes())
    keep_all(store, files[1:])
    store.settle()
    assert store.index.count() == len(files) - 1
    assert (tmp_path / "store" / "quarantine" / "1.2.3.dcm").exists()


def test_a_full_disk_is_said_and_leaves_nothing_half_written(store, files, tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        store.keep(uid_of(files[0]), files[0].read_bytes())
    monkeypatch.undo()
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert store.keep(uid_of(files[0]), files[0].read_bytes())


def test_two_senders_of_one_uid_at_once_lose_nothing(store, files, tmp_path):
    """One is kept, the other is quarantined where it differs, however they come."""
    first = files[0].read_bytes()
    uid = uid_of(files[0])
    changed = pydicom.dcmread(files[0])
    changed.PatientComments = "another"
    changed.save_as(tmp_path / "other.dcm")
    other = (tmp_path / "other.dcm").read_bytes()
    ready = threading.Barrier(2)
    kept = []

    def bring(content):
        aside = store.aside()
        aside.write(content)
        ready.wait()
        kept.append(store.keep_aside(uid, aside))

    for _ in range(20):
        senders = [threading.Thread(target=bring, args=(each,)) for each in (first, other)]
        for each in senders:
            each.start()
        for each in senders:
            each.join()
        assert sorted(kept) == [False, True]
        (apart,) = (tmp_path / "store" / "quarantine").iterdir()
        found = {store.path_of(uid).read_bytes(), apart.read_bytes()}
        assert found == {first, other}
        store.settle()
        store.path_of(uid).unlink()
        apart.unlink()
        kept.clear()


def test_an_index_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(StorageError, match="cannot be opened"):
        Index(f"sqlite:///{tmp_path / 'nowhere' / 'index.db'}")


def test_settling_waits_for_what_came_before_and_not_for_what_keeps_coming(store, files):
    contents = [(uid_of(path), path.read_bytes()) for path in files]
    store.keep(*contents[0])
    ended = threading.Event()

    def send():
        number = 0
        while not ended.is_set():  # never a pause in which nothing waits
            store.keep(InstanceUID(f"1.2.3.{number}"), b"no DICOM at all")
            number += 1

    sender = threading.Thread(target=send)
    sender.start()
    store.settle()
    known = store.index.count()
    still_sending = sender.is_alive() and not ended.is_set()
    ended.set()
    sender.join()
    assert known == 1
    assert still_sending

"""Our DICOMweb behind a real HTTP server on a free loopback port, and objects to put into it."""

import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import uvicorn
from fastapi import FastAPI
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset

from copilot.api.dicomweb import add_dicomweb
from copilot.api.dicomweb_answers import PREFIX, DicomWeb
from copilot.serving import listening_socket
from dicom_node.store import Store
from domain.uids import InstanceUID
from tests.phantoms import UIDS

LARGEST_INSTANCE = 8 * 2**20
LARGEST_UPLOAD = 32 * 2**20

PLAIN = "CT_small.dcm"
IMPLICIT = "MR_small_implicit.dcm"
BIG_ENDIAN = "MR_small_bigendian.dcm"
DEFLATED = "image_dfl.dcm"
RLE = "MR_small_RLE.dcm"
JPEG_LS = "MR_small_jpeg_ls_lossless.dcm"
JPEG_2000 = "MR_small_jp2klossless.dcm"
COLOUR_JPEG = "SC_rgb_jpeg_dcmtk.dcm"
COLOUR_RLE_FRAMES = "SC_rgb_rle_2frame.dcm"
PALETTE = "examples_palette.dcm"
ONE_BIT = "liver_1frame.dcm"
DOSE = "rtdose.dcm"
TWELVE_BIT = "JPGExtended.dcm"
REPORT = "test-SR.dcm"


@contextmanager
def serving(store: Store, folder: Path) -> Iterator[str]:
    """Serve a store; yields the base address."""
    app = FastAPI()
    limits = {"largest_upload": LARGEST_UPLOAD, "largest_instance": LARGEST_INSTANCE}
    add_dicomweb(app, DicomWeb(store=store, folder=folder, **limits))
    listener = listening_socket("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}{PREFIX}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


def sample(name: str) -> FileDataset:
    """Return one of pydicom's own test files, under a UID that no other has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(str(get_testdata_file(name, download=False)))
    dataset.SOPInstanceUID = UIDS.new_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def content_of(dataset: FileDataset) -> bytes:
    """Return a data set as a DICOM file, in the encoding it has."""
    buffer = pydicom.filebase.DicomBytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(buffer)
    return buffer.getvalue()


def keep(store: Store, *datasets: FileDataset) -> None:
    """Put data sets into a store and wait for the index."""
    for dataset in datasets:
        store.keep(InstanceUID(dataset.SOPInstanceUID), content_of(dataset))
    store.settle()


def place(dataset: FileDataset) -> str:
    """Return the path of an instance below the base address."""
    return (
        f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )

"""Surfaces as the command writes them: from a SEG to files and an object for the PACS."""

import json

import numpy as np
import pydicom
import pytest
import SimpleITK

from copilot.cli.main import run
from copilot.surfaces import Request, export_surfaces
from dicom_node.equipment import is_ours
from dicom_node.files import write_dataset
from domain.errors import CannotDoError, InputError
from domain.volume import Mask
from reporting.exports.surface import is_closed, signed_volume_mm3
from reporting.exports.surface_files import SurfaceFormat
from reporting.shape import Mesh
from tests import twins
from tests.conformance.validators import dciodvfy
from tests.phantoms import ellipsoid, grid

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A ball on the patient's left, and one too flat for a surface."""
    on = grid(shape=(9, 26, 44), spacing_mm=(3.0, 0.7, 0.8), turn_deg=(10.0, -15.0, 5.0))
    ball = ellipsoid(on, (8.0, 6.0, 5.0), np.array(twins.CENTRE))
    flat = np.zeros(on.shape, dtype=np.bool_)
    flat[7, 3:9, 3:9] = True
    return twins.result(tmp_path_factory.mktemp("result"), [ball, Mask(voxels=flat, grid=on)])


def request(made, **changed):
    chosen = {
        "path": made.folder / "seg.dcm",
        "source": made.folder / "series",
        "series": None,
        "segment": None,
        "kind": SurfaceFormat.STL,
        "encapsulated": False,
    }
    return Request(**chosen | changed)


def mesh_of(content):
    read = np.frombuffer(content[84:], dtype=_TRIANGLE)
    vertices, faces = np.unique(read["corners"].reshape(-1, 3), axis=0, return_inverse=True)
    return Mesh(vertices_lps_mm=vertices.astype(float), faces=faces.reshape(-1, 3))


def test_the_command_writes_each_segment_or_says_why_not(made, tmp_path, capsys):
    status = run(
        [
            "surface",
            str(made.folder / "seg.dcm"),
            "--source",
            str(made.folder / "series"),
            "--output",
            str(tmp_path),
            "--json",
        ]
    )
    assert status == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["axes"], document["unit"]) == ("LPS", "mm")
    [refused] = document["refused"]
    assert (refused["segment"], "1 voxels across" in refused["reason"]) == (2, True)
    [surface] = document["surfaces"]
    assert surface["volume_ml"] == pytest.approx(made.volume_mm3 / 1000)
    mesh = mesh_of((tmp_path / "surface-1-left-lung-lesion.stl").read_bytes())
    assert is_closed(mesh)
    assert signed_volume_mm3(mesh) == pytest.approx(made.volume_mm3, rel=0.002)
    centre = made.origin.volume.grid.to_lps_mm(twins.CENTRE)
    assert surface["centroid_lps_mm"] == pytest.approx(centre, abs=0.5)
    assert mesh.vertices_lps_mm.mean(axis=0) == pytest.approx(centre, abs=0.7)


@pytest.mark.parametrize("kind", list(SurfaceFormat))
def test_without_images_the_surface_is_at_the_same_place(made, tmp_path, kind):
    [alone] = export_surfaces(request(made, source=None, segment=1, kind=kind), tmp_path)[
        "surfaces"
    ]
    [beside] = export_surfaces(request(made, segment=1, kind=kind), tmp_path)["surfaces"]
    assert alone["centroid_lps_mm"] == pytest.approx(beside["centroid_lps_mm"], abs=1e-3)
    assert alone["volume_ml"] == pytest.approx(beside["volume_ml"])
    assert alone["file"].endswith(f".{kind}")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"segment": 7}, "no segment 7: there are 1, 2"),
        ({"encapsulated": True, "source": None}, "--source"),
        ({"encapsulated": True, "kind": SurfaceFormat.OBJ}, "--format stl"),
    ],
)
def test_what_cannot_be_exported_is_named_with_the_remedy(made, tmp_path, changed, said):
    with pytest.raises(InputError, match=said):
        export_surfaces(request(made, **changed), tmp_path)


def test_where_nothing_has_a_surface_nothing_is_written(made, tmp_path):
    with pytest.raises(CannotDoError, match="segment 2: it is 1 voxels across"):
        export_surfaces(request(made, segment=2), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def encapsulated(made, tmp_path):
    [surface] = export_surfaces(request(made, encapsulated=True), tmp_path)["surfaces"]
    return surface["file"]


def test_an_encapsulated_surface_is_the_patient_s_ours_and_in_place(made, encapsulated):
    read = pydicom.dcmread(encapsulated)
    header = made.origin.headers[0]
    assert read.SOPClassUID == "1.2.840.10008.5.1.4.1.1.104.3"
    assert (read.Modality, read.MIMETypeOfEncapsulatedDocument) == ("M3D", "model/stl")
    assert read.FrameOfReferenceUID == header.FrameOfReferenceUID
    assert read.StudyInstanceUID == header.StudyInstanceUID
    assert (read.PatientName, read.PatientID) == ("PHANTOM^TEST", "PHANTOM")
    assert read.MeasurementUnitsCodeSequence[0].CodeValue == "mm"
    sources = [each.ReferencedSOPInstanceUID for each in read.SourceInstanceSequence]
    assert sources[0] == made.origin.segmentation.SOPInstanceUID
    assert set(sources[1:]) == {each.SOPInstanceUID for each in made.origin.headers}
    devices = [each.get("DeviceUID") for each in read.ContributingEquipmentSequence]
    theirs = made.origin.segmentation.ContributingEquipmentSequence
    assert devices == [each.get("DeviceUID") for each in theirs]
    assert is_ours(read)
    content = read.EncapsulatedDocument[: read.EncapsulatedDocumentLength]
    assert signed_volume_mm3(mesh_of(content)) == pytest.approx(made.volume_mm3, rel=0.002)


def test_exported_again_it_is_the_same_object(made, encapsulated, tmp_path):
    [again] = export_surfaces(request(made, encapsulated=True, segment=1), tmp_path / "again")[
        "surfaces"
    ]
    first, second = pydicom.dcmread(encapsulated), pydicom.dcmread(again["file"])
    assert first == second
    assert len({first.SeriesInstanceUID, first.SOPInstanceUID, first.StudyInstanceUID}) == 3


def test_a_validator_has_no_complaint_about_an_encapsulated_surface(encapsulated, tool):
    assert dciodvfy(encapsulated, tool) == []


def test_another_tool_s_seg_is_named_as_the_maker(made, tmp_path):
    seg = pydicom.dcmread(made.folder / "seg.dcm")
    del seg.ContributingEquipmentSequence
    seg.Manufacturer = "Other"
    path = write_dataset(seg, tmp_path / "other.dcm")
    [surface] = export_surfaces(request(made, path=path, encapsulated=True), tmp_path)["surfaces"]
    [maker] = pydicom.dcmread(surface["file"]).ContributingEquipmentSequence
    assert maker.Manufacturer == "Other"


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "FrameOfReferenceUID", "PatientID"])
def test_a_seg_of_other_images_is_not_put_into_this_patient_s_study(made, tmp_path, keyword):
    seg = pydicom.dcmread(made.folder / "seg.dcm")
    seg[keyword].value = "1.2.3"
    path = write_dataset(seg, tmp_path / "other.dcm")
    with pytest.raises(InputError, match=keyword):
        export_surfaces(request(made, path=path, encapsulated=True), tmp_path)


def test_a_nifti_mask_s_surface_is_where_its_seg_s_is(made, tmp_path):
    mask = made.origin.masks[0]
    image = SimpleITK.GetImageFromArray(mask.voxels.astype(np.uint8) * 3)
    spacing = np.array(mask.grid.spacing_mm)
    image.SetSpacing(spacing[::-1].tolist())
    image.SetOrigin(mask.grid.affine[:3, 3].tolist())
    image.SetDirection((mask.grid.affine[:3, :3] / spacing)[:, ::-1].ravel().tolist())
    path = tmp_path / "mask.nii.gz"
    SimpleITK.WriteImage(image, str(path))
    [plain] = export_surfaces(request(made, path=path, source=None, segment=3), tmp_path)[
        "surfaces"
    ]
    [from_seg] = export_surfaces(request(made, segment=1), tmp_path)["surfaces"]
    assert plain["centroid_lps_mm"] == pytest.approx(from_seg["centroid_lps_mm"], abs=1e-3)

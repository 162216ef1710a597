"""Surfaces: closed, facing outward, on the right side, and of the volume of the voxels."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot.evaluation.images import read_mask
from dicom_node.files import dicom_files, one_series
from dicom_node.volumes import load_series
from domain.errors import CannotDoError, EmptyMaskError, UncalibratedError
from domain.grid import Grid
from domain.volume import Mask
from reporting.exports.surface import centroid_lps_mm, is_closed, signed_volume_mm3, surface_of
from reporting.exports.surface_files import LPS_MM_TO_GLTF, SurfaceFormat, glb, obj, stl
from reporting.shape import Mesh
from tests.phantoms import affine, ellipsoid, grid
from tests.reporting.shapes import solid
from tests.reporting.shapes import surface_of as true_surface_mm2

SPACINGS = [(1.0, 1.0, 1.0), (2.0, 0.7, 0.7), (3.0, 0.8, 0.8), (5.0, 0.7, 0.7)]


def lopsided(turn_deg=(0.0, 0.0, 0.0)):
    """Return a large ball with a small one to the patient's left, back and head."""
    on = grid(shape=(30, 60, 60), spacing_mm=(2.0, 1.0, 1.0), turn_deg=turn_deg)
    large = ellipsoid(on, (12.0, 12.0, 12.0), np.array([10.0, 20.0, 20.0]))
    small = ellipsoid(on, (6.0, 6.0, 6.0), np.array([22.0, 45.0, 45.0]))
    return Mask(voxels=large.voxels | small.voxels, grid=on)


def centroid_of_voxels(mask):
    return mask.grid.to_lps_mm(np.argwhere(mask.voxels)).mean(axis=0)


@pytest.mark.parametrize("spacing_mm", SPACINGS)
@pytest.mark.parametrize("diameter_mm", [5.0, 8.0, 12.0, 20.0, 40.0])
def test_a_ball_s_surface_encloses_the_volume_of_its_voxels(spacing_mm, diameter_mm):
    mask = solid((diameter_mm / 2,) * 3, spacing_mm, offset=(0.3, -0.2, 0.1))
    across = min(int(np.count_nonzero(mask.voxels.any(axis=o))) for o in [(1, 2), (0, 2), (0, 1)])
    if across < 3:
        with pytest.raises(CannotDoError, match=f"{across} voxels across, 3 are needed"):
            surface_of(mask)
        return
    made = surface_of(mask)
    assert made.mask_volume_ml == pytest.approx(
        mask.voxel_count * np.prod(spacing_mm) / 1000, rel=1e-9
    )
    assert made.volume_ml == pytest.approx(made.mask_volume_ml, rel=0.0015)
    assert signed_volume_mm3(made.mesh) == pytest.approx(made.volume_ml * 1000, rel=1e-9)
    assert is_closed(made.mesh)
    radius_mm = (3 * made.mask_volume_ml * 1000 / (4 * np.pi)) ** (1 / 3)
    assert made.mesh.area_mm2 == pytest.approx(true_surface_mm2((radius_mm,) * 3), rel=0.08)


@settings(max_examples=25, deadline=None)
@given(
    radii_mm=st.tuples(*[st.floats(7.0, 14.0)] * 3),
    spacing_mm=st.tuples(st.floats(0.8, 3.0), st.floats(0.7, 1.5), st.floats(0.7, 1.5)),
    turn_deg=st.tuples(*[st.floats(-180.0, 180.0)] * 3),
)
def test_any_ellipsoid_anywhere_is_closed_outward_in_place_and_of_its_volume(
    radii_mm, spacing_mm, turn_deg
):
    mask = solid(radii_mm, spacing_mm, turn=(0.4, 0.2, -0.3), turn_deg=turn_deg)
    made = surface_of(mask)
    assert is_closed(made.mesh)
    assert signed_volume_mm3(made.mesh) > 0
    assert made.volume_ml == pytest.approx(made.mask_volume_ml, rel=0.0015)
    assert centroid_lps_mm(made.mesh) == pytest.approx(centroid_of_voxels(mask), abs=0.1)
    assert made.overlap > 0.95
    assert made.notes == ()


@pytest.mark.parametrize(
    "flips", [(False, False, False), (True, False, False), (False, True, True)]
)
@pytest.mark.parametrize("turn_deg", [(0.0, 0.0, 0.0), (10.0, -15.0, 5.0)])
def test_a_lopsided_thing_leans_to_the_same_side_however_it_is_stored(flips, turn_deg):
    mask = lopsided(turn_deg)
    made = surface_of(mask.turned((0, 1, 2), flips)).mesh
    assert centroid_lps_mm(made) == pytest.approx(centroid_of_voxels(mask), abs=0.25)
    assert signed_volume_mm3(made) > 0


def test_on_a_sheared_lattice_the_volume_is_that_of_its_voxels():
    made = affine(spacing_mm=(2.0, 1.0, 1.0))
    made[:3, 0] += (0.0, 0.4, 0.0)
    upright = ellipsoid(grid(shape=(20, 40, 40)), (12.0, 12.0, 12.0))
    mask = Mask(voxels=upright.voxels, grid=Grid(affine=made, shape=upright.grid.shape))
    found = surface_of(mask)
    assert found.volume_ml == pytest.approx(found.mask_volume_ml, rel=0.0015)


def test_a_mask_at_the_edge_of_the_images_is_closed_too():
    on = grid(shape=(8, 24, 20))
    made = surface_of(Mask(voxels=np.ones(on.shape, dtype=np.bool_), grid=on))
    assert is_closed(made.mesh)
    assert made.volume_ml == pytest.approx(made.mask_volume_ml, rel=0.0015)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16), share=st.floats(0.2, 0.8))
def test_a_ragged_mask_is_refused_or_has_a_closed_surface(seed, share):
    on = grid(shape=(9, 14, 12))
    ragged = np.random.default_rng(seed).random(on.shape) < share
    try:
        made = surface_of(Mask(voxels=ragged, grid=on))
    except CannotDoError as error:
        assert "too thin or in too many parts" in str(error)  # noqa: PT017
        return
    assert is_closed(made.mesh)
    assert made.volume_ml == pytest.approx(made.mask_volume_ml, rel=0.0015)


def test_a_part_that_is_lost_is_named():
    mask = lopsided()
    voxels = mask.voxels.copy()
    voxels[2, 55, 5] = True
    assert surface_of(mask).notes == ()
    (note,) = surface_of(Mask(voxels=voxels, grid=mask.grid)).notes
    assert note == "1 of 3 separate parts are too thin to be in the surface"


def test_scattered_single_voxels_are_refused():
    on = grid(shape=(12, 20, 20))
    voxels = np.zeros(on.shape, dtype=np.bool_)
    voxels[1::4, 1::4, 1::4] = True
    with pytest.raises(CannotDoError, match="too thin or in too many parts"):
        surface_of(Mask(voxels=voxels, grid=on))


def test_nothing_and_what_has_no_depth_have_no_surface():
    on = grid()
    with pytest.raises(EmptyMaskError):
        surface_of(Mask(voxels=np.zeros(on.shape, dtype=np.bool_), grid=on))
    flat = Grid(affine=on.affine, shape=(1, 24, 20), slice_spacing_known=False)
    with pytest.raises(UncalibratedError, match="slice distance"):
        surface_of(Mask(voxels=np.ones(flat.shape, dtype=np.bool_), grid=flat))


def test_an_open_or_inside_out_mesh_is_told_from_a_closed_one():
    mesh = surface_of(lopsided()).mesh
    opened = Mesh(vertices_lps_mm=mesh.vertices_lps_mm, faces=mesh.faces[1:])
    turned = mesh.faces.copy()
    turned[0] = turned[0, ::-1]
    one_wrong = Mesh(vertices_lps_mm=mesh.vertices_lps_mm, faces=turned)
    assert is_closed(mesh)
    assert not is_closed(opened)
    assert not is_closed(one_wrong)


def test_stl_holds_the_mesh_in_lps_millimetres_and_says_so():
    mesh = surface_of(lopsided()).mesh
    content = stl(mesh)
    assert b"SPACE=LPS" in content[:80]
    assert b"UNIT=mm" in content[:80]
    assert not content.startswith(b"solid")
    (count,) = struct.unpack("<I", content[80:84])
    assert len(content) == 84 + 50 * count
    kind = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    read = np.frombuffer(content[84:], dtype=kind)
    assert read["corners"] == pytest.approx(mesh.vertices_lps_mm[mesh.faces], abs=1e-4)
    outward = read["corners"].mean(axis=1) - centroid_lps_mm(mesh)
    large = outward[np.linalg.norm(outward, axis=1) < 20]
    facing = (large * read["normal"][np.linalg.norm(outward, axis=1) < 20]).sum(axis=1)
    assert (facing > 0).mean() > 0.99
    welded, faces = np.unique(read["corners"].reshape(-1, 3), axis=0, return_inverse=True)
    assert is_closed(Mesh(vertices_lps_mm=welded, faces=faces.reshape(-1, 3)))


def test_obj_holds_the_mesh_in_lps_millimetres_and_says_so():
    mesh = surface_of(lopsided()).mesh
    lines = obj(mesh, "lung lesion").decode().splitlines()
    assert {"# SPACE=LPS", "# UNIT=mm", "o lung_lesion"} <= set(lines)
    vertices = np.array([line.split()[1:] for line in lines if line.startswith("v ")], dtype=float)
    faces = np.array([line.split()[1:] for line in lines if line.startswith("f ")], dtype=int) - 1
    read = Mesh(vertices_lps_mm=vertices, faces=faces)
    assert vertices == pytest.approx(mesh.vertices_lps_mm, abs=1e-4)
    assert signed_volume_mm3(read) == pytest.approx(signed_volume_mm3(mesh), rel=1e-4)


def test_gltf_stands_the_patient_upright_facing_the_front_and_mirrors_nothing():
    mesh = surface_of(lopsided()).mesh
    content = glb(mesh, "lung lesion")
    magic, version, length, json_length, kind = struct.unpack("<4sIII4s", content[:20])
    assert (magic, version, length, kind) == (b"glTF", 2, len(content), b"JSON")
    document = json.loads(content[20 : 20 + json_length])
    binary = content[20 + json_length + 8 :]
    views, accessors = document["bufferViews"], document["accessors"]

    def part(number, dtype):
        start = views[number]["byteOffset"]
        return np.frombuffer(binary[start : start + views[number]["byteLength"]], dtype=dtype)

    positions = part(0, "<f4").reshape(-1, 3)
    normals = part(1, "<f4").reshape(-1, 3)
    faces = part(2, "<u4").reshape(-1, 3).astype(np.int64)
    assert [len(positions), len(normals), faces.size] == [each["count"] for each in accessors]
    assert positions.min(axis=0).tolist() == accessors[0]["min"]
    assert all(view["byteOffset"] % 4 == 0 for view in views)
    left, posterior, superior = mesh.vertices_lps_mm.T / 1000
    assert positions == pytest.approx(np.column_stack([left, superior, -posterior]), abs=1e-6)
    back = np.array(document["asset"]["extras"]["to_lps_mm"])
    assert positions @ back.T == pytest.approx(mesh.vertices_lps_mm, abs=1e-3)
    assert np.linalg.det(LPS_MM_TO_GLTF) > 0
    read = Mesh(vertices_lps_mm=positions.astype(float), faces=faces)
    assert signed_volume_mm3(read) * 1e9 == pytest.approx(signed_volume_mm3(mesh), rel=1e-4)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(len(normals)), abs=1e-5)


def test_the_endings_of_names_are_those_of_the_formats():
    assert [str(each) for each in SurfaceFormat] == ["stl", "obj", "glb"]


@pytest.mark.parametrize(("label", "on_the_right"), [(5, True), (1, False)])
def test_liver_and_spleen_of_a_real_ct_keep_volume_and_side(shared_data, label, on_the_right):
    folder = shared_data / "ct_multiorgan"
    volume = load_series(one_series(dicom_files(folder / "dicom"), None))
    mask = read_mask(folder / "labels.nii.gz", volume.grid, label)
    made = surface_of(mask)
    assert made.volume_ml == pytest.approx(made.mask_volume_ml, rel=0.0015)
    assert is_closed(made.mesh)
    assert signed_volume_mm3(made.mesh) > 0
    assert made.overlap > 0.95
    middle = volume.grid.to_lps_mm((np.array(volume.grid.shape) - 1) / 2)
    assert (centroid_lps_mm(made.mesh)[0] < middle[0]) == on_the_right

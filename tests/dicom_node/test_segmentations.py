import json
import subprocess

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import RLELossless

from dicom_node.equipment import device_uid, is_ours
from dicom_node.files import dicom_files, one_series, write_dataset
from dicom_node.seg_reader import read_segmentation
from dicom_node.seg_writer import SegWriter
from dicom_node.volumes import load_series
from domain.codes import LESION, MORPHOLOGICALLY_ABNORMAL, sct
from domain.concepts import Concept
from domain.errors import GeometryError, InputError, RadcopilotError, UnreadableFileError
from domain.segment import AlgorithmType, Provenance
from domain.volume import Mask
from tests.phantoms import MADE_BY, UIDS, ct, ellipsoid, grid, segment, series

LUNG_LESION = Concept(
    phrase="lung lesion",
    category=MORPHOLOGICALLY_ABNORMAL,
    code=LESION,
    site=sct("39607008", "Lung"),
    paired=True,
)


def write_seg(volume, segments, files, path):
    entries = [
        (made, LUNG_LESION, f"Finding {number}", UIDS.new_uid())
        for number, made in enumerate(segments, start=1)
    ]
    return write_dataset(SegWriter(UIDS).build(volume, entries, files), path)


@pytest.fixture
def oblique(tmp_path):
    on = grid(turn_deg=(25.0, -35.0, 15.0), spacing_mm=(3.0, 0.7, 0.8))
    files = series(tmp_path / "series", ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))
    volume = load_series(files)
    mask = ellipsoid(volume.grid, (6.0, 5.0, 4.0), np.array([4.0, 10.0, 12.0]))
    return volume, mask, files


def dcmqi_mask(seg_path, folder, tool):
    """Read a SEG as dcmqi does, which knows nothing of us."""
    subprocess.run(
        [
            tool("segimage2itkimage"),
            "--inputDICOM",
            str(seg_path),
            "--outputDirectory",
            str(folder),
            "--outputType",
            "nrrd",
        ],
        check=True,
        capture_output=True,
    )
    image = SimpleITK.ReadImage(str(folder / "1.nrrd"))
    voxels = SimpleITK.GetArrayFromImage(image) > 0
    corner = image.TransformIndexToPhysicalPoint((0, 0, 0))
    return voxels, np.array(corner), np.array(image.GetSpacing()[::-1])


def test_a_mask_on_an_oblique_series_comes_back_equal(oblique, tmp_path):
    volume, mask, files = oblique
    path = write_seg(volume, [segment(mask)], files, tmp_path / "seg.dcm")
    back = read_segmentation(path, volume.grid)
    assert np.array_equal(back.segments[0].mask.voxels, mask.voxels)
    assert back.referenced_series_uid == volume.source.series_instance_uid


def test_highdicom_reads_the_same_voxels_at_the_same_places(oblique, tmp_path):
    volume, mask, files = oblique
    path = write_seg(volume, [segment(mask)], files, tmp_path / "seg.dcm")
    read = hd.seg.segread(path).get_volume(segment_numbers=[1], combine_segments=True)
    inside = np.argwhere(np.asarray(read.array) > 0)
    theirs = read.map_indices_to_reference(inside)
    ours = volume.grid.to_lps_mm(np.argwhere(mask.voxels))
    assert len(theirs) == len(ours)
    assert np.abs(sorted(theirs.tolist()) - np.array(sorted(ours.tolist()))).max() < 0.01


def test_dcmqi_reads_the_same_voxels_at_the_same_places(oblique, tmp_path, tool):
    volume, mask, files = oblique
    path = write_seg(volume, [segment(mask)], files, tmp_path / "seg.dcm")
    voxels, corner, spacing = dcmqi_mask(path, tmp_path, tool)
    assert int(voxels.sum()) == mask.voxel_count
    assert spacing == pytest.approx(volume.grid.spacing_mm, abs=1e-4)
    start = np.rint(volume.grid.to_index(corner)).astype(int)
    assert volume.grid.to_lps_mm(start) == pytest.approx(corner, abs=0.01)
    placed = np.zeros_like(mask.voxels)
    stop = start + voxels.shape
    placed[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]] = voxels
    assert np.array_equal(placed, mask.voxels)


def test_overlapping_masks_keep_every_voxel(oblique, tmp_path):
    volume, mask, files = oblique
    other = ellipsoid(volume.grid, (6.0, 5.0, 4.0), np.array([4.0, 12.0, 12.0]))
    assert (mask.voxels & other.voxels).any()
    path = write_seg(volume, [segment(mask), segment(other)], files, tmp_path / "seg.dcm")
    back = read_segmentation(path, volume.grid)
    assert np.array_equal(back.segments[0].mask.voxels, mask.voxels)
    assert np.array_equal(back.segments[1].mask.voxels, other.voxels)


def test_codes_side_algorithm_and_device_are_in_the_object(oblique, tmp_path):
    volume, mask, files = oblique
    path = write_seg(volume, [segment(mask, side="left")], files, tmp_path / "seg.dcm")
    dataset = pydicom.dcmread(path)
    item = dataset.SegmentSequence[0]
    assert dataset.SegmentationType == "BINARY"
    assert item.SegmentLabel == "left lung lesion"
    assert item.SegmentedPropertyTypeCodeSequence[0].CodeValue == LESION.value
    region = item.AnatomicRegionSequence[0]
    assert region.CodeValue == "39607008"
    assert region.AnatomicRegionModifierSequence[0].CodeMeaning == "Left"
    assert item.SegmentAlgorithmType == "SEMIAUTOMATIC"
    assert item.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == MADE_BY.engine
    devices = [item.get("DeviceUID") for item in dataset.ContributingEquipmentSequence]
    assert device_uid(MADE_BY) in devices
    assert is_ours(dataset)
    assert not is_ours(pydicom.dcmread(files[0]))


def test_another_model_is_another_device():
    def made(**changes):
        base = {"engine": "e", "version": "1", "algorithm_type": AlgorithmType.AUTOMATIC}
        return device_uid(Provenance(**(base | changes)))

    assert made(weights_sha256="aa") == made(weights_sha256="aa")
    assert (
        len({made(), made(weights_sha256="aa"), made(weights_sha256="bb"), made(version="2")}) == 4
    )


def test_empty_masks_and_missing_sources_are_refused(oblique, tmp_path):
    volume, mask, files = oblique
    with pytest.raises(InputError, match="source images are missing"):
        write_seg(volume, [segment(mask)], files[1:], tmp_path / "seg.dcm")
    with pytest.raises(InputError, match="at least one voxel"):
        SegWriter(UIDS).build(volume, [], files)


def test_a_seg_of_another_series_is_refused(oblique, tmp_path):
    volume, mask, files = oblique
    path = write_seg(volume, [segment(mask)], files, tmp_path / "seg.dcm")
    elsewhere = grid(turn_deg=(25.0, -35.0, 15.0), spacing_mm=(3.0, 0.7, 0.8), origin=(0, 0, 1.1))
    with pytest.raises(GeometryError, match=r"does not belong|different series"):
        read_segmentation(path, elsewhere)


def test_empty_slices_between_do_not_double_the_volume(tmp_path):
    on = grid(shape=(9, 24, 20))
    files = series(tmp_path / "series", ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))
    volume = load_series(files)
    voxels = np.zeros(volume.grid.shape, dtype=bool)
    voxels[[2, 4, 6], 5:9, 5:9] = True
    path = write_seg(
        volume, [segment(Mask(voxels=voxels, grid=volume.grid))], files, tmp_path / "seg.dcm"
    )
    for found in (read_segmentation(path), read_segmentation(path, volume.grid)):
        mask = found.segments[0].mask
        assert mask.voxel_count * mask.grid.voxel_volume_mm3 == pytest.approx(48 * 2.0)


def test_a_multi_frame_source_keeps_its_frame_order(shared_data, tmp_path):
    source = shared_data / "zoo" / "single" / "ct_enhanced_multiframe.dcm"
    volume = load_series([source])
    voxels = np.zeros(volume.grid.shape, dtype=bool)
    voxels[0, 100:120, 50:60] = True
    path = write_seg(
        volume, [segment(Mask(voxels=voxels, grid=volume.grid))], [source], tmp_path / "seg.dcm"
    )
    back = read_segmentation(path, volume.grid)
    assert np.array_equal(back.segments[0].mask.voxels, voxels)


def millilitres(found):
    return [s.mask.voxel_count * s.mask.grid.voxel_volume_mm3 / 1000 for s in found.segments]


def test_dcmqi_liver_measures_by_positions(shared_data):
    folder = shared_data / "zoo" / "dcmqi_liver"
    assert millilitres(read_segmentation(folder / "seg_liver.dcm")) == pytest.approx([70.3619])
    volume = load_series(one_series(dicom_files(folder / "ct")))
    on_source = read_segmentation(folder / "seg_liver.dcm", volume.grid)
    assert millilitres(on_source) == pytest.approx([70.3619])


def test_segs_of_other_tools_are_read(shared_data):
    zoo = shared_data / "zoo"
    tumour = read_segmentation(zoo / "dcmqi_tid1500" / "seg.dcm")
    assert millilitres(tumour) == pytest.approx([33.5824], abs=1e-4)
    assert tumour.segments[0].mask.voxel_count == 795
    labelmap = read_segmentation(zoo / "seg_variants" / "labelmap_seg_dcmqi.dcm")
    assert [s.label for s in labelmap.segments] == ["Liver"]
    assert millilitres(labelmap) == pytest.approx([0.7717], abs=1e-4)
    assert millilitres(read_segmentation(zoo / "seg_variants" / "liver_j2k.dcm")) == pytest.approx(
        [70.3619]
    )


@pytest.mark.parametrize("name", ["liver_rle.dcm", "liver_deflate.dcm"])
def test_segs_that_cannot_be_decoded_are_refused_by_name(shared_data, name):
    with pytest.raises(UnreadableFileError, match=name):
        read_segmentation(shared_data / "zoo" / "seg_variants" / name)


def test_an_image_is_no_seg(oblique):
    _, _, files = oblique
    with pytest.raises(UnreadableFileError, match="not a SEG"):
        read_segmentation(files[0])


def test_a_fractional_seg_is_cut_at_half_and_says_so(oblique, tmp_path):
    volume, mask, files = oblique
    share = np.where(mask.voxels, 0.8, 0.3)
    sources = [pydicom.dcmread(path) for path in files]
    seg = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=share,
        segmentation_type="FRACTIONAL",
        segment_descriptions=[
            hd.seg.SegmentDescription(
                1,
                "lesion",
                hd.sr.CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure"),
                hd.sr.CodedConcept("52988006", "SCT", "Lesion"),
                "MANUAL",
            )
        ],
        series_instance_uid=UIDS.new_uid(),
        series_number=1,
        sop_instance_uid=UIDS.new_uid(),
        instance_number=1,
        manufacturer="t",
        manufacturer_model_name="t",
        software_versions="1",
        device_serial_number="1",
        transfer_syntax_uid=RLELossless,
    )
    found = read_segmentation(write_dataset(seg, tmp_path / "f.dcm"), volume.grid)
    assert np.array_equal(found.segments[0].mask.voxels, mask.voxels)
    assert found.notes


def test_labels_of_the_shared_organs_fall_on_their_images(shared_data):
    volume = load_series(one_series(dicom_files(shared_data / "ct_multiorgan" / "dicom")))
    labels = json.loads((shared_data / "ct_multiorgan" / "labels.json").read_text())
    assert volume.grid.voxel_volume_mm3 == pytest.approx(27.0, rel=1e-5)
    assert labels["liver"]["voxels"] * volume.grid.voxel_volume_mm3 / 1000 == pytest.approx(
        1043.118, abs=0.01
    )


def test_every_file_of_the_zoo_is_read_or_refused_by_name(shared_data):
    read, refused = 0, {}
    for path in sorted((shared_data / "zoo").rglob("*.dcm")):
        is_seg = pydicom.dcmread(path, stop_before_pixels=True).get("Modality") == "SEG"
        try:
            _ = read_segmentation(path) if is_seg else load_series([path])
            read += 1
        except RadcopilotError as error:
            refused[path.name] = str(error)
    assert set(refused) == {"liver_rle.dcm", "liver_deflate.dcm", "sr.dcm", "rwvm.dcm"}
    assert all(name in said for name, said in refused.items())
    assert read > 50

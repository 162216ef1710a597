"""What a finding holds, and what it says of what it does not hold."""

import subprocess

import numpy as np
import pydicom
import pytest

from dicom_node.files import headers, write_dataset
from dicom_node.seg_writer import SegWriter
from dicom_node.volumes import load_series
from domain.codes import (
    AREA,
    ATTENUATION,
    LONG_AXIS,
    MAXIMUM_3D_DIAMETER,
    MEDIAN,
    METABOLIC_VOLUME,
    SPHERICITY,
    SURFACE_AREA,
    VOLUME,
)
from domain.command import Measure
from domain.errors import InputError
from domain.grid import Grid
from domain.measurement import Measurement, Statistic
from domain.volume import Volume
from reporting.findings import Tracking, located, measured
from reporting.sr import SrAuthor, measurement_report
from reporting.wording import described
from tests.phantoms import UIDS, affine, ct, ellipsoid, grid, segment, series

AUTHOR = SrAuthor(
    manufacturer="radcopilot", model_name="radcopilot", version="0.1.0", device_uid=UIDS.new_uid()
)


def tracking(number=1):
    return Tracking(
        tracking_id=f"Finding {number}", tracking_uid=UIDS.new_uid(), segment_number=number
    )


def finding_of(image, mask, *asked):
    return measured(image, segment(mask), None, tracking(), asked)


def test_a_ct_lesion_on_thin_slices_has_everything():
    on = grid(shape=(30, 30, 30), spacing_mm=(1.0, 0.8, 0.8))
    mask = ellipsoid(on, (9.0, 8.0, 7.0))
    finding = finding_of(ct(on, mask), mask)
    for concept in (VOLUME, LONG_AXIS, MAXIMUM_3D_DIAMETER, SURFACE_AREA, SPHERICITY, ATTENUATION):
        assert finding.measurement(concept) is not None
    assert MEDIAN in {m.derivation for m in finding.measurements}
    assert [s.name for s in finding.statistics] == [
        "percentile_10_attenuation",
        "percentile_90_attenuation",
    ]
    assert finding.absent == ()
    assert finding.warnings == ()


def test_thick_slices_leave_out_the_surface_and_keep_the_reason_out_of_the_draft():
    on = grid(shape=(9, 40, 40), spacing_mm=(5.0, 0.7, 0.7))
    mask = ellipsoid(on, (12.0, 9.0, 8.0))
    finding = finding_of(ct(on, mask), mask)
    assert finding.measurement(SURFACE_AREA) is None
    assert finding.measurement(MAXIMUM_3D_DIAMETER) is not None
    assert any("no surface" in reason for reason in finding.absent)
    assert finding.warnings == ()


def test_a_single_image_has_an_area_and_no_volume():
    on = Grid(affine=affine((1.0, 0.5, 0.5)), shape=(1, 40, 40), slice_spacing_known=False)
    mask = ellipsoid(on, (2.0, 5.0, 4.0))
    image = Volume(voxels=np.zeros(on.shape, dtype=np.uint8), grid=on, modality="US")
    finding = finding_of(image, mask)
    assert finding.measurement(VOLUME) is None
    assert finding.measurement(AREA).value == pytest.approx(np.pi * 20.0, rel=0.05)
    assert finding.measurement(AREA).slice_index == 0
    assert finding.warnings == ()
    assert "area 6" in described(finding)[0]
    assert any(
        "no volume" in warning for warning in finding_of(image, mask, Measure.VOLUME).warnings
    )


def test_one_marked_slice_of_many_has_an_area_and_says_why_no_volume():
    on = grid(shape=(8, 24, 20), spacing_mm=(5.0, 1.0, 1.0))
    mask = ellipsoid(on, (2.0, 5.0, 5.0), np.array([3.0, 10.0, 10.0]))
    finding = finding_of(ct(on, mask), mask)
    assert finding.measurement(VOLUME) is None
    assert finding.measurement(AREA) is not None
    assert any("only image 4 is marked" in warning for warning in finding.warnings)


def test_without_a_scale_there_is_neither_length_nor_area():
    on = Grid(
        affine=affine(), shape=(1, 24, 20), in_plane_calibrated=False, slice_spacing_known=False
    )
    mask = ellipsoid(on, (2.0, 5.0, 4.0))
    image = Volume(voxels=np.zeros(on.shape, dtype=np.uint8), grid=on, modality="DX")
    finding = finding_of(image, mask)
    assert finding.measurements == ()
    assert any("no diameter" in warning for warning in finding.warnings)
    assert {reason.split(":")[0] for reason in finding.absent} == {
        "no volume",
        "no area",
        "no diameter",
        "no density",
    }


@pytest.mark.parametrize("wrong", [-0.1, float("nan"), float("inf")])
def test_an_uncertainty_that_is_none_is_refused(wrong):
    with pytest.raises(InputError, match="uncertainty"):
        Measurement(concept=VOLUME, value=1.0, unit=VOLUME, uncertainty=wrong)
    with pytest.raises(InputError, match="statistic"):
        Statistic(name="percentile_10_attenuation", value=float("nan"), unit=VOLUME)


@pytest.fixture
def pet_report(tmp_path):
    on = grid(shape=(14, 24, 20), spacing_mm=(3.0, 3.0, 3.0))
    hot = ellipsoid(on, (12.0, 12.0, 11.0))
    voxels = np.where(hot.voxels, 8, 1).astype(np.float32)
    files = series(tmp_path / "series", Volume(voxels=voxels, grid=on, modality="PT"))
    for path in files:
        dataset = pydicom.dcmread(path)
        dataset.Units = "GML"
        dataset.save_as(path)
    image = load_series(files)
    made = segment(ellipsoid(image.grid, (15.0, 15.0, 14.0)))
    name = tracking()
    seg = SegWriter(UIDS).build(image, [(made, None, name.tracking_id, name.tracking_uid)], files)
    finding = located(measured(image, made, None, name), seg.SOPInstanceUID)
    sr = measurement_report([finding], seg, headers(files), AUTHOR, UIDS)
    return finding, write_dataset(sr, tmp_path / "sr.dcm")


def numbers(item):
    for child in item.get("ContentSequence", ()):
        if child.ValueType == "NUM":
            yield child
        yield from numbers(child)


def test_uptake_and_surface_reach_the_sr_with_their_rule(pet_report):
    finding, path = pet_report
    found = list(numbers(pydicom.dcmread(path)))
    assert len(found) == len(finding.measurements)
    names = {item.ConceptNameCodeSequence[0].CodeValue for item in found}
    assert {"126032", "126401", "C0JK", "QCFX", "L0JK"} <= names
    metabolic = next(
        item for item in found if item.ConceptNameCodeSequence[0].CodeValue == "126032"
    )
    texts = [child.TextValue for child in metabolic.ContentSequence if child.ValueType == "TEXT"]
    assert finding.measurement(METABOLIC_VOLUME).rule in texts


def test_validators_accept_it(pet_report, tool):
    path = pet_report[1]
    run = subprocess.run([tool("dciodvfy"), str(path)], capture_output=True, text=True, check=False)
    errors = [line for line in run.stderr.splitlines() if line.startswith("Error")]
    assert run.returncode == 0
    assert errors == []
    limits = [f"-Djdk.xml.xpath{name}Limit=0" for name in ("TotalOp", "ExprOp", "ExprGrp")]
    jar = ["-cp", "/usr/share/java/pixelmed.jar", "com.pixelmed.validate.DicomSRValidator"]
    said = subprocess.run(
        [tool("java"), *limits, *jar, str(path)], capture_output=True, text=True, check=False
    )
    text = said.stdout + said.stderr
    assert "IOD validation complete" in text
    assert [line for line in text.splitlines() if line.startswith("Error")] == []

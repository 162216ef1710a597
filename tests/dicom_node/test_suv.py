"""SUV by body weight: right where the headers say all that is needed, absent with the reason."""

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom_node.files import dicom_files, one_series
from dicom_node.suv import pet_values
from dicom_node.volumes import load_series
from domain.codes import BECQUEREL_PER_MILLILITRE, NO_UNITS, SUV_BODY_WEIGHT
from domain.volume import Volume
from tests.phantoms import grid, series

HALF_LIFE_S = 6588.0
WEIGHT_KG = 70.0
DOSE_BQ = 350e6
FRESH = WEIGHT_KG * 1000 / DOSE_BQ  # g/Bq before any decay


def header(**changed):
    """A complete header, administered one half-life (1 h 49 min 48 s) before the scan."""
    dataset = Dataset()
    dataset.Modality = "PT"
    dataset.Units = "BQML"
    dataset.DecayCorrection = "START"
    dataset.CorrectedImage = ["DECY", "ATTN", "SCAT"]
    dataset.PatientWeight = str(WEIGHT_KG)
    dataset.SeriesDate = dataset.AcquisitionDate = "20200102"
    dataset.SeriesTime = dataset.AcquisitionTime = "120000.00"
    dose = Dataset()
    dose.RadionuclideTotalDose = str(DOSE_BQ)
    dose.RadionuclideHalfLife = str(HALF_LIFE_S)
    dose.RadiopharmaceuticalStartTime = "101012.00"
    dataset.RadiopharmaceuticalInformationSequence = [dose]
    for keyword, value in changed.items():
        owner = dataset if keyword in dataset or not keyword.startswith("Radio") else dose
        if value is None:
            delattr(owner, keyword)
        else:
            setattr(owner, keyword, value)
    return dataset


def private(group, creator, element, value, **changed):
    made = header(**changed)
    made.private_block(group, creator, create=True).add_new(element, "DS", value)
    return made


def refusal(*headers):
    values = pet_values(headers)
    assert values.factor == 1.0
    assert values.unit != SUV_BODY_WEIGHT
    (note,) = values.notes
    assert note.startswith("no SUV: ")
    return note


def test_one_half_life_after_administration_half_the_activity_is_left():
    values = pet_values([header()])
    assert values.unit == SUV_BODY_WEIGHT
    assert values.factor == pytest.approx(2 * FRESH)
    assert "109.8 min" in values.notes[0]


def test_values_corrected_to_administration_need_no_time():
    changed = {"RadiopharmaceuticalStartTime": None, "SeriesTime": None}
    values = pet_values([header(DecayCorrection="ADMIN", **changed)])
    assert values.factor == pytest.approx(FRESH)


@given(st.integers(0, 10 * 6588), st.integers(0, 86399))
def test_the_factor_follows_the_decay_over_midnight_too(decay_s, scan_s):
    def clock(second):
        second %= 86400
        return f"{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}"

    made = header(
        SeriesTime=clock(scan_s),
        AcquisitionTime=clock(scan_s),
        RadiopharmaceuticalStartTime=clock(scan_s - decay_s),
    )
    assert pet_values([made]).factor == pytest.approx(FRESH * 2 ** (decay_s / HALF_LIFE_S))


def test_a_full_date_of_administration_counts_days():
    made = header(
        RadiopharmaceuticalStartTime=None,
        RadiopharmaceuticalStartDateTime="20200101120000.00",
        RadionuclideHalfLife=str(86400.0),
    )
    assert pet_values([made]).factor == pytest.approx(2 * FRESH)


def test_a_date_of_administration_in_another_time_zone_is_brought_to_that_of_the_series():
    made = header(
        RadiopharmaceuticalStartTime=None,
        RadiopharmaceuticalStartDateTime="20200102091012.00+0000",
        TimezoneOffsetFromUTC="+0100",
    )
    assert pet_values([made]).factor == pytest.approx(2 * FRESH)


def test_a_series_time_after_the_acquisition_is_not_the_start_of_the_scan():
    late = header(SeriesTime="180000")
    bed = header(SeriesTime="180000", AcquisitionTime="120300")
    assert pet_values([bed, late]).factor == pytest.approx(2 * FRESH)
    by_maker = private(0x0009, "GEMS_PETD_01", 0x0D, "0", SeriesTime="180000")
    by_maker[0x0009, 0x100D].VR = "DT"
    by_maker[0x0009, 0x100D].value = "20200102115500.00"
    shorter = 2 ** ((HALF_LIFE_S - 300) / HALF_LIFE_S)
    assert pet_values([by_maker]).factor == pytest.approx(FRESH * shorter)


def test_later_beds_do_not_move_the_reference():
    beds = [header(), header(AcquisitionTime="120300"), header(AcquisitionTime="120600")]
    assert pet_values(beds).factor == pytest.approx(2 * FRESH)


def test_a_decay_factor_that_contradicts_the_times_is_named():
    frame = {"ActualFrameDuration": "160000"}
    assert pet_values([header(DecayFactor="1.00844", **frame)]).unit == SUV_BODY_WEIGHT
    assert "Decay Factor (0054,1321)" in refusal(header(DecayFactor="1.5", **frame))


MISSING = {
    "Units": "Units (0054,1001)",
    "DecayCorrection": "Decay Correction (0054,1102)",
    "CorrectedImage": "Corrected Image (0028,0051)",
    "PatientWeight": "Patient's Weight (0010,1030)",
    "SeriesTime": "Series Time (0008,0031)",
    "AcquisitionTime": "Acquisition Time (0008,0032)",
    "RadionuclideTotalDose": "Radionuclide Total Dose (0018,1074)",
    "RadionuclideHalfLife": "Radionuclide Half Life (0018,1075)",
    "RadiopharmaceuticalStartTime": "Radiopharmaceutical Start Time (0018,1072)",
}


@pytest.mark.parametrize(("keyword", "named"), MISSING.items())
def test_what_is_missing_is_named_and_values_stay_as_they_are(keyword, named):
    said = refusal(header(**{keyword: None}))
    assert named in said
    others = set(MISSING.values()) - {named}
    assert not [other for other in others if other in said]


def test_everything_missing_is_named_at_once():
    said = refusal(header(PatientWeight=None, RadionuclideHalfLife=None))
    assert MISSING["PatientWeight"] in said
    assert MISSING["RadionuclideHalfLife"] in said


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"PatientWeight": "70000"}, "Patient's Weight"),
        ({"PatientWeight": "0"}, "Patient's Weight"),
        ({"RadionuclideTotalDose": "350"}, "Radionuclide Total Dose"),
        ({"DecayCorrection": "NONE"}, "Decay Correction"),
        ({"CorrectedImage": ["DECY"]}, "lacks ATTN"),
        ({"Units": "PROPCPS"}, "Units"),
        ({"Units": "CNTS"}, "(7053,xx00)"),
        ({"SeriesTime": "250000"}, "not readable"),
        ({"RadiopharmaceuticalStartDateTime": "20190102101012"}, "not plausible"),
        ({"RadiopharmaceuticalStartDateTime": "20200102091012"}, "contradict"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR TM")
def test_what_cannot_be_right_is_refused_by_name(changed, named):
    assert named in refusal(header(**changed))


def test_two_tracers_are_refused():
    made = header()
    dose = made.RadiopharmaceuticalInformationSequence[0]
    made.RadiopharmaceuticalInformationSequence = [dose, dose]
    assert "several items" in refusal(made)


def test_images_that_contradict_each_other_are_refused():
    assert "Patient's Weight (0010,1030) differs" in refusal(header(), header(PatientWeight="71"))
    other = header(RadionuclideTotalDose="300000000")
    assert "Radionuclide Total Dose (0018,1074) differs" in refusal(header(), other)


def test_counts_become_suv_by_the_makers_factor():
    group = (0x7053, "Philips PET Private Group")
    assert pet_values([private(*group, 0x00, "0.0004", Units="CNTS")]).factor == 0.0004
    activity = pet_values([private(*group, 0x09, "1.5", Units="CNTS")])
    assert activity.factor == pytest.approx(1.5 * 2 * FRESH)
    assert activity.unit == SUV_BODY_WEIGHT


def test_suv_of_the_scanner_is_taken_as_it_is_unless_it_is_of_another_kind():
    assert pet_values([header(Units="GML", PatientWeight=None)]).unit == SUV_BODY_WEIGHT
    assert pet_values([header(Units="GML", SUVType="BW")]).notes == ()
    assert pet_values([header(Units="GML", SUVType="LBM")]).unit == NO_UNITS
    assert "SUV Type (0054,1006) is LBM" in refusal(header(Units="GML", SUVType="LBM"))


def activity_series(folder, source):
    on = grid(shape=(4, 6, 5))
    voxels = np.arange(4 * 6 * 5, dtype=np.float32).reshape(on.shape) * 100
    files = series(folder, Volume(voxels=voxels, grid=on, modality="PT"))
    for path in files:
        dataset = pydicom.dcmread(path)
        dataset.update(source)
        dataset.save_as(path)
    return files, voxels


def test_a_series_in_becquerel_loads_in_suv(tmp_path):
    files, activity = activity_series(tmp_path, header())
    volume = load_series(files)
    assert volume.unit == SUV_BODY_WEIGHT
    assert np.allclose(volume.voxels, activity * 2 * FRESH, rtol=1e-6)
    assert any("computed from Bq/mL" in note for note in volume.notes)


def test_a_series_without_weight_stays_in_becquerel_with_the_reason(tmp_path):
    files, activity = activity_series(tmp_path, header(PatientWeight=None))
    volume = load_series(files)
    assert volume.unit == BECQUEREL_PER_MILLILITRE
    assert np.array_equal(volume.voxels, activity)
    assert any("Patient's Weight (0010,1030) is missing" in note for note in volume.notes)


def test_a_real_series_gives_its_own_suv_back_from_becquerel(shared_data, tmp_path):
    files = one_series(dicom_files(shared_data / "sts_019" / "PET" / "image"))
    suv = load_series(files)
    per_becquerel = 99.0 * 1000 / (6.1627622e8 * 2 ** (-6669 / HALF_LIFE_S))  # 15:05:00 to 16:56:09
    turned = []
    for number, path in enumerate(files):
        dataset = pydicom.dcmread(path)
        dataset.Units, dataset.DecayCorrection = "BQML", "START"
        dataset.RescaleSlope = f"{float(dataset.RescaleSlope) / per_becquerel:.10g}"
        turned.append(tmp_path / f"{number}.dcm")
        dataset.save_as(turned[-1])
    again = load_series(turned)
    assert again.unit == SUV_BODY_WEIGHT
    assert np.allclose(again.voxels, suv.voxels, rtol=1e-5)

"""Areas frame by frame, on the scale that holds where the outline lies; never a volume."""

import numpy as np
import pytest

from domain.codes import AREA, LONG_AXIS, MAXIMUM, MINIMUM, VOLUME
from domain.errors import CannotDoError
from domain.volume import Mask
from reporting.findings import Tracking, measured, numbers_of
from reporting.over_time import NO_DEPTH_IN_TIME, areas_over_time
from reporting.scale import MIXED, OUTSIDE
from reporting.wording import described, summarised
from tests.cines import FRAME_TIME_MS, FRAMES, SPACING_MM, Disc, beating, loaded, region
from tests.phantoms import UIDS, ct, ellipsoid, grid, segment

TRACKING = Tracking(tracking_id="Finding 1", tracking_uid=UIDS.new_uid(), segment_number=1)


def _mask(volume, voxels=None):
    return Mask(voxels=beating().voxels() if voxels is None else voxels, grid=volume.grid)


def test_each_frame_has_its_area_and_time(tmp_path):
    volume = loaded(tmp_path)
    areas = areas_over_time(volume, _mask(volume))
    assert [each.area_mm2 for each in areas] == pytest.approx(beating().areas_mm2())
    assert [each.time_ms for each in areas] == [FRAME_TIME_MS * n for n in range(FRAMES)]
    for each, radius in zip(areas, beating().radii_px, strict=True):
        assert each.long_axis_mm == pytest.approx(2 * radius * SPACING_MM[1], rel=0.07)


def test_a_frame_without_a_mark_has_no_area_not_an_area_of_nothing(tmp_path):
    volume = loaded(tmp_path)
    voxels = beating().voxels()
    voxels[3] = False
    areas = areas_over_time(volume, _mask(volume, voxels))
    assert (areas[3].pixels, areas[3].area_mm2) == (0, None)
    smallest = numbers_of(volume, _mask(volume, voxels)).measurements[1]
    assert smallest.value == pytest.approx(min(np.delete(beating().areas_mm2(), 3)))


def test_largest_and_smallest_area_name_their_frames_and_there_is_no_volume(tmp_path):
    volume = loaded(tmp_path)
    finding = measured(volume, segment(_mask(volume), "left ventricle"), None, TRACKING)
    truth = beating().areas_mm2()
    kinds = {m.derivation: (m.slice_index, m.value) for m in finding.measurements[:2]}
    assert kinds[MAXIMUM] == (int(np.argmax(truth)), pytest.approx(max(truth)))
    assert kinds[MINIMUM] == (int(np.argmin(truth)), pytest.approx(min(truth)))
    assert {m.concept for m in finding.measurements if m.derivation is None} == {
        LONG_AXIS,
        finding.measurements[-1].concept,
    }
    assert finding.measurement(VOLUME) is None
    assert f"no volume: {NO_DEPTH_IN_TIME}" in finding.warnings
    assert not any("volume" in m.concept.meaning.lower() for m in finding.measurements)


def test_three_dimensional_sizes_are_absent_by_name(tmp_path):
    volume = loaded(tmp_path)
    absent = numbers_of(volume, _mask(volume)).absent
    for what in ("volume", "3D diameter", "surface"):
        assert f"no {what}: {NO_DEPTH_IN_TIME}" in absent


def test_the_draft_says_largest_and_smallest_with_their_frames(tmp_path):
    volume = loaded(tmp_path)
    finding = measured(volume, segment(_mask(volume), "left ventricle"), None, TRACKING)
    said, used = described(finding)
    assert "largest area 275 mm² (frame 3); smallest area 75 mm² (frame 7)" in said
    assert "volume" not in said
    assert len(used) == 4
    assert "largest area 275 mm²" in summarised(finding)[0]


def test_diameters_of_a_cine_have_no_ends_in_the_patient(tmp_path):
    volume = loaded(tmp_path)
    assert all(not m.points_lps_mm for m in numbers_of(volume, _mask(volume)).measurements)


def test_one_marked_frame_has_an_area(tmp_path):
    volume = loaded(tmp_path)
    voxels = np.zeros_like(beating().voxels())
    voxels[2] = beating().inside(2)
    area = numbers_of(volume, _mask(volume, voxels)).measurements[0]
    assert (area.concept, area.slice_index) == (AREA, 2)
    assert area.value == pytest.approx(beating().areas_mm2()[2])


def test_without_a_scale_there_are_pixels_and_no_area(tmp_path):
    volume = loaded(tmp_path, regions=())
    mask = _mask(volume)
    assert all(each.area_mm2 is None for each in areas_over_time(volume, mask))
    assert [each.pixels for each in areas_over_time(volume, mask)] == [
        int(each.sum()) for each in beating().voxels()
    ]
    numbers = numbers_of(volume, mask)
    assert numbers.measurements == ()
    assert any("no pixel spacing" in each for each in numbers.warnings)


LEFT = region(columns=(0, 60))
RIGHT = region(columns=(60, 120), spacing_mm=(0.8, 1.0))


@pytest.mark.parametrize(("column", "factor"), [(30.0, 1.0), (90.0, 4.0)])
def test_of_two_depths_side_by_side_the_one_where_it_lies_counts(tmp_path, column, factor):
    disc = Disc(centres=((40.0, column),) * 3, radii_px=(10.0, 11.0, 12.0))
    volume = loaded(tmp_path, disc, regions=(LEFT, RIGHT))
    areas = areas_over_time(volume, _mask(volume, disc.voxels()))
    truth = [factor * each for each in disc.areas_mm2()]
    assert [each.area_mm2 for each in areas] == pytest.approx(truth)
    assert numbers_of(volume, _mask(volume, disc.voxels())).measurements[0].value == pytest.approx(
        max(truth)
    )


@pytest.mark.parametrize(
    ("regions", "reason"),
    [
        ((LEFT, RIGHT), OUTSIDE),
        ((region(columns=(0, 45)),), OUTSIDE),
        ((region(), region(rows=(40, 50), RegionSpatialFormat=2)), MIXED),
        ((region(), region(rows=(0, 96), spacing_mm=(0.8, 0.5))), MIXED),
    ],
    ids=["across two depths", "partly outside", "a trace over it", "one inside another"],
)
def test_an_outline_without_one_scale_is_not_measured_and_says_why(tmp_path, regions, reason):
    volume = loaded(tmp_path, regions=regions)
    numbers = numbers_of(volume, _mask(volume))
    assert numbers.measurements == ()
    assert reason in numbers.warnings


def test_colour_flow_over_tissue_of_the_same_scale_is_no_contradiction(tmp_path):
    volume = loaded(tmp_path, regions=(region(), region(rows=(30, 60), RegionDataType=2)))
    areas = areas_over_time(volume, _mask(volume))
    assert [each.area_mm2 for each in areas] == pytest.approx(beating().areas_mm2())


def test_slices_have_no_areas_over_time():
    on = grid()
    mask = ellipsoid(on, (4.0, 5.0, 5.0))
    with pytest.raises(CannotDoError, match="in space"):
        areas_over_time(ct(on, mask), mask)

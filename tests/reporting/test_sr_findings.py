"""A measurement report gives back the findings that it was made of, whatever they say."""

from dataclasses import replace
from io import BytesIO

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicom_node.files import headers
from dicom_node.seg_writer import SegWriter
from dicom_node.volumes import load_series
from domain import codes
from domain.errors import UnreadableFileError
from domain.measurement import Evidence, Finding, Measurement, Statistic
from domain.segment import AlgorithmType, Provenance
from domain.uids import InstanceUID
from reporting.sr import SrAuthor, measurement_report
from reporting.sr_findings import findings_of
from tests.phantoms import UIDS, ct, ellipsoid, grid, segment, series

MEASURED = (
    (codes.VOLUME, codes.MILLILITRE, None),
    (codes.LONG_AXIS, codes.MILLIMETRE, None),
    (codes.SHORT_AXIS, codes.MILLIMETRE, None),
    (codes.AREA, codes.SQUARE_MILLIMETRE, codes.MAXIMUM),
    (codes.ATTENUATION, codes.HOUNSFIELD_UNIT, codes.MEAN),
    (codes.ATTENUATION, codes.HOUNSFIELD_UNIT, codes.STANDARD_DEVIATION),
    (codes.SUV_BODY_WEIGHT_VALUE, codes.SUV_BODY_WEIGHT, codes.PEAK),
    (codes.SPHERICITY, codes.NO_UNITS, None),
)
words = (
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Co", "Cn")),
        min_size=1,
        max_size=60,
    )
    .map(str.strip)
    .filter(bool)
)
values = st.floats(-1e6, 1e6, allow_nan=False, width=64)
coordinates = st.tuples(*[st.floats(-2000, 2000, width=32)] * 3)
uids = st.integers(1, 2**100).map(lambda number: InstanceUID(f"2.25.{number}"))


@st.composite
def measurements(draw):
    concept, unit, derivation = draw(st.sampled_from(MEASURED))
    return Measurement(
        concept=concept,
        value=draw(values),
        unit=unit,
        derivation=derivation,
        method=draw(st.sampled_from((None, codes.VOXEL_SUM))),
        slice_index=draw(st.none() | st.integers(0, 5)),
        points_lps_mm=tuple(draw(st.lists(coordinates, min_size=1, max_size=2)))
        if draw(st.booleans())
        else (),
        uncertainty=draw(st.none() | st.floats(0.0, 1e4)),
        rule=draw(st.none() | words),
    )


@st.composite
def findings(draw):
    site = draw(
        st.sampled_from((None, codes.sct("39607008", "Lung"), codes.sct("64033007", "Kidney")))
    )
    prompt = draw(st.just("") | words)
    return Finding(
        tracking_id=draw(words),
        tracking_uid=draw(uids),
        concept=draw(st.none() | words),
        code=draw(st.sampled_from((codes.LESION, codes.MORPHOLOGICALLY_ABNORMAL))),
        provenance=Provenance(
            engine=draw(words),
            version=draw(words),
            algorithm_type=draw(st.sampled_from(AlgorithmType)),
            weights_sha256=draw(st.none() | st.text("0123456789abcdef", min_size=64, max_size=64)),
            prompt=prompt,
            directed_by=draw(st.none() | words),
        ),
        evidence=Evidence(
            segment_number=1,
            key_slice_index=draw(st.integers(0, 5)),
            key_instance_uid=draw(st.none() | uids),
            key_frame_number=draw(st.none() | st.integers(1, 9)),
        ),
        site=site,
        side=draw(st.sampled_from((None, "left", "right", "both"))),
        measurements=tuple(draw(st.lists(measurements(), max_size=4))),
        is_proposal=draw(st.booleans()),
        warnings=tuple(draw(st.lists(words, max_size=2))),
        statistics=tuple(
            draw(
                st.lists(
                    st.builds(
                        Statistic, name=words, value=values, unit=st.just(codes.HOUNSFIELD_UNIT)
                    ),
                    max_size=2,
                )
            )
        ),
        absent=tuple(draw(st.lists(words, max_size=2))),
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A way to an SR that was stored and read again."""
    on = grid(shape=(6, 24, 24))
    ball = ellipsoid(on, (4.0, 6.0, 6.0))
    files = series(tmp_path_factory.mktemp("images"), ct(on, ball))
    seg = SegWriter(UIDS).build(
        load_series(files), [(segment(ball), None, "Finding 1", UIDS.new_uid())], files
    )
    author = SrAuthor(
        manufacturer="radcopilot", model_name="radcopilot", version="1", device_uid=UIDS.new_uid()
    )
    source = headers(files)

    def write(found):
        kept = BytesIO()
        sr = measurement_report(found, seg, source, author, UIDS)
        sr.save_as(kept, enforce_file_format=True)
        kept.seek(0)
        return pydicom.dcmread(kept), seg.SOPInstanceUID

    return write


@given(st.lists(findings(), min_size=1, max_size=3))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_findings_to_a_report_and_back_are_the_same(written, found):
    report, seg_uid = written(found)
    placed = tuple(
        replace(each, evidence=replace(each.evidence, segmentation_instance_uid=seg_uid))
        for each in found
    )
    again = findings_of(report)
    assert again == placed
    for one, other in zip(again, placed, strict=True):
        assert one.code.meaning == other.code.meaning
        assert one.site is None or one.site.meaning == other.site.meaning
        for this, that in zip(one.measurements, other.measurements, strict=True):
            assert (this.concept.meaning, this.unit.meaning) == (
                that.concept.meaning,
                that.unit.meaning,
            )


def test_a_report_of_another_tool_is_refused_whole(shared_data):
    report = pydicom.dcmread(shared_data / "zoo" / "dcmqi_tid1500" / "sr.dcm")
    with pytest.raises(UnreadableFileError, match="by another tool"):
        findings_of(report)

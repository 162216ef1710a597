import json
from dataclasses import replace

import pytest

from copilot.analysis import Marked
from copilot.printing import _mask, printed_measurements
from copilot.retelling import findings_of
from domain.errors import InputError
from reporting.findings import Tracking, measured
from reporting.language import language
from reporting.wording import described, summarised
from tests.phantoms import UIDS, ct, ellipsoid, grid, segment
from tests.reporting.made import TABLE


@pytest.fixture(scope="module", params=["lung lesion", None])
def marked(request):
    mask = ellipsoid(grid(), (6.0, 8.0, 5.0))
    part = segment(mask, concept=request.param, side="left" if request.param else None)
    concept = TABLE.find(request.param) if request.param else None
    tracking = Tracking(tracking_id="Finding 1", tracking_uid=UIDS.new_uid(), segment_number=1)
    made = measured(ct(grid(), mask), part, concept, tracking)
    return Marked(segment=part, concept=concept, finding=made, picture=b"")


def document(marked):
    printed = {"masks": [_mask(marked)], "measurements": printed_measurements(marked.finding)}
    return json.loads(json.dumps(printed))


def test_a_stored_finding_is_worded_as_it_was_in_every_language(marked):
    (again,) = findings_of(document(marked), TABLE)
    printed = [replace(each, method=None) for each in marked.finding.measurements]
    assert list(again.measurements) == printed  # the method is not printed
    assert (again.code, again.site, again.side) == (
        marked.finding.code, marked.finding.site, marked.finding.side,
    )  # fmt: skip
    assert again.provenance == marked.finding.provenance
    for code in ("en", "de"):
        for say in (described, summarised):
            assert say(again, language(code))[0] == say(marked.finding, language(code))[0]


def test_a_result_that_cannot_be_read_back_is_named(marked):
    broken = document(marked)
    del broken["masks"][0]["tracking_uid"]
    with pytest.raises(InputError, match="tracking_uid"):
        findings_of(broken, TABLE)
    strange = document(marked)
    strange["measurements"][0]["name"] = "weight"
    with pytest.raises(InputError, match="'weight' that is not known"):
        findings_of(strange, TABLE)

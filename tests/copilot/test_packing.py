"""What is packed for a destination: made once, the same again; and what replacing leads to."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from sqlalchemy import create_engine

from copilot.audit import SqlAuditLog
from copilot.concepts import load_concepts
from copilot.results import Results, State, result_of, why_it_stays
from copilot.system import NamedUids, SystemClock
from copilot.twins import calipers_of
from copilot.workflows.packing import Destination, Packed, Packer
from domain.errors import InputError
from tests.phantoms import ellipsoid, grid
from tests.twins import Made, result

EVERYTHING = ("seg", "sr", "secondary_capture", "pdf", "rtstruct", "gsps")
FILES = [
    "seg.dcm",
    "objects/capture_1.dcm",
    "objects/pdf.dcm",
    "objects/rtstruct.dcm",
    "objects/gsps.dcm",
    "sr.dcm",
]


@dataclass
class Shelf:
    """An archive of one series, which can be thrown away."""

    files: tuple[Path, ...]

    def instance_paths(self, _series: str) -> tuple[Path, ...]:
        return self.files

    def series_of(self, _study: str) -> tuple[str, ...]:
        return ()


class Site:
    """Results over a database, and what is packed of them."""

    def __init__(self, folder: Path, **destinations: Destination) -> None:
        engine = create_engine(f"sqlite:///{folder / 'site.db'}")
        self.results = Results(engine, SqlAuditLog(engine, SystemClock()), folder / "results")
        self.shelf = Shelf(())
        self.packer = Packer(
            results=self.results,
            archive=self.shelf,
            concepts=load_concepts(),
            destinations=destinations,
        )

    def add(self, identity: str, made: Made, **document: Any) -> str:
        """Keep a phantom's result, waiting for a yes."""
        folder = self.results.root / identity
        folder.mkdir(parents=True)
        for name in ("seg.dcm", "sr.dcm"):
            shutil.copy(made.folder / name, folder / name)
        for number, picture in enumerate(made.pictures, start=1):
            (folder / f"outline_{number}.png").write_bytes(picture.png)
        (folder / "draft.md").write_text("# Draft\n\n- Läsion\n")
        self.shelf.files = made.files
        masks = [{"concept": "lung lesion", "side": "left"} for _ in made.origin.masks]
        content = {"command": {"action": "segment"}, "masks": masks, "measurements": []}
        series = str(made.origin.headers[0].SeriesInstanceUID)
        kept = result_of(identity, SystemClock().now(), series, content | document)
        self.results.add(kept, "tester")
        return identity

    def names(self, identity: str, destination: str = "PACS", number: int = 1) -> list[str]:
        packed = self.packer.pack(identity, destination, number)
        folder = self.results.root / identity
        return [str(path.relative_to(folder)) for path in packed.files]


@pytest.fixture
def made(tmp_path):
    return result(tmp_path / "made")


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}


def test_a_destination_gets_what_its_table_says_in_files_that_are_whole(tmp_path, made):
    site = Site(tmp_path, PACS=Destination(objects=EVERYTHING))
    identity = site.add("a" * 32, made)
    assert site.names(identity) == FILES
    folder = site.results.root / identity
    uids = {pydicom.dcmread(folder / name).SOPInstanceUID for name in FILES}
    assert len(uids) == len(FILES)


def test_made_again_after_a_crash_it_is_the_same_to_the_last_byte(tmp_path, made):
    site = Site(tmp_path, PACS=Destination(objects=(*EVERYTHING[1:], "labelmap")))
    identity = site.add("a" * 32, made)
    site.names(identity)
    folder = site.results.root / identity / "objects"
    before = content(folder)
    shutil.rmtree(folder)
    site.names(identity)
    assert content(folder) == before


def test_what_was_listed_stays_whatever_the_settings_say_until_a_new_round(tmp_path, made):
    site = Site(tmp_path, PACS=Destination())
    identity = site.add("a" * 32, made)
    assert site.names(identity) == ["seg.dcm", "sr.dcm"]
    changed = Site(tmp_path, PACS=Destination(objects=("pdf",)))
    changed.shelf.files = made.files
    assert changed.names(identity) == ["seg.dcm", "sr.dcm"]
    assert changed.names(identity, number=2) == ["objects/pdf.dcm"]


def test_a_label_map_takes_the_place_of_the_seg_in_the_sr_too(tmp_path, made):
    site = Site(tmp_path, WEB=Destination(objects=("sr", "labelmap")))
    identity = site.add("a" * 32, made)
    labels, report = (
        pydicom.dcmread(site.results.root / identity / name) for name in site.names(identity, "WEB")
    )
    text = str(report)
    assert labels.SOPInstanceUID in text
    assert labels.SeriesInstanceUID in text
    assert made.origin.segmentation.SOPInstanceUID not in text
    assert report.SOPInstanceUID != made.report.SOPInstanceUID


def test_where_segments_overlap_the_binary_seg_goes_and_it_is_said(tmp_path):
    on = grid(shape=(9, 26, 44))
    balls = [ellipsoid(on, (6.0, 5.0, 5.0), np.array([4.0, 13.0, x])) for x in (20.0, 24.0)]
    made = result(tmp_path / "made", balls, spacing_mm=(2.0, 1.0, 1.0), turn_deg=(0.0, 0.0, 0.0))
    site = Site(tmp_path, WEB=Destination(objects=("labelmap", "sr")))
    identity = site.add("a" * 32, made)
    assert site.names(identity, "WEB") == ["seg.dcm", "sr.dcm"]
    packed = site.packer.packed(identity, "WEB", 1)
    assert "segment 2 shares" in packed.says("2 objects stored")
    assert "the binary SEG was sent" in packed.says("2 objects stored")


def test_images_that_are_gone_leave_what_needs_them_out_and_it_is_said(tmp_path, made):
    site = Site(tmp_path, PACS=Destination(objects=EVERYTHING), PDF=Destination(objects=("pdf",)))
    identity = site.add("a" * 32, made)
    site.shelf.files = ()
    assert site.names(identity) == ["seg.dcm", "sr.dcm"]
    words = site.packer.packed(identity, "PACS", 1).says("2 objects stored")
    assert words.count("the images are not stored here any more") == 4
    with pytest.raises(InputError, match="nothing for PDF can be made"):
        site.packer.pack(identity, "PDF", 1)


def test_a_library_that_breaks_down_leaves_that_object_out_alone(tmp_path, made):
    site = Site(tmp_path, PACS=Destination(objects=("seg", "secondary_capture")))
    identity = site.add("a" * 32, made)
    (site.results.root / identity / "outline_1.png").write_bytes(b"no picture")
    assert site.names(identity) == ["seg.dcm"]
    assert "no secondary_capture: it could not be made" in site.packer.packed(
        identity, "PACS", 1
    ).says("")


def test_without_a_list_it_is_seg_and_sr_as_before_there_were_lists(tmp_path, made):
    site = Site(tmp_path)
    identity = site.add("a" * 32, made)
    files = site.packer.packed(identity, "PACS", 1).files
    assert [path.name for path in files] == ["seg.dcm", "sr.dcm"]


def test_lengths_are_drawn_on_the_slice_where_they_lie(made):
    on = made.origin.volume.grid
    ends = on.to_lps_mm([[3.0, 4.0, 5.0], [3.0, 8.0, 9.0]]).tolist()
    across = on.to_lps_mm([[3.0, 4.0, 5.0], [5.0, 8.0, 9.0]]).tolist()
    entry = {"code": {"meaning": "Long Axis"}, "value": 23.44, "unit": "mm", "slice": 7}
    (found,) = calipers_of(
        [
            entry | {"points_lps_mm": ends},
            entry | {"points_lps_mm": across},
            entry,
        ],
        on,
    )
    assert found.slice_index == 3, "where the points are, whatever was its number then"
    assert found.text == "Long Axis 23.4 mm"


def accepted(site, identity):
    return site.results.accept(identity, "tester")


@pytest.fixture
def chain(tmp_path, made):
    """Three results, each a correction of the one before, and two destinations."""
    site = Site(
        tmp_path, PACS=Destination(retract=True), WEB=Destination(objects=("labelmap", "sr"))
    )
    first = site.add("a" * 32, made)
    second = site.add("b" * 32, result(tmp_path / "second"), corrects=first)
    third = site.add("c" * 32, result(tmp_path / "third"), corrects=second)
    return site, first, second, third


def same_series(site, *identities):
    """Say that results are of one series, as corrections are."""
    for identity in identities:
        with site.results._engine.begin() as connection:
            connection.exec_driver_sql(
                "update commands set series_instance_uid = '1.2.3' where id = ?", (identity,)
            )


def rejected(site, identity, number=1):
    names = site.names(identity, number=number)
    notes = [name for name in names if "rejected" in name]
    if not notes:
        return None
    note = pydicom.dcmread(site.results.root / identity / notes[0])
    return {
        item.ReferencedSOPInstanceUID
        for study in note.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }


def uids_of(site, identity, *names):
    folder = site.results.root / identity
    return {pydicom.dcmread(folder / name).SOPInstanceUID for name in names}


def test_what_a_destination_took_is_rejected_there_and_the_report_names_its_predecessor(chain):
    site, first, second, _ = chain
    same_series(site, first, second)
    accepted(site, first)
    packed = site.packer.pack(first, "PACS", 1)
    site.packer.received(first, "PACS", packed)
    replaced_by = accepted(site, second)
    assert replaced_by.document["replaces"] == first
    assert site.results.get(first).state is State.REPLACED
    assert site.results.get(first).document["replaced_by"] == second
    assert rejected(site, second) == uids_of(site, first, "seg.dcm", "sr.dcm")
    report = pydicom.dcmread(site.results.root / second / "objects" / "sr.dcm")
    assert uids_of(site, first, "sr.dcm").pop() in str(report.PredecessorDocumentsSequence)


def test_what_it_took_in_an_earlier_round_is_rejected_too(chain):
    site, first, second, _ = chain
    same_series(site, first, second)
    accepted(site, first)
    site.packer.received(first, "PACS", site.packer.pack(first, "PACS", 1))
    folder = site.results.root / first
    site.packer.received(first, "PACS", Packed(files=(folder / "sr.dcm",)))
    accepted(site, second)
    assert rejected(site, second) == uids_of(site, first, "seg.dcm", "sr.dcm")


def test_what_a_destination_never_had_is_not_rejected_there(chain):
    site, first, second, _ = chain
    same_series(site, first, second)
    accepted(site, first)
    accepted(site, second)
    assert rejected(site, second) is None


def test_what_was_never_withdrawn_on_the_way_is_withdrawn_by_the_last(chain):
    site, first, second, third = chain
    same_series(site, first, second, third)
    accepted(site, first)
    site.packer.received(first, "PACS", site.packer.pack(first, "PACS", 1))
    accepted(site, second)
    accepted(site, third)
    assert rejected(site, third) == uids_of(site, first, "seg.dcm", "sr.dcm")


def test_a_report_of_label_maps_names_the_predecessor_of_its_own_kind(chain):
    site, first, second, _ = chain
    same_series(site, first, second)
    accepted(site, first)
    site.names(first, "WEB")
    accepted(site, second)
    names = site.names(second, "WEB")
    report = pydicom.dcmread(site.results.root / second / names[-1])
    earlier = uids_of(site, first, "objects/sr_of_labelmap.dcm").pop()
    assert earlier in str(report.PredecessorDocumentsSequence)


def test_a_second_yes_changes_nothing(chain):
    site, first, second, _ = chain
    same_series(site, first, second)
    accepted(site, first)
    accepted(site, second)
    with pytest.raises(InputError, match="cannot become accepted"):
        accepted(site, second)
    with pytest.raises(InputError, match="is replaced"):
        accepted(site, first)


def document(**mask):
    return {"masks": [{"concept": "liver", "side": None} | mask], "command": {}}


@pytest.mark.parametrize(
    ("earlier", "later", "series", "says"),
    [
        (document(), document(), "1.2", ""),
        (document(), document(concept=None), "1.2", ""),
        (document(), document(concept="spleen"), "1.2", "is of the liver, this one of the spleen"),
        (
            document(side="left"),
            document(side="right"),
            "1.2",
            "of the left, this one of the right",
        ),
        (document(), document(), "1.3", "another series"),
        (
            {"masks": document()["masks"] * 2, "command": {}},
            document(),
            "1.2",
            "holds 2 masks and this one 1",
        ),
    ],
)
def test_a_mask_that_nobody_corrected_is_never_replaced(earlier, later, series, says):
    now = SystemClock().now()
    reason = why_it_stays(result_of("a", now, "1.2", earlier), result_of("b", now, series, later))
    assert (says in reason) if says else reason == ""


def test_why_a_result_stays_is_kept_with_the_other(tmp_path, made):
    site = Site(tmp_path)
    first = site.add("a" * 32, made)
    second = site.add("b" * 32, made, corrects=first, masks=[{"concept": "liver"}])
    made_of_it = accepted(site, second)
    assert "replaces" not in made_of_it.document
    assert "this one of the liver" in made_of_it.document["earlier_stays"]
    assert site.results.get(first).state is State.WAITING


def test_what_a_command_began_with_outlives_whoever_finishes_it(tmp_path, made):
    site = Site(tmp_path)
    first = site.add("a" * 32, made)
    began = site.results.get(first)
    running = type(began)(
        id="b" * 32,
        at=began.at,
        series_instance_uid=began.series_instance_uid,
        state=State.RUNNING,
        document={"command": {"action": "segment"}, "masks": [], "corrects": first},
    )
    site.results.add(running, "tester")
    finished = json.loads(json.dumps({"command": {"action": "segment"}, "masks": [{}]}))
    site.results.finish(
        result_of(running.id, SystemClock().now(), running.series_instance_uid, finished)
    )
    assert site.results.get(running.id).document["corrects"] == first


@pytest.mark.parametrize("root", ["", "1.2.840.99999.1"])
def test_uids_follow_from_what_is_made_of_what(root):
    def three(*names):
        source = NamedUids(root, *names)
        return [source.new_uid() for _ in range(3)]

    assert three("1.2", "pdf") == three("1.2", "pdf")
    assert len({*three("1.2", "pdf"), *three("1.2", "gsps"), *three("1.3", "pdf")}) == 9
    assert all(len(uid) <= 64 and uid.startswith(root or "2.25.") for uid in three("1.2"))

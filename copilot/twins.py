"""The objects made beside a result's SEG and SR, each when a destination asks for it."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset

from copilot.picturing import shown_window
from copilot.reports.signatures import (
    report_file,
    signed_name,
    signed_report_in,
    verifications_in,
)
from copilot.results import Result
from copilot.system import NamedUids
from dicom_node.captures import KeyPicture, secondary_captures
from dicom_node.documents import amended, encapsulated_pdf, rejection_note
from dicom_node.files import headers, read_dataset, write_dataset
from dicom_node.labelmap import label_map
from dicom_node.rtstruct import structure_set
from dicom_node.seg_reader import read_segmentation
from dicom_node.softcopy import Caliper, presentation_state
from dicom_node.twins import Origin
from dicom_node.volumes import load_series
from domain.concepts import ConceptTable
from domain.errors import CannotDoError
from domain.grid import Grid
from domain.ports import Archive, no_progress
from domain.uids import SeriesUID
from domain.volume import Mask
from reporting.pdf import Picture, draft_pdf
from reporting.sr_signing import Verification, verified
from reporting.volumetry import largest_slice

FOLDER: Final = "objects"
SEG: Final = "seg.dcm"
SR: Final = "sr.dcm"
LABEL_MAP: Final = "labelmap.dcm"
_SR_OF_LABEL_MAP: Final = "sr_of_labelmap.dcm"
_TITLE: Final = "Report draft"
_SIGNED_TITLE: Final = "Report"
_ENDS: Final = 2
_SAME_SLICE: Final = 0.1


class Workshop:
    """Makes objects of one result into its folder; what is there is left as it is.

    Parameters
    ----------
    predecessor
        Folder of the result that this one replaces.
    """

    def __init__(
        self,
        *,
        result: Result,
        folder: Path,
        archive: Archive,
        concepts: ConceptTable,
        uid_root: str,
        predecessor: Path | None,
    ) -> None:
        self.result = result
        self._folder = folder
        self._archive = archive
        self._concepts = concepts
        self._uid_root = uid_root
        self._predecessor = predecessor

    def make(self, kind: str, *, has_label_map: bool) -> list[str]:
        """Make a kind of object and return its files, by their names in the result's folder.

        Parameters
        ----------
        has_label_map
            Whether the label map goes in the place of the SEG, and the SR is to refer to that.

        Raises
        ------
        CannotDoError, InputError
            If it cannot be made of this result, saying why.
        """
        if kind == "secondary_capture":
            return self._captures()
        makers: Mapping[str, Callable[[], str]] = {
            "seg": lambda: SEG,
            "sr": lambda: self._report(has_label_map=has_label_map),
            "labelmap": lambda: self._kept(
                LABEL_MAP, lambda: label_map(self._origin, self._uids(kind))
            ),
            "rtstruct": lambda: self._kept(
                "rtstruct.dcm", lambda: structure_set(self._origin, self._uids(kind))
            ),
            "gsps": lambda: self._kept("gsps.dcm", self._presentation),
            "pdf": self._document,
        }
        return [makers[kind]()]

    def rejection(self, earlier: Sequence[Path], name: str) -> str:
        """Make a note that rejects earlier objects, and return its file's name."""
        uids = self._uids(name)
        return self._kept(name, lambda: rejection_note(headers(earlier), self._segmentation, uids))

    def _report(self, *, has_label_map: bool) -> str:
        draft = self._draft_report(has_label_map=has_label_map)
        signed = verifications_in(self._folder / FOLDER)
        if not signed:
            return draft
        before = draft
        for version, verification in signed.items():
            name = signed_name(version, draft)
            before = self._kept(name, partial(self._verified, draft, before, verification, name))
        return before

    def _verified(self, draft: str, before: str, verification: Verification, name: str) -> Dataset:
        report, predecessor = headers([self._folder / draft, self._folder / before])
        another = amended(report, self._uids(name), predecessor=predecessor)
        return verified(another, verification)

    def _draft_report(self, *, has_label_map: bool) -> str:
        if self._predecessor is None and not has_label_map:
            return SR
        name = _SR_OF_LABEL_MAP if has_label_map else SR
        return self._kept(name, partial(self._amended, name, has_label_map=has_label_map))

    def _amended(self, name: str, *, has_label_map: bool) -> Dataset:
        instead = None
        if has_label_map:
            seg, other = headers([self._folder / SEG, self._folder / FOLDER / LABEL_MAP])
            instead = (seg, other)
        return amended(
            read_dataset(self._folder / SR, with_pixels=False),
            self._uids(name),
            predecessor=self._earlier_report(name),
            instead=instead,
        )

    def _earlier_report(self, name: str) -> Dataset | None:
        """Return the SR of the earlier result, in the form that the same destinations got."""
        if self._predecessor is None:
            return None
        found = (self._predecessor / FOLDER / name, self._predecessor / FOLDER / SR)
        path = next((each for each in found if each.is_file()), self._predecessor / SR)
        return read_dataset(path, with_pixels=False)

    def _presentation(self) -> Dataset:
        phrase = self.result.document["masks"][0].get("concept")
        concept = self._concepts.find(phrase) if phrase else None
        return presentation_state(
            self._origin,
            self._uids("gsps"),
            calipers=calipers_of(self.result.document["measurements"], self._origin.volume.grid),
            window=shown_window(self._origin.volume.modality, concept),
        )

    def _document(self) -> str:
        """Return the draft as PDF; once the report is signed, that: one result carries it."""
        version = signed_report_in(self._folder / FOLDER)
        if version is None:
            return self._kept("pdf.dcm", self._pdf)
        return self._kept(signed_name(version, "pdf.dcm"), partial(self._signed_pdf, version))

    def _signed_pdf(self, version: int) -> Dataset:
        content = report_file(self._folder / FOLDER, version).read_bytes()
        uids = self._uids(signed_name(version, "pdf"))
        return encapsulated_pdf(self._origin, content, uids, _SIGNED_TITLE, is_verified=True)

    def _pdf(self) -> Dataset:
        draft = self._folder / "draft.md"
        if not draft.is_file():
            raise CannotDoError("no draft was kept with this result")
        pictures = [Picture(png=each.png, caption=each.title) for each in self._pictures]
        pdf = draft_pdf(draft.read_text(encoding="utf-8"), pictures, _TITLE)
        return encapsulated_pdf(self._origin, pdf, self._uids("pdf"), _TITLE)

    def _captures(self) -> list[str]:
        names = [f"capture_{number}.dcm" for number in range(1, len(self._origin.masks) + 1)]
        if not all((self._folder / FOLDER / name).is_file() for name in names):
            uids = self._uids("secondary_capture")
            made = secondary_captures(self._origin, self._pictures, uids)
            for name, dataset in zip(names, made, strict=True):
                write_dataset(dataset, self._folder / FOLDER / name)
        return [f"{FOLDER}/{name}" for name in names]

    @cached_property
    def _pictures(self) -> list[KeyPicture]:
        """Pictures of the findings, each with its slice among the images as they are now."""
        found = []
        for number, mask in enumerate(self._origin.masks, start=1):
            path = self._folder / f"outline_{number}.png"
            if not path.is_file():
                raise CannotDoError(f"the picture of finding {number} was not kept")
            label = self._segmentation.SegmentSequence[number - 1]
            title = f"{label.get('TrackingID', f'Finding {number}')}, {label.SegmentLabel}"
            found.append(
                KeyPicture(png=path.read_bytes(), slice_index=largest_slice(mask), title=title)
            )
        return found

    @cached_property
    def _segmentation(self) -> Dataset:
        return read_dataset(self._folder / SEG, with_pixels=False)

    @cached_property
    def _origin(self) -> Origin:
        """The SEG laid on its images, read again."""
        files = self._archive.instance_paths(SeriesUID(self.result.series_instance_uid))
        if not files:
            raise CannotDoError("the images are not stored here any more")
        volume = load_series(files, no_progress)
        by_number = {
            each.number: each.mask
            for each in read_segmentation(self._folder / SEG, volume.grid).segments
        }
        empty = Mask(voxels=np.zeros(volume.grid.shape, dtype=np.bool_), grid=volume.grid)
        assert volume.source is not None
        by_uid = {str(each.SOPInstanceUID): each for each in headers(files)}
        wanted = dict.fromkeys(frame.sop_instance_uid for frame in volume.source.frames)
        return Origin(
            segmentation=self._segmentation,
            masks=tuple(
                by_number.get(int(item.SegmentNumber), empty)
                for item in self._segmentation.SegmentSequence
            ),
            volume=volume,
            headers=tuple(by_uid[uid] for uid in wanted),
        )

    def _uids(self, kind: str) -> NamedUids:
        return NamedUids(self._uid_root, str(self._segmentation.SOPInstanceUID), kind)

    def _kept(self, name: str, make: Callable[[], Dataset]) -> str:
        path = self._folder / FOLDER / name
        if not path.is_file():
            write_dataset(make(), path)
        return f"{FOLDER}/{name}"


def calipers_of(measurements: Sequence[dict[str, Any]], grid: Grid) -> tuple[Caliper, ...]:
    """Return the lengths of a result's document that lie on one slice each."""
    if grid.is_time:
        return ()
    found = []
    for each in measurements:
        ends = [tuple(point) for point in each.get("points_lps_mm", ())]
        if len(ends) != _ENDS or "slice" not in each:
            continue
        along = grid.to_index(np.array(ends))[:, 0]
        slice_index = round(float(along[0]))
        if np.abs(along - slice_index).max() > _SAME_SLICE:
            continue
        words = f"{each['code']['meaning']} {each['value']:.1f} {each['unit']}"
        found.append(Caliper(ends_lps_mm=(ends[0], ends[1]), slice_index=slice_index, text=words))
    return tuple(found)

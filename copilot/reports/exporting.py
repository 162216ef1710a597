"""A report of the server in a format that hospitals read, with the pictures of its findings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from copilot.exporting import enclosed_of
from copilot.picturing import picture_of
from copilot.reports.kept import KeptFindings
from copilot.reports.lifecycle import Lifecycle
from copilot.results import Result, Results
from copilot.twins import SEG, SR
from dicom_node.files import headers
from dicom_node.seg_reader import read_segmentation
from domain.concepts import ConceptTable
from domain.errors import RadcopilotError
from domain.measurement import Finding
from domain.ports import Clock
from domain.report import Report
from domain.uids import InstanceUID, SeriesUID, StudyUID
from domain.volume import Volume
from reporting.exports.enclosed import Envelope
from reporting.exports.formats import Format, format_called

_WITH_PICTURES: Final = frozenset({"html", "pdf"})

VolumeOf = Callable[[SeriesUID], Volume]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file of a report."""

    content: bytes
    media_type: str
    name: str


class Exports:
    """Makes files of reports as they stand, or as they were signed.

    Parameters
    ----------
    volume_of
        Reads the images of a series.
    """

    def __init__(
        self,
        *,
        lifecycle: Lifecycle,
        results: Results,
        kept: KeptFindings,
        concepts: ConceptTable,
        volume_of: VolumeOf,
        clock: Clock,
    ) -> None:
        self._lifecycle = lifecycle
        self._results = results
        self._kept = kept
        self._concepts = concepts
        self._volume_of = volume_of
        self._clock = clock

    def export(self, study: StudyUID, name: str, version: int | None) -> Exported:
        """Return a report in a format; a draft says so on each page.

        Raises
        ------
        InputError
            If there is no such format or version, or something of it has no name there.
        """
        form = format_called(name)
        report, told = self._lifecycle.exported(study, version)
        results = [self._results.get(identity) for identity in told]
        series = {SeriesUID(each.series_instance_uid) for each in results}
        enclosed = enclosed_of(
            report,
            pictures=self._pictures(report, results) if form.name in _WITH_PICTURES else {},
            series_instance_uid=next(iter(series)) if len(series) == 1 else None,
            objects=[each for result in results for each in self._objects(result)],
            envelope=Envelope(at=self._clock.now()),
        )
        return Exported(
            content=form.make(report, enclosed),
            media_type=form.media_type,
            name=_file_name(report, form),
        )

    def _objects(self, result: Result) -> Iterator[Dataset]:
        folder = self._results.root / result.id
        yield from headers([path for name in (SEG, SR) if (path := folder / name).is_file()])

    def _pictures(self, report: Report, results: Sequence[Result]) -> dict[InstanceUID, bytes]:
        """Return pictures by tracking UID; one that cannot be made is left out.

        Those that are kept say DRAFT: for a signed report they are drawn again.
        """
        told = {each.tracking_uid for each in report.findings}
        found: dict[InstanceUID, bytes] = {}
        for result in results:
            for finding in self._kept.of(result):
                if finding.tracking_uid not in told:
                    continue
                picture = self._picture(result, finding, is_draft=not report.status.is_final)
                if picture:
                    found[finding.tracking_uid] = picture
        return found

    def _picture(self, result: Result, finding: Finding, *, is_draft: bool) -> bytes:
        folder = self._results.root / result.id
        number = finding.evidence.segment_number
        kept = folder / f"outline_{number}.png"
        if is_draft:
            return kept.read_bytes() if kept.is_file() else b""
        try:
            return self._drawn(folder / SEG, SeriesUID(result.series_instance_uid), finding)
        except RadcopilotError:  # the images are gone, or others than then
            return b""

    def _drawn(self, seg: Path, series: SeriesUID, finding: Finding) -> bytes:
        volume = self._volume_of(series)
        number = finding.evidence.segment_number
        found = read_segmentation(seg, volume.grid)
        mask = next(each.mask for each in found.segments if each.number == number)
        concept = self._concepts.find(finding.concept) if finding.concept else None
        return picture_of(volume, mask, concept, finding, is_draft=False)


def _file_name(report: Report, form: Format) -> str:
    """Return a name without a patient in it."""
    standing = f"v{report.version}" if report.status.is_final else "draft"
    return f"report-{standing}.{form.ending}"

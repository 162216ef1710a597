"""Reports in the formats that hospitals read: of a command, and of any report that is kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from copilot.analysis import Analysis
from copilot.system import SystemClock
from dicom_node.equipment import device_uid
from dicom_node.files import write_whole
from domain.report import Report, Section
from domain.uids import InstanceUID, SeriesUID, SopClassUID
from reporting.exports.enclosed import Enclosed, Envelope, StoredObject
from reporting.exports.formats import format_called

_TITLES: Final = ("technique", "comparison", "findings", "impression")


def report_of(analysis: Analysis) -> Report | None:
    """Return what a command led to as a report, a draft; None where it led to no sentence."""
    if analysis.draft is None or analysis.volume is None or analysis.volume.source is None:
        return None
    return Report(
        study_instance_uid=analysis.volume.source.study_instance_uid,
        context=analysis.draft.context,
        sections=tuple(
            Section(name=name, title=name.capitalize(), statements=getattr(analysis.draft, name))
            for name in _TITLES
        ),
        findings=tuple(marked.finding for marked in analysis.marked),
    )


def enclosed_of(
    report: Report,
    *,
    pictures: Mapping[InstanceUID, bytes] | None = None,
    series_instance_uid: SeriesUID | None = None,
    objects: Sequence[Dataset] = (),
    envelope: Envelope | None = None,
) -> Enclosed:
    """Return what is exported beside a report, with the Device UIDs of its engines.

    Parameters
    ----------
    pictures
        PNG of outlines by tracking UID.
    objects
        SEG and SR of its findings.
    """
    return Enclosed(
        pictures=pictures or {},
        series_instance_uid=series_instance_uid,
        objects=tuple(_stored(each) for each in objects),
        devices={each.provenance: device_uid(each.provenance) for each in report.findings},
        envelope=envelope or Envelope(),
    )


def write_exports(analysis: Analysis, folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Write a command's report in these formats, and return the files by format.

    None where there is no draft.

    Raises
    ------
    InputError
        If a format is not known, or a code has no name in it.
    """
    formats = [format_called(name) for name in dict.fromkeys(names)]
    report = report_of(analysis)
    if report is None:
        return {}
    assert analysis.volume is not None
    assert analysis.volume.source is not None
    enclosed = enclosed_of(
        report,
        pictures={
            each.finding.tracking_uid: each.picture for each in analysis.marked if each.picture
        },
        series_instance_uid=analysis.volume.source.series_instance_uid,
        objects=[each for each in (analysis.segmentation, analysis.report) if each is not None],
        envelope=Envelope(at=SystemClock().now()),
    )
    written = {}
    for each in formats:
        path = folder.resolve() / f"report.{each.ending}"
        write_whole(path, each.make(report, enclosed))
        written[each.name] = path
    return written


def _stored(dataset: Dataset) -> StoredObject:
    return StoredObject(
        modality=str(dataset.Modality),
        series_instance_uid=SeriesUID(str(dataset.SeriesInstanceUID)),
        sop_class_uid=SopClassUID(str(dataset.SOPClassUID)),
        sop_instance_uid=InstanceUID(str(dataset.SOPInstanceUID)),
    )

"""A report of an earlier study from its file: text, PDF, or a structured report."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from dicom_node.files import read_dataset
from dicom_node.sr_reader import (
    FINDING,
    LATERALITIES,
    LONG_AXES,
    SHORT_AXES,
    SITES,
    TRACKING_ID,
    TRACKING_UID,
    VOLUMES,
    MeasurementReport,
    ReportedItem,
    ReportedLesion,
    is_measurement_report,
    read_report,
    text_items,
)
from domain.codes import Code
from domain.concepts import ConceptTable
from domain.errors import InputError, UnreadableFileError
from domain.reading import Presence, Quantity, Quote, ReadFinding, ReadReport, When
from reporting.reading.pages import pages_of
from reporting.reading.parser import Part, read_parts, read_text

_PDF: Final = b"%PDF-"
_PREAMBLE: Final = 128
_LARGEST_BYTES: Final = 64 * 1024 * 1024
_DOCUMENT_TITLES: Final = {"impressions": "impression", "conclusions": "conclusion"}


def read_prior_report(
    path: Path, table: ConceptTable, *, language: str | None = None
) -> ReadReport:
    """Return what a report says.

    Parameters
    ----------
    language
        "en" or "de", of a text; told by its words where left out.

    Raises
    ------
    InputError
        For a file that is not there, too large or empty, or a language that is not read.
    UnreadableFileError
        For a PDF without a text layer, a DICOM object that is no report, or bytes that are no text.
    """
    content = _content(path)
    if content.startswith(_PDF):
        return _of_pdf(content, path.name, table, language)
    if content[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
        return _of_dicom(path, table, language)
    return read_text(_decoded(content, path.name), table, language=language)


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InputError(f"{path.name} is larger than 64 MB: give the report alone")
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): give a report's file"
        ) from error


def _decoded(content: bytes, name: str) -> str:
    if b"\0" in content:
        raise UnreadableFileError(
            f"{name} is no text, PDF or DICOM report: export it as one of these"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _of_pdf(content: bytes, name: str, table: ConceptTable, language: str | None) -> ReadReport:
    pages = pages_of(content, name)
    parts = [Part(text=text, page=number) for number, text in enumerate(pages, start=1)]
    empty = [str(part.page) for part in parts if not part.text.strip()]
    report = read_parts(parts, table, kind="pdf", language=language)
    if not empty:
        return report
    note = f"no text on page {', '.join(empty)}: what stands there was not read"
    return replace(report, notes=(note,))


def _of_dicom(path: Path, table: ConceptTable, language: str | None) -> ReadReport:
    header = read_dataset(path, with_pixels=True)
    document = header.get("EncapsulatedDocument")
    if document and bytes(document).startswith(_PDF):
        return _of_pdf(bytes(document), path.name, table, language)
    if not is_measurement_report(header):
        raise UnreadableFileError(
            f"{path.name} is a DICOM object and no report: give a structured report, or a PDF"
        )
    texts = text_items(path)
    try:
        return _of_groups(read_report(path), table)
    except UnreadableFileError:
        if not texts:
            raise
    parts = [Part(text=each.says, item=each.path, heading=_heading(each)) for each in texts]
    return read_parts(parts, table, kind="sr", language=language)


def _heading(item: ReportedItem) -> str:
    """Return under which heading a text stands: its own name, or that of its container."""
    name = item.name.lower()
    own = _DOCUMENT_TITLES.get(name, name)
    under = _DOCUMENT_TITLES.get(item.under.lower(), item.under)
    return own if own in {"impression", "conclusion", "history", "indication"} else under


def _of_groups(report: MeasurementReport, table: ConceptTable) -> ReadReport:
    return ReadReport(
        kind="sr",
        findings=tuple(_finding(each, table) for each in report.lesions),
        made_by=report.made_by,
        notes=tuple(
            f"{each.tracking_id or 'a group'}: {item.name} {item.says} was not taken: its unit"
            " is not known, or it is no size"
            for each in report.lesions
            for concepts, value in (
                (VOLUMES, each.volume_ml),
                (LONG_AXES, each.long_axis_mm),
                (SHORT_AXES, each.short_axis_mm),
            )
            if value is None and (item := each.item(*concepts)) is not None
        ),
    )


def _finding(lesion: ReportedLesion, table: ConceptTable) -> ReadFinding:
    concept = _concept(lesion.finding, lesion.site, table)
    organ = _organ(lesion.site, table)
    found = lesion.item(FINDING)
    first = found or (lesion.items[0] if lesion.items else None)
    return ReadFinding(
        noun=lesion.finding.meaning if lesion.finding else lesion.tracking_id,
        presence=Presence.PRESENT,
        section="measurements",
        quote=_quote(first) if first else Quote(text=""),
        concept=concept,
        site=lesion.site.meaning if lesion.site else None,
        organ=organ,
        side=lesion.side,
        quantities=tuple(_quantities(lesion)),
        qualities=tuple(_qualities(lesion)),
        tracking_id=lesion.tracking_id or None,
        tracking_uid=lesion.tracking_uid,
    )


def _quantities(lesion: ReportedLesion) -> Iterator[Quantity]:
    volume = lesion.item(*VOLUMES)
    if lesion.volume_ml is not None and volume is not None:
        yield _quantity("ml", lesion.volume_ml, volume)
    for value, concepts in (
        (lesion.long_axis_mm, LONG_AXES),
        (lesion.short_axis_mm, SHORT_AXES),
    ):
        item = lesion.item(*concepts)
        if value is not None and item is not None:
            yield _quantity("mm", value, item)


def _quantity(unit: str, value: float, item: ReportedItem) -> Quantity:
    return Quantity(unit=unit, values=(value,), when=When.NOW, quote=_quote(item))


def _qualities(lesion: ReportedLesion) -> Iterator[tuple[str, str]]:
    """Yield the codes, texts and numbers of a lesion that no field holds."""
    told = {FINDING, TRACKING_ID, TRACKING_UID, *SITES, *LATERALITIES}
    told |= {*VOLUMES, *LONG_AXES, *SHORT_AXES}
    depth = min((each.path.count(".") for each in lesion.items), default=0)
    for item in lesion.items:
        is_its_own = item.path.count(".") == depth
        if is_its_own and (item.concept, item.concept_scheme) not in told and item.name:
            yield item.name, item.says


def _quote(item: ReportedItem) -> Quote:
    return Quote(text=f"{item.name}: {item.says}", item=item.path)


def _concept(finding: Code | None, site: Code | None, table: ConceptTable) -> str | None:
    """Return the concept of a code: the one of its site where the table has one."""
    if finding is None:
        return None
    same = [each for each in table.concepts if _is(each.code, finding)]
    of_site = [each for each in same if each.site and site and _is(each.site, site)]
    general = [each for each in same if each.site is None]
    chosen = of_site or general
    return chosen[0].phrase if len(chosen) == 1 else None


def _organ(site: Code | None, table: ConceptTable) -> str | None:
    if site is None:
        return None
    same = [each for each in table.concepts if each.site is None and _is(each.code, site)]
    return same[0].phrase if len(same) == 1 else None


def _is(one: Code, other: Code) -> bool:
    return (one.value, one.scheme) == (other.value, other.scheme)

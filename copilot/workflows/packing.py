"""What of a result goes to a destination: chosen and made once, written down, and never otherwise.

The list is a file beside the objects, one for each destination and round. A process that dies
between making and sending finds both, and what it makes again is the same to the last byte.
"""

import json
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from copilot.reports.signatures import signed_name, signed_report_in, verifications_in
from copilot.results import Result, Results, State
from copilot.twins import FOLDER, LABEL_MAP, SEG, SR, Workshop
from dicom_node.files import write_whole
from domain.concepts import ConceptTable
from domain.errors import InputError, RadcopilotError, StorageError
from domain.ports import Archive

log: Final = logging.getLogger(__name__)

OBJECTS: Final = (SEG, SR)
_REJECTED: Final = "rejected_"


@dataclass(frozen=True, kw_only=True)
class Destination:
    """What a destination gets, and whether it is told of what was replaced."""

    objects: tuple[str, ...] = ("seg", "sr")
    retract: bool = False


@dataclass(frozen=True, kw_only=True)
class Packed:
    """Files for a destination, and what could not be made for it."""

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()

    def says(self, words: str) -> str:
        """Return words on these files, with what is missing."""
        return "; ".join((words, *self.notes))


@dataclass(kw_only=True)
class _Parcel:
    names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Packer:
    """Makes what destinations ask for."""

    def __init__(
        self,
        *,
        results: Results,
        archive: Archive,
        concepts: ConceptTable,
        destinations: Mapping[str, Destination],
        uid_root: str = "",
    ) -> None:
        self._results = results
        self._archive = archive
        self._concepts = concepts
        self._destinations = destinations
        self._uid_root = uid_root

    def pack(self, result_id: str, destination: str, number: int) -> Packed:
        """Make what a destination asks for, and write down what goes there in this round.

        Raises
        ------
        InputError
            If nothing of it can be made.
        StorageError
            If it cannot be written.
        """
        listed = self._list(result_id, destination, number)
        if not listed.is_file():
            wanted = self._destinations.get(destination, Destination())
            parcel = self._parcel(self._results.get(result_id), destination, wanted)
            if not parcel.names:
                raise InputError(
                    f"nothing for {destination} can be made ({'; '.join(parcel.notes)}): change "
                    "its objects in [[peers]] and begin the delivery again"
                )
            content = json.dumps({"files": parcel.names, "notes": parcel.notes})
            write_whole(listed, content.encode())
        return self.packed(result_id, destination, number)

    def packed(self, result_id: str, destination: str, number: int) -> Packed:
        """Return what goes to a destination; SEG and SR where nothing was written down."""
        folder = self._results.folder(result_id)
        listed = self._list(result_id, destination, number)
        if not listed.is_file():
            return Packed(files=tuple(folder / name for name in OBJECTS))
        content = json.loads(listed.read_text())
        return Packed(
            files=tuple(folder / name for name in content["files"]),
            notes=tuple(content["notes"]),
        )

    def received(self, result_id: str, destination: str, packed: Packed) -> None:
        """Write down that a destination took files, besides those of earlier rounds."""
        folder = self._results.folder(result_id)
        receipt = self._receipt(result_id, destination)
        before = json.loads(receipt.read_text()) if receipt.is_file() else []
        names = dict.fromkeys((*before, *(str(path.relative_to(folder)) for path in packed.files)))
        write_whole(receipt, json.dumps(list(names)).encode())

    def is_behind(self, result_id: str, destination: str) -> bool:
        """Tell whether a destination has a report that was signed, or signed again, since."""
        wanted = self._destinations.get(destination, Destination())
        verified = self._verified(result_id)
        receipt = self._receipt(result_id, destination)
        is_signed = {"sr", "pdf"} & set(wanted.objects)
        if not verified or not is_signed or not receipt.is_file():
            return False
        newest = signed_name(max(verified), "")
        names = json.loads(receipt.read_text())
        return not any(Path(name).name.startswith(newest) for name in names)

    def _verified(self, result_id: str) -> Mapping[int, object]:
        return verifications_in(self._results.folder(result_id) / FOLDER)

    def _list(self, result_id: str, destination: str, number: int) -> Path:
        name = f"for_{quote(destination, safe='')}_{number}.json"
        return self._results.folder(result_id) / FOLDER / name

    def _receipt(self, result_id: str, destination: str) -> Path:
        name = f"received_{quote(destination, safe='')}.json"
        return self._results.folder(result_id) / FOLDER / name

    def _parcel(self, result: Result, destination: str, wanted: Destination) -> _Parcel:
        chain = list(self._replaced(result))
        workshop = Workshop(
            result=result,
            folder=self._results.folder(result.id),
            archive=self._archive,
            concepts=self._concepts,
            uid_root=self._uid_root,
            predecessor=self._results.folder(chain[0].id) if chain else None,
        )
        parcel = _Parcel()
        receipt = self._receipt(result.id, destination)
        is_there = receipt.is_file()
        taken = json.loads(receipt.read_text()) if is_there else []
        objects: Iterable[str] = sorted(  # the SR last: it names what holds the mask
            wanted.objects, key=lambda each: each == "sr"
        )
        folder = self._results.folder(result.id) / FOLDER
        if verified := self._verified(result.id):
            # one result of a report carries its PDF; what a destination has goes again as signed
            gone = set() if signed_report_in(folder) == max(verified) else {"pdf"}
            again = [each for each in objects if each in {"sr", "pdf"} and each not in gone]
            once = [each for each in objects if each not in gone]
            objects = again if is_there else once or objects
        for kind in objects:
            self._add(parcel, workshop, kind, taken)
        if wanted.retract and parcel.names and not is_there:
            earlier = [path for each in chain for path in self._taken(each, destination)]
            if earlier:
                name = f"{_REJECTED}{quote(destination, safe='')}.dcm"
                parcel.names.append(workshop.rejection(earlier, name))
        return parcel

    def _add(self, parcel: _Parcel, workshop: Workshop, kind: str, taken: Collection[str]) -> None:
        label_map = f"{FOLDER}/{LABEL_MAP}"
        try:
            parcel.names += workshop.make(
                kind, has_label_map=label_map in parcel.names or label_map in taken
            )
        except StorageError:
            raise
        except RadcopilotError as error:
            parcel.notes.append(f"no {kind}: {error}")
        except Exception as error:  # headers are anyone's, and libraries raise what they like
            log.exception("object.not_made result=%s kind=%s", workshop.result.id, kind)
            parcel.notes.append(f"no {kind}: it could not be made ({type(error).__name__})")
        else:
            return
        if kind == "labelmap":
            parcel.names += workshop.make("seg", has_label_map=False)
            parcel.notes[-1] += ", and so the binary SEG was sent"

    def _replaced(self, result: Result) -> Iterator[Result]:
        """Yield what a result replaces, and what that replaced, the latest first."""
        while "replaces" in result.document:
            earlier = self._results.get(result.document["replaces"])
            if earlier.state is not State.REPLACED:
                return
            yield earlier
            result = earlier

    def _taken(self, result: Result, destination: str) -> list[Path]:
        """Return what a destination took of an earlier result, unless it was told to drop it."""
        receipt = self._receipt(result.id, destination)
        if not receipt.is_file():
            return []
        folder = self._results.folder(result.id)
        names = json.loads(receipt.read_text())
        return [folder / name for name in names if not Path(name).name.startswith(_REJECTED)]

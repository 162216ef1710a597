"""What is asked of a DICOMweb peer: QIDO-RS and WADO-RS in place of C-FIND and C-GET."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pydicom
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset
from requests import Response, Session

from dicom_node.dicomweb.multipart import parts_of
from dicom_node.dicomweb.refusal import RequestRefusedError
from dicom_node.files import PARSE_ERRORS
from dicom_node.queries import RETURNED, Level
from dicom_node.receiving import Keep
from dicom_node.stow import StowPeer
from domain.errors import PeerRefusedError
from domain.uids import InstanceUID, SeriesUID, StudyUID

_AS_STORED: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_PAGE: Final = 1000


class WebSource(StowPeer):
    """A DICOMweb peer that is asked and retrieved from; nothing is transcoded on the way."""

    def find(
        self, level: Level, wanted: Mapping[str, str], most: int | None = None
    ) -> Iterator[Dataset]:
        """Yield what the peer finds, by keywords and their values.

        Raises
        ------
        PeerUnreachableError, PeerRefusedError
        """
        wanted = dict(wanted)
        study = wanted.pop("StudyInstanceUID", None) if level is not Level.STUDY else None
        series = wanted.pop("SeriesInstanceUID", None) if level is Level.IMAGE else None
        yielded = 0
        with self._client() as client:
            while most is None or yielded < most:
                size = _PAGE if most is None else min(_PAGE, most - yielded)
                page = self._page(client, level, (study, series), wanted, (size, yielded))
                for each in page:
                    yield self._dataset(each)
                yielded += len(page)
                if len(page) < size:
                    return

    def get(
        self,
        study: StudyUID,
        series: SeriesUID,
        sop_classes: Sequence[str],  # noqa: ARG002 - C-GET must name them, WADO-RS need not
        keep: Keep,
        instances: Sequence[InstanceUID] = (),
    ) -> int:
        """Retrieve a series, or some of its instances, as they are stored; return how many.

        Raises
        ------
        StorageError
            If one cannot be kept; what came before it is.
        PeerUnreachableError, PeerRefusedError
        """
        within = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
        uids = instances or [
            InstanceUID(str(each.SOPInstanceUID)) for each in self.find(Level.IMAGE, within)
        ]
        with self._session() as session:
            for uid in uids:
                place = f"studies/{study}/series/{series}/instances/{uid}"
                keep(uid, self._retrieved(session, f"{self._peer.url}/{place}", uid))
        return len(uids)

    def _page(
        self,
        client: DICOMwebClient,
        level: Level,
        place: tuple[str | None, str | None],
        wanted: Mapping[str, str],
        page: tuple[int, int],
    ) -> list[dict[str, dict[str, Any]]]:
        study, series = place
        asked: dict[str, Any] = {
            "search_filters": dict(wanted),
            "fields": list(RETURNED[level]),
            "limit": page[0],
            "offset": page[1],
        }
        match level:
            case Level.STUDY | Level.PATIENT:
                return self._asked("a search", lambda: client.search_for_studies(**asked))
            case Level.SERIES:
                return self._asked("a search", lambda: client.search_for_series(study, **asked))
            case Level.IMAGE:
                return self._asked(
                    "a search", lambda: client.search_for_instances(study, series, **asked)
                )

    def _dataset(self, found: dict[str, dict[str, Any]]) -> Dataset:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # odd values are judged where they are used
                return Dataset.from_json(found)
        except PARSE_ERRORS as error:
            name = self._peer.name
            raise PeerRefusedError(
                f"{name} answers a search with what is no DICOM JSON: look at its QIDO-RS"
            ) from error

    def _retrieved(self, session: Session, url: str, uid: InstanceUID) -> bytes:
        """Return the file of one instance."""
        name = self._peer.name
        answer = self._asked("WADO-RS", lambda: self._got(session, url))
        boundary = _BOUNDARY.search(answer.headers.get("Content-Type", ""))
        body = answer.content
        try:
            parts = parts_of(body, boundary.group(1) if boundary else "")
        except RequestRefusedError as error:
            raise PeerRefusedError(
                f"{name} answers WADO-RS of {uid} with a body that is not framed: {error}"
            ) from error
        content = body[parts[0].start : parts[0].stop]
        if len(parts) != 1 or _named(content) != uid:
            raise PeerRefusedError(f"{name} answers WADO-RS of {uid} with something else")
        return content

    def _got(self, session: Session, url: str) -> Response:
        timeout = (self._peer.connect_timeout_s, self._peer.answer_timeout_s)
        answer = session.get(url, headers={"Accept": _AS_STORED}, timeout=timeout)
        answer.raise_for_status()
        return answer


def _named(content: bytes) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True).SOPInstanceUID)
    except (*PARSE_ERRORS, OSError):
        return ""

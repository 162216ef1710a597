"""The place of orders that are carried out on another host than the images: over HTTP.

Images come by DICOMweb, results go back as files with their document; the node alone writes down
what became of an order, so that two hands on one order make one result.
"""

import json
import logging
import shutil
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx

from copilot.hints import EarlierMask, Hints
from copilot.workflows.orders import Order
from copilot.workflows.reception import content_digest
from dicom_node.files import write_whole
from dicom_node.queries import Level
from dicom_node.stow import WebPeer
from dicom_node.wado import WebSource
from domain.errors import InputError, PeerRefusedError, PeerUnreachableError
from domain.uids import InstanceUID, SeriesUID, StudyUID, checked_uid

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class NodeOverHttp:
    """Where the node's web API is, and what is shown to it.

    Attributes
    ----------
    token
        Shown as a bearer token; empty on the node's own machine.
    ca
        File of who signed its certificate; empty: the system's list.
    """

    url: str
    token: str = field(default="", repr=False)
    ca: str = ""
    timeout_s: float = 60.0


class Elsewhere:
    """The ``Place`` of a node on another host.

    Parameters
    ----------
    cache
        Folder for series that were fetched; its oldest go where it grows beyond ``cache_bytes``.
    """

    def __init__(self, node: NodeOverHttp, cache: Path, cache_bytes: int) -> None:
        ca = Path(node.ca) if node.ca else None
        self._images = WebSource(
            WebPeer(
                name="the node",
                url=f"{node.url}/dicom-web",
                token=node.token,
                ca=ca,
                answer_timeout_s=node.timeout_s,
            )
        )
        self._http = httpx.Client(
            base_url=node.url,
            headers={"Authorization": f"Bearer {node.token}"} if node.token else {},
            verify=ssl.create_default_context(cafile=ca) if ca else True,
            timeout=node.timeout_s,
        )
        self._cache = cache
        self._cache_bytes = cache_bytes

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def is_running(self, identity: str) -> bool:
        """Tell whether an order still waits for what it comes to."""
        return bool(self._asked("GET", f"/api/orders/{identity}").json()["state"] == "running")

    @contextmanager
    def files(self, series: SeriesUID) -> Iterator[tuple[Path, ...]]:
        """Hold the files of a series ready, fetched unless they are in the cache.

        Raises
        ------
        InputError
            If it is not stored.
        PeerUnreachableError
            If the node does not answer.
        """
        yield self._fetched(series)

    def hints(self, hints: Hints) -> Hints:
        """Return hints whose earlier mask was fetched: the node's path names its result."""
        if hints.mask is None:
            return hints
        result, name = hints.mask.seg.parts[-2:]
        seg = self._cache / f"mask-{result}" / name
        if not seg.is_file():
            write_whole(seg, self._asked("GET", f"/api/commands/{result}/{name}").content)
        return replace(hints, mask=EarlierMask(seg=seg, segment=hints.mask.segment))

    @contextmanager
    def folder(self, identity: str) -> Iterator[Path]:
        """Hold a folder of this host ready, gone afterwards."""
        with tempfile.TemporaryDirectory(prefix=f"{identity}.") as folder:
            yield Path(folder)

    def finish(self, order: Order, document: dict[str, Any], folder: Path) -> None:
        """Hand over what an order came to; the node keeps it unless another was first."""
        with ExitStack() as stack:
            files = [
                ("files", (path.name, stack.enter_context(path.open("rb"))))
                for path in sorted(folder.iterdir())
            ]
            self._asked(
                "POST",
                f"/api/orders/{order.identity}",
                data={"document": json.dumps(document)},
                files=files or None,
            )

    def fail(self, order: Order, reason: str) -> None:
        """Tell the node that an order came to nothing."""
        self._asked("POST", f"/api/orders/{order.identity}/failure", json={"reason": reason})

    def _fetched(self, series: SeriesUID) -> tuple[Path, ...]:
        found = next(self._images.find(Level.SERIES, {"SeriesInstanceUID": series}, most=1), None)
        if found is None:
            raise InputError(f"series {series} is not stored on the node: send it there first")
        study = StudyUID(str(found.StudyInstanceUID))
        within = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
        uids = [
            InstanceUID(str(each.SOPInstanceUID)) for each in self._images.find(Level.IMAGE, within)
        ]
        folder = self._cache / content_digest(uids)
        if not folder.is_dir():
            self._fetch(study, series, uids, folder)
        folder.touch()
        return tuple(sorted(folder.iterdir()))

    def _fetch(
        self, study: StudyUID, series: SeriesUID, uids: Sequence[InstanceUID], folder: Path
    ) -> None:
        """Fetch a series aside, and rename it once it is whole."""
        self._cache.mkdir(parents=True, exist_ok=True)
        self._make_room()
        aside = Path(tempfile.mkdtemp(prefix="part.", dir=self._cache))

        def keep(uid: InstanceUID, content: bytes) -> bool:
            return bool(
                (aside / f"{checked_uid(uid, 'SOP Instance UID')}.dcm").write_bytes(content)
            )

        try:
            self._images.get(study, series, (), keep, uids)
            aside.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another hand was first
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _make_room(self) -> None:
        folders = sorted(self._cache.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True)
        used = 0
        for folder in folders:
            used += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            if used > self._cache_bytes:
                shutil.rmtree(folder, ignore_errors=True)

    def _asked(self, method: str, path: str, **body: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        try:
            answer = self._http.request(method, path, **body)
        except httpx.HTTPError as error:
            raise PeerUnreachableError(
                f"the node at {self._http.base_url} does not answer ({type(error).__name__}): see "
                "[work] node_url"
            ) from error
        if answer.is_success:
            return answer
        said = f"the node answered {answer.status_code} to {method} {path}: {answer.text[:200]}"
        if answer.is_server_error:
            raise PeerUnreachableError(said)
        raise PeerRefusedError(said)

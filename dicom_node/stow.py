"""What we ask of a DICOMweb destination: store (STOW-RS) and search (QIDO-RS)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar

from dicomweb_client import DICOMwebClient
from dicomweb_client.session_utils import create_session
from pydicom.dataset import Dataset
from requests import HTTPError, RequestException, Response, Session

from dicom_node.files import headers, read_dataset
from domain.errors import InputError, PeerError, PeerRefusedError, PeerUnreachableError
from domain.ports import PublishReceipt
from domain.uids import InstanceUID

_MOST_WORDS: Final = 200
_INSTANCE: Final = "00080018"
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_NOT_OFFERED: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
_FAILED: Final = {  # PS3.18 table I.2-2
    0xA700: "out of resources",
    0xA900: "data set does not match its SOP class",
    0xC000: "it cannot understand the object",
    0x0110: "processing failure",
    0x0122: "SOP class not supported",
    0x0124: "not authorized",
    0x0272: "referenced transfer syntax not supported",
    0xC122: "transfer syntax not supported",
}
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class WebPeer:
    """A DICOMweb destination.

    Attributes
    ----------
    token
        Shown as a bearer token; else user and password are shown where given.
    ca
        File of who signed its certificate; None for the usual list.
    """

    name: str
    url: str
    token: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    connect_timeout_s: float = 10.0
    answer_timeout_s: float = 60.0


class StowPeer:
    """A destination we send to by HTTP; the ``Publisher`` port."""

    def __init__(self, peer: WebPeer) -> None:
        self._peer = peer

    def echo(self) -> str:
        """Verify the connection with a search that asks for one study, and say what came of it.

        Raises
        ------
        PeerUnreachableError, PeerRefusedError
        """
        with self._client() as client:
            try:
                self._asked("a search", lambda: client.search_for_studies(limit=1))
            except _NotOfferedError as error:
                if error.status in {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}:
                    return f"answers at {self._peer.url}, no search: deliveries stay unconfirmed"
                raise  # no right to ask, or no DICOMweb at this URL
        return f"answers at {self._peer.url}"

    def store(self, files: Sequence[Path]) -> tuple[InstanceUID, ...]:
        """Send files in one request (STOW-RS) and return their UIDs.

        Raises
        ------
        PeerUnreachableError, PeerRefusedError
            Naming the first object that was refused, and why; others may have been stored.
        """
        datasets = [read_dataset(path, with_pixels=True) for path in files]
        with self._client() as client:
            answer = self._asked("STOW-RS", lambda: client.store_instances(datasets))
        self._check_failures(answer)
        return tuple(InstanceUID(str(each.SOPInstanceUID)) for each in datasets)

    def publish(self, files: Sequence[Path]) -> PublishReceipt:
        """Store files, then ask whether they are kept."""
        return PublishReceipt(stored=self.store(files), committed=self.confirm(files))

    def confirm(self, files: Sequence[Path]) -> tuple[InstanceUID, ...] | None:
        """Return what the peer finds of the files (QIDO-RS); None where it offers no search.

        Raises
        ------
        PeerUnreachableError, PeerRefusedError
            If it lacks one of the files, naming it.
        """
        kept: list[InstanceUID] = []
        with self._client() as client:
            for header in headers(files):
                uid = InstanceUID(str(header.SOPInstanceUID))
                has_it = self._has(client, header)
                if has_it is None:
                    return None
                if not has_it:
                    raise PeerRefusedError(
                        f"{self._peer.name} answered success and does not find {uid} now: look "
                        "into its queue of failed imports"
                    )
                kept.append(uid)
        return tuple(kept)

    def _has(self, client: DICOMwebClient, header: Dataset) -> bool | None:
        study, series = str(header.StudyInstanceUID), str(header.SeriesInstanceUID)
        wanted = {"SOPInstanceUID": str(header.SOPInstanceUID)}
        try:
            found = self._asked(
                "a search",
                lambda: client.search_for_instances(study, series, search_filters=wanted),
            )
        except _NotOfferedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                return None
            return False if self._searches(client) else None  # some say 404 for "none"
        return any(_first(each, _INSTANCE) == header.SOPInstanceUID for each in found)

    def _searches(self, client: DICOMwebClient) -> bool:
        try:
            self._asked("a search", lambda: client.search_for_studies(limit=1))
        except _NotOfferedError:
            return False
        return True

    def _check_failures(self, answer: Dataset) -> None:
        for item in answer.get("FailedSOPSequence") or ():
            reason = int(item.get("FailureReason") or 0)
            said = f" ({_FAILED[reason]})" if reason in _FAILED else ""
            raise PeerRefusedError(
                f"{self._peer.name} did not store {item.get('ReferencedSOPInstanceUID')}: failure "
                f"reason 0x{reason:04X}{said}"
            )

    def _asked(self, what: str, ask: Callable[[], _T]) -> _T:
        try:
            return ask()
        except HTTPError as error:
            response = error.response if error.response is not None else Response()
            raise self._refusal(what, response) from error
        except RequestException as error:
            raise PeerUnreachableError(
                f"{self._peer.name} at {self._peer.url} does not answer {what} "
                f"({type(error).__name__}): check the URL, its certificate (ca) and the firewall"
            ) from error

    def _refusal(self, what: str, response: Response) -> PeerError:
        """Return what an HTTP status means: 5xx may pass, what is wrong with us does not."""
        status = response.status_code
        said = " ".join(response.text[:_MOST_WORDS].split()) or response.reason
        words = f"{self._peer.name} answered {what} with HTTP {status}: {said}"
        if status in _NOT_OFFERED and what != "STOW-RS":
            return _NotOfferedError(words, status)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
            return PeerUnreachableError(words)
        if status == HTTPStatus.CONFLICT:  # nothing was stored: its body says why
            try:
                self._check_failures(Dataset.from_json(response.json()))
            except PeerRefusedError as error:
                return error
            except (ValueError, TypeError, KeyError, AttributeError):
                return PeerRefusedError(words)
        return PeerRefusedError(words)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """Yield what shows the peer who we are."""
        peer = self._peer
        with create_session() as session:
            session.trust_env = False  # no proxy and no password file of the environment
            session.verify = str(peer.ca) if peer.ca else True
            if peer.token:
                session.headers["Authorization"] = f"Bearer {peer.token}"
            elif peer.user:
                session.auth = (peer.user, peer.password)
            yield session

    @contextmanager
    def _client(self) -> Iterator[DICOMwebClient]:
        peer = self._peer
        with self._session() as session:
            session.hooks["response"].append(_plain_type)
            try:
                client = DICOMwebClient(
                    peer.url,
                    session=session,
                    timeout=(peer.connect_timeout_s, peer.answer_timeout_s),
                )
            except (TypeError, ValueError) as error:
                raise InputError(f"{peer.url} is no URL of a DICOMweb service: {error}") from error
            client.set_http_retry_params(retry=False)  # the outbox does that
            yield client


class _NotOfferedError(PeerRefusedError):
    """A question that is not answered, with its HTTP status."""

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.status = status


def _plain_type(response: Response, *_: object, **__: object) -> None:
    """Take parameters off the media type, behind which the client does not know it."""
    kind = response.headers.get("Content-Type", "")
    response.headers["Content-Type"] = kind.split(";")[0].strip()


def _first(found: dict[str, Any], tag: str) -> str:
    values = found.get(tag, {}).get("Value") or [""]
    return str(values[0])

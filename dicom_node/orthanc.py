"""Orthanc's own REST interface, where DICOM has no word for it: fetching one instance as stored."""

from typing import Final

import httpx
from pyorthanc import Orthanc

from domain.errors import PeerRefusedError, PeerUnreachableError
from domain.uids import InstanceUID

_TIMEOUT_S: Final = 30.0


class OrthancRest:
    """A client of one Orthanc."""

    def __init__(self, url: str, username: str | None = None, password: str | None = None) -> None:
        self._url = url
        self._client = Orthanc(
            url, username=username, password=password, timeout=_TIMEOUT_S, trust_env=False
        )

    def instance(self, uid: InstanceUID) -> bytes:
        """Return the DICOM file of an instance as the archive holds it.

        Raises
        ------
        PeerUnreachableError
            If Orthanc does not answer.
        PeerRefusedError
            If it holds no such instance.
        """
        try:
            query = {"Level": "Instance", "Query": {"SOPInstanceUID": uid}}
            found = self._client.post_tools_find(query)
            if not isinstance(found, list) or not found:
                raise PeerRefusedError(f"the archive at {self._url} holds no instance {uid}")
            content = self._client.get_instances_id_file(str(found[0]))
        except httpx.HTTPError as error:
            raise PeerUnreachableError(
                f"Orthanc at {self._url} does not answer: {error}"
            ) from error
        assert isinstance(content, bytes)
        return content

"""What results hold, read from their measurement reports; each is read once."""

from functools import lru_cache
from pathlib import Path
from typing import Final

from copilot.results import Result, Results
from copilot.retelling import findings_of as retold
from copilot.twins import SR
from dicom_node.files import read_dataset
from domain.concepts import ConceptTable
from domain.errors import UnreadableFileError
from domain.measurement import Finding
from reporting.sr_findings import findings_of

_MOST: Final = 512


class KeptFindings:
    """Findings of results; a result's files never change."""

    def __init__(self, results: Results, concepts: ConceptTable) -> None:
        self._results = results
        self._concepts = concepts
        self._read = lru_cache(maxsize=_MOST)(_read)

    def of(self, result: Result) -> tuple[Finding, ...]:
        """Return what a result holds, in the order of its masks.

        Of a result whose SR is gone, or was written by an earlier version, what its row says.

        Raises
        ------
        InputError
            If that lacks what a finding needs.
        """
        try:
            return self._read(self._results.root / result.id / SR)
        except UnreadableFileError:
            return retold(result.document, self._concepts)

    def called(self, identity: str) -> tuple[Finding, ...]:
        """Return what a result of this id holds.

        Raises
        ------
        InputError
            If there is no such result.
        """
        return self.of(self._results.get(identity))


def _read(path: Path) -> tuple[Finding, ...]:
    return findings_of(read_dataset(path, with_pixels=False))

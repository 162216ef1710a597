"""The store as the workflows see it: by study and series, without what we made ourselves."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from copilot.workflows.book import Counts
from copilot.workflows.reception import Arrived
from dicom_node.store import Store
from domain.uids import InstanceUID, SeriesUID, StudyUID


class StoreShelf:
    """Every answer holds all that was kept before it was asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def files_of(self, study: StudyUID) -> Mapping[SeriesUID, Mapping[InstanceUID, Path]]:
        """Return the files of a study by series and instance, those we made too."""
        self._store.settle()
        found: dict[SeriesUID, dict[InstanceUID, Path]] = defaultdict(dict)
        for each in self._store.index.kept(study):
            found[each.series_instance_uid][each.sop_instance_uid] = each.path
        return found

    def series(self, study: StudyUID) -> Mapping[SeriesUID, Arrived]:
        """Return the series of a study, without those we made."""
        files = self.files_of(study)
        return {
            series.series_instance_uid: Arrived(
                modality=series.modality, instances=tuple(files[series.series_instance_uid])
            )
            for found in self._store.index.studies(study)
            for series in found.series
            if not series.made_by_us
        }

    def last_arrival_s(self, series: SeriesUID) -> float:
        """Return when the last instance of a series came, in seconds since 1970."""
        return self._store.last_arrival_s(series)

    def counts(self) -> Mapping[StudyUID, Counts]:
        """Return every study with the instances of its series, without those we made."""
        self._store.settle()
        return {
            study.study_instance_uid: counts
            for study in self._store.index.studies()
            if (
                counts := {
                    series.series_instance_uid: series.instances
                    for series in study.series
                    if not series.made_by_us
                }
            )
        }
